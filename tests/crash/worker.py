"""One life of an apply, to be killed; its words are one Work as JSON.

It opens the ledger, takes in what a dead process left, commits the same plan again, delivers, and ends. It says `ready` before it touches the ledger, and its counts as JSON at the end.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Literal

from engine.delivery.delivering import InFlight, deliver
from engine.delivery.outbox import OutboxTransport
from engine.delivery.recipients import EVERYBODY
from engine.delivery.running import RunningClock
from engine.delivery.smtp import Patience, SmtpServer, SmtpTransport
from engine.delivery.transport import Transport
from engine.ledger.ledger import Ledger
from tests.crash.homes import open_home
from tests.delivery.ledgers import NOW, Never, plan, render

Kind = Literal["outbox", "smtp", "keyed"]
KINDS: tuple[Kind, ...] = ("outbox", "smtp", "keyed")
# What a provider that takes a repeated key as one mail reads it from, and how long it promises to know one.
KEY_HEADER, KEY_SECONDS = "Resend-Idempotency-Key", 86400
PATIENCE = Patience(connect_seconds=5, command_seconds=5, dot_seconds=5, pauses=(0, 0, 0, 0))


@dataclass(frozen=True)
class Work:
    """What a life does: `count` mails due from the ledger to `where` (a folder, or a port). One that does not plan only delivers, as
    `engine deliver` does, and `stays` for so many seconds without anything to do."""

    ledger: str
    life: int
    minute: int
    count: int
    kind: Kind
    where: str
    in_flight: int = InFlight().transactional
    plans: bool = True
    stays: float = 0.0

    def words(self) -> list[str]:
        return [json.dumps(asdict(self))]

    @property
    def worker(self) -> str:
        return f"life-{self.life}"

    @property
    def now(self) -> datetime:
        return NOW + timedelta(minutes=self.minute)


class SkippingClock(RunningClock):
    """Real time, but that waiting costs none."""

    def wait(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def transport_of(work: Work) -> Transport:
    if work.kind == "outbox":
        return OutboxTransport(Path(work.where))
    keyed = {"key_header": KEY_HEADER, "key_seconds": KEY_SECONDS} if work.kind == "keyed" else {}
    server = SmtpServer("127.0.0.1", int(work.where), tls="none", **keyed)  # type: ignore[arg-type]
    return SmtpTransport(server, EVERYBODY, patience=PATIENCE)


def main(words: Sequence[str]) -> None:
    work = Work(**json.loads(words[0]))
    transport = transport_of(work)
    print("ready", flush=True)
    now = work.now
    with open_home(work.ledger, now, lock=work.plans) as ledger:
        ledger.recover(now)
        if work.plans:
            plan_again(ledger, work, now)
        sent = send(ledger, work, transport, now)
        if work.plans:
            ledger.finish_run(work.worker, "done", {"sent": sent}, now)
    transport.close()
    print(json.dumps({"sent": sent}), flush=True)


def plan_again(ledger: Ledger, work: Work, now: datetime) -> None:
    """What is due, judged at this now."""
    later = NOW + timedelta(days=60)
    plan(ledger, range(work.count), now, run=work.worker, more=lambda number: {"due_at": NOW, "expires_at": later})


def send(ledger: Ledger, work: Work, transport: Transport, now: datetime) -> int:
    """Deliver until nothing is there, and for a while longer where it stays; how many were sent."""
    clock, flight = SkippingClock(now), InFlight(work.in_flight, work.in_flight)
    sent, idle_since = 0, time.monotonic()
    while True:
        done = deliver(ledger, transport, render, worker=work.worker, clock=clock, stops=Never(), in_flight=flight, retry_for=timedelta(minutes=25))
        sent += done.sent
        if done.sent or done.unknown:
            idle_since = time.monotonic()
        if time.monotonic() - idle_since >= work.stays:
            return sent
        time.sleep(0.02)
        ledger.recover(clock.now())
