"""A plan held to what was reviewed: of what an apply writes, only what is in the file; the rest is left for the next apply (9.1).

A path is one contact's way through one occurrence of a sequence. Of a path whose mail was reviewed everything goes, since a mail without its
enrollment, or ahead of a step passed over, would be wrong. What brought a path that is left out (a tick, a membership, an occurrence by hand)
stays untaken unless it brought another that goes, so that the next apply finds it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from engine.ledger.keys import send_key
from engine.plan.gates import Decided
from engine.plan.plan import Plan, SequenceSummary

PATH = ("sequence", "entity", "record", "occurrence", "contact")
# What is written of a path and has no send key.
WRITTEN = ("enrollments", "returns", "exits")
# By table of what takes something in: the columns by which it is found among the enrollments that it brings.
_BRINGS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "occurrences": (("sequence", "sequence"), ("record", "record"), ("occurrence", "occurrence")),
    "ticks": (("sequence", "sequence"), ("tick", "occurrence")),
    "memberships": (("sequence", "sequence"), ("record", "record")),
}


@dataclass(frozen=True)
class Kept:
    """What goes of a plan: its rows by table of `changes`, the decisions about them, and how many paths were left out."""

    plan: Plan
    left_out: int


def paths_written(plan: Plan) -> dict[str, list[str]]:
    """For a file: the paths that each table writes about, as keys that name nobody."""
    return {name: sorted(_path(row) for row in _rows(plan.changes[name])) for name in WRITTEN}


def only_reviewed(plan: Plan, sends: pa.Table, skips: Collection[str], paths: Mapping[str, Collection[str]]) -> Kept:
    """The plan with these sends (rows of its own), and of the rest what was reviewed: skips by their send keys, other rows by their paths."""
    going = {_path(row) for row in _rows(sends)}
    known = {name: going | set(paths[name]) for name in WRITTEN}
    new = [_path(row) for row in _rows(plan.changes["enrollments"])]
    # Whoever is not enrolled has no skip and no exit either.
    unknown = set(new) - known["enrollments"]
    changes = {**plan.changes, "sends": sends}
    for name in WRITTEN:
        changes[name] = _where(plan.changes[name], (_path(row) in known[name] - unknown for row in _rows(plan.changes[name])))
    keys = plan.changes["skips"]["send_key"].cast(pa.string()).to_pylist()
    skipping = [(key in skips or path in going) and path not in unknown for key, path in zip(keys, map(_path, _rows(plan.changes["skips"])), strict=True)]
    changes["skips"] = _where(plan.changes["skips"], skipping)
    for name, columns in _BRINGS.items():
        changes[name] = _untaken(changes[name], columns, plan.changes["enrollments"], changes["enrollments"])
    written = {name: {_path(row) for row in _rows(changes[name])} for name in (*WRITTEN, "sends")}
    left_out = {_path(row) for name in (*WRITTEN, "skips") for row in _rows(plan.changes[name])} - {
        _path(row) for name in (*WRITTEN, "skips") for row in _rows(changes[name])
    }
    return Kept(_told(replace(plan, changes=changes), written, unknown), len(left_out))


def _untaken(table: pa.Table, columns: tuple[tuple[str, str], ...], before: pa.Table, after: pa.Table) -> pa.Table:
    """The rows but for those that brought only enrollments that are left out."""

    def brought(enrollments: pa.Table) -> set[tuple[str, ...]]:
        return {tuple(row[column] for _, column in columns) for row in enrollments.to_pylist()} | {
            # A file's segment is taken as a whole: its row names no record.
            tuple("" if column == "record" else row[column] for _, column in columns)
            for row in enrollments.to_pylist()
        }

    gone = brought(before) - brought(after)
    return _where(table, (tuple(row[name] for name, _ in columns) not in gone for row in table.to_pylist())) if gone else table


def _told(plan: Plan, written: Mapping[str, Collection[str]], unknown: Collection[str]) -> Plan:
    """The decisions and the counts of what goes, so that a report says what was done (6.18 holds for what is left)."""
    skips = set(plan.changes["skips"]["send_key"].cast(pa.string()).to_pylist())
    kept_sends = set(plan.changes["sends"]["send_key"].cast(pa.string()).to_pylist())
    kept: list[bool] = []
    dropped: list[dict[str, Any]] = []
    for row in plan.decisions.select(["decision", "reason", "send_key", *PATH]).to_pylist():
        path = _path({**row, "sequence": plan.called.kept_sequence(row["sequence"])}) if row["contact"] is not None else ""
        goes = {
            Decided.SEND: row["send_key"] in kept_sends,
            Decided.SKIP: row["send_key"] in skips,
            Decided.EXIT: path in written["exits"],
            Decided.COMPLETE: path in written["exits"],
        }.get(row["decision"], True) and path not in unknown
        kept.append(goes)
        if not goes:
            dropped.append(row)
    enrolled = Counter(plan.called.called.get(row["sequence"], row["sequence"]) for row in plan.changes["enrollments"].to_pylist())
    summaries = tuple(_less(one, [row for row in dropped if row["sequence"] == one.id], enrolled[one.id]) for one in plan.sequences)
    return replace(plan, decisions=_where(plan.decisions, kept), sequences=summaries)


def _less(summary: SequenceSummary, dropped: list[dict[str, Any]], enrolled: int) -> SequenceSummary:
    counts = Counter(summary.counts)
    reasons = Counter(summary.reasons)
    for row in dropped:
        counts["skipped_steps" if row["decision"] == Decided.SKIP else row["decision"]] -= 1
        counts["considered"] -= row["decision"] not in (Decided.SKIP, Decided.UNREACHED)
        reasons[row["reason"]] -= 1
    return replace(summary, counts={**counts, "enroll": enrolled}, reasons={reason: count for reason, count in reasons.items() if count})


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.select(PATH).to_pylist()
    return rows


def _path(row: Mapping[str, Any]) -> str:
    """One path as a key of the ledger's kind: a send key has a step, which is never empty."""
    return str(send_key(row["sequence"], "", row["entity"], row["record"], row["occurrence"], row["contact"]))


def _where(table: pa.Table, wanted: Iterable[bool]) -> pa.Table:
    return table.filter(pa.array(list(wanted), pa.bool_()))
