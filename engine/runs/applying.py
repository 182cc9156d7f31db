"""`apply`: plan under the lock, check the guards, commit, deliver. The only place where a plan meets a ledger that can write."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

from engine import __version__
from engine.definitions.project import OutboxTransport, SmtpTransport
from engine.delivery.console import ConsoleTransport
from engine.delivery.delivered import Delivered
from engine.delivery.delivering import Unrendered, deliver
from engine.delivery.outbox import OutboxTransport as Outbox
from engine.delivery.recipients import Recipients
from engine.delivery.running import EndOnSignal, RunningClock
from engine.delivery.smtp import SmtpServer
from engine.delivery.smtp import SmtpTransport as Smtp
from engine.delivery.transport import Transport
from engine.errors import EngineError
from engine.ledger.duckdb import DuckdbLedger
from engine.ledger.records import Changes, Claimed, Committed, Run
from engine.messages.message import Message
from engine.messages.rendering import Renderer, RenderFailed
from engine.messages.unsubscribe import link_of, make_token
from engine.plan.plan import Plan
from engine.runs.filling import with_variables
from engine.runs.inbox import take_in_inbox
from engine.runs.opening import Site, is_stopped
from engine.runs.planning import plan_on

Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Applied:
    """What one apply did. `exit_code` as interface.md §3; `notes` are sentences for the person who ran it."""

    plan: Plan
    run_id: str
    committed: Committed | None
    delivered: Delivered | None
    exit_code: int
    mails: Path | None = None
    notes: tuple[str, ...] = field(default_factory=tuple)


def apply(
    site: Site,
    *,
    environ: Mapping[str, str],
    allowed: Mapping[str, float] | None = None,
    reason: str = "",
    by: str = "",
    progress: Progress = silent,
) -> Applied:
    """Do what is due. LockHeld while another run works; nothing is written when a guard of the project blocks (exit 3)."""
    notes: list[str] = []
    with EndOnSignal() as signals, site.open_ledger("apply") as ledger:
        progress("reading", 0, 0)
        recovered = ledger.recover(site.now)
        if recovered.unknown:
            notes.append(f"a run that was killed left {recovered.unknown} sends in doubt; `engine sends --state unknown` lists them")
        ledger.settle_unknown({id: s.on_unknown for id, s in site.definitions.sequences.items() if s.on_unknown}, site.now)
        take_in_inbox(ledger, site.state, site.now)
        with site.read_facts() as snapshot:
            progress("planning", 0, 0)
            plan = plan_on(site, snapshot, ledger, allowed=allowed)
            run = _run(site, plan, allowed or {}, reason)
            if not plan.applyable:
                return Applied(plan, run.run_id, None, None, 3, notes=tuple(notes))
            changes = dict(plan.changes)
            changes["sends"] = with_variables(site.definitions, snapshot, changes["sends"], site.now)
        committed = ledger.commit(run, Changes(changes))
        total = changes["sends"].num_rows
        clock = RunningClock(site.now)
        delivered = _deliver(site, ledger, environ, signals, clock, lambda done: progress("sending", done.sent + done.failed + done.unknown, total))
        held_back = any(not guard.passed for guard in plan.guards)
        code = delivered.exit_code or (3 if held_back else 0)
        if not code and recovered.unknown:
            code = 6
        if signals.came == signal.SIGINT:
            code = 130
        counts = {**plan.summary, "sent": delivered.sent, "failed": delivered.failed, "unknown": delivered.unknown + recovered.unknown}
        ledger.finish_run(run.run_id, delivered.ended, counts, clock.now())
    return Applied(plan, run.run_id, committed, delivered, code, outbox_folder(site), tuple(notes))


def _run(site: Site, plan: Plan, allowed: Mapping[str, float], reason: str) -> Run:
    digest = sha256(json.dumps([plan.definitions.digest, plan.facts_digest, plan.ledger_head, plan.now.isoformat(), plan.summary]).encode()).hexdigest()
    return Run(
        run_id=str(uuid4()),
        now=site.now,
        engine_version=__version__,
        definitions_digest=site.definitions.digest,
        commit=site.definitions.commit,
        compiled=site.definitions.compiled,
        facts_digest=plan.facts_digest,
        plan_digest=f"sha256:{digest}",
        host=socket.gethostname(),
        pid=os.getpid(),
        overrides=tuple((guard, format(limit, "g"), reason) for guard, limit in sorted(allowed.items())),
        counts=plan.summary,
    )


class _Stops:
    """What ends a delivery from outside: the kill switch, an order in the inbox, a signal."""

    def __init__(self, site: Site, ledger: DuckdbLedger, environ: Mapping[str, str], signals: EndOnSignal) -> None:
        self._site, self._ledger, self._environ, self._signals = site, ledger, environ, signals

    def before_group(self) -> str:
        # The environment of a running process does not change: only the file can be put there meanwhile.
        if is_stopped(self._site.root, self._environ):
            return "the kill switch is on (state/STOP or ENGINE_STOP)"
        take_in_inbox(self._ledger, self._site.state, self._site.now)
        return ""

    def ending(self) -> bool:
        return self._signals.ending()


def _deliver(
    site: Site, ledger: DuckdbLedger, environ: Mapping[str, str], signals: EndOnSignal, clock: RunningClock, progress: Callable[[Delivered], None]
) -> Delivered:
    transport = transport_of(site)
    try:
        return deliver(
            ledger,
            transport,
            letter_writer(site),
            worker=f"{socket.gethostname()}:{os.getpid()}",
            clock=clock,
            stops=_Stops(site, ledger, environ, signals),
            progress=progress,
        )
    finally:
        transport.close()


def outbox_folder(site: Site) -> Path | None:
    """Where the mails are, when the transport is the outbox."""
    setting = site.environment.transport
    if isinstance(setting, OutboxTransport):
        return site.root / setting.outbox.dir
    return site.state / "outbox" if setting == "outbox" else None


def recipients_of(site: Site) -> Recipients:
    """Who may be written to from this environment."""
    return Recipients(site.environment.allow_recipients, site.environment.redirect_to, site.pseudonyms.address_key)


def transport_of(site: Site, recipients: Recipients | None = None) -> Transport:
    """The environment's transport, ready to use."""
    folder = outbox_folder(site)
    if folder is not None:
        return Outbox(folder)
    setting = site.environment.transport
    if isinstance(setting, SmtpTransport):
        smtp = setting.smtp
        server = SmtpServer(
            host=_plain(smtp.host),
            port=_port(smtp.port),
            tls=smtp.tls,
            username=_plain(smtp.username) or None,
            password=_plain(smtp.password) or None,
            ca_file=smtp.ca_file,
        )
        return Smtp(server, recipients or recipients_of(site))
    return ConsoleTransport(sys.stdout)


def _port(value: int | str) -> int:
    text = str(value).strip()
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise EngineError("the SMTP port is not a number between 1 and 65535", help="see `transport:` of this environment in engine.yaml")
    return int(text)


def _plain(value: object) -> str:
    """A setting's text; a secret is revealed only here, where it is used."""
    reveal = getattr(value, "reveal", None)
    return str(reveal()) if callable(reveal) else "" if value is None else str(value)


def letter_writer(site: Site) -> Callable[[Claimed], Message | Unrendered]:
    """Makes the message of a claimed send from what the ledger holds; what cannot be made says why."""
    renderer = Renderer(site.definitions)
    pattern = site.definitions.project.links.unsubscribe

    def write(claimed: Claimed) -> Message | Unrendered:
        sequence = site.definitions.sequences.get(claimed.sequence)
        if sequence is None or claimed.template not in site.definitions.templates:
            return Unrendered(f"the definitions have no template `{claimed.template}` for sequence `{claimed.sequence}` any more")
        link = None
        if pattern and claimed.category == "marketing":
            link = link_of(pattern, make_token(site.pseudonyms.key, send_key=claimed.send_key, address_key=site.pseudonyms.address_key(claimed.address)))
        try:
            return renderer.render(
                claimed.template,
                claimed.locale,
                json.loads(claimed.variables or "{}"),
                contact_name=claimed.name,
                to_address=claimed.address,
                send_key=claimed.send_key,
                due_at=claimed.due_at,
                unsubscribe_url=link,
                reply_to=sequence.reply_to,
            )
        except RenderFailed as error:
            # A broken template is another matter: it ends the run, and nobody's mail of it has failed for good.
            return Unrendered(error.message)

    return write
