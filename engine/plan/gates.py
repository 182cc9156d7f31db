"""The gates, in order: the one list from which plan, explain and the reference page are made (semantics §6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Decided(StrEnum):
    """What a plan says of an enrollment, of a step passed over, or of a record that nobody can be told about."""

    SEND = "send"
    WAIT = "wait"
    HOLD = "hold"
    SKIP = "skip"
    EXIT = "exit"
    COMPLETE = "complete"
    UNREACHED = "unreached"


class Reason(StrEnum):
    """Why. Codes are part of the contract (interface.md §4); `engine explain CODE` tells each at length."""

    STOPPED = "stopped"
    PAUSED_PROJECT = "paused_project"
    PAUSED_SEQUENCE = "paused_sequence"
    PAUSED_ENROLLMENT = "paused_enrollment"
    GOAL_MET = "goal_met"
    EXIT_CONDITION = "exit_condition"
    CANCELLED = "cancelled"
    TRIGGER_GONE = "trigger_gone"
    DATE_MOVED = "date_moved"
    TRIGGER_CHANGED = "trigger_changed"
    SEQUENCE_REMOVED = "sequence_removed"
    LEFT_AUDIENCE = "left_audience"
    COMPLETE = "complete"
    BEFORE_INTRODUCTION = "before_introduction"
    LEDGER_RESTORED = "ledger_restored"
    NOT_DUE = "not_due"
    SEND_WINDOW = "send_window"
    EXPIRED = "expired"
    STEP_INACTIVE = "step_inactive"
    CONDITION_FALSE = "condition_false"
    CONTACT_INACTIVE = "contact_inactive"
    NO_ADDRESS = "no_address"
    INVALID_ADDRESS = "invalid_address"
    SUPPRESSED_BOUNCE = "suppressed_bounce"
    SUPPRESSED_COMPLAINT = "suppressed_complaint"
    UNSUBSCRIBED = "unsubscribed"
    NO_CONSENT = "no_consent"
    DUPLICATE_ADDRESS = "duplicate_address"
    TOO_SOON = "too_soon"
    MISSING_VARIABLE = "missing_variable"
    GUARD = "guard"
    FREQUENCY_CAP = "frequency_cap"
    DUE = "due"
    NO_RECIPIENT = "no_recipient"


FINAL_EXITS = (Reason.GOAL_MET, Reason.EXIT_CONDITION, Reason.CANCELLED)


@dataclass(frozen=True, slots=True)
class Gate:
    """One row of the table of §6: the first gate that does not pass gives the decision and its reason."""

    number: str
    decision: Decided
    reasons: tuple[Reason, ...]
    asks: str


GATES: tuple[Gate, ...] = (
    Gate("6.1", Decided.HOLD, (Reason.STOPPED, Reason.PAUSED_PROJECT, Reason.PAUSED_SEQUENCE, Reason.PAUSED_ENROLLMENT), "nothing is stopped or paused"),
    Gate("6.2", Decided.EXIT, (Reason.GOAL_MET, Reason.EXIT_CONDITION, Reason.CANCELLED), "no goal met, no exit condition, not cancelled"),
    Gate(
        "6.3",
        Decided.EXIT,
        (Reason.TRIGGER_GONE, Reason.DATE_MOVED, Reason.TRIGGER_CHANGED, Reason.SEQUENCE_REMOVED),
        "the reason to be in the sequence still stands",
    ),
    Gate("6.4", Decided.EXIT, (Reason.LEFT_AUDIENCE,), "the contact is in the audience"),
    Gate("6.5", Decided.COMPLETE, (Reason.COMPLETE,), "a step is left"),
    Gate("6.6", Decided.SKIP, (Reason.BEFORE_INTRODUCTION, Reason.LEDGER_RESTORED), "the step was due after it was introduced, and the ledger knows its time"),
    Gate("6.7", Decided.WAIT, (Reason.NOT_DUE, Reason.SEND_WINDOW), "the step is due now"),
    Gate("6.8", Decided.SKIP, (Reason.EXPIRED,), "it is not too late"),
    Gate("6.9", Decided.SKIP, (Reason.STEP_INACTIVE, Reason.CONDITION_FALSE), "step and template are active and the condition holds"),
    Gate("6.10", Decided.HOLD, (Reason.CONTACT_INACTIVE, Reason.NO_ADDRESS, Reason.INVALID_ADDRESS), "the contact is active and has a valid address"),
    Gate(
        "6.11", Decided.SKIP, (Reason.SUPPRESSED_BOUNCE, Reason.SUPPRESSED_COMPLAINT, Reason.UNSUBSCRIBED, Reason.NO_CONSENT), "the address may be written to"
    ),
    Gate("6.12", Decided.SKIP, (Reason.DUPLICATE_ADDRESS, Reason.TOO_SOON), "the address does not get this twice, nor too soon"),
    Gate("6.13", Decided.HOLD, (Reason.MISSING_VARIABLE,), "every variable of the template has a value"),
    Gate("6.14", Decided.HOLD, (Reason.GUARD,), "no guard of the sequence is over its limit"),
    Gate("6.15", Decided.HOLD, (Reason.FREQUENCY_CAP,), "no cap is full"),
    Gate("6.16", Decided.SEND, (Reason.DUE,), "everything passed"),
)
