"""`engine explain`: every gate for one contact or record; or what a code means."""

from __future__ import annotations

import re

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door, pii_option
from engine.cli.ordering import record_named
from engine.errors import WrongUsage
from engine.ledger.history import SendFilter

# The latest of its sends, beside what is decided now; for a past moment those before it, and what became of what was decided at it.
_SENDS, _OF_THE_PAST = 10, 1000
_CODE = re.compile(r"[EWew]\d{3}")


@click.command()
@click.argument("what", metavar="CONTACT|ENTITY:KEY|CODE")
@click.option("--sequence", metavar="ID", help="Only this sequence.")
@click.option("--at", metavar="ISO8601", help="At this moment; for a past one with the ledger as it was then.")
@format_option("text", "json")
@pii_option
@now_option
@pass_door
def explain(door: Door, what: str, sequence: str | None, at: str | None, format_: str, show_pii: bool) -> int:
    """Why a contact or a record gets a mail, or does not: every gate of every step.

    CONTACT is a contact's key in the CRM, ENTITY:KEY any record, such as contract:17. CODE is a reason (unsubscribed) or an
    error (E201), told at length.

    With a past moment under --at: the gates as they were then from what the ledger knew by then, with the CRM and the definitions of
    today. With one ahead: the plan of that moment on today's ledger; what the runs until then will do is `engine simulate`'s to say.
    """
    told = _code(what, door.width)
    if told is not None:
        door.out(told)
        return 0
    door.refuse_pii(show_pii)
    looking = ""
    if at is not None:
        present = door.stand_at(at, "--at")
        looking = "back" if door.now < present else "ahead" if door.now > present else ""
    from engine.runs.explaining import explain as explained
    from engine.views import explanation as view
    from engine.views.held import Held
    from engine.views.naming import Naming

    site = door.site()
    record = record_named(site.definitions, what) if ":" in what else None
    found = explained(site, contact=None if record else what, record=record, sequence=sequence, looking_back=looking == "back")
    door.say_age(found.ledger_as_of, site.definitions.project.timezone)
    if not found.exists and not found.sheets:
        entity, key = found.subject
        raise WrongUsage(
            f"there is no {entity} with the key `{key}` in the CRM",
            help="keys are the CRM's own; a record is written ENTITY:KEY, a code as E201 or unsubscribed",
        )
    with site.read_ledger() as ledger:
        about = record if record is not None else (None, None)
        wanted = SendFilter(contact=None if record else what, entity=about[0], record=about[1], sequence=sequence)
        sends = ledger.sends(wanted, limit=_OF_THE_PAST if looking == "back" else _SENDS).rows
        # What held a sequence or everything at a moment of the past the ledger's status does not tell; a step's reason does.
        wide = () if looking == "back" else (one for one in ledger.status(site.now).controls if one.scope != "enrollment")
        held = Held((*ledger.held(site.now if looking == "back" else None), *wide), site.now)
    page = view.ExplanationPage(
        found,
        list(sends),
        site.now,
        site.definitions.project.timezone,
        Naming(site.definitions, site.pseudonyms, show_pii),
        held,
        looking,
    )
    door.out(view.as_json(page) if format_ == "json" else view.as_text(page, width=door.width, ink=door.ink))
    return 0


def _code(what: str, width: int) -> str | None:
    """The long text of a code; None for what is no code."""
    from engine.views.explanation import code_text
    from engine.views.reasons import explained as reason

    known = reason(what.lower())
    if known is not None:
        return code_text(*known, width=width)
    if _CODE.fullmatch(what):
        from engine.views.codes import explained

        long = explained(what.upper(), width)
        if long is None:
            raise WrongUsage(f"there is no code {what.upper()}")
        return long
    return None
