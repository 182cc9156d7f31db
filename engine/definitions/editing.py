"""Change what a YAML file says, and nothing else in it: comments, order, quotes and spaces that are not edited stay byte for byte.

The text is not loaded and written again. What differs between what it says and what it shall say is cut out and put in
at its place, as the reader of definitions sees it (decision 6).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

import yaml

from engine.definitions.base import Loc
from engine.definitions.yaml_reader import read_yaml
from engine.definitions.yaml_writing import as_block, as_flow, key_text
from engine.errors import EngineError

try:
    from yaml import CLoader as _Loader
except ImportError:  # PyYAML built without libyaml: slower, the same nodes
    from yaml import Loader as _Loader  # type: ignore[assignment]  # as in yaml_reader

# A list or mapping that is new is written on one line where it ends before this column.
WIDTH = 120
# Put `text` in place of what stands from the first to the second index.
_Splice = tuple[int, int, str]


class CannotEdit(EngineError):
    """The file is written in a way that cannot be edited line by line: aliases, several documents, or no YAML at all."""


def rewritten(text: str, data: Any, *, file: str = "the file") -> str:
    """The text with what it says changed to `data`; only the lines that differ are touched. CannotEdit, never half an edit.

    >>> print(rewritten("members:\\n  - 12  # Lotus\\n  - 17\\n", {"members": [12, 17, 23]}), end="")
    members:
      - 12  # Lotus
      - 17
      - 23
    """
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix(mark)
    before = read_yaml(file, body.encode("utf-8", "surrogatepass"))
    if before.problems or body.count("\r\n") not in (0, body.count("\n")):
        raise _refused(file)
    ending = "\r\n" if "\r\n" in body else "\n"
    plain = body.replace("\r\n", "\n")
    made = _Splicing(plain, file).to(before.data, data).replace("\n", ending)
    after = read_yaml(file, made.encode("utf-8", "surrogatepass"))
    if after.problems or not same(after.data, data):
        raise _refused(file)
    return mark + made


def with_value(text: str, loc: Loc, value: Any, *, file: str = "the file") -> str:
    """The text with `value` at loc, whatever stood there; the last part of loc may be a new key."""
    return rewritten(text, _put(_data(text, file), loc, value), file=file)


def with_items(text: str, loc: Loc, items: Sequence[Any], *, file: str = "the file") -> str:
    """The text with more items at the end of the list at loc."""
    data = _data(text, file)
    return rewritten(text, _put(data, loc, [*_at(data, loc), *items]), file=file)


def without(text: str, loc: Loc, *, file: str = "the file") -> str:
    """The text without the key or the item at loc."""
    data = _data(text, file)
    above = _at(data, loc[:-1])
    if isinstance(above, dict):
        left: Any = {key: value for key, value in above.items() if key != loc[-1]}
    else:
        left = [value for place, value in enumerate(above) if place != loc[-1]]
    return rewritten(text, _put(data, loc[:-1], left), file=file)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same in YAML: 1, 1.0, "1" and true are four."""
    return _canonical(one) == _canonical(other)


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def _data(text: str, file: str) -> Any:
    document = read_yaml(file, text.removeprefix("\ufeff").encode("utf-8", "surrogatepass"))
    if document.problems:
        raise _refused(file)
    return document.data


def _at(data: Any, loc: Loc) -> Any:
    for part in loc:
        data = data[part]
    return data


def _put(data: Any, loc: Loc, value: Any) -> Any:
    """The data with another value at one place; what is beside it is shared."""
    if not loc:
        return value
    if isinstance(data, list):
        copied: Any = list(data)
        copied[loc[0]] = _put(data[loc[0]], loc[1:], value)  # type: ignore[index]  # a place in a list is a number
    else:
        copied = dict(data)
        copied[loc[0]] = _put(data.get(loc[0]), loc[1:], value)
    return copied


def _refused(file: str) -> CannotEdit:
    return CannotEdit(
        f"{file} cannot be edited by a command as it is written",
        help="edit it by hand; a command leaves alone aliases (`*name`), mixed line ends, and a comment in a list or mapping that would be empty",
    )


class _Splicing:
    """Finds what to cut out and put in, over the nodes of one text."""

    def __init__(self, text: str, file: str) -> None:
        self.text, self.file = text, file
        self.splices: list[_Splice] = []

    def to(self, before: Any, after: Any) -> str:
        if same(before, after):
            return self.text
        try:
            node = yaml.compose(self.text, Loader=_Loader)
        except yaml.YAMLError:
            raise _refused(self.file) from None
        if node is None or not self._is_tree(node):
            raise _refused(self.file)
        self._change(node, before, after, 0, False)
        made = self.text
        for start, end, new in sorted(self.splices, key=lambda splice: splice[:2], reverse=True):
            made = made[:start] + new + made[end:]
        return made

    def _is_tree(self, root: yaml.Node) -> bool:
        """Whether no node stands at two places: what an alias repeats is not edited at one of them."""
        seen: set[int] = set()
        pending = [root]
        while pending:
            node = pending.pop()
            if id(node) in seen:
                return False
            seen.add(id(node))
            pending += [child for pair in _children(node) for child in pair]
        return True

    def _change(self, node: yaml.Node, before: Any, after: Any, column: int, flow: bool) -> None:
        """Make the node say `after`. `column` is where a block inside it begins; inside brackets (`flow`) there is none."""
        if same(before, after):
            return
        if isinstance(node, yaml.MappingNode) and isinstance(after, dict) and after and before:
            self._mapping(node, before, after)
        elif isinstance(node, yaml.SequenceNode) and isinstance(after, list) and after and before:
            self._sequence(node, before, after)
        else:
            self._replace(node, after, column, flow)

    # --- mappings ------------------------------------------------------------------------------------------------

    def _mapping(self, node: yaml.MappingNode, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        entries = [(str(key.value), key, value) for key, value in node.value]
        if not any(name in after for name, _, _ in entries):
            return self._replace(node, after, node.start_mark.column, bool(node.flow_style))
        gone = [place for place, (name, _, _) in enumerate(entries) if name not in after]
        for name, key, value in entries:
            if name in after:
                self._change(value, before[name], after[name], key.start_mark.column + 2, bool(node.flow_style))
        for first, last in _runs(gone):
            self._cut([(key, value) for _, key, value in entries], first, last, bool(node.flow_style))
        new = [(name, value) for name, value in after.items() if name not in before]
        if new and node.flow_style:
            where = max((place for place in range(len(entries)) if place not in gone), default=0)
            said = "".join(f", {key_text(name)}: {as_flow(value)}" for name, value in new)
            self._put_in(self._end(entries[where][2]), said)
        elif new:
            column = node.start_mark.column
            lines = "".join(f"{' ' * column}{key_text(name)}:{_value(value, column, len(name) + 1)}\n" for name, value in new)
            self._lines_after(self._end(node), lines)
        return None

    # --- lists ---------------------------------------------------------------------------------------------------

    def _sequence(self, node: yaml.SequenceNode, before: Sequence[Any], after: Sequence[Any]) -> None:
        items, flow, column = node.value, bool(node.flow_style), node.start_mark.column
        changes = SequenceMatcher(None, [*map(_canonical, before)], [*map(_canonical, after)], autojunk=False).get_opcodes()
        for kind, first, last, new_first, new_last in changes:
            if kind == "equal":
                continue
            both = min(last - first, new_last - new_first)
            for place in range(both):
                self._change(items[first + place], before[first + place], after[new_first + place], column + 2, flow)
            if last - first > both:
                self._cut([(item, item) for item in items], first + both, last - 1, flow)
            elif new_last - new_first > both:
                self._insert(node, first + both, after[new_first + both : new_last], flow, column)

    def _insert(self, node: yaml.SequenceNode, place: int, values: Sequence[Any], flow: bool, column: int) -> None:
        """Put items in before the one at `place`, in the way that the list is written."""
        items = node.value
        if not flow:
            lines = "".join(f"{' ' * column}-{_value(value, column, 1)}\n" for value in values)
            if place:
                self._lines_after(self._end(items[place - 1]), lines)
            else:
                start = self._line_start(node.start_mark.index)
                if self.text[start : node.start_mark.index].strip():
                    raise _refused(self.file)
                self._put_in(start, lines)
            return
        said = [as_flow(value) for value in values]
        if not place:
            self._put_in(items[0].start_mark.index, "".join(f"{one}, " for one in said))
        elif self._alone(items[place - 1], items[place - 1]) and len(items) > 1:
            self._insert_lines(items[place - 1], place == len(items), said)
        else:
            self._put_in(self._end(items[place - 1]), "".join(f", {one}" for one in said))

    def _insert_lines(self, item: yaml.Node, is_last: bool, said: Sequence[str]) -> None:
        """Items on lines of their own, inside brackets."""
        end, line_end = self._end(item), self._line_end(item)
        comma = self.text[end:line_end].lstrip().startswith(",")
        if not comma:
            self._put_in(end, ",")
        indent = " " * item.start_mark.column
        lines = [f"{indent}{one}," for one in said]
        if is_last and not comma:
            lines[-1] = lines[-1][:-1]
        self._put_in(line_end, "".join(f"\n{line}" for line in lines))

    # --- cutting and putting in ----------------------------------------------------------------------------------

    def _cut(self, entries: Sequence[tuple[yaml.Node, yaml.Node]], first: int, last: int, flow: bool) -> None:
        """Take out the entries from `first` to `last`, each a node where it begins and one where it ends; some entry stays."""
        if all(self._alone(*entries[place]) for place in range(first, last + 1)):
            for place in range(first, last + 1):
                start, end = entries[place]
                self.splices.append((self._line_start(start.start_mark.index), min(self._line_end(end) + 1, len(self.text)), ""))
            return
        begin = entries[first][0].start_mark.index
        if last + 1 < len(entries):
            self.splices.append((begin, entries[last + 1][0].start_mark.index, ""))
        elif flow:
            self.splices.append((self._end(entries[first - 1][1]), self._end(entries[last][1]), ""))
        else:
            # The first entry of a block stands behind the dash of the list around it, and is not the last one.
            self.splices.append((self._line_start(begin), min(self._line_end(entries[last][1]) + 1, len(self.text)), ""))

    def _replace(self, node: yaml.Node, value: Any, column: int, inside: bool) -> None:
        start, end = node.start_mark.index, self._end(node)
        flow = as_flow(value)
        block_before = isinstance(node, yaml.CollectionNode) and not node.flow_style
        wide = isinstance(value, (dict, list)) and value and (self._column(start) + len(flow) > WIDTH or block_before)
        literal = isinstance(value, str) and "\n" in value
        if inside or not (wide or literal or block_before or (isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"))):
            lead = " " if start == end and self.text[start - 1 : start] == ":" else ""
            self.splices.append((start, end, lead + flow))
            return
        # From behind the colon or the dash: a block begins on a line of its own, and a value behind it on the same one.
        while start > 0 and self.text[start - 1] in " \n":
            start -= 1
        if start == 0:
            raise _refused(self.file)
        behind_dash = self.text[start - 1] == "-"
        self.splices.append((start, end, _value(value, max(column - 2, 0), self._column(start) - column + 2, dash=behind_dash)))

    def _put_in(self, index: int, new: str) -> None:
        self.splices.append((index, index, new))

    def _lines_after(self, index: int, lines: str) -> None:
        """Whole lines after the line on which `index` stands."""
        end = self.text.find("\n", index)
        if end < 0:
            self._put_in(len(self.text), "\n" + lines.removesuffix("\n"))
        else:
            self._put_in(end + 1, lines)

    # --- places --------------------------------------------------------------------------------------------------

    def _end(self, node: yaml.Node) -> int:
        """Where the node's own text ends: a block's marks reach to the next token, over comments and empty lines."""
        while isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
            last = node.value[-1]
            node = last[1] if isinstance(last, tuple) else last
        end = int(node.end_mark.index)
        if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
            return len(self.text[:end].rstrip("\n "))
        return end

    def _column(self, index: int) -> int:
        return index - self._line_start(index)

    def _line_start(self, index: int) -> int:
        return self.text.rfind("\n", 0, index) + 1

    def _line_end(self, node: yaml.Node) -> int:
        end = self.text.find("\n", self._end(node))
        return len(self.text) if end < 0 else end

    def _alone(self, first: yaml.Node, last: yaml.Node) -> bool:
        """Whether nothing else stands on the lines of what begins and ends here, but a dash, a comma and a comment."""
        start, end = first.start_mark.index, self._end(last)
        lead = self.text[self._line_start(start) : start].strip()
        after = self.text[end : self._line_end(last)].strip().removeprefix(",").strip()
        return lead in ("", "-") and (lead == "" or not isinstance(first, yaml.ScalarNode) or first is last) and (not after or after.startswith("#"))


def _children(node: yaml.Node) -> Iterator[tuple[yaml.Node, ...]]:
    if isinstance(node, yaml.CollectionNode):
        for child in node.value:
            yield child if isinstance(child, tuple) else (child,)


def _runs(places: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each run of neighbors."""
    runs: list[tuple[int, int]] = []
    for place in places:
        if runs and runs[-1][1] + 1 == place:
            runs[-1] = (runs[-1][0], place)
        else:
            runs.append((place, place))
    return runs


def _value(value: Any, column: int, used: int, *, dash: bool = False) -> str:
    """What stands behind a colon or a dash at `column`: on the same line where it fits, else as a block."""
    flow = as_flow(value)
    if isinstance(value, (dict, list)) and value and column + used + len(flow) + 1 > WIDTH or isinstance(value, str) and "\n" in value:
        return as_block(value, column + 2, width=WIDTH, behind_dash=dash or used == 1)
    return f" {flow}"
