"""The life of a send: the one table of its transitions (reliability.md §3.4). The model checker and the conformance tests read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["planned", "claimed", "dispatching", "sent", "failed", "unknown", "skipped", "cancelled"]
STATES: tuple[State, ...] = ("planned", "claimed", "dispatching", "sent", "failed", "unknown", "skipped", "cancelled")
TERMINAL: tuple[State, ...] = ("sent", "failed", "skipped")


@dataclass(frozen=True, slots=True)
class Transition:
    """One line of the table: a committed move of a row.

    `fenced` moves need the token that the row has; `passes_on` gives the row a new one, so that its holder is told apart from the next.
    `doubt` is what becomes of the row's ambiguity; `when` narrows the move further, in words that the model checker knows too.
    """

    number: str
    name: str
    before: tuple[State | None, ...]
    after: State
    fenced: bool = False
    passes_on: bool = False
    doubt: Literal["keeps", "begins", "ends"] = "keeps"
    when: tuple[Literal["certain", "doubtful", "key_known", "key_unknown", "attempts_left", "no_attempts_left"], ...] = ()


TRANSITIONS: tuple[Transition, ...] = (
    Transition("T1", "plan", (None,), "planned"),
    Transition("T1", "skip", (None, "cancelled"), "skipped"),
    Transition("T1", "skip", ("planned",), "skipped", when=("certain",)),
    Transition("T1", "judge_again", ("planned",), "planned"),
    Transition("T1", "revive", ("cancelled",), "planned", passes_on=True),
    Transition("T1", "no_longer", ("planned",), "cancelled", when=("certain",)),
    Transition("T1", "no_longer", ("planned",), "unknown", when=("doubtful",)),
    Transition("T2", "claim", ("planned",), "claimed", passes_on=True),
    Transition("T3", "dispatch", ("claimed",), "dispatching", fenced=True),
    Transition("T3", "too_late_or_suppressed", ("claimed",), "skipped", fenced=True, when=("certain",)),
    Transition("T3", "too_late_or_suppressed", ("claimed",), "unknown", fenced=True, when=("doubtful",)),
    Transition("T3", "held", ("claimed",), "planned", fenced=True, passes_on=True),
    Transition("T4", "acknowledge", ("claimed", "dispatching", "unknown", "planned", "failed"), "sent", doubt="ends"),
    Transition("T5", "retry", ("dispatching",), "planned", fenced=True, when=("attempts_left", "certain")),
    Transition("T5", "retry", ("dispatching",), "planned", fenced=True, when=("attempts_left", "doubtful", "key_known")),
    Transition("T5", "retry", ("dispatching",), "unknown", fenced=True, when=("attempts_left", "doubtful", "key_unknown")),
    Transition("T6", "refuse", ("dispatching",), "failed", fenced=True, when=("certain",)),
    Transition("T6", "refuse", ("dispatching",), "unknown", fenced=True, when=("doubtful",)),
    Transition("T6", "cannot_render", ("claimed",), "failed", fenced=True, when=("certain",)),
    Transition("T7", "doubt", ("dispatching",), "unknown", fenced=True, doubt="begins", when=("key_unknown",)),
    Transition("T8", "doubt", ("dispatching",), "planned", fenced=True, doubt="begins", when=("attempts_left", "key_known")),
    Transition("T9", "rescue", ("claimed",), "planned", passes_on=True),
    Transition("T10", "rescue", ("dispatching",), "unknown", passes_on=True, doubt="begins", when=("key_unknown",)),
    Transition("T10", "rescue", ("dispatching",), "planned", passes_on=True, doubt="begins", when=("attempts_left", "key_known")),
    Transition("T10", "rescue", ("dispatching",), "unknown", passes_on=True, doubt="begins", when=("no_attempts_left",)),
    Transition("T11", "retry", ("dispatching",), "failed", fenced=True, when=("no_attempts_left", "certain")),
    Transition("T11", "retry", ("dispatching",), "unknown", fenced=True, when=("no_attempts_left", "doubtful")),
    Transition("T11", "doubt", ("dispatching",), "unknown", fenced=True, doubt="begins", when=("no_attempts_left", "key_known")),
    Transition("T12", "resolve_sent", ("unknown",), "sent", passes_on=True),
    Transition("T12", "resolve_failed", ("unknown",), "failed", passes_on=True, doubt="ends"),
    Transition("T12", "resend", ("unknown",), "planned", passes_on=True, doubt="ends"),
)


def moves(before: State | None, after: State) -> tuple[str, ...]:
    """The lines that take a row from one state to the other; empty when none does.

    >>> moves("claimed", "dispatching")
    ('T3 dispatch',)
    >>> moves("sent", "planned")
    ()
    """
    return tuple(dict.fromkeys(f"{t.number} {t.name}" for t in TRANSITIONS if before in t.before and t.after == after))
