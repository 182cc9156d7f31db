"""What an edit of the definitions is: its kind, the rule of §8 that applies, and what that rule does, in plain words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from engine.problems import Origin


class ChangeKind(StrEnum):
    """copy: what is written. timing: when. audience: to whom. structure: which mails there are. identity: what is remembered as what."""

    COPY = "copy"
    TIMING = "timing"
    AUDIENCE = "audience"
    STRUCTURE = "structure"
    IDENTITY = "identity"


@dataclass(frozen=True, slots=True)
class Change:
    """One change between two sets of definitions.

    `sequence` is its id now (None where no sequence is touched), `step` the step's id now. `what` is a word for programs, one of
    EFFECTS; `words` says what was done, without the sequence's name; `effect` what that does to people. `place` is where it stands
    in the later definitions; None for what is gone, and then `before` is where it stood, if that is known.
    """

    sequence: str | None
    step: str | None
    what: str
    words: str
    place: Origin | None = None
    before: Origin | None = None

    @property
    def kind(self) -> ChangeKind:
        return EFFECTS[self.what][0]

    @property
    def rule(self) -> str:
        return EFFECTS[self.what][1]

    @property
    def effect(self) -> str:
        return EFFECTS[self.what][2]


_COPY, _TIMING, _AUDIENCE = ChangeKind.COPY, ChangeKind.TIMING, ChangeKind.AUDIENCE
_STRUCTURE, _IDENTITY = ChangeKind.STRUCTURE, ChangeKind.IDENTITY
_START_AGAIN = "it starts again today: who enters from now on gets what is due from today; who is on the way goes on, or exits where the reason is gone"

# By `what`: the kind, the rule, and what the rule says.
EFFECTS: Mapping[str, tuple[ChangeKind, str, str]] = {
    "text": (_COPY, "8.1", "whoever has not been sent it gets the new text"),
    "template": (_COPY, "8.1", "whoever has not been sent this step gets the other template"),
    "sender": (_COPY, "8.1", "mails from now on say it"),
    "time": (_TIMING, "8.6", "counted anew from the same base; where the new time is past already the old one holds"),
    "expires": (_TIMING, "5.6", "it decides how long after its due moment a mail may still go"),
    "window": (_TIMING, "5.4", "mails wait for the next moment inside"),
    "zone": (_TIMING, "8.12", "due moments move; a local date already decided is not decided again"),
    "gap": (_TIMING, "3.8", "it decides how soon the same step may go again for a record"),
    "audience": (_AUDIENCE, "8.9", "newcomers get only what is due from today on; leavers exit"),
    "where": (_AUDIENCE, "8.8", _START_AGAIN),
    "ends": (_AUDIENCE, "6.2", "whoever it holds for exits for good"),
    "condition": (_AUDIENCE, "6.9", "it is asked when the step is due; for whom it fails the step is passed over"),
    "segment": (_AUDIENCE, "8.11", "members are recorded anew; nobody enters by this change"),
    "members": (_AUDIENCE, "3.3", "who is added enters where the segment is a trigger, and not by an enrollment file that has taken its members"),
    "map": (_AUDIENCE, "8.11", "memberships are recorded anew; nobody enters by this change"),
    "category": (_AUDIENCE, "6.20", "it decides whose consent is needed"),
    "consent": (_AUDIENCE, "6.11", "it decides whose consent is needed"),
    "enrolled": (_AUDIENCE, "3.5", "who is added enrolls; who is taken out exits"),
    "reenter": (_AUDIENCE, "3.9", "it decides who may enter a second time"),
    "added": (_STRUCTURE, "3.7", "it starts on the day of its first apply as an active one; nothing that was due before goes"),
    "removed": (_STRUCTURE, "8.13", "nothing more is sent; whoever is on the way exits"),
    "archived": (_STRUCTURE, "8.13", "nothing more is sent; whoever is on the way exits"),
    "activated": (_STRUCTURE, "3.7", "it starts on the day of its first apply as an active one; nothing that was due before goes"),
    "paused": (_STRUCTURE, "8.14", "what is due is held"),
    "resumed": (_STRUCTURE, "8.14", "what was held goes, or expires; never in a burst"),
    "drafted": (_STRUCTURE, "8.15", "nobody enters; whoever is on the way is held"),
    "step_inserted": (_STRUCTURE, "8.2, 8.3", "whoever has not passed its place gets it when it is due; whoever has, never does"),
    "step_appended": (_STRUCTURE, "8.4", "whoever is on the way gets it when it is due; whoever has completed does not, unless `backfill`"),
    "step_removed": (_STRUCTURE, "8.5", "whoever waited for it goes on to the next step"),
    "step_moved": (_STRUCTURE, "8.3", "for whoever stands behind its new place it never runs"),
    "step_off": (_STRUCTURE, "5.7", "it is passed over"),
    "step_on": (_STRUCTURE, "5.7", "it runs for whoever has not passed it"),
    "trigger": (_STRUCTURE, "8.8", _START_AGAIN),
    "start": (_STRUCTURE, "3.7", "it moves the start before which nothing is sent"),
    "limits": (_STRUCTURE, "6.21", "it decides which mails are held for another day"),
    "guards": (_STRUCTURE, "10.4", "it decides what stops a run"),
    "doubts": (_STRUCTURE, "9.5", "it decides what becomes of mails of which nobody knows whether they left"),
    "combine": (_STRUCTURE, "4.8", "it decides whether several records of one contact are one mail"),
    "renamed": (_IDENTITY, "8.7", "history, pauses and counts follow; nothing is sent again"),
    "step_renamed": (_IDENTITY, "8.7", "who got it under its old id has had it"),
    "maybe_renamed": (_IDENTITY, "8.7", "apply refuses until `renamed_from` says which it is"),
    "about": (_IDENTITY, "8.10", "refused: make it a new sequence"),
    "key": (_IDENTITY, "8.10", "refused: the ledger would know nobody again"),
}  # fmt: skip
