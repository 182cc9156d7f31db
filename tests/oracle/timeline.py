"""What happens to a world: a list of (instant, operations), and the oracle's own way through it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .evaluate import OraclePlan, evaluate
from .ledger import OracleLedger

Raw = dict[str, Any]
Rows = dict[str, list[Raw]]


@dataclass(frozen=True)
class Apply:
    """`engine apply`; sends to the addresses of `failing` end as `failed` or `unknown`."""

    failing: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class ChangeFacts:
    """The CRM as it is from now on, whole."""

    note: str
    facts: Rows


@dataclass(frozen=True)
class EditDefinitions:
    """The definitions as they are from now on, whole."""

    note: str
    project: Raw


@dataclass(frozen=True)
class Enroll:
    """`engine enroll SEQUENCE --contact KEY` (or --company KEY)."""

    sequence: str
    entity: str
    record: str


@dataclass(frozen=True)
class Tell:
    """`engine event NAME --record ENTITY:KEY --id ID --at AT`."""

    event: str
    entity: str
    record: str
    id: str
    at: datetime


@dataclass(frozen=True)
class Pause:
    sequence: str | None = None
    contact: str | None = None


@dataclass(frozen=True)
class Resume:
    sequence: str | None = None
    contact: str | None = None


@dataclass(frozen=True)
class Cancel:
    sequence: str
    contact: str


@dataclass(frozen=True)
class Suppress:
    """reason: bounce, complaint, unsubscribed (of one topic, or of all)."""

    address: str
    reason: str
    topic: str | None = None


@dataclass(frozen=True)
class Respond:
    """kind: opened, clicked; of every mail that the contact was sent."""

    contact: str
    kind: str


@dataclass(frozen=True)
class Stop:
    sequence: str | None = None


@dataclass(frozen=True)
class Start:
    sequence: str | None = None


Operation = (
    Apply
    | ChangeFacts
    | EditDefinitions
    | Enroll
    | Tell
    | Pause
    | Resume
    | Cancel
    | Suppress
    | Respond
    | Stop
    | Start
)


@dataclass
class WorldStory:
    """A project, its CRM at the beginning, and what happens then."""

    project: Raw
    facts: Rows
    timeline: list[tuple[datetime, list[Operation]]]

    def told(self) -> str:
        """The timeline in words, for the report of a failing case."""
        lines = []
        for instant, operations in self.timeline:
            for operation in operations:
                note = getattr(operation, "note", None)
                words = (
                    f"{type(operation).__name__} {note}" if note else repr(operation)
                )
                lines.append(f"{instant.isoformat()}  {words}")
        return "\n".join(lines)


@dataclass
class Play:
    """The oracle on its way through a story: the present definitions and facts, the ledger, the plans applied."""

    project: Raw
    facts: Rows
    ledger: OracleLedger = field(default_factory=OracleLedger)
    plans: list[tuple[datetime, OraclePlan]] = field(default_factory=list)

    def perform(self, operation: Operation, now: datetime) -> OraclePlan | None:
        """Do one operation; the plan where it was an apply."""
        match operation:
            case Apply(failing):
                plan = evaluate(self.project, self.facts, self.ledger, now)
                self.ledger.apply(plan, now, plan.outcomes_for(dict(failing)))
                self.plans.append((now, plan))
                return plan
            case ChangeFacts(_, facts):
                self.facts = facts
            case EditDefinitions(_, project):
                self.project = project
            case Enroll(sequence, entity, record):
                self.ledger.enroll(sequence, record, now, entity, former=self.project["sequences"][sequence].get("renamed_from"))
            case Tell(event, _, record, id, at):
                self.ledger.tell(event, id, record, at)
            case Pause(sequence, contact):
                self.ledger.pause(sequence, contact, self.former(sequence))
            case Resume(sequence, contact):
                self.ledger.resume(sequence, contact, self.former(sequence))
            case Cancel(sequence, contact):
                self.ledger.cancel(sequence, contact, self.former(sequence))
            case Suppress(address, reason, topic):
                self.ledger.suppress(address, reason, topic)
            case Respond(contact, kind):
                self.ledger.respond(contact, kind, now)
            case Stop(sequence):
                self.ledger.stop(sequence)
            case Start(sequence):
                self.ledger.start(sequence)
        return None

    def former(self, sequence: str | None) -> str | None:
        """8.7 What the file of a sequence says that it was called before."""
        raw = self.project["sequences"].get(sequence) or {}
        name: str | None = raw.get("renamed_from")
        return name


def play(story: WorldStory) -> Play:
    """Through the whole story."""
    playing = Play(story.project, story.facts)
    for instant, operations in story.timeline:
        for operation in operations:
            playing.perform(operation, instant)
    return playing
