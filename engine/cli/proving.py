"""`engine test`: the campaign tests."""

from __future__ import annotations

from fnmatch import fnmatchcase
from shlex import quote
from typing import TYPE_CHECKING

import click

from engine.cli.choosing import select_option
from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door
from engine.errors import WrongUsage

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.definitions.cases import Case, CaseFile
    from engine.definitions.definitions import Definitions
    from engine.definitions.trees import WorkTree
    from engine.rehearsal.proof import Proof


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@select_option
@click.option("--update", is_flag=True, help="Write what happened into the files, where it is not what they expect.")
@click.option("--from", "from_", metavar="CONTACT", help="Write a case from this contact of the CRM, with made-up names.")
@format_option("text", "json", "junit")
@now_option
@pass_door
def test(door: Door, names: tuple[str, ...], select: str | None, update: bool, from_: str | None, format_: str) -> int:
    """Run definitions/tests/*.yaml: given these records and this date, expect these sends and no others.

    NAMEs are files, or cases by their names; `*` is any text. No CRM, no ledger and no secrets are needed, but for --from.
    A case costs one plan for each of its days. Exit 1 when a case does not hold.
    """
    if from_ is not None:
        return _from_contact(door, from_, names, format_)
    from engine.definitions.trees import WorkTree
    from engine.errors import DefinitionsInError
    from engine.rehearsal.proof import prove
    from engine.views import problems as problems_view
    from engine.views import proved as view

    tree = WorkTree(door.root)
    try:
        definitions, files = _read(tree)
    except DefinitionsInError as error:
        if format_ == "text":
            raise
        # What reads the report of the cases reads this in the same place, as of `validate`.
        door.out(door.mask(problems_view.FORMATS[format_](error.problems, problems_view.reader_of(tree))))
        return error.exit_code
    chosen = _chosen(definitions, files, names, select)
    proof = prove(definitions, files, chosen)
    if update:
        return _updated(door, definitions, proof)
    if format_ == "json":
        door.out(view.as_json(proof))
    elif format_ == "junit":
        door.out(view.as_junit(proof))
    else:
        again = " ".join(["test --update", *map(quote, names), *([f"--select {quote(select)}"] if select else [])])
        others = sum(len(file.cases) for file in files) - len(proof.results)
        door.out(view.as_text(proof, width=door.width, ink=door.ink, update=door.command(again), others=others))
    return 0 if proof.holds else 1


def _read(tree: WorkTree) -> tuple[Definitions, tuple[CaseFile, ...]]:
    """The definitions, and the cases of their tests. DefinitionsInError with all problems of either."""
    from engine.definitions.reading_cases import read_cases
    from engine.errors import DefinitionsInError
    from engine.rehearsal.proving import reasons_by_kind
    from engine.runs.opening import sound_definitions

    definitions, _ = sound_definitions(tree)
    files, problems = read_cases(tree, definitions, reasons_by_kind())
    if problems:
        raise DefinitionsInError(problems)
    return definitions, files


def _chosen(definitions: Definitions, files: tuple[CaseFile, ...], names: tuple[str, ...], select: str | None) -> Callable[[CaseFile, Case], bool]:
    """Whether a case is meant: by its file or name, and by the sequences that it is about."""
    from engine.rehearsal.proof import sequences_of

    sequences: frozenset[str] | None = None
    if select is not None:
        from engine.definitions.selecting import select_sequences

        sequences = select_sequences(definitions, select).sequences

    def named(name: str, file: CaseFile, case: Case) -> bool:
        return name in (file.path, file.path.removesuffix(".yaml")) or any(fnmatchcase(word, name) for word in (file.stem, case.name, file.path))

    for name in names:
        if not any(named(name, file, case) for file in files for case in file.cases):
            from engine.definitions.translating import did_you_mean

            help = did_you_mean(name, [file.stem for file in files], "the files are") or "definitions/tests/ has no case yet"
            raise WrongUsage(f"no campaign test is named `{name}`", help=help)
    return lambda file, case: (not names or any(named(name, file, case) for name in names)) and (sequences is None or bool(sequences & set(sequences_of(case))))


def _updated(door: Door, definitions: Definitions, proof: Proof) -> int:
    from engine.rehearsal.updating import is_unmade, updated
    from engine.runs.listing import read, write
    from engine.views.escaping import one_line
    from engine.views.phrases import counted

    changed = [proved for proved in proof.results if any(not is_unmade(one) for one in proved.differs)]
    for path in dict.fromkeys(proved.file.path for proved in changed):
        here = [proved for proved in changed if proved.file.path == path]
        write(door.root, path, updated(definitions, read(door.root, path), here))
        door.out(f"{path}: {counted(len(here), 'case')} written anew. Read the diff: it says what people will get.\n")
    left = [(proved, one.happened.broken) for proved in proof.results for one in proved.differs if one.happened is not None and is_unmade(one)]
    for proved, why in left:
        place = f"{proved.origin.file}:{proved.origin.line}"
        door.out(one_line(f"{place}: a mail of `{proved.case.name}` cannot be made, and its row stays as it is: {why}") + "\n")
    if not changed and not left:
        door.out("All cases hold; nothing was written.\n")
    return 1 if left else 0


def _from_contact(door: Door, contact: str, names: tuple[str, ...], format_: str) -> int:
    from engine.rehearsal.sampling import case_of_contact

    if names:
        raise WrongUsage("--from writes one new case, and takes no NAME")
    if format_ != "text":
        raise WrongUsage("--from writes a case as YAML, and takes no --format")
    door.out(case_of_contact(door.site(), contact))
    return 0
