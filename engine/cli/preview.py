"""`engine preview`: a mail as it would look."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from engine.cli.door import Door
from engine.cli.options import format_option, now_option, pass_door
from engine.cli.ordering import record_named
from engine.errors import EngineError, WrongUsage

if TYPE_CHECKING:
    from engine.definitions.definitions import Definitions
    from engine.messages.preview import Case, Preview


@click.command()
@click.argument("template")
@click.option("--contact", metavar="KEY", help="With this contact's values from the CRM; needs --record where the type is about something else.")
@click.option("--record", metavar="ENTITY:KEY", help="With this record's values.")
@click.option("--locale", metavar="L", help="The language; the contact's, or the first of the project, if not said.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write it: .html, .txt or .eml. For several cases the name gets theirs.")
@click.option("--send-to", metavar="ADDRESS", help="Send it, marked, to a tester (engine.yaml: testers).")
@click.option("--hard-cases", is_flag=True, help="The cases that break layouts: longest names, missing values, twenty items, each language.")
@format_option("text", "json")
@now_option
@pass_door
def preview(
    door: Door,
    template: str,
    contact: str | None,
    record: str | None,
    locale: str | None,
    out: Path | None,
    send_to: str | None,
    hard_cases: bool,
    format_: str,
) -> int:
    """The subject, the preheader and the text of a TEMPLATE; --out writes the HTML. With samples, or with a real record's values.

    Nothing of it is in the ledger.
    """
    from engine.cli.previewing import cases_of_record, send
    from engine.cli.reading import sound
    from engine.messages.preview import hard_cases as all_hard
    from engine.messages.preview import make_preview, sample_case
    from engine.messages.rendering import Renderer
    from engine.views import previewed as view

    # A real record's mail is personal data from the first line to the last.
    door.refuse_pii(bool(contact or record))
    definitions = sound(door)
    _check(definitions, template, locale)
    if hard_cases and (contact or record):
        raise WrongUsage("--hard-cases are made-up values; leave out --contact and --record")
    cases: tuple[Case, ...]
    if contact or record:
        cases = (cases_of_record(door.site(), template, contact, record_named(definitions, record) if record else None, locale),)
    else:
        cases = all_hard(definitions, template) if hard_cases else (sample_case(definitions, template, locale),)
    address = _tester(definitions, send_to) if send_to else "preview@example.com"
    renderer = Renderer(definitions)
    made = [make_preview(renderer, template, case, due_at=door.now, to_address=address, mark="[preview] " if send_to else "") for case in cases]
    files = _write(out, made) if out else []
    told = send(door.site(), [one.message for one in made]) if send_to else ""
    door.out(view.as_json(template, made) if format_ == "json" else view.as_text(template, made, width=door.width, ink=door.ink))
    for path in files:
        door.say(f"written: {path}")
    if told:
        door.say(told)
    return 0


def _check(definitions: Definitions, template: str, locale: str | None) -> None:
    from engine.definitions.translating import did_you_mean

    if template not in definitions.templates:
        raise WrongUsage(f"there is no template `{template}`", help=did_you_mean(template, definitions.templates, "the templates are"))
    if locale is not None and locale not in definitions.project.locales:
        raise WrongUsage(f"there is no language `{locale}`", help=f"engine.yaml has {', '.join(definitions.project.locales)}")


def _tester(definitions: Definitions, address: str) -> str:
    """The address, when the project lists it as a tester's."""
    from engine.delivery.recipients import is_listed
    from engine.messages.addresses import normalize

    plain = normalize(address)
    if plain is None:
        raise WrongUsage("--send-to names no address", help="write it as name@example.com")
    if not is_listed(plain, definitions.project.testers):
        raise WrongUsage("--send-to names somebody who is no tester", help="add the address, or a pattern such as *@example.com, to `testers:` in engine.yaml")
    return plain


def _write(out: Path, made: list[Preview]) -> list[Path]:
    """The files that were written, one a case."""
    if out.suffix not in (".html", ".txt", ".eml"):
        raise WrongUsage(f"--out {out} says no kind of file", help="let it end in .html, .txt or .eml")
    written = []
    for one in made:
        path = out if len(made) == 1 else out.with_name(f"{out.stem}-{re.sub(r'[^a-z0-9-]', '-', one.case.id.lower())}{out.suffix}")
        content = one.message.payload if out.suffix == ".eml" else (one.rendered.html if out.suffix == ".html" else one.rendered.text).encode()
        try:
            path.write_bytes(content)
        except OSError as error:
            raise EngineError(f"{path} cannot be written: {error.strerror}") from None
        written.append(path)
    return written
