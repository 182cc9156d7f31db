"""Static members edited by command: the segment's own file changes, and nothing else (features D4, D8)."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkstemp

from engine.definitions.definitions import Definitions
from engine.definitions.editing import with_value
from engine.definitions.listing import csv_with, csv_without, yaml_with, yaml_without
from engine.definitions.segments import MembersFile, Segment
from engine.errors import EngineError, WrongUsage
from engine.facts.names import quoted
from engine.facts.snapshot import Snapshot


@dataclass(frozen=True)
class Edited:
    """What an edit did to one file: its text before and after, and the keys that went in or out."""

    segment: str
    file: str
    before: str
    after: str
    keys: tuple[str, ...]
    members: int


def added(root: Path, definitions: Definitions, id: str, keys: Sequence[str]) -> Edited:
    """The file with those of the keys that are no members yet. Nothing is written."""
    segment, file = _static(definitions, id), _file(definitions, id)
    listed = definitions.members.get(id, ())
    there = set(listed)
    new = tuple(dict.fromkeys(key for key in keys if key not in there))
    before = read(root, file)
    if not new:
        after = before
    elif isinstance(segment.members, MembersFile):
        after = csv_with(before, new)
    else:
        after = yaml_with(before, new, file=file)
    return Edited(id, file, before, after, new, len(listed) + len(new))


def removed(root: Path, definitions: Definitions, id: str, keys: Sequence[str]) -> Edited:
    """The file without those of the keys that are members. Nothing is written."""
    segment, file = _static(definitions, id), _file(definitions, id)
    listed = definitions.members.get(id, ())
    there = set(listed)
    gone = tuple(dict.fromkeys(key for key in keys if key in there))
    before = read(root, file)
    if not gone:
        after = before
    elif isinstance(segment.members, MembersFile):
        after = csv_without(before, set(gone), file=file)
    else:
        after = yaml_without(before, set(gone), file=file)
    return Edited(id, file, before, after, gone, len(listed) - len(gone))


def duplicated(root: Path, definitions: Definitions, id: str, new: str, *, name: str | None, owner: str | None) -> dict[str, str]:
    """The files of a copy under a new id, by their paths; a list of members beside it is copied too. Nothing is written."""
    source = definitions.where("segment", id).file
    segment = definitions.segments[id]
    text = with_value(read(root, source), ("id",), new, file=source)
    for key, value in (("name", name), ("owner", owner)):
        if value is not None:
            text = with_value(text, (key,), value, file=source)
    files = {beside(source, f"{new}.yaml"): text}
    if isinstance(segment.members, MembersFile):
        files = {beside(source, f"{new}.yaml"): with_value(text, ("members",), {"file": f"{new}.csv"}, file=source)}
        files[beside(source, f"{new}.csv")] = read(root, _file(definitions, id))
    return files


def not_in_crm(snapshot: Snapshot, entity: str, keys: Sequence[str]) -> set[str]:
    """Those of the keys that no record of the entity has."""
    rows = snapshot.connection.execute(
        f"SELECT k.key FROM (SELECT unnest($1::VARCHAR[]) AS key) k LEFT JOIN facts.{quoted(entity)} r ON r._key = k.key WHERE r._key IS NULL", [list(keys)]
    ).fetchall()
    return {key for (key,) in rows}


def beside(file: str, name: str) -> str:
    """A file in the same folder."""
    return f"{file.rpartition('/')[0]}/{name}"


def read(root: Path, file: str) -> str:
    # Bytes decoded as they are: universal newlines would change every line of a file with Windows' ends.
    return (root / file).read_bytes().decode("utf-8")


def write(root: Path, file: str, text: str, *, new: bool = False) -> None:
    """Write whole or not at all; the file's rights stay. WrongUsage for a new file that is there."""
    path = root / file
    if new:
        refuse_taken(root, [file])
    target = Path(os.path.realpath(path))
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = mkstemp(dir=target.parent, prefix=f".{target.name}.")
        with os.fdopen(handle, "wb") as stream:
            stream.write(text.encode("utf-8"))
        mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
        os.chmod(temporary, mode)
        os.replace(temporary, target)
    except OSError as error:
        if temporary is not None:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
        raise EngineError(f"{file} cannot be written: {error.strerror}") from None


def refuse_taken(root: Path, files: Iterable[str]) -> None:
    """WrongUsage where one of the files that are to be made is there."""
    for file in files:
        path = root / file
        if path.exists() or path.is_symlink():
            raise WrongUsage(f"{file} is there already", help="choose another id, or remove the file first")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _static(definitions: Definitions, id: str) -> Segment:
    segment = definitions.segments[id]
    if segment.rules is not None:
        raise WrongUsage(
            f"`{id}` has rules, and its members are whoever they hold for",
            help="only a segment with `members:` is a list that is edited; `segment list` says which are",
        )
    return segment


def _file(definitions: Definitions, id: str) -> str:
    """The file that lists the members: the segment's own, or the CSV beside it."""
    source = definitions.where("segment", id).file
    members = definitions.segments[id].members
    return os.path.normpath(beside(source, members.file)).replace(os.sep, "/") if isinstance(members, MembersFile) else source
