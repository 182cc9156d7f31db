"""`deliver`: send what an apply has planned. On a ledger in Postgres any number of processes do so at once, on any number of hosts."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.delivery.delivered import FATES_KEPT, Delivered
from engine.delivery.delivering import deliver
from engine.delivery.running import EndOnSignal, RunningClock
from engine.delivery.transport import Transport
from engine.errors import EngineError, LockHeld
from engine.ledger.ledger import Ledger, LedgerBroken
from engine.runs.inbox import take_in_inbox
from engine.runs.opening import Site, is_stopped
from engine.runs.sending import check_sending, letter_writer, outbox_folder, transport_of

Progress = Callable[[str, int, int], None]
# How often a worker looks for rows whose holder has died, in seconds; their leases are longer.
RESCUE_EVERY = 30.0
# How long a worker that stays waits before it looks for work again, in seconds; longer when the server takes no mails.
LOOK_EVERY, SERVER_DOWN = 2.0, 60.0
# A worker that stays gives a ledger that it lost so long to come back, in seconds.
COMES_BACK = 300.0


class OtherDefinitions(EngineError):
    """The last apply followed other definitions than this worker has: its letters would not be those that were planned."""


class Between:
    """What a delivery looks at between two groups: the kill switch, orders, a signal, and, where others work too, the rows of the dead.

    `unknown` counts the sends in doubt that dead processes left.
    """

    def __init__(self, site: Site, ledger: Ledger, environ: Mapping[str, str], signals: EndOnSignal, clock: RunningClock, *, plans: bool) -> None:
        self._site, self._ledger, self._environ, self._signals, self._clock, self._plans = site, ledger, environ, signals, clock, plans
        self._looked = time.monotonic()
        self.unknown = 0

    def before_group(self) -> str:
        # The environment of a running process does not change: only the file can be put there meanwhile.
        if is_stopped(self._site.root, self._environ):
            return "the kill switch is on (state/STOP or ENGINE_STOP)"
        take_in_inbox(self._ledger, self._site.state, self._clock.now())
        if self._ledger.is_shared and time.monotonic() - self._looked >= RESCUE_EVERY:
            self.rescue()
        return ""

    def rescue(self) -> None:
        """Move the rows that dead processes left. An embedded ledger is asked once, when it is opened: nobody else has it."""
        self._looked = time.monotonic()
        self.unknown += self._ledger.recover(self._clock.now()).unknown
        if not self._plans:
            refuse_other_definitions(self._site, self._ledger)

    def ending(self) -> bool:
        return self._signals.ending()


@dataclass(frozen=True)
class Worked:
    """What one `deliver` did. `recovered` are sends in doubt that dead processes left, `planned` what it leaves for others or for an apply.

    `is_stopped` says that the whole project is stopped or paused by an order.
    """

    delivered: Delivered
    recovered: int
    planned: int
    exit_code: int
    mails: Path | None = None
    is_stopped: bool = False


def work(site: Site, *, environ: Mapping[str, str], live: bool, stay: bool = False, progress: Progress = lambda stage, done, total: None) -> Worked:
    """Send what is planned and due; with `stay` go on looking until a signal comes. `live` says that the site's now is the present.

    Plans nothing and needs no lock on Postgres. LockHeld on an embedded ledger that another process has. OtherDefinitions when the
    plan was made of others than these. EngineError where nothing could be sent (`check_sending`). LedgerBroken when the ledger is lost,
    for one that stays when it does not come back.
    """
    check_sending(site)
    mails = outbox_folder(site)
    with EndOnSignal() as signals:
        worker = _Worker(site, environ, live, stay, progress, signals)
        worker.work()
        code = worker.done.exit_code or (6 if worker.unknown else 0)
        return Worked(worker.done, worker.unknown, worker.planned, signals.exit_code or code, mails, worker.is_stopped)


@dataclass
class _Worker:
    """One worker's account, also over several connections: one that stays outlives a restart of the server."""

    site: Site
    environ: Mapping[str, str]
    live: bool
    stay: bool
    progress: Progress
    signals: EndOnSignal
    done: Delivered = field(default_factory=Delivered)
    unknown: int = 0
    planned: int = 0
    is_stopped: bool = False
    _connected: float = field(default_factory=time.monotonic)

    def work(self) -> None:
        first = True
        while True:
            try:
                with _open(self.site, self.stay) as ledger:
                    first = False
                    self._session(ledger)
                    return
            except LedgerBroken:
                # What was in flight and could not be recorded is in doubt, and is found by its lease.
                if first or not self.stay or self.signals.ending() or time.monotonic() - self._connected > COMES_BACK:
                    raise
            wait(LOOK_EVERY, self.signals.ending)

    def _session(self, ledger: Ledger) -> None:
        site = at_the_ledgers_now(self.site, ledger, self.live)
        clock = RunningClock(site.now)
        between = Between(site, ledger, self.environ, self.signals, clock, plans=False)
        between.rescue()
        ledger.settle_unknown({id: s.on_unknown for id, s in site.definitions.sequences.items() if s.on_unknown}, clock.now())
        transport = transport_of(site)
        try:
            self._rounds(site, ledger, transport, between, clock)
            status = ledger.status(clock.now())
        finally:
            self.unknown += between.unknown
            transport.close()
        self.planned = status.states.get("planned", 0)
        self.is_stopped = any(control.scope == "project" for control in status.controls)

    def _rounds(self, site: Site, ledger: Ledger, transport: Transport, between: Between, clock: RunningClock) -> None:
        def told(so_far: Delivered) -> None:
            # Kept at once: what is settled counts also when the connection breaks in the next group.
            self.done = both = _added(before, so_far)
            self.progress("sending", both.sent + both.failed + both.unknown, 0)

        while True:
            before = self.done
            now = deliver_planned(site, ledger, transport, between, clock, told)
            self.done = _added(before, now)
            self._connected = time.monotonic()
            if not self.stay or now.ended in ("interrupted", "settings"):
                return
            # What may not be written to from here is taken and given back each time: no reason to do so every other second.
            only_held = now.held > 0 and not now.sent + now.failed + now.unknown
            wait(SERVER_DOWN if now.ended == "server" or only_held else LOOK_EVERY, between.ending)
            if between.ending():
                self.done = replace(self.done, ended="interrupted", word="interrupted; what was in flight is finished")
                return
            refuse_other_definitions(site, ledger)


def _open(site: Site, stay: bool) -> Ledger:
    try:
        ledger = site.open_ledger("deliver", lock=False)
    except LockHeld as held:
        raise LockHeld(
            held.message, help="one process at a time sends from a ledger in a file; on Postgres (`ledger: {postgres: …}`) any number of workers do"
        ) from held
    if stay and not ledger.is_shared:
        ledger.close()
        raise EngineError(
            "a worker that stays would keep every apply out of a ledger in a file",
            help="leave --stay out; on Postgres (`ledger: {postgres: …}`) workers may stay",
        )
    return ledger


def wait(seconds: float, ending: Callable[[], bool]) -> None:
    """Wait, and no longer than until a signal comes."""
    until = time.monotonic() + seconds
    while not ending() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, 0.25))


def deliver_planned(
    site: Site, ledger: Ledger, transport: Transport, between: Between, clock: RunningClock, progress: Callable[[Delivered], None]
) -> Delivered:
    """Send what is planned and due at this moment."""
    worker = f"{socket.gethostname()}:{os.getpid()}"
    return deliver(ledger, transport, letter_writer(site), worker=worker, clock=clock, stops=between, progress=progress)


def at_the_ledgers_now(site: Site, ledger: Ledger, live: bool) -> Site:
    """The site at the time that all who share the ledger agree on, where its now is the present: hosts' clocks differ."""
    shared = ledger.clock() if live else None
    return site if shared is None else replace(site, now=shared.replace(microsecond=0))


def refuse_other_definitions(site: Site, ledger: Ledger) -> None:
    """OtherDefinitions when the last apply followed others. Where there was none yet there is nothing to send either."""
    applied = ledger.applied_definitions()
    if applied is None or applied.digest == site.definitions.digest:
        return
    theirs = f"commit {applied.commit[:10]}" if applied.commit else applied.digest[:19]
    ours = f"commit {site.definitions.commit[:10]}" if site.definitions.commit else site.definitions.digest[:19]
    raise OtherDefinitions(
        f"the last apply followed other definitions ({theirs}) than this worker has ({ours})",
        help="bring this host to the same commit and start the worker again, or run `engine apply` with these",
    )


def _added(first: Delivered, second: Delivered) -> Delivered:
    """Two rounds in one account; how it ended is how the second did, and what is held is what it found."""
    counts = {name: getattr(first, name) + getattr(second, name) for name in ("sent", "failed", "unknown", "withdrawn")}
    return replace(second, **counts, fates=tuple(dict.fromkeys((*first.fates, *second.fates)))[:FATES_KEPT])
