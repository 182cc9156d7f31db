"""CODEOWNERS from `owner:`: who answers for a sequence or a segment is asked when its file changes."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping

from engine.definitions.definitions import Definitions, Kind
from engine.definitions.segments import MembersFile
from engine.definitions.templates import BodyFile

BEGIN = "# --- from `owner:` in the definitions: `engine codeowners --write` makes what stands between these two lines"
END = "# --- end of what `engine codeowners` makes"


def owned_files(definitions: Definitions) -> dict[str, tuple[str, ...]]:
    """Files of the project by path, with their owners: sequences, segments and their lists, enrollments, and the templates that they send."""
    found: dict[str, set[str]] = {}

    def add(kind: Kind, id: str, owner: str | None, *beside: str) -> None:
        if owner is None:
            return
        file = definitions.where(kind, id).file
        for path in (file, *(posixpath.normpath(posixpath.join(posixpath.dirname(file), name)) for name in beside)):
            found.setdefault(path, set()).add(owner)

    for segment in definitions.segments.values():
        add("segment", segment.id, segment.owner, *([segment.members.file] if isinstance(segment.members, MembersFile) else []))
    for enrollment in definitions.enrollments.values():
        add("enrollment", enrollment.id, definitions.sequences[enrollment.sequence].owner)
    for sequence in definitions.sequences.values():
        add("sequence", sequence.id, sequence.owner)
        for template in dict.fromkeys(choice.use for step in sequence.steps for choice in step.choices):
            add("template", template, sequence.owner, *_bodies(definitions, template))
    return {path: tuple(sorted(owners)) for path, owners in sorted(found.items())}


def _bodies(definitions: Definitions, template: str) -> Iterator[str]:
    said = definitions.templates[template]
    for bodies in (said.body, said.text):
        yield from (body.file for body in bodies.values() if isinstance(body, BodyFile))


def codeowners(files: Mapping[str, tuple[str, ...]], addresses: Mapping[str, str], below: str = "") -> str:
    """The lines between the two marks. `below` is the project's folder in its repository.

    >>> print(codeowners({"definitions/segments/vip.yaml": ("marketing",)}, {"marketing": "m@example.com"}), end="")
    /definitions/segments/vip.yaml m@example.com
    """
    width = max((len(_pattern(path, below)) for path in files), default=0)
    return "".join(f"{_pattern(path, below):<{width}} {' '.join(addresses[owner] for owner in owners)}\n" for path, owners in files.items())


def _pattern(path: str, below: str) -> str:
    return "/" + posixpath.join(below, path).replace("\\", "\\\\").replace(" ", "\\ ").replace("#", "\\#")


def written_into(text: str, lines: str) -> str:
    """A CODEOWNERS file with these lines in place of those that an earlier run made; all others stay as they are.

    >>> written_into("* @all\\n", "/a b@example.com\\n").count("engine codeowners")
    2
    """
    block = f"{BEGIN}\n{lines}{END}\n"
    before, begin, rest = text.partition(BEGIN + "\n")
    _, end, after = rest.partition(END + "\n")
    if begin and end:
        return before + block + after
    return (text if not text or text.endswith("\n") else text + "\n") + ("\n" if text else "") + block
