"""YAML as YAML 1.2 means it, with the place of every key and value. Reading never raises: what is wrong is a Problem.

The events of libyaml are turned into plain values in one loop, without recursion: a file of a million brackets is a
problem with a place and no crash. Places are kept as small tuples and become Origins only when somebody asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from engine.definitions.base import Loc
from engine.definitions.definitions import Places
from engine.definitions.yaml_words import plain_words
from engine.problems import Origin, Problem

try:
    from yaml import CLoader as _Loader
except ImportError:  # PyYAML built without libyaml: slower, the same events
    from yaml import Loader as _Loader  # type: ignore[assignment]  # the two share the event interface, not a base class

MAX_BYTES = 1_000_000
MAX_DEPTH = 50
MAX_NODES = 100_000
MAX_EXPANDED = 10_000

# line, column and length (from 1), and what is below: by key (the key's own place, the value's node) or in order.
_Node = tuple[int, int, int, "dict[str, tuple[tuple[int, int, int], _Node]] | list[_Node] | None"]

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NUMBER_START = frozenset("-+.0123456789")
_INTEGER = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)\Z|\.(nan|NaN|NAN)\Z")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Document:
    """One file as plain values: mappings with text keys, lists, text, int, float, bool, None. `data` means nothing when there are problems."""

    data: Any
    places: Places
    problems: tuple[Problem, ...] = ()


class _Table(Mapping[Loc, Origin]):
    """Places by loc, found by walking the nodes: nothing is built for the many that nobody asks for."""

    __slots__ = ("_file", "_keys", "_root")

    def __init__(self, file: str, root: _Node, keys: bool) -> None:
        self._file, self._root, self._keys = file, root, keys

    def _find(self, loc: Loc) -> tuple[int, int, int] | None:
        node, place = self._root, None
        for part in loc:
            below = node[3]
            if isinstance(below, dict) and part in below:
                place, node = below[part]
            elif isinstance(below, list) and isinstance(part, int) and 0 <= part < len(below):
                node = below[part]
                place = node[:3]
            else:
                return None
        return place if self._keys else node[:3]

    def nearest(self, loc: Loc) -> Origin | None:
        """The place at loc, or the deepest one above it."""
        node, place = self._root, None
        for part in loc:
            below = node[3]
            if isinstance(below, dict) and part in below:
                place, node = below[part]
            elif isinstance(below, list) and isinstance(part, int) and 0 <= part < len(below):
                node = below[part]
                place = node[:3]
            else:
                break
        if self._keys:
            return Origin(self._file, *place) if place is not None else None
        return Origin(self._file, *node[:3])

    def __getitem__(self, loc: Loc) -> Origin:
        found = self._find(loc)
        if found is None:
            raise KeyError(loc)
        return Origin(self._file, *found)

    def __contains__(self, loc: object) -> bool:
        return isinstance(loc, tuple) and self._find(loc) is not None

    def __iter__(self) -> Iterator[Loc]:
        pending: list[tuple[Loc, _Node]] = [((), self._root)]
        while pending:
            loc, node = pending.pop()
            if loc or not self._keys:
                yield loc
            if isinstance(node[3], dict):
                pending.extend(((*loc, key), child) for key, (_, child) in node[3].items())
            elif isinstance(node[3], list):
                pending.extend(((*loc, index), child) for index, child in enumerate(node[3]))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def read_yaml(file: str, raw: bytes) -> Document:
    """One YAML document as plain values and places.

    >>> read_yaml("x.yaml", b"at: 10:30\\nmax: 012").data
    {'at': '10:30', 'max': 12}
    """
    text, problem = decode(file, raw)
    if problem is not None:
        return Document(None, Places(file), (problem,))
    try:
        return _Building(file).build(text)
    except _Refused as refused:
        return Document(None, Places(file), (refused.problem,))
    except yaml.YAMLError as error:
        return Document(None, Places(file), (plain_words(file, text, error),))


def decode(file: str, raw: bytes) -> tuple[str, Problem | None]:
    """The text of a file, or the problem that keeps it from being text (size, UTF-8, NUL and other control characters)."""
    if len(raw) > MAX_BYTES:
        return "", Problem(
            "E102", f"the file has {len(raw):,} bytes; at most {MAX_BYTES:,} are read", Origin(file), "split it, or keep the data in the CRM or a CSV file"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8", "replace")
        return "", Problem("E102", f"byte 0x{raw[error.start]:02x} is not UTF-8", _at(file, before, len(before)), "save the file as UTF-8")
    found = _UNPRINTABLE.search(text)
    if found is not None:
        return "", Problem(
            "E102",
            f"the control character U+{ord(found[0]):04X} cannot stand in a file",
            _at(file, text, found.start()),
            "delete it; it is invisible in most editors",
        )
    return text, None


def _at(file: str, text: str, index: int) -> Origin:
    """The place of a character, lines broken as YAML breaks them."""
    line, start = 1, 0
    for found in LINE_BREAK.finditer(text, 0, index):
        line, start = line + 1, found.end()
    return Origin(file, line, index - start + 1)


class _Refused(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class _Frame:
    """A collection that is being read. In a mapping `key` is the text of the key whose value comes next."""

    __slots__ = ("anchor", "below", "block", "column", "data", "first", "height", "key", "length", "line", "place")

    def __init__(self, data: Any, below: Any, event: Any, first: int) -> None:
        mark, end = event.start_mark, event.end_mark
        self.data, self.below, self.anchor, self.block = data, below, event.anchor, not event.flow_style
        self.line, self.column, self.length = mark.line + 1, mark.column + 1, max(end.column - mark.column, 1)
        self.key: str | None = None
        self.place = (0, 0, 0)
        self.first, self.height = first, 1


class _Building:
    """Values from events. Counts what aliases expand to, so that nine lines cannot stand for a billion nodes."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.stack: list[_Frame] = []
        self.count = 0
        self.aliases = False
        # value, nodes that it stands for, height
        self.anchors: dict[str, tuple[Any, int, int]] = {}
        self.problems: list[Problem] = []
        self.result: Any = None
        self.root: _Node = (1, 1, 1, None)

    def build(self, text: str) -> Document:
        documents = 0
        loader = _Loader(text)
        try:
            while loader.check_event():
                event = loader.get_event()
                kind = type(event)
                if kind is yaml.ScalarEvent:
                    self._scalar(event)
                elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                    self._open(event)
                elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                    self._close(event)
                elif kind is yaml.AliasEvent:
                    self._alias(event)
                elif kind is yaml.DocumentStartEvent:
                    documents += 1
                    if documents > 1:
                        self._refuse("E111", "a second document begins here; one file holds one document", event, "move it to a file of its own")
        finally:
            loader.dispose()
        return Document(self.result, Places(self.file, _Table(self.file, self.root, True), _Table(self.file, self.root, False)), tuple(self.problems))

    def _refuse(self, code: str, message: str, event: Any, help: str = "") -> None:
        raise _Refused(Problem(code, message, Origin(self.file, *_span(event)), help))

    def _scalar(self, event: Any) -> None:
        if event.tag is not None:
            self._refuse_tag(event)
        stack = self.stack
        if stack and stack[-1].key is None and type(stack[-1].data) is dict:
            self._key(stack[-1], event.value, event)
            if event.anchor is not None:
                self.anchors[event.anchor] = (event.value, 1, 0)
            return
        value = event.value
        if event.implicit[0]:
            value = scalar(value)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, 1, 0)
        self._add(value, (*_span(event), None), 1, event)

    def _key(self, frame: _Frame, key: str, event: Any) -> None:
        place = _span(event)
        if key in frame.data:
            first = frame.below[key][0]
            self.problems.append(
                Problem(
                    "E107",
                    f"the key `{key}` stands twice in one mapping",
                    Origin(self.file, *place),
                    "remove one of the two",
                    ((Origin(self.file, *first), "the first one"),),
                )
            )
        if not frame.data and frame.block:
            # A block begins with its first key, and that is what is marked when the whole of it is meant.
            frame.length = place[2]
        frame.key, frame.place = key, place

    def _open(self, event: Any) -> None:
        if event.tag is not None:
            self._refuse_tag(event)
        mapping = type(event) is yaml.MappingStartEvent
        stack = self.stack
        if stack and stack[-1].key is None and type(stack[-1].data) is dict:
            braces = "{{" if mapping and event.flow_style else ""
            self._refuse(
                "E105",
                "a mapping cannot be a key" if mapping else "a list cannot be a key",
                event,
                'text that begins with `{{` goes into quotes: "{{ … }}"' if braces else "a key is a plain word",
            )
        if len(stack) >= MAX_DEPTH:
            self._refuse("E110", f"more than {MAX_DEPTH} levels of nesting", event, "no definition needs that; look for brackets that are never closed")
        stack.append(_Frame({} if mapping else [], {} if mapping else [], event, self.count))
        self._counted(1, event)

    def _close(self, event: Any) -> None:
        frame = self.stack.pop()
        if event.start_mark.line + 1 == frame.line and event.end_mark.column > frame.column:
            frame.length = event.end_mark.column - frame.column + 1
        if frame.anchor is not None:
            self.anchors[frame.anchor] = (frame.data, self.count - frame.first, frame.height)
        self._add(frame.data, (frame.line, frame.column, frame.length, frame.below), 0, event, frame.height)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self.anchors:
            inside = any(frame.anchor == event.anchor for frame in self.stack)
            self._refuse(
                "E108",
                f"`*{event.anchor}` stands inside what it refers to" if inside else f"`*{event.anchor}` refers to an anchor that is not above it",
                event,
                "write the value out" if inside else f"write `&{event.anchor}` before the first use, or put the text in quotes",
            )
        value, count, height = self.anchors[event.anchor]
        self.aliases = True
        frame = self.stack[-1] if self.stack else None
        if frame is not None and frame.key is None and type(frame.data) is dict:
            if not isinstance(value, str):
                self._refuse("E105", "a list or a mapping cannot be a key", event, "a key is a plain word")
            self._key(frame, value, event)
            return
        if len(self.stack) + height > MAX_DEPTH:
            self._refuse("E110", f"more than {MAX_DEPTH} levels of nesting, with what `*{event.anchor}` stands for", event, "write the value out")
        self._add(value, (*_span(event), None), count, event, height)

    def _add(self, value: Any, node: _Node, count: int, event: Any, height: int = 0) -> None:
        if count:
            self._counted(count, event)
        if not self.stack:
            self.result, self.root = value, node
            return
        frame = self.stack[-1]
        if height >= frame.height:
            frame.height = height + 1
        if frame.key is not None:
            # Of a double key the first stands, so that what follows is judged by what the reader sees first.
            if frame.key not in frame.data:
                frame.data[frame.key] = value
                frame.below[frame.key] = (frame.place, node)
            frame.key = None
        else:
            frame.data.append(value)
            frame.below.append(node)

    def _counted(self, count: int, event: Any) -> None:
        self.count += count
        if self.count > MAX_NODES or (self.aliases and self.count > MAX_EXPANDED):
            limit = MAX_EXPANDED if self.aliases else MAX_NODES
            self._refuse(
                "E110",
                f"the file stands for more than {limit:,} values" + (" once its aliases are expanded" if self.aliases else ""),
                event,
                "write the values out without `*aliases`" if self.aliases else "keep the data in the CRM or a CSV file",
            )

    def _refuse_tag(self, event: Any) -> None:
        if event.tag == "!" or event.tag.startswith("tag:yaml.org,2002:"):
            shown = event.tag.replace("tag:yaml.org,2002:", "!!")
        else:
            shown = event.tag
        self._refuse("E108", f"the tag `{shown}` has no meaning here", event, "remove it; text that begins with `!` goes into quotes")


def _span(event: Any) -> tuple[int, int, int]:
    start, end = event.start_mark, event.end_mark
    length = end.column - start.column if end.line == start.line else 1
    return (start.line + 1, start.column + 1, length if length > 0 else 1)


def scalar(text: str) -> Any:
    """A plain scalar by YAML 1.2's core rules: `NO`, `on`, `10:30` and dates are text.

    >>> [scalar(text) for text in ("NO", "10:30", "012", "1_000", "0x1F", "1e3", "2026-12-31")]
    ['NO', '10:30', 12, '1_000', 31, 1000.0, '2026-12-31']
    """
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    # No number has a thousand digits; reading one would only cost time.
    if text[0] not in _NUMBER_START or len(text) > 1000:
        return text
    if _INTEGER.match(text):
        return int(text)
    if _BASED.match(text):
        return int(text, 0)
    if _FLOAT.match(text):
        return float(text)
    if _SPECIAL.match(text):
        return float(text.replace(".", "", 1).lower())
    return text
