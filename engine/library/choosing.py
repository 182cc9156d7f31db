"""Parts of the library by what they are for: the sequences of some tags, and all that these stand on."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import PurePosixPath

from engine.definitions.definitions import Definitions
from engine.definitions.sequences import Sequence
from engine.definitions.using import segments_in, segments_of
from engine.definitions.variables import COMMON, lineage
from engine.library import PARTS

TESTS = PurePosixPath("definitions/tests")


def files_of(definitions: Definitions, parts: Collection[str], tests: Collection[tuple[str, Collection[str]]]) -> frozenset[str]:
    """The files below the project that these parts need. `tests` are the test files, each with the sequences that it is about."""
    tags = {PARTS[part] for part in parts}
    chosen = {id: sequence for id, sequence in definitions.sequences.items() if tags & set(sequence.tags)}
    return frozenset({"definitions/crm.yaml", *_files(definitions, chosen.values()), *(path for path, about in tests if set(about) <= set(chosen))})


def _files(definitions: Definitions, sequences: Collection[Sequence]) -> Iterator[str]:
    ids = {sequence.id for sequence in sequences}
    templates = {choice.use for sequence in sequences for step in sequence.steps for choice in step.choices}
    types = {above.id for id in templates for above in lineage(definitions.types, definitions.templates[id].type)} | ({COMMON} & set(definitions.types))
    segments = {segment for sequence in sequences for segment in segments_of(definitions, sequence)}
    segments |= {segment for id in types for segment in segments_in(definitions.types[id])}
    while more := {below for id in segments for below in segments_in(definitions.segments[id])} - segments:
        segments |= more
    for kind, several in (("sequence", ids), ("template", templates), ("type", types), ("segment", segments)):
        yield from (definitions.where(kind, id).file for id in several)  # type: ignore[arg-type] # the names above are kinds
    yield from (definitions.where("enrollment", id).file for id, file in definitions.enrollments.items() if file.sequence in ids)
    for id in templates:
        template = definitions.templates[id]
        if template.layout is not None:
            yield definitions.layouts[template.layout].file
        folder = PurePosixPath(definitions.where("template", id).file).parent
        for body in (*template.body.values(), *template.text.values()):
            if (file := getattr(body, "file", None)) is not None:
                yield (folder / file).as_posix()
    yield from (f"definitions/partials/{path}" for path in definitions.partials)
    for id in segments:
        if (members := getattr(definitions.segments[id].members, "file", None)) is not None:
            yield (PurePosixPath(definitions.where("segment", id).file).parent / members).as_posix()
