"""Notices to owners, over the environment's own transport: once a day each, remembered by the ledger, and no sends of a campaign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal
from uuid import NAMESPACE_URL, uuid5

from engine.clock import to_local
from engine.definitions.project import Project
from engine.errors import DeliveryFailure
from engine.messages.notice import notice
from engine.runs.opening import Site
from engine.runs.sending import recipients_of, refuse_stopped, transport_of

Fate = Literal["sent", "failed", "unknown"]
Became = Fate | Literal["already", "refused"]
# Who is told what has no owner, where engine.yaml names no owners: whoever reads the answers to our mails.
SENDER = "the sender"
# An owner, the subject, the text and how many findings are in it.
Letters = Mapping[str, tuple[str, str, int]]


def tell(site: Site, letters: Letters) -> dict[str, Became]:
    """Send each owner its letter, unless it had one today. LockHeld while a run has an embedded ledger, EngineError while the kill switch is on."""
    refuse_stopped(site)
    told: dict[str, Became] = {}
    day = to_local(site.now, site.definitions.project.timezone).date()
    with site.open_ledger("attention", lock=False) as ledger:
        transport = transport_of(site, recipients_of(site))
        try:
            for owner, (subject, text, findings) in letters.items():
                key = str(uuid5(NAMESPACE_URL, f"notice:{site.definitions.project.name}:{site.environment.name}:{owner}:{day}"))
                message = notice(site.definitions.project.sender, address_of(site.definitions.project, owner), subject, text, key=key, at=site.now)
                if message is None or not transport.may_write_to(message.recipient):
                    told[owner] = "refused"
                    continue
                # Taken before it is handed over: a crash may cost a notice, and never makes a second one.
                if not ledger.begin_notice(owner, day, findings, site.now):
                    told[owner] = "already"
                    continue
                became: Fate = "unknown"
                try:
                    outcome = transport.deliver(message, lambda key: None)
                    became = "sent" if outcome.state == "sent" else "unknown" if outcome.state == "unknown" else "failed"
                except DeliveryFailure:
                    # A transport raises only for what was not handed over.
                    became = "failed"
                    raise
                finally:
                    ledger.end_notice(owner, day, became, site.now)
                told[owner] = became
        finally:
            transport.close()
    return told


def address_of(project: Project, owner: str) -> str:
    """The address of an owner, or of the sender."""
    return project.sender.reply_to or project.sender.address if owner == SENDER else project.owners[owner]
