"""A name that stands for something in another file: is it there, and may it be used here."""

from __future__ import annotations

from collections.abc import Iterator

from engine.definitions.crm import Crm
from engine.definitions.definitions import Kind
from engine.definitions.draft import Draft
from engine.definitions.paths import Path, PathError, Scope
from engine.definitions.translating import closest, did_you_mean
from engine.problems import Origin, Problem

_CODES: dict[Kind, str] = {"type": "E230", "template": "E231", "layout": "E232", "segment": "E233", "sequence": "E234"}
_FOLDERS: dict[Kind, str] = {"type": "types", "template": "templates", "layout": "layouts", "segment": "segments", "sequence": "sequences"}


def refer(draft: Draft, kind: Kind, id: str, place: Origin) -> Iterator[Problem]:
    """A problem when nothing of the kind has the id; silent where its file is broken, which is told there."""
    there = draft.of(kind)
    if id in there or (kind, id) in draft.broken:
        return
    meant = closest(id, there)
    file = f"definitions/{_FOLDERS[kind]}/{id}." + ("html" if kind == "layout" else "yaml")
    related = ((draft.where(kind, meant).value("id"), "the one that was probably meant"),) if meant and kind != "layout" else ()
    help = did_you_mean(id, there, f"the {kind}s are") if there else f"there is none yet; it would be `{file}`"
    yield Problem(_CODES[kind], f"there is no {kind} `{id}`", place, help, related)


def owner(draft: Draft, name: str | None, place: Origin) -> Iterator[Problem]:
    if name is None or draft.project is None or name in draft.project.owners:
        return
    help = did_you_mean(name, draft.project.owners, "the owners are") or "add it to `owners:` in engine.yaml"
    yield Problem("E236", f"there is no owner `{name}`", place, help, ((draft.where("project", "project").key("owners"), "owners are declared here"),))


def topic(draft: Draft, name: str, place: Origin) -> Iterator[Problem]:
    if draft.project is None or name in draft.project.topics:
        return
    help = did_you_mean(name, draft.project.topics, "the topics are") or f"add `topics: {{{name}: {{name: {{en: …}}}}}}` to engine.yaml"
    yield Problem("E235", f"there is no topic `{name}`", place, help, ((draft.where("project", "project").key("topics"), "topics are declared here"),))


def entity(draft: Draft, name: str, place: Origin) -> Iterator[Problem]:
    if draft.crm is None or name in draft.crm.entities:
        return
    help = did_you_mean(name, draft.crm.entities, "the entities are")
    yield Problem("E237", f"there is no entity `{name}`", place, help, ((draft.where("crm", "crm").key("entities"), "entities are declared here"),))


def use_segment(draft: Draft, id: str, place: Origin, user: str | None) -> Iterator[Problem]:
    """The segment is there, not archived, and not another owner's private one."""
    yield from refer(draft, "segment", id, place)
    segment = draft.segments.get(id)
    if segment is None:
        return
    places = draft.where("segment", id)
    if segment.status == "archived":
        yield Problem(
            "E244",
            f"the segment `{id}` is archived",
            place,
            "use another one, or make it active again: `status: active`",
            ((places.value("status"), "archived here"),),
        )
    if segment.visibility == "private" and (segment.owner is None or segment.owner != user):
        whose = f"private to `{segment.owner}`" if segment.owner else "private, and has no owner"
        yield Problem(
            "E243", f"the segment `{id}` is {whose}", place,
            "only what has the same owner may use it; make it `visibility: public`, or " + ("change the owner here" if segment.owner else "give both one `owner:`"),
            ((places.value("visibility"), "private here"),),
        )  # fmt: skip


def part_of(place: Origin, parts: tuple[str, ...], position: int) -> Origin:
    """The place of one part of a dotted path."""
    length = sum(len(part) + 1 for part in parts) - 1
    if position >= len(parts) or place.length < length:
        return place
    quote = 1 if place.length == length + 2 else 0
    before = sum(len(part) + 1 for part in parts[:position])
    return Origin(place.file, place.line, place.column + quote + before, len(parts[position]))


def path_problem(draft: Draft, error: PathError, parts: tuple[str, ...], place: Origin, more: tuple[str, ...] = (), scope: Scope | None = None) -> Problem:
    """A path that leads nowhere, or to two places. `more` is what else could stand at its beginning."""
    if scope is not None and draft.crm is not None and error.position == 0:
        start = _meant_start(draft.crm, scope, parts)
        if start is not None:
            inside = f"inside, bare names are those of `{scope.record}`: " if scope.bare else ""
            return Problem("E239", f"`{parts[0]}` is not known here", part_of(place, parts, 0), f"{inside}write `{start}`")
    if error.choices:
        return Problem("E240", error.message.partition(";")[0], place, "write " + " or ".join(f"`{choice}`" for choice in error.choices))
    word = parts[error.position] if error.position < len(parts) else parts[-1]
    first, _, rest = error.message.partition("; ")
    known = (*error.known, *more)
    help = did_you_mean(word, known, "known here") if known else rest[:1].upper() + rest[1:]
    related: tuple[tuple[Origin, str], ...] = ()
    if draft.crm is not None and error.entity in draft.crm.entities:
        related = ((draft.where("crm", "crm").key("entities", error.entity), f"`{error.entity}` is declared here"),)
    return Problem("E239", first if not rest or known else error.message, part_of(place, parts, error.position), help if known else "", related)


def _meant_start(crm: Crm, scope: Scope, parts: tuple[str, ...]) -> str | None:
    """A bare name where the entity is said, or the entity's name where bare names are meant."""
    if scope.bare:
        rest = parts[1:]
        known = (
            scope.record is not None
            and parts[0] == scope.record
            and rest
            and rest[0] in (*crm.entities[scope.record].fields, *crm.entities[scope.record].relations)
        )
        return ".".join(rest) if known else None
    for entity in (scope.record, crm.contact.entity if scope.contact else None):
        if entity is not None and parts[0] in crm.entities[entity].fields and len(parts) == 1:
            return f"{entity}.{parts[0]}"
    return None


def field_path(draft: Draft, scope: Scope, text: str, place: Origin, what: str) -> Path | Problem | None:
    """The path to one value; or the problem that it is none, or None where the map is broken on the way."""
    parts = tuple(text.split("."))
    try:
        path = draft.follow(scope, parts)
    except PathError as error:
        return path_problem(draft, error, parts, place, scope=scope)
    if path is None:
        return None
    if path.many:
        return Problem("E306", f"{what} is one value, and `{text}` leads to many records", place, "use `count:`, `sum:` or `list:` for many records")
    if path.field is None:
        return to_a_record(draft, text, path, place)
    return path


def to_a_record(draft: Draft, text: str, path: Path, place: Origin) -> Problem:
    fields = draft.crm.entities[path.end].fields if draft.crm is not None else {}
    listed = ", ".join(f"{text}.{name}" for name in list(fields)[:4]) + (", …" if len(fields) > 4 else "")
    return Problem("E319", f"`{text}` is a record and not a value", place, f"name one of its fields: {listed}")
