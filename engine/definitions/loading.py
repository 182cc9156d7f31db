"""YAML to Definitions: every file is read, everything that is wrong is told at once, nothing is half believed."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from engine.definitions.base import Loc, Model
from engine.definitions.checking import CHECKS
from engine.definitions.compiling import compiled
from engine.definitions.crm import Crm
from engine.definitions.definitions import Definitions, Kind, Layout, Places
from engine.definitions.draft import Draft
from engine.definitions.project import Project
from engine.definitions.segments import MembersFile, Segment
from engine.definitions.sequences import EnrollmentFile, Sequence
from engine.definitions.sound_parts import sound_parts
from engine.definitions.templates import BodyFile, Template
from engine.definitions.translating import closest, problems_of
from engine.definitions.trees import FOLDER, PROJECT_FILE, GitTree, MemoryTree, OutsideTree, Tree, WorkTree, inside
from engine.definitions.types import TemplateType
from engine.definitions.yaml_reader import decode, read_yaml
from engine.problems import Origin, Problem

__all__ = ["GitTree", "Loaded", "MemoryTree", "Tree", "WorkTree", "load"]

CRM_FILE = f"{FOLDER}/crm.yaml"
MODELS: dict[Kind, type[Model]] = {
    "project": Project, "crm": Crm, "type": TemplateType, "template": Template, "segment": Segment, "sequence": Sequence, "enrollment": EnrollmentFile,
}  # fmt: skip
KINDS: dict[str, Kind] = {
    "types": "type", "templates": "template", "layouts": "layout", "segments": "segment", "sequences": "sequence", "enrollments": "enrollment",
}  # fmt: skip
FOLDERS = (*KINDS, "partials")
_LONGEST = 300
# Files that stand beside the YAML and are read by their name.
_BESIDE = {"template": (".md", ".html", ".txt"), "segment": (".csv",)}
_BODY_ENDINGS = {"body": (".md", ".html"), "text": (".txt", ".md")}


@dataclass(frozen=True)
class Loaded:
    """`definitions` is None when there is an error; `problems` has errors and warnings, sorted by place.

    `sound_parts` has the templates that no error touches, for who checks their texts; None where nothing can be said of them.
    """

    definitions: Definitions | None
    problems: tuple[Problem, ...]
    sound_parts: Definitions | None

    @property
    def errors(self) -> tuple[Problem, ...]:
        return tuple(problem for problem in self.problems if problem.severity == "error")


def load(tree: Tree) -> Loaded:
    """Read and check everything."""
    reading = _Reading(tree)
    reading.read_all()
    problems = reading.problems
    for check in CHECKS:
        problems.extend(check(reading.draft))
    problems = sorted(dict.fromkeys(map(_calm, problems)), key=lambda problem: problem.sort_key)
    if any(problem.severity == "error" for problem in problems):
        return Loaded(None, tuple(problems), sound_parts(reading.draft, problems))
    definitions = reading.definitions()
    return Loaded(definitions, tuple(problems), definitions)


def _calm(problem: Problem) -> Problem:
    """A sentence on one line, also where a value of many lines is quoted in it."""
    if len(problem.message) <= _LONGEST and "\n" not in problem.message and "\n" not in problem.help:
        return problem
    message = " ".join(problem.message.split())
    return replace(problem, message=message if len(message) <= _LONGEST else message[: _LONGEST - 1] + "…", help=" ".join(problem.help.split()))


class _Reading:
    """One pass over a tree. What cannot be read is a problem, and `broken` in the draft."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.draft = Draft()
        self.problems: list[Problem] = []
        self.used: set[str] = set()
        # A file beside the YAML was named and not found: which file is not used cannot be said.
        self.unsettled = False

    def read_all(self) -> None:
        self.paths = list(self.tree.paths())
        for path, kind in ((PROJECT_FILE, "project"), (CRM_FILE, "crm")):
            if path not in self.paths:
                what = (
                    "a project begins with this file; `engine init` makes one"
                    if kind == "project"
                    else "make it: it maps the CRM's entities, their fields and relations, and the contact"
                )
                self.problems.append(Problem("E125", f"`{path}` is missing", Origin(path), what))
        for path in self.paths:
            if path == PROJECT_FILE:
                self._one("project", path)
            elif path.startswith(f"{FOLDER}/"):
                self._file(path)
        self._beside()

    def _file(self, path: str) -> None:
        parts = path.split("/")
        stem, ending = posixpath.splitext(parts[-1])
        if any(part.startswith(".") for part in parts) or parts[-1].endswith(("~", ".bak", ".orig", ".swp")) or parts[-1].upper().startswith("README"):
            return
        if path == CRM_FILE:
            self._one("crm", path)
        elif len(parts) == 2:
            self._misplaced(path, f"no file `{parts[1]}` is read here", f"move it into one of the folders {', '.join(FOLDERS)}")
        elif parts[1] == "tests":
            return  # reading_cases.py: a case is no part of what is sent
        elif parts[1] not in FOLDERS:
            meant = closest(parts[1], FOLDERS)
            self._misplaced(
                path,
                f"nothing is read from the folder `{parts[1]}`",
                (f"did you mean `{meant}`? " if meant else "") + f"The folders are {', '.join((*FOLDERS, 'tests'))}",
            )
        elif parts[1] == "partials":
            self._partial(path)
        elif parts[1] == "layouts":
            self._layout(path, stem, ending)
        elif ending == ".yaml":
            self._one(KINDS[parts[1]], path, stem)
        elif ending == ".yml":
            self._misplaced(path, "files end in `.yaml`", f"rename it to `{stem}.yaml`")
        elif ending not in _BESIDE.get(KINDS[parts[1]], ()):
            what = f"a file that ends in `{ending}` is not read here" if ending else f"`{parts[-1]}` is not read here"
            linked = "" if ending else "; links to folders are not followed"
            self._misplaced(path, what, f"definitions are `.yaml` files; move it out of definitions/{linked}")

    def _misplaced(self, path: str, message: str, help: str) -> None:
        self.problems.append(Problem("E113", message, Origin(path), help))

    def _content(self, path: str, place: Origin, what: str = "the file") -> bytes | None:
        try:
            return self.tree.read(path)
        except OutsideTree:
            self.problems.append(
                Problem("E122", f"{what} leads out of the project", place, "keep it inside; symbolic links, `..` and absolute paths may not lead out")
            )
        except FileNotFoundError:
            self.unsettled = True
            folder = posixpath.dirname(path)
            there = [other for other in self.paths if posixpath.dirname(other) == folder and not other.endswith(".yaml")]
            close = get_close_matches(posixpath.basename(path), [posixpath.basename(other) for other in there], 1)
            self.problems.append(
                Problem("E248", f"there is no file `{path}`", place, f"did you mean `{close[0]}`?" if close else "make it, or correct the name")
            )
        except OSError as error:
            self.problems.append(Problem("E102", f"{what} cannot be read: {error.strerror or 'no reason given'}", place, "check its rights"))
        return None

    def _text(self, path: str, place: Origin) -> str | None:
        raw = self._content(path, place, f"`{path}`")
        if raw is None:
            return None
        text, problem = decode(path, raw)
        if problem is not None:
            self.problems.append(problem)
            return None
        return text.replace("\r\n", "\n")

    def _one(self, kind: Kind, path: str, stem: str = "") -> None:
        raw = self._content(path, Origin(path))
        id = stem or kind
        if raw is None:
            self.draft.broken.add((kind, id))
            return
        document = read_yaml(path, raw)
        self.problems.extend(document.problems)
        if document.data is None or not isinstance(document.data, dict):
            if not document.problems:
                empty = document.data is None
                example = "id: " + stem if stem else "format: 1" if kind == "project" else "entities:"
                self.problems.append(
                    Problem(
                        "E105",
                        "the file is empty" if empty else "the file is not a mapping",
                        document.places.value(),
                        f"it is a mapping of keys, beginning with `{example}`",
                    )
                )
            self.draft.broken.add((kind, id))
            return
        data = document.data
        try:
            model = MODELS[kind].model_validate(data, by_alias=True, by_name=False)
        except ValidationError as error:
            self.problems.extend(problems_of(error, MODELS[kind], data, document.places))
            self.draft.broken.update({(kind, id), (kind, str(data.get("id", id)))})
            return
        self.problems.extend(
            Problem("E105", f"`{loc[-1]}` has no value", document.places.key(*loc), "write one, or take the key out: nothing is left empty by accident")
            for loc in _empty(data)
        )
        if self._named(kind, stem, model, path, document.places.value("id")):
            self._keep(kind, id, model)
            self.draft.places[(kind, id)] = document.places
            self.draft.data[(kind, id)] = data

    def _named(self, kind: Kind, stem: str, model: Model, path: str, place: Origin) -> bool:
        """The id is the file's stem, and no other file has it."""
        if not stem:
            return True
        said = str(getattr(model, "id", ""))
        if said != stem:
            self.problems.append(
                Problem("E112", f"`id: {said}` in a file named `{stem}.yaml`", place, f"write `id: {stem}`, or rename the file to `{said}.yaml`")
            )
            self.draft.broken.update({(kind, stem), (kind, said)})
            return False
        return self._only(kind, stem, place)

    def _only(self, kind: Kind, id: str, place: Origin) -> bool:
        other = self.draft.places.get((kind, id))
        if other is not None:
            self.problems.append(
                Problem(
                    "E114",
                    f"two files have the id `{id}`",
                    place,
                    "rename one of them; subfolders do not make ids different",
                    ((other.value("id"), "the other one"),),
                )
            )
        return other is None

    def _keep(self, kind: Kind, id: str, model: Model) -> None:
        if isinstance(model, Project):
            self.draft.project = model
        elif isinstance(model, Crm):
            self.draft.crm = model
        else:
            kinds: dict[Kind, dict[str, Any]] = {
                "type": self.draft.types, "template": self.draft.templates, "segment": self.draft.segments, "sequence": self.draft.sequences,
                "enrollment": self.draft.enrollments,
            }  # fmt: skip
            kinds[kind][id] = model

    def _layout(self, path: str, stem: str, ending: str) -> None:
        if ending != ".html":
            self._misplaced(path, "a layout ends in `.html`", f"rename it to `{stem}.html`")
            return
        text = self._text(path, Origin(path))
        if text is None:
            self.draft.broken.add(("layout", stem))
        elif self._only("layout", stem, Origin(path)):
            self.draft.layouts[stem] = Layout(stem, path, text)
            self.draft.places[("layout", stem)] = Places(path)

    def _partial(self, path: str) -> None:
        text = self._text(path, Origin(path))
        if text is not None:
            self.draft.partials[path.removeprefix(f"{FOLDER}/partials/")] = text

    def _beside(self) -> None:
        """The files that templates and segments name."""
        for id, template in self.draft.templates.items():
            places = self.draft.where("template", id)
            for part, bodies in (("body", template.body), ("text", template.text)):
                for locale, body in bodies.items():
                    if isinstance(body, BodyFile):
                        self._body(places.file, body.file, places.value(part, locale, "file"), _BODY_ENDINGS[part])
        for id, segment in self.draft.segments.items():
            if isinstance(segment.members, MembersFile):
                places = self.draft.where("segment", id)
                self.draft.members[id] = self._members(places.file, segment.members.file, places.value("members", "file"))
            elif segment.members is not None:
                self.draft.members[id] = tuple(dict.fromkeys(map(str, segment.members)))
        for path in self.paths:
            if path.startswith((f"{FOLDER}/templates/", f"{FOLDER}/segments/")) and path.endswith((".md", ".html", ".txt", ".csv")) and path not in self.used:
                name = path.rsplit("/", 1)[1]
                if not self.unsettled and not self.draft.broken and not name.startswith(".") and not name.upper().startswith("README"):
                    what = "segment" if path.startswith(f"{FOLDER}/segments/") else "template"
                    self.problems.append(Problem("E123", f"no {what} uses this file", Origin(path), "name it in one, or delete it", severity="warning"))

    def _beside_path(self, file: str, name: str, place: Origin) -> str | None:
        try:
            inside(name.replace("../", "")) if name.startswith("../") else inside(posixpath.join("x", name))
            path = inside(posixpath.join(posixpath.dirname(file), name))
            if name.startswith(("/", "~")):
                raise OutsideTree(name)
        except OutsideTree:
            self.unsettled = True
            self.problems.append(
                Problem("E122", f"`{name}` leads out of the project", place, "name a file beside this one, such as `NAME.en.md`, with forward slashes")
            )
            return None
        self.used.add(path)
        return path

    def _body(self, file: str, name: str, place: Origin, endings: tuple[str, ...]) -> None:
        path = self._beside_path(file, name, place)
        if path is None or path in self.draft.bodies:
            return
        if not path.endswith(endings):
            self.unsettled = True
            self.problems.append(
                Problem(
                    "E124", f"`{name}` ends in neither {' nor '.join(endings)}", place, "the ending says how the file is read: Markdown, HTML or plain text"
                )
            )
            return
        text = self._text(path, place)
        if text is not None:
            self.draft.bodies[path] = text

    def _members(self, file: str, name: str, place: Origin) -> tuple[str, ...]:
        path = self._beside_path(file, name, place)
        raw = self._content(path, place, f"`{name}`") if path is not None else None
        if raw is None or path is None:
            return ()
        try:
            rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline=""), strict=True))
        except (UnicodeDecodeError, csv.Error) as error:
            self.problems.append(Problem("E254", f"`{path}` is not a CSV file in UTF-8: {error}", place, "save it as CSV, UTF-8, with a column named `key`"))
            return ()
        if not rows or "key" not in rows[0]:
            found = ", ".join(rows[0]) if rows else "nothing"
            self.problems.append(
                Problem(
                    "E254",
                    f"`{path}` has no column `key`",
                    place,
                    f"name the column with the keys `key`; it has {found[:100]}",
                    ((Origin(path), "its first line"),),
                )
            )
            return ()
        column = rows[0].index("key")
        return tuple(dict.fromkeys(row[column] for row in rows[1:] if len(row) > column and row[column].strip()))

    def definitions(self) -> Definitions:
        draft = self.draft
        assert draft.project is not None and draft.crm is not None  # a file that is missing or broken is an error, and then nobody asks
        return Definitions(
            project=draft.project, crm=draft.crm, types=draft.types, templates=draft.templates, layouts=draft.layouts, segments=draft.segments,
            sequences=draft.sequences, enrollments=draft.enrollments, partials=draft.partials, bodies=draft.bodies, members=draft.members, places=draft.places,
            digest=digest(draft), commit=self.tree.commit(self.used), compiled=compiled(draft),
        )  # fmt: skip


# Where null says something: no layout, no default text, an example of nothing; and rules judge their own.
_MAY_BE_NULL = ("layout", "default", "sample", "exists", "none")


def _empty(data: Any, loc: Loc = ()) -> Iterator[Loc]:
    """The keys without a value, such as a `goal:` whose lines were all taken out."""
    if isinstance(data, dict):
        for key, value in data.items():
            if value is None and key not in _MAY_BE_NULL:
                yield (*loc, key)
            elif key not in _MAY_BE_NULL:
                yield from _empty(value, (*loc, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _empty(value, (*loc, index))


def digest(draft: Draft) -> str:
    """sha256 of everything said, in one canonical form: comments, the order of keys and files, and where files lie are not in it."""
    said: dict[str, Any] = {}
    for (kind, id), data in draft.data.items():
        said[f"{kind}/{id}"] = _with_bodies(draft, id, data) if kind == "template" else data
    canonical = {
        "definitions": said,
        "layouts": {id: layout.html for id, layout in draft.layouts.items()},
        "partials": draft.partials,
        "members": draft.members,
    }
    text = json.dumps(canonical, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _with_bodies(draft: Draft, id: str, data: dict[str, Any]) -> dict[str, Any]:
    """A template's data with the texts of its files in place of their names."""
    folder = posixpath.dirname(draft.where("template", id).file)
    full = dict(data)
    for part in ("body", "text"):
        if part in data:
            full[part] = {
                locale: {"ending": posixpath.splitext(body["file"])[1], "text": draft.bodies[inside(posixpath.join(folder, body["file"]))]}
                if isinstance(body, dict)
                else body
                for locale, body in data[part].items()
            }
    return full
