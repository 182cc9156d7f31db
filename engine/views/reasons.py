"""Reason codes in words, once: short for a plan, long for `engine explain CODE`, and what a person can do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from engine.plan.gates import GATES, Reason


class Words(NamedTuple):
    """`short` ends the sentence "a step is held because …"; `mend` is empty where nothing needs a person."""

    short: str
    long: str
    mend: str = ""


REASONS: Mapping[Reason, Words] = {
    Reason.STOPPED: Words(
        "sending is stopped",
        "Somebody stopped all sending, or this sequence, with `engine stop`; or the kill switch is on: the file `state/STOP`, or ENGINE_STOP in the environment. "
        "Nothing is lost: steps that are due wait, and expire as they would otherwise.",
        "`engine status` shows who stopped it; `engine start` lifts it; a kill switch is lifted where it was set",
    ),
    Reason.PAUSED_PROJECT: Words(
        "the project is paused",
        "Everything is paused with `engine pause --all`. What is due waits and then goes or expires: never in a burst.",
        "`engine resume --all`",
    ),
    Reason.PAUSED_SEQUENCE: Words(
        "the sequence is paused",
        "The sequence is paused by hand, or its file says `status: paused` or `draft`. A draft is validated and previewed, but nobody enters and those on the way are held.",
        "`engine resume SEQUENCE`, or `status: active` in its file",
    ),
    Reason.PAUSED_ENROLLMENT: Words(
        "paused for this contact",
        "Somebody paused this contact's or this record's way. A pause moves no due moment: when it ends, what has not expired goes.",
        "`engine resume --contact KEY` or `--record KEY`",
    ),
    Reason.GOAL_MET: Words(
        "the goal is met",
        "The sequence's `goal:` holds for this record, such as a contract that was renewed. This ends the way for good, also when the goal does not hold any more later.",
    ),
    Reason.EXIT_CONDITION: Words(
        "the exit condition holds",
        "The sequence's `exit_when:` holds for this record or contact. This ends the way for good.",
    ),
    Reason.CANCELLED: Words(
        "cancelled by a person",
        "Somebody ended this way with `engine cancel`. It is final; `engine enroll --again` begins another where the trigger is manual.",
    ),
    Reason.TRIGGER_GONE: Words(
        "the reason to write is gone",
        "The record is not there any more, has no value in the trigger's date, or does not fit the trigger's `where:` any more. "
        "While that lasts nothing is sent. When it comes back with the same value, the way goes on with its history; steps that expired meanwhile stay passed over.",
    ),
    Reason.DATE_MOVED: Words(
        "the date moved",
        "The date that started this way has another value now. The old way ends, a new one begins at the new date; "
        "a step that was sent for the record within `min_gap` (7 days if not said) is not sent again.",
    ),
    Reason.TRIGGER_CHANGED: Words(
        "the trigger was changed",
        "The sequence's trigger was changed, and this record's reason does not exist under the new one. It comes back when the change is taken back.",
    ),
    Reason.SEQUENCE_REMOVED: Words(
        "the sequence was removed",
        "The sequence's file was removed, or says `status: archived`. Nobody gets anything more; the ledger keeps its rows, and when the file comes back the ways go on.",
        "if it was renamed, write `renamed_from: old-id` in the new file before you apply",
    ),
    Reason.LEFT_AUDIENCE: Words(
        "not in the audience any more",
        "The contact is no longer one of those whom `audience:` names, or cannot be mailed any more (inactive, no address, suppressed). When that changes back, the way goes on.",
    ),
    Reason.COMPLETE: Words("all steps are done", "Every step of the sequence was sent or passed over for this contact."),
    Reason.BEFORE_INTRODUCTION: Words(
        "it was due before the sequence started",
        "Switching on never floods: a step that was due before its sequence, or the step itself, started is not sent. "
        "A sequence starts at `active_from`, else on the day of its first apply; `backfill: 30d` moves the start back.",
    ),
    Reason.LEDGER_RESTORED: Words(
        "the ledger does not know that time",
        "The ledger was restored from a backup, and what was sent after the backup could not be known in full. A step that was due before the restore may have been sent then, "
        "so it is passed over. Sends that the backup had as planned are `unknown` with this reason.",
        "`engine sends --state unknown` lists the doubts; `engine resolve` settles them",
    ),
    Reason.NOT_DUE: Words("not due yet", "The step's moment lies in the future."),
    Reason.SEND_WINDOW: Words("outside the send window", "The step is due, and waits for the hours or days at which it may be sent."),
    Reason.EXPIRED: Words(
        "too late: expired",
        "The step was due longer ago than it `expires` (7 days if not said), or a later step of the sequence is due already. So a job that was down for a week does not send old news. What would have held it, such as a missing address, is said beside it.",
    ),
    Reason.STEP_INACTIVE: Words(
        "the step or its template is switched off", "The step says `active: false`, or its template `status: inactive`. The path goes on with the next step."
    ),
    Reason.CONDITION_FALSE: Words(
        "its `if` does not hold",
        "The step's condition does not hold for this record and contact, or none of its templates is meant for them. The path goes on with the next step.",
    ),
    Reason.CONTACT_INACTIVE: Words(
        "the contact is inactive",
        "The CRM says that the contact is not active. The step waits, and goes or expires.",
        "set the contact active in the CRM, or leave it",
    ),
    Reason.NO_ADDRESS: Words(
        "the contact has no address", "The contact's address is empty in the CRM. The step waits, and goes or expires.", "write the address into the CRM"
    ),
    Reason.INVALID_ADDRESS: Words(
        "the address is not an address",
        "What stands in the CRM cannot be mailed: no @, a space inside, two addresses in one field. The step waits, and goes or expires.",
        "correct it in the CRM",
    ),
    Reason.SUPPRESSED_BOUNCE: Words(
        "the address bounced",
        "A mailbox provider refused this address for good. Nothing is sent to it any more, whatever the category.",
        "a new address in the CRM, or `engine unsuppress ADDRESS`",
    ),
    Reason.SUPPRESSED_COMPLAINT: Words(
        "suppressed after a complaint",
        "The reader marked our mail as spam. Nothing is sent to the address any more, whatever the category.",
        "`engine unsuppress ADDRESS`, when you are sure",
    ),
    Reason.UNSUBSCRIBED: Words(
        "unsubscribed",
        "The address unsubscribed, in the CRM or with `engine suppress --reason unsubscribed`: no marketing goes to any contact with it; invoices, contracts and outages still go. "
        "Or somebody suppressed it by hand (`--reason manual`): then nothing goes.",
    ),
    Reason.NO_CONSENT: Words(
        "no consent to this topic", "The topic needs consent (`consent: opt_in`), and the CRM has none for this address; or the contact took it back."
    ),
    Reason.DUPLICATE_ADDRESS: Words(
        "another contact with the same address gets it", "Two contacts share an address. It gets each step once, through the contact with the lowest key."
    ),
    Reason.TOO_SOON: Words(
        "it got this step for this record lately",
        "The same step was sent to the contact for the same record within `min_gap`, for another date. 7 days if not said, for date triggers.",
    ),
    Reason.MISSING_VARIABLE: Words(
        "a value for the template is missing",
        "A variable that the template uses has no value for this record, and no default. Nobody gets a mail with a hole in it: the step waits, and goes or expires.",
        "fill the value in the CRM, or give the variable a `default:` in its type",
    ),
    Reason.GUARD: Words(
        "a guard holds the sequence",
        "The sequence would send more than its guard allows, such as `first_run_max`. All of its mails wait until the guard is raised; other sequences go.",
        "look at the plan; then raise the guard in the sequence's file, or for one run with `engine apply --allow GUARD=N --reason …`",
    ),
    Reason.FREQUENCY_CAP: Words("a frequency cap is full", "The address got as many mails as a cap allows for this time. The step waits, and goes or expires."),
    Reason.DUE: Words("due", "Every gate passed: the mail goes."),
    Reason.NO_RECIPIENT: Words(
        "nobody can be told",
        "The record is due, and there is no contact who can be mailed: none at all, or all inactive, without a valid address, suppressed. It is shown at every plan until somebody can be mailed or the step expires.",
        "give the record a contact with an address in the CRM, or look at the sequence's `audience:`",
    ),
}

# Why other records, or people, enter nothing: counted beside the funnel, each record named once (semantics 6.18).
BESIDE: Mapping[str, Words] = {
    "closed": Words("all steps are over", "The last step of this date has expired: nothing is left to be said about it."),
    "over_max": Words(
        "more contacts than `max` allows", "The audience's `max` keeps those on the way and then the first of `order_by`; the others are not enrolled."
    ),
    "already_enrolled": Words("already on the way", "The contact is on this sequence already. While that lasts no second one begins, whatever the record."),
    "enrolled_before": Words(
        "was on it before",
        "The sequence says `reenter: never`, and the contact has been on it. `engine enroll --again` overrides it where the trigger is manual.",
    ),
    "enrolled_lately": Words("was on it not long ago", "The sequence says `reenter: {after: …}`, and that time since the end of the last one is not over."),
    "not_started": Words("the sequence has not started", "`active_from` lies in the future, or the sequence has never been active."),
    "draft": Words("the sequence is a draft", "`status: draft`: nobody enters."),
    "record_missing": Words("the record is not in the CRM", "Somebody enrolled a record by a key that the CRM does not have."),
    "members_recorded": Words(
        "are members already, and are only recorded",
        "At the first apply of a sequence with `trigger: {enters: …}`, and after its segment's rules or the map changed, the members are recorded and nobody enters. Who becomes one later does.",
    ),
    "no_recipient_yet": Words("no contact yet, nothing due", "Nobody can be told about the record, and nothing is due for it now either."),
    "before_introduction": Words("began before the sequence started", "The occurrence began before the sequence did, so nobody is enrolled for it."),
}

# Why a send of the ledger is what it is, beside the reasons of a plan: what happened on its way.
ON_THE_WAY: Mapping[str, Words] = {
    "render_error": Words("the mail could not be made", "A value does not fit the template or a header of the mail. `engine show SEND` says which."),
    "forgotten": Words("the address was erased", "Somebody erased what is personal about the contact with `engine forget`."),
    "process_died": Words("the run was killed while it was handed over", "Nobody can tell whether the server took it. `engine resolve` settles it."),
    "window_over": Words(
        "too late to ask the provider again", "The time for which the provider knows a repeated key is over, so it is not sent again by itself."
    ),
    "resolved_sent": Words("a person said that it was sent", "Settled with `engine resolve --as sent`."),
    "resolved_failed": Words("a person said that it failed", "Settled with `engine resolve --as failed`."),
    "resolved_resend": Words("a person ordered it again", "Settled with `engine resolve --as resend`."),
}


def short(code: str) -> str:
    """A reason in a few words; the code itself where it is of another version, or a server's answer."""
    words = REASONS.get(Reason(code)) if code in Reason._value2member_map_ else BESIDE.get(code) or ON_THE_WAY.get(code)
    return words.short if words else code


def held_for(detail: str | None) -> str | None:
    """The reason that held a step until it was too late, from the detail of its decision (5.6): `held_for: no_address`."""
    return detail.removeprefix("held_for: ") if detail is not None and detail.startswith("held_for: ") else None


def passed_over(code: str, detail: str | None) -> str:
    """Why a step was passed over, and what held it before it came too late."""
    held = held_for(detail)
    return f"{short(code)}; it was held: {short(held)}" if held else short(code)


def mend(code: str) -> str:
    """What a person can do about it, or an empty text."""
    return REASONS[Reason(code)].mend if code in Reason._value2member_map_ else ""


def explained(code: str) -> tuple[str, Words, str] | None:
    """A reason code with its words and the gate that gives it (`6.11, skip`); None for what is no reason."""
    if code in Reason._value2member_map_:
        reason = Reason(code)
        gate = next((f"gate {gate.number}, {gate.decision}" for gate in GATES if reason in gate.reasons), "beside the gates, unreached")
        return code, REASONS[reason], gate
    if code in ON_THE_WAY:
        return code, ON_THE_WAY[code], "of a send, in the ledger"
    return (code, BESIDE[code], "counted beside the funnel") if code in BESIDE else None
