"""Campaign tests read and checked: every case against the map and the sequences, each mistake with its place."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from pydantic import ValidationError

from engine.clock import FIRST_DAY, LAST_DAY, naive_utc, start_of_day, to_local, to_utc
from engine.definitions.base import Loc
from engine.definitions.cases import KINDS, Case, CaseFile, Row, is_day, key_at
from engine.definitions.crm import Entity
from engine.definitions.crm import Field as CrmField
from engine.definitions.definitions import Definitions, Places
from engine.definitions.translating import closest, did_you_mean, problems_of
from engine.definitions.trees import FOLDER, OutsideTree, Tree
from engine.definitions.yaml_reader import read_yaml
from engine.problems import Origin, Problem

TESTS = f"{FOLDER}/tests/"
# More days at once would be planned than anybody waits for.
MOST_DAYS = 400
NINE = "T09:00"


@dataclass(frozen=True)
class _Within(Places):
    """The places of one case, seen from the case."""

    base: Places = Places("")
    index: int = 0

    def key(self, *loc: str | int) -> Origin:
        return self.base.key(self.index, *loc)

    def value(self, *loc: str | int) -> Origin:
        return self.base.value(self.index, *loc)


def read_cases(tree: Tree, definitions: Definitions | None, reasons: Mapping[str, Collection[str]]) -> tuple[tuple[CaseFile, ...], tuple[Problem, ...]]:
    """The files of `definitions/tests/` that are sound, and all problems of the others. Without definitions only the form is checked.

    `reasons` are those that each kind of row may have.
    """
    files: list[CaseFile] = []
    problems: list[Problem] = []
    for path in tree.paths():
        name = posixpath.basename(path)
        if not path.startswith(TESTS) or name.startswith(".") or name.upper().startswith("README"):
            continue
        if not path.endswith(".yaml"):
            problems.append(Problem("E113", f"`{name}` is not read here", Origin(path), "campaign tests are `.yaml` files"))
            continue
        file, wrong = _file(tree, path, definitions, reasons)
        problems += wrong
        if file is not None:
            files.append(file)
    return tuple(files), tuple(sorted(problems, key=lambda problem: problem.sort_key))


def _file(tree: Tree, path: str, definitions: Definitions | None, reasons: Mapping[str, Collection[str]]) -> tuple[CaseFile | None, list[Problem]]:
    try:
        raw = tree.read(path)
    except (OutsideTree, OSError):
        return None, [Problem("E102", "the file cannot be read", Origin(path), "keep it inside of the project, as a plain file")]
    document = read_yaml(path, raw)
    if document.problems:
        return None, list(document.problems)
    if not isinstance(document.data, list) or not document.data:
        return None, [Problem("E105", "the file is not a list of cases", document.places.value(), "it begins with `- name: who gets what`")]
    cases: list[Case] = []
    problems: list[Problem] = []
    names: dict[str, int] = {}
    for index, data in enumerate(document.data):
        places = _Within(path, base=document.places, index=index)
        if not isinstance(data, dict):
            problems.append(Problem("E105", "a case is a mapping", places.value(), "it begins with `name:`"))
            continue
        try:
            case = Case.model_validate(data, by_alias=True, by_name=False)
        except ValidationError as error:
            problems += problems_of(error, Case, data, places)
            continue
        if case.name in names:
            first = document.places.value(names[case.name], "name")
            problems.append(Problem("E114", f"two cases are named `{case.name}`", places.value("name"), "rename one of them", ((first, "the other one"),)))
        names.setdefault(case.name, index)
        if definitions is not None:
            problems += _Checking(definitions, case, places, reasons).all()
        cases.append(case)
    if problems:
        return None, problems
    return CaseFile(path, tuple(cases), document.places, tuple(document.data)), []


def moments_of(case: Case, zone: str) -> tuple[datetime, ...]:
    """When plans are made (naive UTC): `now`, and on a timeline every later day at its time of day, or the days that are named."""
    first = utc_of(case.now, zone)
    wall = to_local(first, zone)
    # `now` itself is one of them: where clocks go back its wall time alone could mean the hour before.
    if isinstance(case.days, tuple):
        times = {day: to_utc(datetime.combine(day, wall.time()), zone) for day in case.days if is_day(day) and day != wall.date()}
        return tuple(sorted({first, *times.values(), *(utc_of(moment, zone) for moment in case.days if not is_day(moment))}))
    return (first, *(to_utc(wall + timedelta(days=number), zone) for number in range(1, _days(case, zone))))


def _days(case: Case, zone: str) -> int:
    """How many days a case without named ones has; less than 1 where `until` is before `now`."""
    if case.until is None:
        return case.days if isinstance(case.days, int) else 1
    last = case.until if is_day(case.until) else to_local(utc_of(case.until, zone), zone).date()
    return (last - to_local(utc_of(case.now, zone), zone).date()).days + 1


def utc_of(value: Any, zone: str) -> datetime:
    """What a case says as a moment, as naive UTC: local without an offset, and a day is its 09:00."""
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(f"{value.isoformat()}{NINE}")
    return naive_utc(moment) if moment.tzinfo is not None else to_utc(moment, zone)


class _Checking:
    """One case against the definitions: what it gives fits the map, what it expects can be."""

    def __init__(self, definitions: Definitions, case: Case, places: Places, reasons: Mapping[str, Collection[str]]) -> None:
        self.definitions, self.case, self.places, self.reasons = definitions, case, places, reasons
        self.zone = definitions.project.timezone

    def all(self) -> Iterator[Problem]:
        yield from self._timeline()
        for id, loc in self._named_sequences():
            if id not in self.definitions.sequences:
                help = did_you_mean(id, self.definitions.sequences, "the sequences are")
                yield Problem("E234", f"there is no sequence `{id}`", self.places.value(*loc), help)
        for index, one in enumerate(self.case.given.events):
            known = self.definitions.crm.events
            if one.event not in known:
                yield Problem(
                    "E331",
                    f"there is no event `{one.event}`",
                    self.places.value("given", "events", index, "event"),
                    did_you_mean(one.event, known, "the events are"),
                )
        yield from self._records(self.case.given.records, ("given",), whole=True)
        for index, change in enumerate(self.case.then):
            yield from self._records(change.records, ("then", index), whole=False)
            yield from self._entities(change.gone, ("then", index, "gone"))
        yield from self._expected()

    def _timeline(self) -> Iterator[Problem]:
        beyond = [loc for loc, said in self._times() if not FIRST_DAY <= (said if is_day(said) else said.date()) <= LAST_DAY]
        for loc in beyond:
            yield Problem("E282", f"this is not between {FIRST_DAY} and {LAST_DAY}", self.places.value(*loc), "look at the year")
        if beyond:
            return
        first, key = utc_of(self.case.now, self.zone), "days" if self.case.days is not None else "until"
        days = len(self.case.days) if isinstance(self.case.days, tuple) else _days(self.case, self.zone)
        # Counted before they are made: a mistyped number of days could be millions.
        moments = moments_of(self.case, self.zone) if days <= MOST_DAYS else (first,)
        if days < 1 or moments[0] < first:
            yield Problem(
                "E282", "the timeline goes back before `now`", self.places.value(key), "a ledger never goes back in time; begin with the earliest day"
            )
        elif days > MOST_DAYS:
            yield Problem(
                "E282", f"{days:,} days are more than {MOST_DAYS}", self.places.value(key), "name the days that matter: `days: [2026-03-02, 2026-03-18]`"
            )
            return
        for index, change in enumerate(self.case.then):
            if len(moments) == 1:
                yield Problem("E282", "something happens later, and there is only one day", self.places.key("then", index), "say `days:` or `until:`")
            elif start_of(change.on, self.zone) > moments[-1]:
                yield Problem(
                    "E282", "this happens after the last day of the case", self.places.value("then", index, "on"), "let the case last longer, or take it out"
                )

    def _times(self) -> Iterator[tuple[Loc, Any]]:
        """Every day and moment that the case says, with its place."""
        case, given = self.case, self.case.given
        said: list[tuple[Loc, Any]] = [(("now",), case.now), (("until",), case.until), (("given", "active_from"), given.active_from)]
        said += [(("days", index), one) for index, one in enumerate(case.days)] if isinstance(case.days, tuple) else []
        said += [(("then", index, "on"), one.on) for index, one in enumerate(case.then)]
        said += [(("given", "enrolled", index, "at"), one.at) for index, one in enumerate(given.enrolled)]
        said += [(("given", "events", index, "at"), one.at) for index, one in enumerate(given.events)]
        for kind in KINDS:
            for index, row in enumerate(getattr(case.expect, kind) or ()):
                said += [(("expect", kind, index, name), getattr(row, name)) for name in ("on", "due")]
        return ((loc, one) for loc, one in said if one is not None)

    def _named_sequences(self) -> Iterator[tuple[str, Loc]]:
        yield from ((id, ("sequences", index)) for index, id in enumerate(self.case.sequences or ()))
        yield from ((one.sequence, ("given", "enrolled", index, "sequence")) for index, one in enumerate(self.case.given.enrolled))
        for kind in KINDS:
            yield from ((row.sequence, ("expect", kind, index, "sequence")) for index, row in enumerate(getattr(self.case.expect, kind) or ()))

    # --- what is given -------------------------------------------------------------------------------------------

    def _entities(self, records: Mapping[str, Any], above: Loc) -> Iterator[Problem]:
        entities = self.definitions.crm.entities
        for name in records:
            if name not in entities:
                words = ("active_from", "enrolled", "events", "suppressed") if above == ("given",) else ()
                yield Problem("E237", f"there is no entity `{name}`", self.places.key(*above, name), did_you_mean(name, (*entities, *words), "known here"))

    def _records(self, records: Mapping[str, tuple[Row, ...]], above: Loc, *, whole: bool) -> Iterator[Problem]:
        yield from self._entities(records, above)
        for name, rows in records.items():
            entity = self.definitions.crm.entities.get(name)
            if entity is None:
                continue
            keys: set[str] = set()
            for index, row in enumerate(rows):
                loc = (*above, name, index)
                yield from self._row(entity, name, row, loc)
                own = key_at(self.definitions.crm, name, index + 1)
                key = row.get(entity.key, own if whole else None)
                if key is None:
                    yield Problem("E281", f"the {name} has no key", self.places.value(*loc), f"write `{entity.key}: {own}`")
                elif str(key) in keys:
                    place = self.places.value(*loc, entity.key) if entity.key in row else self.places.value(*loc)
                    help = "every record has a key of its own; one that says none has its place among them"
                    yield Problem("E281", f"the {name} {key} is given twice", place, help)
                keys.add(str(key))

    def _row(self, entity: Entity, name: str, row: Row, loc: Loc) -> Iterator[Problem]:
        for field_name, value in row.items():
            field = entity.fields.get(field_name)
            if field is None and field_name != entity.key:
                known = (entity.key, *entity.fields)
                yield Problem("E238", f"`{name}` has no field `{field_name}`", self.places.key(*loc, field_name), did_you_mean(field_name, known, "it has"))
            elif value is not None:
                wrong = _misfit(field, value)
                if wrong:
                    yield Problem("E281", f"`{field_name}` of a {name}: {wrong[0]}", self.places.value(*loc, field_name), wrong[1])

    # --- what is expected ----------------------------------------------------------------------------------------

    def _expected(self) -> Iterator[Problem]:
        for kind in KINDS:
            for index, row in enumerate(getattr(self.case.expect, kind) or ()):
                sequence = self.definitions.sequences.get(row.sequence)
                loc: Loc = ("expect", kind, index)
                if sequence is None:
                    continue
                if self.case.sequences is not None and row.sequence not in self.case.sequences:
                    yield Problem("E282", f"`{row.sequence}` takes no part in this case", self.places.value(*loc, "sequence"), "add it to `sequences:`")
                steps = [step.id for step in sequence.steps]
                if row.step is not None and row.step not in steps:
                    yield Problem(
                        "E282", f"`{row.sequence}` has no step `{row.step}`", self.places.value(*loc, "step"), did_you_mean(row.step, steps, "its steps are")
                    )
                if row.contact is not None:
                    yield from self._is_given(self.definitions.crm.contact.entity, row.contact, (*loc, "contact"))
                if row.record is not None:
                    yield from self._is_given(sequence.about, row.record, (*loc, "record"))
                reason = getattr(row, "reason", None)
                if reason is not None and reason not in self.reasons[kind]:
                    yield Problem(
                        "E282",
                        f"`{reason}` is no reason for one of the {kind}",
                        self.places.value(*loc, "reason"),
                        did_you_mean(reason, self.reasons[kind], "the reasons are"),
                    )
                template = getattr(row, "template", None)
                if template is not None and template not in self.definitions.templates:
                    yield Problem(
                        "E231",
                        f"there is no template `{template}`",
                        self.places.value(*loc, "template"),
                        did_you_mean(template, self.definitions.templates, "the templates are"),
                    )

    def _is_given(self, entity: str, key: object, loc: Loc) -> Iterator[Problem]:
        given = [self.case.given.records, *(change.records for change in self.case.then)]
        crm = self.definitions.crm
        name = crm.entities[entity].key
        keys = [str(row.get(name, key_at(crm, entity, place))) for records in given for place, row in enumerate(records.get(entity, ()), 1)]
        if str(key) not in keys:
            help = f"given are: {', '.join(keys[:12])}" if keys else f"give one: `{entity}: [{{{name}: {key}}}]`"
            yield Problem("E282", f"no {entity} {key} is given", self.places.value(*loc), help)


def start_of(value: Any, zone: str) -> datetime:
    """From when on something holds: a day from its first moment."""
    moment = utc_of(value, zone)
    return start_of_day(moment, zone) if is_day(value) else moment


def _misfit(field: CrmField | None, value: Any) -> tuple[str, str] | None:
    """What is wrong with a value, and what to write. A key without a field of its own may be a number or a text."""
    shown = f"`{str(value)[:60]}`"
    if isinstance(value, dict | list):
        return "a record's value is one number, text or date", "related records are given under their own entity"
    kind = field.type if field is not None else "text"
    if field is None:
        return None
    if kind == "boolean" and not isinstance(value, bool):
        return f"{shown} is no boolean", "write true or false"
    if kind == "integer" and not (isinstance(value, int) and not isinstance(value, bool)):
        return f"{shown} is no whole number", "write it without quotes and without a fraction"
    if kind == "decimal" and not _is_decimal(value):
        return f"{shown} is no number", "write it without separators, such as 4500 or 12.50"
    if kind == "text" and not isinstance(value, str):
        return f"{shown} is no text", f'put it in quotes: "{value}"'
    if kind == "date" and not (isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value) and _is_moment(value)):
        return f"{shown} is no date", "write year, month and day, such as 2026-03-31"
    if kind == "timestamp" and not (isinstance(value, str) and _is_moment(value)):
        return f"{shown} is no moment", "write it as 2026-03-31T09:00, with an offset if it has one"
    if field.choices and value not in field.choices:
        meant = closest(str(value), field.choices)
        return f"{shown} is none of its choices", (f"did you mean `{meant}`? " if meant else "") + f"It is one of: {', '.join(field.choices)}"
    return None


def _is_decimal(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        return Decimal(str(value)).is_finite()
    except InvalidOperation:
        return False


def _is_moment(value: str) -> bool:
    try:
        date.fromisoformat(value) if len(value) == 10 else datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
