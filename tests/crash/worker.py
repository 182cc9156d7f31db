"""One life of an apply, to be killed; its words are LEDGER LIFE COUNT (smtp PORT | outbox FOLDER).

It opens the ledger, takes in what a dead process left, commits the same plan again, delivers, and ends. Each life begins
an hour later than the one before. It says `ready` before it touches the ledger, and its counts as JSON at the end.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from engine.delivery.delivering import deliver
from engine.delivery.outbox import OutboxTransport
from engine.delivery.recipients import EVERYBODY
from engine.delivery.running import RunningClock
from engine.delivery.smtp import Patience, SmtpServer, SmtpTransport
from engine.delivery.transport import Transport
from tests.delivery.ledgers import NOW, Never, open_ledger, plan, render


class SkippingClock(RunningClock):
    """Real time, but that waiting costs none."""

    def wait(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


def main(words: Sequence[str]) -> None:
    path, life, count, kind, where = Path(words[0]), int(words[1]), int(words[2]), words[3], words[4]
    now = NOW + timedelta(hours=life)
    transport: Transport
    if kind == "smtp":
        patience = Patience(connect_seconds=5, command_seconds=5, dot_seconds=5, pauses=(0, 0, 0, 0))
        transport = SmtpTransport(SmtpServer("127.0.0.1", int(where), tls="none"), EVERYBODY, patience=patience)
    else:
        transport = OutboxTransport(Path(where))
    print("ready", flush=True)
    with open_ledger(path, now) as ledger:
        ledger.recover(now)
        later = NOW + timedelta(days=60)
        plan(ledger, range(count), now, run=f"life-{life}", more=lambda number: {"due_at": NOW, "expires_at": later})
        done = deliver(ledger, transport, render, worker=f"life-{life}", clock=SkippingClock(now), stops=Never(), retry_for=timedelta(minutes=25))
        ledger.finish_run(f"life-{life}", done.ended, {"sent": done.sent}, now)
    transport.close()
    print(json.dumps({"sent": done.sent, "failed": done.failed, "unknown": done.unknown, "put_off": done.put_off}), flush=True)
