"""What crosses between planner and ledger: Arrow tables with fixed schemas, and a few frozen values.

Every instant is naive UTC in microseconds. Every key is text. Tables are asked for about candidates, never whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

import pyarrow as pa

INSTANT = pa.timestamp("us")
_ENROLLMENT = [("sequence", pa.string()), ("entity", pa.string()), ("record", pa.string()), ("occurrence", pa.string()), ("contact", pa.string())]
_OCCURRENCE = _ENROLLMENT[:4]
OCCURRENCE = pa.schema(_OCCURRENCE)

# --- what a plan reads -------------------------------------------------------------------------------------------

STARTS = pa.schema([("sequence", pa.string()), ("started", INSTANT)])
STEP_STARTS = pa.schema([("sequence", pa.string()), ("step", pa.string()), ("started", INSTANT)])
# One row an enrollment with its latest exit; all three exit columns are NULL for one that is on its way (also after a return).
ENROLLMENTS = pa.schema([
    *_ENROLLMENT, ("base_date", pa.date32()), ("base_at", INSTANT), ("began", INSTANT),
    ("exit_at", INSTANT), ("exit_reason", pa.string()), ("exit_final", pa.bool_()),
])  # fmt: skip
# Every send key that is taken: state is planned, claimed, dispatching, sent, failed, unknown or skipped (never cancelled).
# `address_key` is the keyed hash of the address it went to, NULL for skips. `ambiguous`: a planned row that may have been delivered.
# `message`: that of a planned row whose bytes stay as they were frozen with other records (4.8), else NULL.
DECIDED = pa.schema([
    *_ENROLLMENT, ("step", pa.string()), ("state", pa.string()), ("reason", pa.string()),
    ("decided_at", INSTANT), ("due_at", INSTANT), ("address_key", pa.string()), ("ambiguous", pa.bool_()), ("message", pa.string()),
])  # fmt: skip
# Sends (every state but skipped and cancelled) decided after `sends_since`, of any sequence and occurrence;
# `ended_as` is the latest exit reason of their enrollment, or NULL. Template, category and topic are what caps count by. Rows with one
# `message` are one mail (4.8); NULL is a mail of its own.
RECENT_SENDS = pa.schema([
    *_ENROLLMENT, ("step", pa.string()), ("state", pa.string()), ("decided_at", INSTANT), ("address_key", pa.string()), ("ended_as", pa.string()),
    ("template", pa.string()), ("category", pa.string()), ("topic", pa.string()), ("message", pa.string()),
])  # fmt: skip
# Occurrences taken by hand.
OCCURRENCES = pa.schema([*_OCCURRENCE, ("base_at", INSTANT), ("source", pa.string()), ("override", pa.bool_())])
# What `engine event` and the web service told (3.2): an event is one for its name and id, however often it came.
EVENTS = pa.schema([("event", pa.string()), ("id", pa.string()), ("entity", pa.string()), ("record", pa.string()), ("happened_at", INSTANT)])
# The times of a schedule, or of `once`, that were taken (3.4), by their local wall time; `base_at` is the instant. At least the last of each sequence.
TICKS = pa.schema([("sequence", pa.string()), ("tick", pa.string()), ("base_at", INSTANT)])
# Who was in the segment that a sequence waits on at its last apply (3.3), and under which rules that was recorded ('': not kept any more).
MEMBERSHIPS = pa.schema([("sequence", pa.string()), ("record", pa.string()), ("member", pa.bool_())])
ROSTERS = pa.schema([("sequence", pa.string()), ("digest", pa.string())])
# scope is project, sequence or enrollment; action is stopped, paused or cancelled. NULL keys of an enrollment mean any.
CONTROLS = pa.schema([("scope", pa.string()), ("action", pa.string()), *_ENROLLMENT, ("until", INSTANT)])
# reason is bounce, complaint, unsubscribed or manual; topic NULL means every mail of that reason's reach.
SUPPRESSIONS = pa.schema([("address_key", pa.string()), ("reason", pa.string()), ("topic", pa.string())])
# What a sequence (step '') or one of its steps is called since then, by the ids under which the ledger keeps it (8.7). All of them.
NAMES = pa.schema([("sequence", pa.string()), ("step", pa.string()), ("name", pa.string()), ("since", INSTANT)])
# What each sequence said when an apply first followed it so: trigger, audience and times, as JSON (8.6, 8.8, 8.9). `since` is the now
# of that apply, `day` the start of its local day. All of them.
FOLLOWED = pa.schema([("sequence", pa.string()), ("said", pa.string()), ("since", INSTANT), ("day", INSTANT)])
FACT_COUNTS = pa.schema([("entity", pa.string()), ("records", pa.int64())])
# How many people each sequence was for at its last apply, under the digest of what decides it (10.1); `counted_at` is since when it is so many.
AUDIENCES = pa.schema([("sequence", pa.string()), ("digest", pa.string()), ("people", pa.int64())])
AUDIENCES_KNOWN = pa.schema([*AUDIENCES, ("counted_at", INSTANT)])
# What a segment had for members at an apply, and the enrollments that began through it; kept for people, no plan reads them.
SEGMENT_COUNTS = pa.schema([("segment", pa.string()), ("members", pa.int64())])
SEGMENT_USES = pa.schema([("segment", pa.string()), ("sequence", pa.string()), ("enrolled", pa.int64())])
SEQUENCES_SENT = pa.schema([("sequence", pa.string())])

# What rules on history ask (7.6): by contact, sequence, step and template the latest moment of each kind (received, opened, clicked,
# enrolled; an enrollment has neither step nor template).
HISTORY = pa.schema([
    ("kind", pa.string()), ("contact", pa.string()), ("sequence", pa.string()), ("step", pa.string()), ("template", pa.string()), ("at", INSTANT),
])  # fmt: skip

VIEW: Mapping[str, pa.Schema] = {
    "history": HISTORY,
    "starts": STARTS,
    "step_starts": STEP_STARTS,
    "enrollments": ENROLLMENTS,
    "decided": DECIDED,
    "recent_sends": RECENT_SENDS,
    "occurrences": OCCURRENCES,
    "events": EVENTS,
    "ticks": TICKS,
    "memberships": MEMBERSHIPS,
    "rosters": ROSTERS,
    "controls": CONTROLS,
    "suppressions": SUPPRESSIONS,
    "names": NAMES,
    "followed": FOLLOWED,
    "fact_counts": FACT_COUNTS,
    "audiences": AUDIENCES_KNOWN,
    "sequences_sent": SEQUENCES_SENT,
}


@dataclass(frozen=True)
class PastAsked:
    """One question of rules on history: a kind, of one sequence or (None) of all, in (since, until]; since None is ever."""

    kind: Literal["received", "opened", "clicked", "enrolled"]
    sequence: str | None
    since: datetime | None
    until: datetime


@dataclass(frozen=True)
class Candidates:
    """What a plan asks about. The view then holds:

    starts, step_starts, names, followed, occurrences, controls, suppressions, fact_counts (of the last run), audiences, sequences_sent: whole;
    enrollments: those without a final exit, those with a planned row, those of the candidate occurrences, those that ended
    after `exits_since`, and all of `whole_sequences`;
    All are asked and answered under the ids that the ledger keeps; `occurrences` and `whole_sequences` alone are as they are called now,
    and `former` is what the files say they were called before (`renamed_from`).
    history: what was asked in `history`;
    decided: the keys of those enrollments' and of the candidate occurrences; recent_sends: as its schema says.
    events: those of the names in `events`; ticks and memberships: whole where they are asked for; rosters: the last of each sequence.
    With `as_of` all of it is as it was at that moment: what an apply wrote before it, and what was told until then.
    """

    occurrences: pa.Table
    whole_sequences: tuple[str, ...]
    sends_since: datetime
    former: Mapping[str, str] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    exits_since: datetime | None = None
    history: tuple[PastAsked, ...] = ()
    ticks: bool = False
    memberships: bool = False
    as_of: datetime | None = None


@dataclass(frozen=True)
class LedgerView:
    """The ledger as one plan sees it. `head` is the serial of its last transaction; `last_now` the now of the last apply."""

    tables: Mapping[str, pa.Table]
    head: int = 0
    last_now: datetime | None = None

    @classmethod
    def empty(cls) -> LedgerView:
        return cls({name: schema.empty_table() for name, schema in VIEW.items()})


# --- what a plan writes ------------------------------------------------------------------------------------------

NEW_ENROLLMENTS = pa.schema([*_ENROLLMENT, ("base_date", pa.date32()), ("base_at", INSTANT)])
RETURNS = pa.schema(_ENROLLMENT)
# complete is an exit too: final, with reason complete.
EXITS = pa.schema([*_ENROLLMENT, ("reason", pa.string()), ("final", pa.bool_())])
SKIPS = pa.schema([("send_key", pa.string()), *_ENROLLMENT, ("step", pa.string()), ("reason", pa.string()), ("detail", pa.string()), ("due_at", INSTANT)])
# Sends with one `message` are one mail (4.8): it is the send key of the first by base, and `item` the place in it; both NULL for a mail of its own.
# `open_until` is when the send window that is open now closes (5.4), where that is before the plan's judgement is too old anyway; else NULL.
SENDS = pa.schema([
    ("send_key", pa.string()), *_ENROLLMENT, ("step", pa.string()), ("due_at", INSTANT), ("expires_at", INSTANT),
    ("template", pa.string()), ("locale", pa.string()), ("category", pa.string()), ("topic", pa.string()),
    ("address_key", pa.string()), ("address", pa.string()), ("name", pa.string()), ("variables", pa.string()), ("position", pa.int64()),
    ("message", pa.string()), ("item", pa.int64()), ("open_until", INSTANT),
])  # fmt: skip
# Planned rows that nobody has claimed and that pass no longer (9.6); the state becomes cancelled with this reason.
CANCELS = pa.schema([("send_key", pa.string()), ("reason", pa.string())])
NEW_OCCURRENCES = pa.schema([*_OCCURRENCE, ("base_at", INSTANT), ("source", pa.string()), ("note", pa.string())])

CHANGES: Mapping[str, pa.Schema] = {
    "starts": STARTS,
    "step_starts": STEP_STARTS,
    "names": NAMES,
    "followed": FOLLOWED,
    "occurrences": NEW_OCCURRENCES,
    "ticks": TICKS,
    "memberships": MEMBERSHIPS,
    "rosters": ROSTERS,
    "enrollments": NEW_ENROLLMENTS,
    "returns": RETURNS,
    "exits": EXITS,
    "skips": SKIPS,
    "sends": SENDS,
    "cancels": CANCELS,
    "fact_counts": FACT_COUNTS,
    "audiences": AUDIENCES,
    "segment_counts": SEGMENT_COUNTS,
    "segment_uses": SEGMENT_USES,
}


# Most plans write nothing of these.
OF_TRIGGERS = ("ticks", "memberships", "rosters")


@dataclass(frozen=True)
class Run:
    """One apply, as the ledger remembers it. `now` is the plan's; `overrides` are guards raised with a reason, `job` its name in engine.yaml."""

    run_id: str
    now: datetime
    engine_version: str
    definitions_digest: str
    commit: str | None
    compiled: str
    facts_digest: str
    plan_digest: str
    host: str
    pid: int
    overrides: tuple[tuple[str, str, str], ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    job: str | None = None


@dataclass(frozen=True)
class Changes:
    """What one plan writes, in one transaction: tables as in CHANGES (missing ones are empty)."""

    tables: Mapping[str, pa.Table]

    def table(self, name: str) -> pa.Table:
        return self.tables.get(name, CHANGES[name].empty_table())


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a commit: `head` is the ledger's serial after it, the counts are rows that moved.

    `taken` sends and skips had a key that is decided already, or that a worker holds; `refused` sends had an address that another
    contact's send for the same step, record and occurrence holds (4.6). `already` is true when this run was committed before.
    """

    head: int
    planned: int = 0
    judged_again: int = 0
    revived: int = 0
    skipped: int = 0
    cancelled: int = 0
    in_doubt: int = 0
    taken: int = 0
    refused: int = 0
    already: bool = False


# --- delivery ----------------------------------------------------------------------------------------------------

# A row is dispatched only this long after a plan judged it (9.6).
JUDGED_FOR = timedelta(minutes=30)
# The longest that one hand-over may take (600 s for the final dot, and the commands before it); a lease outlasts it.
LONGEST_SEND = timedelta(minutes=15)
LEASE = timedelta(minutes=45)
MAX_ATTEMPTS = 8
# The phase of a retry that was dispatched with its group and then not handed over: nothing of it left, and it is no attempt.
NOT_TRIED = "not_tried"


@dataclass(frozen=True, slots=True)
class Frozen:
    """A message as it was frozen before its first dispatch; every later attempt sends these bytes."""

    payload: bytes
    payload_hash: str
    sender: str
    recipient: str
    message_id: str
    subject: str


# A row that a worker holds: its send key and its token.
Hold = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Item:
    """One record of a message of several (4.8): the row that is its own."""

    send_key: str
    token: int
    record: str
    occurrence: str
    variables: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """A message that a worker holds (T2). `token` is its fence: only its holder may move the row on. `variables` is JSON.

    `frozen` is there when the message was frozen by an earlier attempt: it is sent as it is and not rendered again. Of a message of several
    sends (4.8) `items` are all that are held, by base; it goes by the key of the first, or by the one under which it was frozen.
    """

    send_key: str
    token: int
    sequence: str
    step: str
    entity: str
    record: str
    occurrence: str
    contact: str
    template: str
    locale: str
    category: str
    topic: str | None
    address: str
    name: str | None
    variables: str
    due_at: datetime
    expires_at: datetime | None
    attempts: int
    address_key: str = ""
    frozen: Frozen | None = None
    # When the send window closes that it left in (5.4); what has not left by then is the next plan's.
    open_until: datetime | None = None
    items: tuple[Item, ...] = ()

    @property
    def leaves_before(self) -> datetime | None:
        """The first moment at which it may not leave any more."""
        return min((moment for moment in (self.expires_at, self.open_until) if moment is not None), default=None)

    @property
    def holds(self) -> tuple[Hold, ...]:
        """Every row of it, with its token."""
        return tuple((item.send_key, item.token) for item in self.items) or ((self.send_key, self.token),)

    @classmethod
    def of_row(cls, row: Sequence[Any]) -> Claimed:
        """Out of the row that every home asks for: the fields in their order as far as `attempts`, the address key, what was frozen, and `open_until`."""
        payload_hash, message_id, sender, recipient, subject, payload, open_until = row[19:]
        frozen = None
        if payload_hash is not None and payload is not None:
            frozen = Frozen(bytes(payload), payload_hash, sender, recipient, message_id, subject)
        fields: tuple[Any, ...] = (*row[:12], row[12] or "", row[13], row[14] or "{}", *row[15:19], frozen, open_until)
        return cls(*fields)


@dataclass(frozen=True, slots=True)
class Dispatch:
    """One frozen message that its holder is about to hand over (T3). `key_ttl_seconds` is how long the transport promises to
    know a repeated key, 0 where it takes none. `items` are the rows of a message of several (4.8)."""

    send_key: str
    token: int
    frozen: Frozen
    transport: str
    key_ttl_seconds: int = 0
    items: tuple[Hold, ...] = ()


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one hand-over. sent (T4), retry = definitely not accepted (T5), failed = never will be (T6), unknown (T7, T8).

    `text` holds no address and no secret. `retry_at` is when a retry may go; None is at once. `items` are the rows of a message of several.
    """

    send_key: str
    token: int
    state: Literal["sent", "failed", "retry", "unknown"]
    phase: str = ""
    code: int | None = None
    enhanced_code: str = ""
    text: str = ""
    provider_message_id: str = ""
    retry_at: datetime | None = None
    items: tuple[Hold, ...] = ()


@dataclass(frozen=True, slots=True)
class Settled:
    """What the ledger made of settlements: the keys of messages by the state they are in now. `stale` ones came from a holder whose token
    had passed on, and were dropped."""

    sent: tuple[str, ...] = ()
    planned: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()

    @classmethod
    def of(cls, became: Mapping[str, str]) -> Settled:
        """Out of what each send key became."""
        return cls(**{state: tuple(key for key, to in became.items() if to == state) for state in ("sent", "planned", "failed", "unknown", "stale")})


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a dead process left (T9, T10): claimed rows that are planned again, dispatching rows that are in doubt or, with a key
    that the provider still knows, planned again."""

    released: int = 0
    unknown: int = 0
    again: int = 0
