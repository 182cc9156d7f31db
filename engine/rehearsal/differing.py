"""Two revisions of the definitions on the same facts, ledger and now, over the same days: what only the change causes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Set
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from engine.clock import Duration, shift, to_local
from engine.definitions.definitions import Definitions
from engine.definitions.environments import ResolvedEnvironment, resolve
from engine.definitions.trees import GitTree, Tree, WorkTree
from engine.facts.needs import needed, together
from engine.facts.reading import read_snapshot
from engine.ledger.ledger import Reading
from engine.ledger.pseudonyms import Pseudonyms
from engine.plan.labelling import labelled
from engine.plan.plan import INSTANT
from engine.plan.revisions import Revisions
from engine.problems import Problem
from engine.rehearsal.course import Blocked, Course, guard_key
from engine.rehearsal.difference import Difference, Flight, StepChange, Unreached, Volume
from engine.rehearsal.foretelling import MOST_INSTANTS, Ground, Progress, silent
from engine.rehearsal.letters import letter_digest
from engine.rehearsal.selecting import narrowed_course, selected_in
from engine.rehearsal.side_by_side import followed_together
from engine.runs.as_found import as_found, is_stopped_now
from engine.runs.changing import refusals, since_applied
from engine.runs.opening import STATE, Site, is_stopped, sound_definitions
from engine.runs.planning import with_kill_switch
from engine.runs.saved import judged, pseudonyms_for
from engine.tables import WORKERS

HORIZON = Duration(30, "d")
_LETTERS = pa.schema([("sequence", pa.string()), ("template", pa.string()), ("locale", pa.string()), ("digest", pa.string())])
_NAMES = pa.schema([("sequence", pa.string()), ("step", pa.string()), ("now_sequence", pa.string()), ("now_step", pa.string())])
_FEW = 5


def difference(
    root: Path,
    base: str,
    head: str | None,
    env_name: str | None,
    environ: Mapping[str, str],
    now: datetime,
    horizon: Duration = HORIZON,
    *,
    most: int = MOST_INSTANTS,
    select: str | None = None,
    progress: Progress = silent,
) -> Difference:
    """Follow both revisions from `now` (naive UTC). `head` None is the work tree as it is. Raises DefinitionsInError for either.
    `progress` is told how many of the days of both are done.

    `select` narrows what is told: both are followed with all sequences, as an apply would.
    """
    before, _ = sound_definitions(tree_of(root, base))
    after, warnings = sound_definitions(tree_of(root, head))
    selected = None if select is None else selected_in(before, after, select)
    environment = _environment(before, after, env_name, environ, head)
    # The project that the ledger belongs to is the base's: what the head says of itself is not believed yet.
    pseudonyms = pseudonyms_for(root, root / STATE, environment, environ)
    whole = before, after
    before, after, unjudged = _judged_alike(before, after, environment, root, pseudonyms)
    site = Site(root, before, environment, now, pseudonyms, warnings, is_stopped(root, environ))
    stopped = is_stopped_now(site)
    until = shift(now, horizon, after.project.timezone)
    needs = together(needed(before), needed(after)) if before.crm == after.crm else None
    sides: list[tuple[Ground, Definitions]] = []
    # The same people at each instant, of both sides.
    address_key = cache(site.pseudonyms.address_key)
    with ExitStack() as stack:
        ledger = as_found(stack.enter_context(site.read_ledger()), site)
        shared = None
        for definitions in (before, after):
            snapshot = shared or stack.enter_context(read_snapshot(definitions, environment.facts, now=now, root=root, needs=needs))
            shared = snapshot if needs is not None else None
            ground = Ground(snapshot, lambda asked: with_kill_switch(ledger.view(asked), stopped), now, until, environment.name, address_key)
            sides.append((ground, definitions))
        courses = followed_together(sides, most=most, progress=progress)
        copied_at, refused = ledger.copied_at, _refused(*whole, ledger)
    if selected is not None:
        courses = [narrowed_course(course, selected) for course in courses]
    found = compared(base, head or "work tree", *courses)
    edits = tuple(edit for edit in found.edits if selected is None or edit.sequence is None or edit.sequence in selected)
    new_environment = None if environment.name in before.project.environments else environment.name
    return replace(found, edits=edits, ledger_as_of=copied_at, refused=refused, unjudged=unjudged, new_environment=new_environment, selected=selected)


def _judged_alike(
    before: Definitions, after: Definitions, environment: ResolvedEnvironment, root: Path, pseudonyms: Pseudonyms
) -> tuple[Definitions, Definitions, tuple[Problem, ...]]:
    """Both without the sequences that either of them cannot be judged by on these facts, and a note for each: one side alone would look like mails gained or lost."""
    called = _called(before, after)
    (base, of_base), (head, of_head) = (judged(definitions, environment, root, pseudonyms) for definitions in (before, after))
    old, new = before.sequences.keys() - base.sequences.keys(), after.sequences.keys() - head.sequences.keys()
    new |= {called[id] for id in old if id in called}
    old |= {id for id, now in called.items() if now in new}
    notes = {problem.message: problem for problem in (*of_base, *of_head)}
    return _without(base, old), _without(head, new), tuple(notes[message] for message in sorted(notes))


def _without(definitions: Definitions, ids: Set[str]) -> Definitions:
    sequences = {id: sequence for id, sequence in definitions.sequences.items() if id not in ids}
    return replace(definitions, sequences=sequences, enrollments={id: one for id, one in definitions.enrollments.items() if one.sequence in sequences})


def _refused(before: Definitions, after: Definitions, ledger: Reading) -> tuple[Problem, ...]:
    """Why no apply follows the head: against the base, which is what this change brings, and against what was last applied (8.7)."""
    brought = refusals(Revisions.of(json.loads(before.compiled), after, before))
    return tuple(dict.fromkeys((*brought, *since_applied(after, ledger).refused)))


def tree_of(root: Path, revision: str | None) -> Tree:
    """The files of a revision; None is the work tree as it is."""
    return WorkTree(root) if revision is None else GitTree(root, revision)


def _environment(before: Definitions, after: Definitions, name: str | None, environ: Mapping[str, str], head: str | None) -> ResolvedEnvironment:
    """The base's environment serves both: a change of it is no change of a campaign, and a branch does not choose what is read.

    Only one that the base does not have yet is taken from the files as they are. WrongUsage for one that is in neither.
    """
    is_new = name is not None and name not in before.project.environments and name in after.project.environments
    return resolve((after if is_new and head is None else before).project, name, environ)


def compared(base: str, head: str, before: Course, after: Course) -> Difference:
    """The two courses side by side, as far as both were followed."""
    until = min(before.reached, after.reached)
    zone = after.definitions.project.timezone
    with duckdb.connect(":memory:", config={"autoinstall_known_extensions": "false", "python_enable_replacements": "false", "threads": str(WORKERS)}) as tables:
        tables.execute("SET TimeZone = 'UTC'")
        _put(tables, "names", pa.Table.from_pylist(list(_renames(before.definitions, after.definitions)), _NAMES))
        for name, course in (("base", before), ("head", after)):
            sends = course.sends.filter(pc.less_equal(course.sends["moment"], pa.scalar(until, course.sends.schema.field("moment").type)))
            _put(tables, f"{name}_sends", sends)
            _put(tables, f"{name}_fates", course.fates)
            _put(tables, f"{name}_letters", _letters(course.definitions, sends))
            _beyond(tables, name, course, until)
        _put(tables, "local_days", _local_days((*before.instants, *after.instants), zone))
        _run(tables, "told")
        _run(tables, "mails")
        return Difference(
            base, head, before.first.now, zone, before, after, labelled(before.definitions, after.definitions), tuple(_steps(tables, before, after)), tuple(_flights(tables, before, after)), tuple(_unreached(tables)),
            _volume(tables, "was"), _volume(tables, "will"), _touched(tables), _people(tables), *_guards(before, after),
        )  # fmt: skip


def _put(tables: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    tables.register("arriving", rows)
    tables.execute(f"CREATE OR REPLACE TABLE {name} AS FROM arriving")
    tables.unregister("arriving")


def _statement(name: str) -> str:
    return resources.files("engine.rehearsal").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def _run(tables: duckdb.DuckDBPyConnection, name: str) -> None:
    for statement in duckdb.extract_statements(_statement(name)):
        tables.execute(statement.query)


def _local_days(instants: tuple[datetime, ...], zone: str) -> pa.Table:
    """The local date of each instant."""
    days = {at: to_local(at, zone).date() for at in instants}
    return pa.table({"moment": pa.array(days, INSTANT), "day": pa.array(days.values(), pa.date32())})


def _called(before: Definitions, after: Definitions) -> dict[str, str]:
    """What the head calls each sequence of the base that is still there (8.7)."""
    olds = {sequence.renamed_from: id for id, sequence in after.sequences.items() if sequence.renamed_from not in after.sequences}
    return {id: id if id in after.sequences else olds[id] for id in before.sequences if id in after.sequences or id in olds}


def _renames(before: Definitions, after: Definitions) -> Iterator[dict[str, str]]:
    """What the base calls otherwise than the head (8.7)."""
    for id, called_now in _called(before, after).items():
        old, new = before.sequences[id], after.sequences[called_now]
        there = {step.id for step in new.steps}
        called = {step.renamed_from: step.id for step in new.steps if step.renamed_from is not None and step.renamed_from not in there}
        for step in old.steps:
            now_step = called.get(step.id, step.id)
            if (new.id, now_step) != (old.id, step.id):
                yield {"sequence": old.id, "step": step.id, "now_sequence": new.id, "now_step": now_step}


def _letters(definitions: Definitions, sends: pa.Table) -> pa.Table:
    """The digest of each letter that the course sends."""
    used = sends.group_by(["sequence", "template", "locale"]).aggregate([]).to_pylist()
    return pa.Table.from_pylist([{**row, "digest": letter_digest(definitions, row["sequence"], row["template"], row["locale"])} for row in used], _LETTERS)


def _beyond(tables: duckdb.DuckDBPyConnection, name: str, course: Course, until: datetime) -> None:
    tables.register("fates", course.fates)
    tables.register("ahead", course.ahead)
    tables.execute(f"CREATE OR REPLACE TABLE {name}_beyond AS {_statement('beyond')}", {"until": until})
    tables.unregister("fates")
    tables.unregister("ahead")


def _steps(tables: duckdb.DuckDBPyConnection, before: Course, after: Course) -> Iterator[StepChange]:
    """Each step that the change touches, in the order of sequences and of their steps."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for sequence, step, kind, number in tables.execute("SELECT sequence, step, kind, count(*) FROM mails GROUP BY ALL").fetchall():
        counts.setdefault((sequence, step), {})[kind] = number
    touched = {
        (sequence, step): (changed, first, reworded)
        for sequence, step, changed, reworded, first in tables.execute(
            "SELECT sequence, step, count(*) FILTER (WHERE changed), count(*) FILTER (WHERE changed AND kind = 'same'), min(least(was_day, will_day)) "
            "FROM mails WHERE changed OR kind <> 'same' GROUP BY ALL"
        ).fetchall()
    }
    items = {
        (sequence, step): (was, will)
        for sequence, step, was, will in tables.execute(
            "SELECT sequence, step, coalesce(sum(was_items), 0)::BIGINT, coalesce(sum(will_items), 0)::BIGINT FROM mails GROUP BY ALL "
            "HAVING max(was_items) > 1 OR max(will_items) > 1"
        ).fetchall()
    }
    regrouped = {(sequence, step): (records, fewer) for sequence, step, records, fewer in tables.execute("FROM regrouped").fetchall()}
    shifts = _by_step(tables.execute(
        "SELECT sequence, step, date_diff('microsecond', was, will) AS far, count(*) AS mails FROM mails WHERE kind = 'move' GROUP BY ALL ORDER BY mails DESC, far"
    ).fetchall())  # fmt: skip
    reasons = _by_step(tables.execute(_statement("losses")).fetchall())
    few = {
        kind: _by_step(tables.execute("SELECT DISTINCT sequence, step, contact, 0 FROM mails WHERE kind = $1 ORDER BY ALL", [kind]).fetchall())
        for kind in ("gain", "loss")
    }
    for sequence, step in sorted(touched, key=lambda one: (one[0], _place(before, after, *one), one[1])):
        key = (sequence, step)
        gone = _is_gone(after.definitions, sequence, step)
        yield StepChange(
            sequence, step, counts[key], touched[key][0], regrouped.get(key, (0, 0))[0], touched[key][1],
            tuple((timedelta(microseconds=far), number) for far, number in shifts.get(key, ())[:_FEW]),
            ((gone, counts[key].get("loss", 0)),) if gone and counts[key].get("loss") else tuple(reasons.get(key, ())),
            tuple(contact for contact, _ in few["gain"].get(key, ())), tuple(contact for contact, _ in few["loss"].get(key, ())),
            items=items.get(key), fewer=regrouped.get(key, (0, 0))[1], reworded=touched[key][2],
        )  # fmt: skip


def _by_step(rows: list[tuple[str, str, Any, int]]) -> dict[tuple[str, str], list[tuple[Any, int]]]:
    found: dict[tuple[str, str], list[tuple[Any, int]]] = {}
    for sequence, step, what, number in rows:
        found.setdefault((sequence, step), []).append((what, number))
    return found


def _place(before: Course, after: Course, sequence: str, step: str) -> int:
    """Where the step stands in its sequence; one that is gone comes where it stood."""
    for definitions in (after.definitions, before.definitions):
        if sequence in definitions.sequences:
            ids = [one.id for one in definitions.sequences[sequence].steps]
            if step in ids:
                return ids.index(step)
    return 0


def _is_gone(definitions: Definitions, sequence: str, step: str) -> str | None:
    found = definitions.sequences.get(sequence)
    if found is None or found.status == "archived":
        return "sequence_removed"
    return None if any(one.id == step for one in found.steps) else "step_removed"


def _flights(tables: duckdb.DuckDBPyConnection, before: Course, after: Course) -> Iterator[Flight]:
    for name, course in (("base", before), ("head", after)):
        tables.register("arriving", course.first.decisions)
        tables.register("entering", course.first.called.named(course.first.changes["enrollments"]))
        tables.execute(
            f"CREATE OR REPLACE TABLE {name}_first AS SELECT sequence, record, occurrence, contact, decision, reason, step FROM arriving "
            "WHERE contact IS NOT NULL AND decision <> 'skip' "
            "AND (sequence, record, occurrence, contact) NOT IN (SELECT (sequence, record, occurrence, contact) FROM entering)"
        )
    for sequence, was, was_at, will, will_at, people in tables.execute(_statement("flights")).fetchall():
        yield Flight(sequence, (was, was_at), (will, will_at), people)


def _unreached(tables: duckdb.DuckDBPyConnection) -> Iterator[Unreached]:
    lonely = "SELECT {0} AS sequence, {1} AS step, record, occurrence FROM {2} WHERE decision = 'unreached'"
    base = lonely.format("coalesce(n.now_sequence, b.sequence)", "coalesce(n.now_step, b.step)", "base_fates b LEFT JOIN names n USING (sequence, step)")
    head = lonely.format("sequence", "step", "head_fates")
    # Where the same records have nobody in both, an edit has only moved at which of their steps that shows.
    for sequence, step, was, will in tables.execute(
        f"WITH base AS ({base}), head AS ({head}), others AS ("
        "  (SELECT DISTINCT sequence, record, occurrence FROM base EXCEPT SELECT sequence, record, occurrence FROM head) UNION ALL"
        "  (SELECT DISTINCT sequence, record, occurrence FROM head EXCEPT SELECT sequence, record, occurrence FROM base)"
        "), counted AS ("
        "  SELECT sequence, step, count(DISTINCT (record, occurrence)) FILTER (WHERE was) AS was, count(DISTINCT (record, occurrence)) FILTER (WHERE NOT was) AS will"
        "  FROM (SELECT *, true AS was FROM base UNION ALL SELECT *, false FROM head) GROUP BY ALL"
        ") SELECT * FROM counted WHERE was <> will AND sequence IN (SELECT sequence FROM others) ORDER BY ALL"
    ).fetchall():
        yield Unreached(sequence, step, was, will)


def _volume(tables: duckdb.DuckDBPyConnection, side: str) -> Volume:
    """`side` is `was` or `will`."""
    tables.execute(f"CREATE OR REPLACE TABLE loads AS SELECT contact, count(*) AS n FROM mails WHERE {side} IS NOT NULL GROUP BY contact")
    mails, people, most, crowd = tables.execute(
        "SELECT coalesce(sum(n), 0)::BIGINT, count(*), coalesce(max(n), 0), count(*) FILTER (WHERE n = (SELECT max(n) FROM loads)) FROM loads"
    ).fetchall()[0]
    burden = tables.execute(
        f"SELECT sequence, count(*) AS n FROM mails WHERE {side} IS NOT NULL AND contact = (SELECT min(contact) FROM loads WHERE n = (SELECT max(n) FROM loads)) "
        "GROUP BY ALL ORDER BY n DESC, sequence"
    ).fetchall()
    days = tables.execute(f"SELECT {side}_day, count(*) FROM mails WHERE {side} IS NOT NULL GROUP BY ALL ORDER BY ALL").fetchall()
    return Volume(mails, people, most, dict(days), crowd, tuple(burden))


def _people(tables: duckdb.DuckDBPyConnection) -> dict[str, int]:
    return dict(tables.execute("SELECT kind, count(DISTINCT contact) FROM mails GROUP BY ALL ORDER BY ALL").fetchall())


def _touched(tables: duckdb.DuckDBPyConnection) -> int:
    (people,) = tables.execute("SELECT count(DISTINCT contact) FROM mails WHERE changed OR kind <> 'same'").fetchall()[0]
    return int(people)


def _guards(before: Course, after: Course) -> tuple[tuple[Blocked, ...], tuple[Blocked, ...]]:
    """The guards that the change trips, or trips harder; and those that hold a run back without it too."""
    known = {guard_key(one.guard): one for one in before.blocked}
    caused: list[Blocked] = []
    anyway: list[Blocked] = []
    for one in after.blocked:
        old = known.get(guard_key(one.guard))
        worse = old is None or one.at < old.at or (one.most < old.most if one.guard.id == "min_facts" else one.most > old.most)
        (caused if worse else anyway).append(one)
    return tuple(caused), tuple(anyway)
