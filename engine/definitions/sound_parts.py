"""The sound parts of definitions that have errors: what can still be looked at, so that a reader sees all mistakes at once."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable

from engine.definitions.definitions import Definitions
from engine.definitions.draft import Draft
from engine.definitions.templates import BodyFile, Template
from engine.definitions.trees import FOLDER, PROJECT_FILE, OutsideTree, inside
from engine.definitions.variables import COMMON, lineage
from engine.problems import Problem


def sound_parts(draft: Draft, problems: Iterable[Problem]) -> Definitions | None:
    """The types, templates and layouts that no error touches, to check their texts; no sequences, no segments, no digest.

    None where the project, the map, a partial or the common variables are in error: then nothing could be said for sure.
    """
    wrong = {problem.origin.file for problem in problems if problem.severity == "error" and problem.origin is not None}
    shared = {PROJECT_FILE, f"{FOLDER}/crm.yaml"}
    if draft.project is None or draft.crm is None or wrong & shared or any(file.startswith(f"{FOLDER}/partials/") for file in wrong):
        return None
    types = {id: type_ for id, type_ in draft.types.items() if _type_is_sound(draft, id, wrong)}
    if COMMON not in types and (COMMON in draft.types or ("type", COMMON) in draft.broken):
        return None
    layouts = {id: layout for id, layout in draft.layouts.items() if layout.file not in wrong}
    templates = {id: template for id, template in draft.templates.items() if template.type in types and _is_sound(draft, template, wrong)}
    return Definitions(
        project=draft.project, crm=draft.crm, types=types, templates=templates, layouts=layouts, segments={}, sequences={}, enrollments={},
        partials=draft.partials, bodies=draft.bodies, members={}, places=draft.places, digest="",
    )  # fmt: skip


def _type_is_sound(draft: Draft, id: str, wrong: set[str]) -> bool:
    """Also all that it extends."""
    above = list(lineage(draft.types, id))
    return above[-1].extends is None and all(draft.where("type", type_.id).file not in wrong for type_ in above)


def _is_sound(draft: Draft, template: Template, wrong: set[str]) -> bool:
    """Its own file, its layout and the texts beside it. The built-in page stands in for a layout that nobody made."""
    file = draft.where("template", template.id).file
    if file in wrong:
        return False
    if template.layout is not None and ("layout", template.layout) in draft.broken:
        return False
    bodies = [body.file for part in (template.body, template.text) for body in part.values() if isinstance(body, BodyFile)]
    try:
        return all(inside(posixpath.join(posixpath.dirname(file), name)) in draft.bodies for name in bodies)
    except OutsideTree:
        return False
