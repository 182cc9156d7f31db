"""The ledger: what was decided and done, once and for ever. One Protocol, two homes: a DuckDB file, a schema of Postgres.

Every `now` is naive UTC and given by the caller. Each method that writes is one transaction; what it returns is committed.
A write that fails raises LedgerBroken: whoever sends stops at once, for what cannot be recorded is not sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from types import TracebackType
from typing import Literal, Protocol, Self

from engine.errors import EngineError
from engine.ledger.care import Forgotten
from engine.ledger.feedback import Feedback, TakenFeedback
from engine.ledger.history import (
    ALL_ENROLLMENTS,
    ALL_SENDS,
    AppliedDefinitions,
    ControlRow,
    EnrollmentFilter,
    EnrollmentRow,
    Head,
    Page,
    SegmentHistory,
    SendDetail,
    SendFilter,
    SendRow,
    Status,
)
from engine.ledger.identity import Holder
from engine.ledger.names import Names
from engine.ledger.orders import Order
from engine.ledger.past import Past, TakenPast
from engine.ledger.records import LEASE, MAX_ATTEMPTS, Candidates, Changes, Claimed, Committed, Dispatch, Hold, LedgerView, Recovered, Run, Settled, Settlement

OnUnknown = Literal["ask", "assume_sent", "resend"]


class LedgerBroken(EngineError):
    """The ledger cannot be written (disk full, read-only, damaged, link lost). Nothing more is sent by this process."""


class Reading(Protocol):
    """What can be asked of a ledger, also of the copy that the last run left."""

    @property
    def copied_at(self) -> datetime | None:
        """When the copy was made that is read in place of a ledger that a run holds (naive UTC); None for the ledger itself."""

    def holder(self) -> Holder | None:
        """The run that has the ledger, or the plan's lock, at this moment. For people to read."""

    def warnings(self) -> tuple[str, ...]:
        """What an operator should know of where the ledger is, and nothing refuses."""

    def head(self) -> Head: ...

    def view(self, candidates: Candidates) -> LedgerView: ...

    def names(self) -> Names:
        """What sequences and steps are called now. All rows below are told, and all questions asked, under these names."""

    def know(self, renamed: Mapping[str, str]) -> None:
        """What files call sequences now, by what they were called before (8.7): so an order, a question and a mail by the new name are
        about the same sequence also before the first apply that follows the rename."""

    def applied_definitions(self) -> AppliedDefinitions | None:
        """The definitions of the last apply, compiled."""

    def sends(self, wanted: SendFilter = ALL_SENDS, *, limit: int = 50, offset: int = 0) -> Page[SendRow]:
        """The latest decided first."""

    def show(self, send_key: str) -> SendDetail | None: ...

    def find_sends(self, prefix: str) -> tuple[str, ...]:
        """The send keys that begin with these digits, at most ten."""

    def enrollments(self, wanted: EnrollmentFilter = ALL_ENROLLMENTS, *, limit: int = 50, offset: int = 0) -> Page[EnrollmentRow]: ...

    def held(self, at: datetime | None = None) -> tuple[ControlRow, ...]:
        """Pauses and cancellations of enrollments that were not lifted (at a past moment, if one is named: not yet), all of them;
        a pause whose `until` has passed is among them."""

    def status(self, at: datetime | None = None) -> Status:
        """What stands in it. Of stops and pauses those in force at `at` (naive UTC; None: also what ended by itself), those of the project
        and of sequences first, since they say whether any mail leaves."""

    def segment_history(self, segment: str) -> SegmentHistory:
        """How many members it had, and which enrollments it brought."""

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None: ...


class Ledger(Reading, Protocol):
    """A ledger that this process may write. `is_shared` says that others may write it at the same time, from any host."""

    @property
    def is_shared(self) -> bool: ...

    def clock(self) -> datetime | None:
        """The now that all who share it agree on (naive UTC, the server's); None where there is one machine and its clock."""

    def let_others_plan(self) -> None:
        """Give the plan's lock back before the end: what is planned is committed, and delivering needs none (9.1)."""

    def commit(self, run: Run, changes: Changes) -> Committed:
        """Write what a plan decided, all or nothing (T1). The same run twice is once. LedgerRefused for a now before the last one."""

    def finish_run(self, run_id: str, outcome: str, counts: Mapping[str, int], now: datetime) -> None: ...

    def claim(self, worker: str, limit: int, now: datetime, *, lease: timedelta = LEASE) -> list[Claimed]:
        """Take up to `limit` messages that may go now, in the plan's order (T2): all rows of each that may, or none (4.8)."""

    def begin_dispatch(self, group: Sequence[Dispatch], now: datetime) -> set[str]:
        """Freeze the messages and say which may leave: the last commit before what cannot be taken back (T3).

        Left out are rows whose token has passed on, and those that were stopped, paused, suppressed, expired or judged too long ago
        meanwhile; these the ledger has moved on already. ValueError for other bytes under a key that has some. Of a message of several that
        was not frozen before, what is left when a row falls out is planned again, to be claimed and made without it.
        """

    def settle(self, settlements: Sequence[Settlement], now: datetime, *, max_attempts: int = MAX_ATTEMPTS) -> Settled:
        """Record what became of messages (T4 to T8, T11). An acknowledgement always wins; all else needs the token."""

    def fail(self, holds: Sequence[Hold], reason: str, text: str, now: datetime) -> bool:
        """A claimed message that can never be handed over, such as one that does not render: failed. False when the tokens had passed on."""

    def release(self, holds: Sequence[Hold], now: datetime) -> int:
        """Give claimed rows back unsent: planned again, with a new token (T9)."""

    def recover(self, now: datetime) -> Recovered:
        """Move the rows that a dead process left (T9, T10)."""

    def settle_unknown(self, choices: Mapping[str, OnUnknown], now: datetime) -> Settled:
        """Settle doubts as each sequence says; where it says nothing, marketing is assumed sent and transactional is asked (9.5)."""

    def resolve(self, send_key: str, as_: Literal["sent", "failed", "resend"], *, by: str, note: str, now: datetime) -> None:
        """A person settles a doubt, for all sends of the message. WrongUsage when the send is not unknown."""

    def acknowledge(self, send_keys: Sequence[str], source: str, now: datetime) -> Settled:
        """Evidence from outside (a webhook, a DSN, a look-up) that these were accepted: sent, whatever else was thought (T12)."""

    def take_feedback(self, source: str, feedback: Sequence[Feedback], now: datetime) -> TakenFeedback:
        """Append what came back of mails (9.7): each once, however often it is told. A doubt ends (T12); bounces and complaints suppress."""

    def take_in(self, orders: Mapping[str, Order], now: datetime) -> Mapping[str, int]:
        """Carry out orders by their ids, each exactly once: the ids that were new, and how many rows each one set or lifted."""

    def enroll_by_hand(
        self,
        sequence: str,
        entity: str,
        records: Sequence[str],
        *,
        by: str,
        note: str,
        now: datetime,
        override: bool = False,
        segment: str | None = None,
    ) -> Mapping[str, str]:
        """Record an occurrence for each record, its key the next number of its history; occurrence keys by record (3.5). `segment` is
        the one that they are members of, where they were chosen by it.
        """

    def begin_notice(self, owner: str, day: date, findings: int, now: datetime) -> bool:
        """Take the owner's notice of this day, before it is handed over. False when it was taken already, and did not fail."""

    def end_notice(self, owner: str, day: date, state: Literal["sent", "failed", "unknown"], now: datetime) -> None:
        """What became of the notice; one that failed for certain may be taken again."""

    def take_past(self, past: Past, now: datetime) -> TakenPast:
        """Write what another system sent and whom it had on its paths; what is there already is left as it is (a cut-over)."""

    def forget(
        self, *, contact: str | None = None, address_key: str | None = None, before: datetime | None = None, now: datetime
    ) -> tuple[Forgotten, tuple[str, ...]]:
        """Erase what is personal of a contact's sends, of an address' sends, or of the sends that were over before an instant.

        The send keys that are meant come with it. A planned send without an address is cancelled; a doubt stays one.
        """

    def close_anew(self) -> None:
        """Close, and see to it that nothing that was erased is left in the ledger's own files."""
