"""What a delivery needs of a site: its transport, whom it may write to, and the letters of what the ledger holds."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from engine.definitions.project import OutboxTransport, SmtpTransport
from engine.definitions.project import Smtp as SmtpSettings
from engine.delivery.console import ConsoleTransport
from engine.delivery.delivering import Unrendered
from engine.delivery.outbox import OutboxTransport as Outbox
from engine.delivery.recipients import Recipients
from engine.delivery.smtp import SmtpServer
from engine.delivery.smtp import SmtpTransport as Smtp
from engine.delivery.transport import Transport
from engine.errors import EngineError
from engine.ledger.records import Claimed
from engine.messages.addresses import normalize
from engine.messages.message import Message
from engine.messages.rendering import Renderer, RenderFailed
from engine.messages.unsubscribe import link_of, make_token
from engine.runs.opening import Site


def outbox_folder(site: Site) -> Path | None:
    """Where the mails are, when the transport is the outbox. EngineError where a variable of its folder is not set."""
    setting = site.environment.outbox
    if setting is None:
        return None
    return site.root / setting.outbox.dir if isinstance(setting, OutboxTransport) else site.state / "outbox"


def check_sending(site: Site) -> None:
    """EngineError where nothing could be sent: a variable is not set, or a value of it is none. For a run to ask before it writes anything."""
    sending = site.environment.sending
    if sending.redirect_to is not None and normalize(sending.redirect_to) != sending.redirect_to:
        raise EngineError("`redirect_to` is not one address", help="see `redirect_to:` of this environment in engine.yaml, and the value of its variable")
    if isinstance(sending.transport, SmtpTransport):
        _server(site, sending.transport.smtp)


def refuse_stopped(site: Site) -> None:
    """EngineError while the kill switch is on: nothing leaves then, a notice or a preview no more than a mail (9.8)."""
    if site.stopped:
        raise EngineError("the kill switch is on: nothing leaves", help="lift it where it was set (state/STOP, or ENGINE_STOP), then run this again")


def recipients_of(site: Site) -> Recipients:
    """Who may be written to from this environment."""
    sending = site.environment.sending
    return Recipients(sending.allow_recipients, sending.redirect_to, site.pseudonyms.address_key)


def transport_of(site: Site, recipients: Recipients | None = None) -> Transport:
    """The environment's transport, ready to use. EngineError where a variable of it is not set."""
    folder = outbox_folder(site)
    if folder is not None:
        return Outbox(folder)
    setting = site.environment.sending.transport
    if isinstance(setting, SmtpTransport):
        return Smtp(_server(site, setting.smtp), recipients or recipients_of(site))
    return ConsoleTransport(sys.stdout)


def _server(site: Site, smtp: SmtpSettings) -> SmtpServer:
    ca_file = None if smtp.ca_file is None else site.root / smtp.ca_file
    if ca_file is not None and not ca_file.is_file():
        raise EngineError(f"there is no `ca_file` {smtp.ca_file}", help="its path is told from the folder of engine.yaml")
    return SmtpServer(
        host=_plain(smtp.host),
        port=_port(smtp.port),
        tls=smtp.tls,
        username=_plain(smtp.username) or None,
        password=_plain(smtp.password) or None,
        ca_file=None if ca_file is None else str(ca_file),
        key_header=smtp.idempotency.header if smtp.idempotency else "",
        key_seconds=smtp.idempotency.seconds if smtp.idempotency else 0,
    )


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
                items=[json.loads(item.variables or "{}") for item in claimed.items],
            )
        except RenderFailed as error:
            # A broken template is another matter: it ends the run, and nobody's mail of it has failed for good.
            return Unrendered(error.message)

    return write
