"""What the ledger tells people: rows of sends and enrollments, runs, doubts. Values for the doors to show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Generic, TypeVar

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class SendFilter:
    """Which sends are asked for; what is None is not looked at. `since` is when they were decided."""

    sequence: str | None = None
    contact: str | None = None
    entity: str | None = None
    record: str | None = None
    state: str | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class EnrollmentFilter:
    """Which enrollments are asked for; what is None is not looked at."""

    sequence: str | None = None
    contact: str | None = None
    entity: str | None = None
    record: str | None = None
    live: bool | None = None


ALL_SENDS, ALL_ENROLLMENTS = SendFilter(), EnrollmentFilter()


@dataclass(frozen=True, slots=True)
class Head:
    """Where a ledger stands. `serial` grows by one with each transaction; `head_hash` chains all of them."""

    project: str
    environment: str
    lineage: str
    serial: int
    head_hash: str
    last_now: datetime | None


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """Some rows of many."""

    rows: tuple[Row, ...]
    total: int
    offset: int


@dataclass(frozen=True, slots=True)
class AppliedDefinitions:
    """The definitions that an apply followed; `compiled` is the canonical model as text."""

    digest: str
    commit: str | None
    compiled: str
    run_id: str
    now: datetime


@dataclass(frozen=True, slots=True)
class SendRow:
    """One send key and what became of it. `address` is None once it was forgotten, and for skips."""

    send_key: str
    state: str
    reason: str | None
    sequence: str
    step: str
    entity: str
    record: str
    occurrence: str
    contact: str
    due_at: datetime | None
    decided_at: datetime
    sent_at: datetime | None
    template: str | None
    locale: str | None
    category: str | None
    address: str | None
    attempts: int
    ambiguous: bool
    run_id: str
    commit: str | None


@dataclass(frozen=True, slots=True)
class Told:
    """One thing that was told of a mail, such as `opened`; `at` is when it happened there, naive UTC."""

    kind: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Attempt:
    """One hand-over. `outcome` is None while nobody has said."""

    token: int
    started_at: datetime
    ended_at: datetime | None
    transport: str
    outcome: str | None
    phase: str
    code: int | None
    enhanced_code: str
    text: str


@dataclass(frozen=True, slots=True)
class SendDetail:
    """All that is known of one send; `payload` is the message as it was frozen, None where none was or it was forgotten."""

    row: SendRow
    expires_at: datetime | None
    judged_at: datetime | None
    not_before: datetime | None
    detail: str | None
    variables: str | None
    transport: str | None
    provider_message_id: str | None
    message_id: str | None
    payload_hash: str | None
    sender: str | None
    recipient: str | None
    subject: str | None
    payload: bytes | None
    attempts: tuple[Attempt, ...]
    # The other sends of the same message (4.8).
    others: tuple[SendRow, ...] = ()
    # What feedback told of the message (9.7), the first first.
    told: tuple[Told, ...] = ()


@dataclass(frozen=True, slots=True)
class EnrollmentRow:
    """One contact on the path of one occurrence; live as far as the ledger knows when `exit_at` is None."""

    sequence: str
    entity: str
    record: str
    occurrence: str
    contact: str
    base_date: date | None
    base_at: datetime | None
    began: datetime
    exit_at: datetime | None
    exit_reason: str | None
    exit_final: bool | None
    sends: int
    last_step: str | None
    last_decided_at: datetime | None
    # Of those enrolled by hand.
    enrolled_by: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class RunRow:
    """One apply. `ended_at` is None for one that is running or was killed."""

    run_id: str
    now: datetime
    ended_at: datetime | None
    outcome: str | None
    commit: str | None
    definitions_digest: str
    host: str
    pid: int
    counts: Mapping[str, int]
    overrides: tuple[tuple[str, str, str], ...]
    job: str | None = None


@dataclass(frozen=True, slots=True)
class ControlRow:
    """One stop or pause in force, or a cancellation that no plan has taken up yet."""

    scope: str
    action: str
    sequence: str | None
    entity: str | None
    record: str | None
    occurrence: str | None
    contact: str | None
    until: datetime | None
    by: str
    at: datetime
    note: str


@dataclass(frozen=True, slots=True)
class Status:
    """The ledger at a glance. `unknown` lists at most a hundred of the doubts that `states` counts."""

    head: Head
    states: Mapping[str, int]
    unknown: tuple[SendRow, ...]
    controls: tuple[ControlRow, ...]
    runs: tuple[RunRow, ...]
    enrollments_live: int
    suppressions: int
    # When each job last ran: the latest now of its applies.
    jobs: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SegmentCount:
    """How many members a segment had from an apply on, until the next one that counted another number."""

    counted_at: datetime
    members: int


@dataclass(frozen=True, slots=True)
class SegmentUse:
    """One time that a segment brought enrollments: at an apply, or by hand."""

    used_at: datetime
    sequence: str
    enrolled: int


@dataclass(frozen=True, slots=True)
class SegmentHistory:
    """What the ledger knows of a segment, the earliest first."""

    counts: tuple[SegmentCount, ...] = ()
    uses: tuple[SegmentUse, ...] = ()

    def members_at(self, moment: datetime) -> int | None:
        """The members that were counted at the moment or last before it; None before the first count."""
        return next((one.members for one in reversed(self.counts) if one.counted_at <= moment), None)
