"""Where definitions are read from: the working tree, a git revision (its objects, without a checkout), or memory."""

from __future__ import annotations

import os
import posixpath
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from engine.errors import EngineError

# What `paths()` lists. A body may stand elsewhere in the project; it is read by its name.
PROJECT_FILE = "engine.yaml"
FOLDER = "definitions"


class OutsideTree(Exception):
    """The path leads out of the project, by `..`, as an absolute path, or through a symbolic link."""


class Tree(Protocol):
    """Files by posix path relative to the project. `read` raises FileNotFoundError, or OutsideTree."""

    def paths(self) -> Iterable[str]: ...

    def read(self, path: str) -> bytes: ...

    def commit(self, paths: Iterable[str] = ()) -> str | None:
        """The hash of the commit that the definitions (and `paths` beside them) are of, or None."""
        ...


def inside(path: str) -> str:
    """The normal form of a path in the project. Raises OutsideTree.

    >>> inside("definitions/templates/../shared/a.md")
    'definitions/shared/a.md'
    """
    normal = posixpath.normpath(path)
    if "\0" in path or "\\" in path or path.startswith(("/", "~")) or normal == ".." or normal.startswith("../") or (len(path) > 1 and path[1] == ":"):
        raise OutsideTree(path)
    return normal


class MemoryTree:
    """Files from a mapping; what tests and previews use."""

    def __init__(self, files: Mapping[str, bytes | str]) -> None:
        self._files = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}

    def paths(self) -> Iterable[str]:
        return sorted(self._files)

    def read(self, path: str) -> bytes:
        found = self._files.get(inside(path))
        if found is None:
            raise FileNotFoundError(path)
        return found

    def commit(self, paths: Iterable[str] = ()) -> str | None:
        return None


class WorkTree:
    """The files as they lie in the project's folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._real = os.path.realpath(root)

    def paths(self) -> Iterator[str]:
        if (self._root / PROJECT_FILE).is_file():
            yield PROJECT_FILE
        for folder, folders, files in os.walk(self._root / FOLDER):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            below = os.path.relpath(folder, self._root).replace(os.sep, "/")
            # A link to a folder is not followed, here as in git; it is told of like a file that nobody reads.
            linked = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            for name in sorted([*files, *linked]):
                yield f"{below}/{name}"

    def read(self, path: str) -> bytes:
        full = os.path.join(self._real, inside(path))
        real = os.path.realpath(full)
        if real != full and not real.startswith(self._real + os.sep):
            raise OutsideTree(path)
        # A FIFO or a device would block or never end.
        if not os.path.isfile(real):
            raise FileNotFoundError(path)
        with open(real, "rb") as file:
            # One byte more than is read of any file, so that the reader can say that it is too long.
            return file.read(MAX_READ)

    def commit(self, paths: Iterable[str] = ()) -> str | None:
        """HEAD, when nothing that the definitions are made of differs from it."""
        if not any((parent / ".git").exists() for parent in (Path(self._real), *Path(self._real).parents)):
            return None
        watched = [PROJECT_FILE, FOLDER, *sorted({path for path in paths if not path.startswith(f"{FOLDER}/")})]
        try:
            told = _git(self._real, "status", "--porcelain=v2", "--branch", "--untracked-files=all", "--", *watched)
        except EngineError:
            return None
        head = None
        for line in told.decode("utf-8", "replace").splitlines():
            if line.startswith("# branch.oid "):
                head = line.removeprefix("# branch.oid ")
            elif not line.startswith("#"):
                return None
        return head if head and head != "(initial)" else None


# Files beside the YAML (bodies, layouts, lists of members) may be larger than a YAML file, not without end.
MAX_READ = 64_000_000


class GitTree:
    """The files of a revision, read from git's objects: no checkout, no index and no working tree is touched."""

    def __init__(self, root: Path, ref: str) -> None:
        self._root = os.path.realpath(root)
        self.ref = ref
        if not ref or ref.startswith("-"):
            raise EngineError(f"`{ref}` is not a git revision")
        found = _git(
            self._root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}", missing=f"`{ref}` is not a commit of this repository"
        )
        self._commit = found.decode().strip()
        self._blobs: dict[str, tuple[str, str]] = {}
        for line in _git(self._root, "ls-tree", "-r", "-z", self._commit, "--").split(b"\0"):
            if line:
                about, _, path = line.partition(b"\t")
                mode, kind, blob = about.decode().split()
                if kind == "blob":
                    self._blobs[path.decode("utf-8", "surrogateescape")] = (mode, blob)
        self._read = _read_blobs(self._root, [blob for path, (_, blob) in self._blobs.items() if path == PROJECT_FILE or path.startswith(f"{FOLDER}/")])

    def paths(self) -> Iterable[str]:
        return [path for path in sorted(self._blobs) if path == PROJECT_FILE or path.startswith(f"{FOLDER}/")]

    def read(self, path: str) -> bytes:
        path = inside(path)
        for _ in range(8):
            if path not in self._blobs:
                raise FileNotFoundError(path)
            mode, blob = self._blobs[path]
            if blob not in self._read:
                self._read.update(_read_blobs(self._root, [blob]))
            content = self._read[blob]
            if mode != "120000":
                return content[:MAX_READ]
            path = inside(posixpath.join(posixpath.dirname(path), content.decode("utf-8", "surrogateescape")))
        raise OutsideTree(path)

    def commit(self, paths: Iterable[str] = ()) -> str | None:
        return self._commit


def _git(root: str, *arguments: str, missing: str = "", input: bytes | None = None) -> bytes:
    command = ["git", "-C", root, "--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false", *arguments]
    try:
        done = subprocess.run(command, input=input, capture_output=True, check=False, env={**os.environ, "LC_ALL": "C"})
    except FileNotFoundError:
        raise EngineError("git is not installed, and a revision can only be read with it") from None
    if done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise EngineError(missing or f"git could not answer: {words[0] if words else 'no reason given'}")
    return done.stdout


def _read_blobs(root: str, blobs: list[str]) -> dict[str, bytes]:
    """Contents by object id, all in one `git cat-file --batch`."""
    if not blobs:
        return {}
    told = _git(root, "cat-file", "--batch", input="\n".join(dict.fromkeys(blobs)).encode() + b"\n")
    contents, position = {}, 0
    while position < len(told):
        end = told.index(b"\n", position)
        header = told[position:end].decode().split()
        if len(header) != 3:
            # "<id> missing": a shallow or partial clone. Read as not there.
            position = end + 1
            continue
        size = int(header[2])
        contents[header[0]] = told[end + 1 : end + 1 + size]
        position = end + 1 + size + 1
    return contents


def last_changed(root: Path, file: str) -> datetime | None:
    """When a file of the project last changed (naive UTC): in its last commit; now unknown, None, while it has changes of its own or none."""
    try:
        if _git(str(root), "status", "--porcelain", "--", file):
            return None
        said = _git(str(root), "log", "-1", "--format=%ct", "--", file).decode().strip()
    except EngineError:
        return None
    return datetime.fromtimestamp(int(said), UTC).replace(tzinfo=None) if said else None
