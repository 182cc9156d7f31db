"""`engine feedback`: what came back of mails (semantics 9.7)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from engine.cli.door import Door, instant
from engine.cli.options import format_option, now_option, pass_door
from engine.errors import WrongUsage

if TYPE_CHECKING:
    from engine.ledger.feedback import Feedback

_KNOWN = ("send_key", "message_id", "kind", "at", "id")
_LONGEST = 1_000


@click.group("feedback")
def feedback() -> None:
    """What came back of mails: delivered, bounced, complained, opened, clicked.

    It stands beside the send and never changes its state, but for one that is in doubt: feedback proves that it left.
    """


@feedback.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option("--source", default="file", show_default=True, metavar="NAME", help="Who tells it; ids are one source's own.")
@format_option("text", "json")
@now_option
@pass_door
def ingest(door: Door, file: str, source: str, format_: str) -> int:
    """Take in a file with one JSON object a line: send_key or message_id, kind, at, and the teller's own id if there is one.

    The same line twice is once. A bounce (for good) and a complaint suppress the address of their mail; `engine unsuppress` lifts that.
    """
    if len(source) > 100 or not source.isprintable():
        raise WrongUsage("that is no name of a source", help="write a short text, such as postmark")
    told = [_read(file, number, line) for number, line in enumerate(_lines(file), 1) if line.strip()]
    site = door.site()
    with site.open_ledger("feedback", lock=False) as ledger:
        taken = ledger.take_feedback(source, told, site.now)
    counts = {"new": taken.new, "known": taken.known, "unmatched": taken.unmatched, "settled": taken.settled, "suppressed": taken.suppressed}
    if format_ == "json":
        door.out(json.dumps({"format_version": "1.0", "kind": "feedback", **counts}))
        return 0
    door.out(f"{taken.new:,} new, {taken.known:,} known already, {taken.unmatched:,} about no send of this ledger.")
    if taken.settled:
        door.out(f"{taken.settled:,} {'send was' if taken.settled == 1 else 'sends were'} in doubt and {'is' if taken.settled == 1 else 'are'} sent now.")
    if taken.suppressed:
        door.out(f"{taken.suppressed:,} {'address is' if taken.suppressed == 1 else 'addresses are'} suppressed from now on; `engine unsuppress` lifts it.")
    return 0


def _lines(file: str) -> list[str]:
    try:
        return Path(file).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise WrongUsage(f"{file} is no text in UTF-8", help="write one JSON object a line") from None


def _read(file: str, number: int, line: str) -> Feedback:
    """One line. WrongUsage with its number; what stands in it is personal, and is not repeated."""
    from engine.ledger.feedback import FEEDBACK_KINDS, Feedback

    where = f"{file}, line {number}"
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        raise WrongUsage(f"{where} is no JSON", help="write one object a line, such as " + _EXAMPLE) from None
    if not isinstance(said, dict) or not all(isinstance(value, str) and 0 < len(value) <= _LONGEST for value in said.values()):
        raise WrongUsage(f"{where} is no object of texts", help="write " + _EXAMPLE)
    if unknown := sorted(set(said) - set(_KNOWN)):
        raise WrongUsage(f"{where} has a key that is not known: {unknown[0][:40]!r}", help=f"the keys are {', '.join(_KNOWN)}")
    if ("send_key" in said) == ("message_id" in said):
        raise WrongUsage(f"{where} names the mail by both or by neither of send_key and message_id", help="write one of the two")
    if said.get("kind") not in FEEDBACK_KINDS:
        raise WrongUsage(f"{where} has no kind that is known", help=f"the kinds are {', '.join(FEEDBACK_KINDS)}")
    if "at" not in said:
        raise WrongUsage(f"{where} does not say when", help='add `"at": "2026-01-05T09:00:00+07:00"`')
    return Feedback(_key(said, where), said["kind"], instant(said["at"], where), said.get("message_id"), said.get("id", ""))


_EXAMPLE = '{"send_key": "84c5d9e6-529c-cc53-c3b3-574abc58d393", "kind": "opened", "at": "2026-01-05T09:00:00+07:00"}'


def _key(said: dict[str, Any], where: str) -> str | None:
    from uuid import UUID

    if "send_key" not in said:
        return None
    try:
        return str(UUID(said["send_key"]))
    except ValueError:
        raise WrongUsage(f"{where}: that is no send key", help="`engine sends` lists them; it has 32 hexadecimal digits") from None
