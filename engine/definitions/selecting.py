"""`--select`: which definitions are meant. Space is union, comma intersection, `+` behind a word adds what depends on it, and `*` is any text.

    sequence:welcome    tag:renewal,status:active    template:renewal-*+    file:definitions/segments/vip.yaml+

A selection names definitions of any kind; commands that send look only at its sequences.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Protocol

from engine.definitions.definitions import Kind, Layout, Places
from engine.definitions.segments import Segment
from engine.definitions.sequences import EnrollmentFile, Sequence
from engine.definitions.templates import Template
from engine.definitions.translating import closest, did_you_mean
from engine.definitions.types import TemplateType
from engine.definitions.using import segments_in
from engine.errors import WrongUsage


class Definitions(Protocol):
    """What is looked at: definitions, or the draft of them while they are checked."""

    @property
    def types(self) -> Mapping[str, TemplateType]: ...
    @property
    def templates(self) -> Mapping[str, Template]: ...
    @property
    def layouts(self) -> Mapping[str, Layout]: ...
    @property
    def segments(self) -> Mapping[str, Segment]: ...
    @property
    def sequences(self) -> Mapping[str, Sequence]: ...
    @property
    def enrollments(self) -> Mapping[str, EnrollmentFile]: ...
    @property
    def partials(self) -> Mapping[str, str]: ...
    @property
    def bodies(self) -> Mapping[str, str]: ...
    @property
    def places(self) -> Mapping[tuple[Kind, str], Places]: ...
    def where(self, kind: Kind, id: str) -> Places: ...


# One definition: its kind and id. A partial, which has no kind, is known by its path.
Item = tuple[str, str]
Words = Callable[[Definitions], Iterable[tuple[Item, str]]]


@dataclass(frozen=True)
class Selection:
    """What a text selects. `sequences` are those among it, sorted."""

    text: str
    items: frozenset[Item]

    def of(self, kind: Kind) -> frozenset[str]:
        return frozenset(id for found, id in self.items if found == kind)

    @property
    def sequences(self) -> frozenset[str]:
        return self.of("sequence")


def select(definitions: Definitions, text: str) -> Selection:
    """The definitions that the text names. WrongUsage for a word that names nothing, with what was probably meant."""
    unions = text.split()
    if not unions:
        raise WrongUsage("--select is empty", help=f"write a method and a name, such as sequence:welcome; the methods are {', '.join(_METHODS)}")
    found: set[Item] = set()
    for union in unions:
        parts = [_word(definitions, word, union) for word in union.split(",")]
        both = frozenset[Item].intersection(*parts)
        if not both:
            raise WrongUsage(f"--select: nothing is in all parts of `{union}`", help=_apart(union, parts))
        found |= both
    return Selection(text, frozenset(found))


def select_sequences(definitions: Definitions, text: str) -> Selection:
    """A selection that has a sequence: what a command that plans or sends can use. WrongUsage for one that has none."""
    selection = select(definitions, text)
    if not selection.sequences:
        items = sorted(selection.items)
        named = ", ".join(f"{kind} {id}" for kind, id in items[:4]) + (", …" if len(items) > 4 else "")
        wider = " ".join(",".join(f"{word}+" for word in union.split(",")) for union in text.replace("+", "").split())
        if not select(definitions, wider).sequences:
            raise WrongUsage(f"--select `{text}` selects no sequence, and none uses what it selects ({named})")
        raise WrongUsage(f"--select `{text}` selects no sequence ({named})", help=f'a `+` adds what uses it: --select "{wider}"')
    return selection


def _word(definitions: Definitions, word: str, union: str) -> frozenset[Item]:
    wanted, dependents = word.removesuffix("+"), word.endswith("+")
    method, colon, pattern = wanted.partition(":")
    if colon and not pattern and method in _METHODS:
        raise WrongUsage(f"--select: `{word}` does not say which", help=f"write {method}: and what it is, with no space between: {method}:…")
    if not word or (colon and not pattern):
        raise WrongUsage(f"--select: `{union}` has an empty part", help="write it without the comma, or say what comes behind it: tag:renewal,status:active")
    if not colon:
        raise WrongUsage(f"--select: `{word}` has no method", help=_with_method(definitions, wanted))
    if method not in _METHODS:
        raise WrongUsage(f"--select: there is no method `{method}`", help=did_you_mean(method, _METHODS, "the methods are"))
    pairs = list(_METHODS[method](definitions))
    fits = posixpath.normpath(pattern) if method == "file" else pattern
    found = {item for item, value in pairs if fnmatchcase(value, fits)}
    if not found:
        raise WrongUsage(f"--select: `{wanted}` selects nothing", help=_nothing(method, fits, {value for _, value in pairs}))
    return frozenset(_with_dependents(definitions, found) if dependents else found)


def _nothing(method: str, pattern: str, known: set[str]) -> str:
    if not known:
        return f"nothing here has a value for `{method}:`"
    meant = closest(pattern.replace("*", ""), known)
    listed = ", ".join(sorted(known)[:12]) + (", …" if len(known) > 12 else "")
    return (f"did you mean `{method}:{meant}`? " if meant else "") + f"{'There' if meant else 'there'} is: {listed}"


def _with_method(definitions: Definitions, name: str) -> str:
    """What a bare word would be with its method."""
    for method, words in _METHODS.items():
        if any(fnmatchcase(value, name) for _, value in words(definitions)):
            return f"did you mean `{method}:{name}`?"
    meant = closest(name, definitions.sequences)
    return (f"did you mean `sequence:{meant}`? " if meant else "") + f"The methods are {', '.join(_METHODS)}"


def _apart(union: str, parts: list[frozenset[Item]]) -> str:
    said = [f"{word} has {', '.join(id for _, id in sorted(part)[:3])}{', …' if len(part) > 3 else ''}" for word, part in zip(union.split(","), parts)]
    return "; ".join(said)


# --- what a method looks at: each definition with its value ----------------------------------------------------------------


def _ids(kind: Kind, of: Callable[[Definitions], Mapping[str, object]]) -> Words:
    return lambda definitions: (((kind, id), id) for id in of(definitions))


def _tags(definitions: Definitions) -> Iterator[tuple[Item, str]]:
    for id, sequence in definitions.sequences.items():
        yield from ((("sequence", id), tag) for tag in sequence.tags)
    for id, segment in definitions.segments.items():
        yield from ((("segment", id), tag) for tag in segment.tags)


def _statuses(definitions: Definitions) -> Iterator[tuple[Item, str]]:
    yield from ((("sequence", id), sequence.status) for id, sequence in definitions.sequences.items())
    yield from ((("segment", id), segment.status) for id, segment in definitions.segments.items())
    yield from ((("template", id), template.status) for id, template in definitions.templates.items())


def _owners(definitions: Definitions) -> Iterator[tuple[Item, str]]:
    yield from ((("sequence", id), sequence.owner) for id, sequence in definitions.sequences.items() if sequence.owner)
    yield from ((("segment", id), segment.owner) for id, segment in definitions.segments.items() if segment.owner)


def _abouts(definitions: Definitions) -> Iterator[tuple[Item, str]]:
    yield from ((("sequence", id), sequence.about) for id, sequence in definitions.sequences.items())
    yield from ((("type", id), type_.about) for id, type_ in definitions.types.items() if type_.about)
    yield from ((("segment", id), segment.entity) for id, segment in definitions.segments.items())


def _files(definitions: Definitions) -> Iterator[tuple[Item, str]]:
    """Each definition by its file, and by its folders; a body by the template that names it."""
    for item, path in _paths(definitions):
        yield item, path
        folder = posixpath.dirname(path)
        while folder:
            yield item, folder
            folder = posixpath.dirname(folder)


def _paths(definitions: Definitions) -> Iterator[tuple[Item, str]]:
    for (kind, id), places in definitions.places.items():
        if kind not in ("project", "crm"):
            yield (kind, id), places.file
    for id, template in definitions.templates.items():
        folder = posixpath.dirname(definitions.where("template", id).file)
        for body in (*template.body.values(), *template.text.values()):
            if not isinstance(body, str):
                yield ("template", id), posixpath.normpath(posixpath.join(folder, body.file))
    yield from ((("partial", path), f"definitions/partials/{path}") for path in definitions.partials)


_METHODS: Mapping[str, Words] = {
    "sequence": _ids("sequence", lambda definitions: definitions.sequences),
    "tag": _tags,
    "status": _statuses,
    "owner": _owners,
    "template": _ids("template", lambda definitions: definitions.templates),
    "type": _ids("type", lambda definitions: definitions.types),
    "segment": _ids("segment", lambda definitions: definitions.segments),
    "about": _abouts,
    "file": _files,
}
METHODS = tuple(_METHODS)


# --- what depends on what --------------------------------------------------------------------------------------------------


def _with_dependents(definitions: Definitions, begin: Iterable[Item]) -> set[Item]:
    """These and everything that uses them, however far away."""
    users: dict[Item, set[Item]] = defaultdict(set)
    for user, used in _uses(definitions):
        users[used].add(user)
    found, pending = set(begin), list(begin)
    while pending:
        new = users[pending.pop()] - found
        found |= new
        pending += new
    return found


def _uses(definitions: Definitions) -> Iterator[tuple[Item, Item]]:
    """What uses what, each pair once or more. A rule uses the segments that it names."""
    for id, type_ in definitions.types.items():
        if type_.extends:
            yield ("type", id), ("type", type_.extends)
        if id != "common" and "common" in definitions.types:
            yield ("type", id), ("type", "common")
        yield from ((("type", id), ("segment", name)) for name in segments_in(type_))
    for id, template in definitions.templates.items():
        yield ("template", id), ("type", template.type)
        if template.layout:
            yield ("template", id), ("layout", template.layout)
        for path in definitions.partials:
            if any(path in text for text in _texts(definitions, id)):
                yield ("template", id), ("partial", path)
    for id, layout in definitions.layouts.items():
        yield from ((("layout", id), ("partial", path)) for path in definitions.partials if path in layout.html)
    for path, text in definitions.partials.items():
        yield from ((("partial", path), ("partial", other)) for other in definitions.partials if other != path and other in text)
    for id, segment in definitions.segments.items():
        yield from ((("segment", id), ("segment", name)) for name in segments_in(segment))
    for id, sequence in definitions.sequences.items():
        for step in sequence.steps:
            yield from ((("sequence", id), ("template", choice.use)) for choice in step.choices)
        yield from ((("sequence", id), ("segment", name)) for name in segments_in(sequence))
    for id, enrollment in definitions.enrollments.items():
        # Who is enrolled by a file is on the way in its sequence.
        yield ("sequence", enrollment.sequence), ("enrollment", id)
        if enrollment.segment:
            yield ("enrollment", id), ("segment", enrollment.segment)


def _texts(definitions: Definitions, id: str) -> Iterator[str]:
    template = definitions.templates[id]
    folder = posixpath.dirname(definitions.where("template", id).file)
    for body in (*template.body.values(), *template.text.values()):
        yield body if isinstance(body, str) else definitions.bodies.get(posixpath.normpath(posixpath.join(folder, body.file)), "")
