"""`engine import django`: the definitions of the Django CRM as YAML, and its history as files that `engine import` takes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.cutover.dictionary import Dictionary, Mails
from engine.cutover.django_files import LeftOut, Made, make
from engine.cutover.django_tables import Found, Tables
from engine.cutover.recognizing import ANSWERS
from engine.definitions.definitions import Definitions
from engine.definitions.loading import load
from engine.definitions.trees import MemoryTree, WorkTree
from engine.errors import DefinitionsInError, EngineError
from engine.messages.checking import check_templates
from engine.problems import Problem

HISTORY = "import"
SENDS, ENROLLMENTS = f"{HISTORY}/django-sends.csv", f"{HISTORY}/django-enrollments.csv"
_SEND_COLUMNS = ("sequence", "step", "record", "contact", "address", "occurrence", "sent_at", "status", "message_id")
_ENROLLMENT_COLUMNS = ("sequence", "record", "contact", "occurrence", "enrolled_at", "status", "last_step", "last_sent_at", "ended_at", "note")
# One definition that is left out may take others with it, and these others.
_ROUNDS = 20


@dataclass(frozen=True)
class Carried:
    """What was found: files to write, and what could not be carried. `counts` are rows by the kind of table."""

    files: Mapping[str, str]
    left_out: tuple[LeftOut, ...]
    counts: Mapping[str, int]
    sends: int
    enrollments: int
    missing: tuple[str, ...]


def carry(root: Path, tables: Tables) -> Carried:
    """Everything that passes `engine validate` beside what the project has. Raises DefinitionsInError when the project itself does not."""
    tree = WorkTree(root)
    present = {path: tree.read(path) for path in tree.paths()}
    definitions, problems = _checked(present, {})
    if definitions is None:
        raise DefinitionsInError(problems)
    made = make(tables, definitions)
    for path in list(made.objects):
        if any(file in present for file in made.objects[path]):
            made.drop(path, "a file of this name is there already")
    whole = _sound(present, made, definitions)
    sends = list(_sends(made, tables, whole))
    enrollments = list(_enrollments(made, tables, whole))
    files = {
        **made.files,
        **({SENDS: _csv(_SEND_COLUMNS, sends)} if sends else {}),
        **({ENROLLMENTS: _csv(_ENROLLMENT_COLUMNS, enrollments)} if enrollments else {}),
    }
    counts = {kind: len(rows) for kind, rows in tables.rows.items() if not kind.startswith("segment_")}
    return Carried(files, tuple(made.left_out), counts, len(sends), len(enrollments), tables.missing)


def write(root: Path, carried: Carried) -> None:
    """Write the files, all or none. EngineError when one of them is there already: nothing is ever overwritten."""
    there = [path for path in carried.files if (root / path).exists() or (root / path).is_symlink()]
    if there:
        raise EngineError(
            f"{', '.join(there[:5])} {'is' if len(there) == 1 else 'are'} there already, and nothing was written",
            help="move the files away, then run this again",
        )
    done: list[Path] = []
    try:
        for path, text in carried.files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            with (root / path).open("x", encoding="utf-8", newline="\n") as file:
                done.append(root / path)
                file.write(text)
    except OSError as error:
        for made in done:
            with suppress(OSError):
                made.unlink()
        raise EngineError("the files could not be written; those that were are gone again", help="look at the disk and at the rights of the folder") from error


def _checked(present: Mapping[str, bytes], files: Mapping[str, str]) -> tuple[Definitions | None, list[Problem]]:
    tree = MemoryTree({**present, **files})
    loaded = load(tree)
    problems = list(loaded.problems)
    if loaded.sound_parts is not None:
        problems += check_templates(loaded.sound_parts, tree.read)
    errors = [problem for problem in problems if problem.severity == "error"]
    return (None if errors else loaded.definitions), errors


def _sound(present: Mapping[str, bytes], made: Made, definitions: Definitions) -> Definitions:
    """The project with what was made; a definition that an error touches is left out, and what needs it after that."""
    for _ in range(_ROUNDS):
        whole, errors = _checked(present, made.files)
        if whole is not None:
            return _without_unused_types(made, whole)
        owners = {file: path for path, files in made.objects.items() for file in files}
        wrong: dict[str, str] = {}
        for problem in errors:
            owner = owners.get(problem.origin.file if problem.origin else "")
            if owner is not None:
                wrong.setdefault(owner, f"{problem.code}: {problem.message}")
        if not wrong:
            # An error in the project's own files by what was added, such as a second thing of one id: nothing of it can stay.
            wrong = dict.fromkeys(made.objects, "it does not fit the project's own files")
        for path, why in wrong.items():
            made.drop(path, why)
    return definitions


def _without_unused_types(made: Made, whole: Definitions) -> Definitions:
    """A type was made for a template: where that could not be carried, nobody needs it."""
    used = {template.type for template in whole.templates.values()} | {said.extends for said in whole.types.values()}
    for id in set(whole.types) - used:
        path = f"definitions/types/{id}.yaml"
        for file in made.objects.pop(path, []):
            made.files.pop(file)
    return whole


# --- history ----------------------------------------------------------------------------------------------------


def _occurrence(enrollment: Found) -> str:
    return f"django-{enrollment.id}"


def _is_manual(definitions: Definitions, sequence: str) -> bool:
    return definitions.sequences[sequence].trigger.kind != "date"


def _steps_alive(made: Made, definitions: Definitions) -> dict[str, tuple[str, str]]:
    return {id: pair for id, pair in made.steps.items() if pair[0] in definitions.sequences}


def _sends(made: Made, tables: Tables, definitions: Definitions) -> Iterator[Sequence[str]]:
    """Mails of sequences first, then those of the log that no sequence sent."""
    enrollments = {row.id: row for row in tables.of("enrollment")}
    steps = _steps_alive(made, definitions)
    lost: dict[str, int] = {}
    logged: set[str] = set()
    for row in tables.of("email"):
        enrollment, pair = enrollments.get(row.text("enrollment_id")), steps.get(row.text("step_id", "sequence_step_id"))
        if row.get("email_log_id"):
            logged.add(row.text("email_log_id"))
        if row.get("sent_at") is None:
            continue
        if enrollment is None or pair is None:
            lost["mails of sequences that are not carried"] = lost.get("mails of sequences that are not carried", 0) + 1
            continue
        record = _record(enrollment, pair[0], definitions)
        if record is None:
            lost[f"mails of `{pair[0]}` whose record is not kept"] = lost.get(f"mails of `{pair[0]}` whose record is not kept", 0) + 1
            continue
        occurrence = _occurrence(enrollment) if _is_manual(definitions, pair[0]) else ""
        yield (
            *pair,
            record,
            enrollment.text("contact_id"),
            row.text("to_email", "email", "recipient"),
            occurrence,
            row.text("sent_at"),
            _status(row),
            row.text("message_id"),
        )
    mails = Mails(definitions, Dictionary())
    for row in tables.of("log"):
        if row.id in logged or row.get("sent_at") is None:
            continue
        template = made.templates.get(row.text("template_used_id", "template_id", "email_template_id"))
        found = mails.find(None, None, template) if template else None
        if not isinstance(found, tuple):
            what = f"logged mails of the template `{template}`, which no one step has" if template else "logged mails without a template"
            lost[what] = lost.get(what, 0) + 1
            continue
        about = definitions.sequences[found[0]].about
        record = row.text("contact_id") if about == definitions.crm.contact.entity else row.text(f"{about}_id")
        if not record:
            lost[f"logged mails of `{found[0]}` without their {about}"] = lost.get(f"logged mails of `{found[0]}` without their {about}", 0) + 1
            continue
        yield (*found, record, row.text("contact_id"), row.text("to_email", "recipient"), "", row.text("sent_at"), _status(row), row.text("message_id"))
    made.left_out += [LeftOut(f"{what} ({count:,})", "there is no step of ours that they are") for what, count in sorted(lost.items())]


def _status(row: Found) -> str:
    word = row.text("status").strip().lower()
    return word if word in ANSWERS else "failed" if word in ("failed", "error") else "sent"


def _record(enrollment: Found, sequence: str, definitions: Definitions) -> str | None:
    about = definitions.sequences[sequence].about
    if about == definitions.crm.contact.entity:
        return enrollment.get("contact_id")
    if enrollment.text("trigger_entity_type").lower() == about:
        return enrollment.get("trigger_entity_id")
    return enrollment.get(f"{about}_id")


def _enrollments(made: Made, tables: Tables, definitions: Definitions) -> Iterator[Sequence[str]]:
    last: dict[str, str] = {}
    for row in tables.of("email"):
        sent = row.get("sent_at")
        if sent is not None:
            last[row.text("enrollment_id")] = max(sent, last.get(row.text("enrollment_id"), ""))
    lost: dict[str, int] = {}
    for row in tables.of("enrollment"):
        sequence = made.sequences.get(row.text("sequence_id"), "")
        if sequence not in definitions.sequences:
            lost["enrollments of sequences that are not carried"] = lost.get("enrollments of sequences that are not carried", 0) + 1
            continue
        record = _record(row, sequence, definitions)
        if record is None or row.get("contact_id") is None:
            what = f"enrollments in `{sequence}` of a company, or whose record is not kept"
            lost[what] = lost.get(what, 0) + 1
            continue
        yield (
            sequence, record, row.text("contact_id"), _occurrence(row) if _is_manual(definitions, sequence) else "", row.text("enrolled_at", "created_at"),
            row.text("status").strip().lower() or "active", _behind(row, made, sequence), last.get(row.id, ""), row.text("completed_at"), row.text("notes", "note"),
        )  # fmt: skip
    made.left_out += [LeftOut(f"{what} ({count:,})", "they have no place here") for what, count in sorted(lost.items())]


def _behind(row: Found, made: Made, sequence: str) -> str:
    """The id of the last step behind somebody. The CRM keeps the step that is next: its number from 1, or its row."""
    steps = made.order[sequence]
    said = row.text("current_step_id", "current_step_number", "current_step")
    if said in made.steps:
        place = steps.index(made.steps[said][1])
    else:
        place = int(said) - 1 if said.isdecimal() and said != "0" else 0
    return steps[min(place, len(steps)) - 1] if place > 0 else ""


def _csv(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return out.getvalue()
