"""A plan: what is due, why, and why not, for one set of definitions, facts, ledger and now. It holds all that apply needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from engine.definitions.definitions import Definitions
from engine.plan.identity import UNCHANGED, Identity

INSTANT = pa.timestamp("us")

# One row a decision, in the order of the plan. `due` is a naive UTC instant, NULL as 5.8 says; keys are the CRM's own.
DECISIONS = pa.schema([
    ("decision", pa.string()), ("reason", pa.string()), ("sequence", pa.string()), ("step", pa.string()), ("entity", pa.string()),
    ("record", pa.string()), ("occurrence", pa.string()), ("contact", pa.string()), ("due", INSTANT), ("expiry", INSTANT),
    ("template", pa.string()), ("locale", pa.string()), ("category", pa.string()), ("topic", pa.string()), ("address", pa.string()),
    ("address_key", pa.string()), ("name", pa.string()), ("detail", pa.string()), ("winner", pa.string()), ("send_key", pa.string()),
])  # fmt: skip

COUNTERS = ("considered", "send", "wait", "hold", "exit", "complete", "skipped_steps", "enroll", "unreached", "upcoming", "before_introduction")


@dataclass(frozen=True)
class GuardResult:
    """One guard, checked: `observed` against `limit`. A guard of a sequence holds that sequence, any other blocks the run (10.2).

    `since` is when that was counted with which it compares, of one that compares with a former run.
    """

    id: str
    sequence: str | None
    limit: float
    observed: float
    passed: bool
    detail: str = ""
    since: datetime | None = None

    @property
    def blocks_all(self) -> bool:
        return not self.passed and self.sequence is None


@dataclass(frozen=True)
class SequenceSummary:
    """The funnel of one sequence: considered = send + wait + hold + exit + complete; the rest stands beside it."""

    id: str
    counts: Mapping[str, int]
    reasons: Mapping[str, int]
    named: Mapping[str, int] = field(default_factory=dict)
    backfill_hint: Mapping[str, int] = field(default_factory=dict)


def mails_in(sends: pa.Table) -> int:
    """How many mails these sends are: those of one message are one (4.8)."""
    message = sends.column("message")
    return int(message.null_count + pc.count_distinct(message, mode="only_valid").as_py())


@dataclass(frozen=True)
class Plan:
    """The value of f(definitions, facts, ledger, now). `changes` has the rows that an apply writes, by the names of ledger.records.CHANGES.

    Decisions are under the names of the definitions, changes under the ids that the ledger keeps; `called` says which is which (8.7).
    """

    definitions: Definitions
    environment: str
    now: datetime
    facts_digest: str
    facts_taken_at: datetime
    ledger_head: int
    decisions: pa.Table
    sequences: tuple[SequenceSummary, ...]
    guards: tuple[GuardResult, ...]
    changes: Mapping[str, pa.Table]
    diagnostics: tuple[str, ...] = ()
    called: Identity = UNCHANGED

    @cached_property
    def summary(self) -> dict[str, int]:
        """The counters over all sequences, named as in interface.md §4."""
        return {name: sum(sequence.counts.get(name, 0) for sequence in self.sequences) for name in COUNTERS}

    def mails(self, sequence: str | None = None) -> int:
        """How many mails an apply would send, of all sequences or of one."""
        sends = self.changes["sends"]
        return mails_in(sends if sequence is None else sends.filter(pc.equal(sends.column("sequence"), pa.scalar(self.called.kept_sequence(sequence)))))

    @property
    def applyable(self) -> bool:
        """False when a guard about the project or the facts blocks everything."""
        return not any(guard.blocks_all for guard in self.guards)

    @property
    def has_changes(self) -> bool:
        """Whether an apply would write a send, a skip, an exit or an enrollment."""
        return any(self.changes[name].num_rows for name in ("sends", "skips", "exits", "enrollments", "returns", "cancels"))
