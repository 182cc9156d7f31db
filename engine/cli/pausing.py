"""`engine pause`, `resume` and `cancel`: a sequence, or people on their way, one or many."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import click

from engine.cli.door import Door, instant
from engine.cli.options import format_option, now_option, pass_door
from engine.cli.ordering import by, give, tell
from engine.cli.whom import Whom, chosen_by, whom
from engine.errors import WrongUsage

if TYPE_CHECKING:
    from engine.ledger.orders import Verb
    from engine.views.ordered import Ordered

_PLACES = 10
_NAMES = ("contacts", "companies", "records", "segment", "file")


@click.command()
@whom
@click.option("--until", metavar="WHEN", help="When the pause ends by itself: a date (its first moment) or 2026-12-27T09:00:00+07:00.")
@click.option("--all", "all_", is_flag=True, help="The whole project.")
@format_option("text", "json")
@now_option
@pass_door
def pause(door: Door, /, until: str | None, all_: bool, format_: str, **given: Any) -> int:
    """Hold a SEQUENCE, or the ways of contacts or records, or everything with --all.

    A pause moves no due moment: when it ends, what has not expired goes. Where the SEQUENCE is about contacts, a company is its
    contacts, as in `engine enroll`.
    """
    end = _until(door, until) if until else None
    if end is not None and end <= door.now:
        raise WrongUsage("--until lies in the past")
    meant = _meant(door, "pause", given, all_, format_)
    nothing = "Paused already, or on no way" if meant.keys else "Paused already"
    later = " What begins for them later is not paused." if meant.keys else ""
    done = {"carried_out": f"Paused{_until_words(door, end)}: {meant}.{later}", "nothing": f"{nothing}: {meant}; nothing was changed."}
    ordered = _give(door, "pause", meant, given, done, end)
    if end is not None and not given["dry_run"]:
        ordered = ordered.adding(_longer(door, meant, end))
    return tell(door, ordered, format_)


@click.command()
@whom
@click.option("--all", "all_", is_flag=True, help="The whole project.")
@format_option("text", "json")
@now_option
@pass_door
def resume(door: Door, /, all_: bool, format_: str, **given: Any) -> int:
    """Lift the pauses of a SEQUENCE, of contacts or records, or of the whole project with --all."""
    meant = _meant(door, "resume", given, all_, format_)
    done = {"carried_out": f"Resumed: {meant}. What is due goes with the next apply.", "nothing": f"Nothing was paused: {meant}."}
    return tell(door, _give(door, "resume", meant, given, done), format_)


@click.command()
@whom
@format_option("text", "json")
@now_option
@pass_door
def cancel(door: Door, /, format_: str, **given: Any) -> int:
    """End the ways of contacts or records, on one SEQUENCE or on all: for good.

    Nothing more is sent from now on; the exit itself is written by the next apply.
    """
    if not any(given[name] for name in _NAMES):
        raise WrongUsage(
            "cancel is for people on their way: name --contact, --company, --record, --segment or --from FILE",
            help="to end a whole sequence write `status: archived` in its file; to hold it, `engine pause`",
        )
    meant = _meant(door, "cancel", given, False, format_)
    done = f"Cancelled: {meant}; {{rows}} on the way. Nothing more is sent to them; the next apply writes their exit."
    return tell(door, _give(door, "cancel", meant, given, {"carried_out": done, "nothing": f"Nobody is on the way: {meant}."}), format_)


def _meant(door: Door, verb: str, given: dict[str, Any], all_: bool, format_: str) -> Whom:
    named = any(given[name] for name in ("sequence", *_NAMES))
    if all_ and named:
        raise WrongUsage("--all is the whole project; leave it out to name a part")
    if not all_ and not named:
        raise WrongUsage(
            f"{verb} what?", help=f"name a SEQUENCE, --contact, --company, --record, --segment or --from FILE; `engine {verb} --all` is the whole project"
        )
    if given["keys_of"] and not given["file"]:
        raise WrongUsage("--keys-of says what the keys of a file are", help="name the file with --from")
    # What a machine reads is kept: keys that were typed stand in it no more than those of a file.
    return chosen_by(door, given, say_keys=format_ == "text")


def _until(door: Door, text: str) -> datetime:
    """The moment, or the first moment of the date where the project is."""
    try:
        day = date.fromisoformat(text.strip())
    except ValueError:
        return instant(text, "--until")
    from engine.clock import to_utc

    zone = _zone(door)
    if zone is None:
        raise WrongUsage(
            "engine.yaml is in error, so nobody can tell when that day begins", help="write a moment with its offset: --until 2026-12-27T09:00:00+07:00"
        )
    return to_utc(datetime.combine(day, time()), zone)


def _until_words(door: Door, end: datetime | None) -> str:
    zone = _zone(door) if end is not None else None
    if end is None or zone is None:
        return ""
    from engine.views.phrases import moment

    return f" until {moment(end, zone)}"


def _zone(door: Door) -> str | None:
    """The project's timezone, also where other definitions are in error: a pause never waits for a YAML file. None where it cannot be read."""
    from engine.errors import DefinitionsInError

    try:
        return door.site().definitions.project.timezone
    except DefinitionsInError:
        from engine.definitions.loading import load
        from engine.definitions.trees import WorkTree

        parts = load(WorkTree(door.root)).sound_parts
        return parts.project.timezone if parts is not None else None


def _give(door: Door, verb: Verb, meant: Whom, given: dict[str, Any], done: dict[str, str], until: datetime | None = None) -> Ordered:
    from engine.ledger.orders import Order

    if given["dry_run"]:
        return _foretold(door, verb, meant)
    ordered = give(door, Order(verb, door.now, by(), note=given["note"], until=until, **meant.target), verb, done, counted=len(meant.keys) > 1)
    left = _left_out_now(door, verb, meant) if verb != "resume" and len(meant.keys) > 1 else ""
    return ordered.adding(left, meant.beside)


def _ways(door: Door, verb: str, meant: Whom) -> list[tuple[str | None, str | None]]:
    """The record and contact of each way that the order meets, as the ledger knows them now."""
    from engine.ledger.history import EnrollmentFilter

    with door.site().read_ledger() as ledger:
        held = [row for row in ledger.held() if meant.meets(row.sequence, row.entity, row.record, row.contact)]
        if verb == "resume":
            return [(row.record, row.contact) for row in held if row.action == "paused"]
        rows = ledger.enrollments(EnrollmentFilter(sequence=meant.sequence), limit=10_000_000).rows
    on_the_way = {(row.sequence, row.entity, row.record, row.occurrence, row.contact) for row in rows if not row.exit_final}
    # Those by hand whom no apply has seen yet have no row but the order itself.
    on_the_way |= {(row.sequence or "", row.entity or "", row.record or "", row.occurrence or "", row.contact or "") for row in held}
    return [(record, contact) for sequence, entity, record, _, contact in sorted(on_the_way) if meant.meets(sequence, entity, record, contact)]


def _foretold(door: Door, verb: str, meant: Whom) -> Ordered:
    from engine.views.ordered import Ordered
    from engine.views.phrases import counted

    if not meant.keys:
        return Ordered(verb, f"{verb} would be for {meant}. A dry run: nothing was changed.", None, False, dry_run=True)
    ways = _ways(door, verb, meant)
    what = {"pause": "would be held", "cancel": "would end", "resume": "would go on"}[verb]
    would = Ordered(verb, f"{counted(len(ways), 'way')} {what}: {meant}.", len(ways), False, dry_run=True).adding(_left_out(verb, meant, ways), meant.beside)
    if verb != "resume":
        would = would.adding("Who was enrolled by hand since the last apply is not counted, and meant too.")
    return would.adding("A dry run: nothing was changed.")


def _left_out_now(door: Door, verb: str, meant: Whom) -> str:
    """Which of many are on no way; nothing where the definitions are in error or another holds the ledger."""
    from engine.errors import EngineError

    try:
        return _left_out(verb, meant, _ways(door, verb, meant)) if not _waits(door) else ""
    except EngineError:
        return ""


def _longer(door: Door, meant: Whom, end: datetime) -> str:
    """That a longer pause is in force: of two the longer counts, so that a shorter one does not let mail go that somebody held."""
    from engine.errors import EngineError
    from engine.views.phrases import moment

    try:
        site = door.site()
        with site.read_ledger() as ledger:
            rows = (
                ledger.held()
                if meant.keys
                else [row for row in ledger.status(site.now).controls if row.scope != "enrollment" and row.sequence == meant.sequence]
            )
    except EngineError:
        return ""
    rows = [row for row in rows if not meant.keys or meant.meets(row.sequence, row.entity, row.record, row.contact)]
    longer = [row.until for row in rows if row.action == "paused" and (row.until is None or row.until > end)]
    if not longer:
        return ""
    ends = [until for until in longer if until is not None]
    words = f"until {moment(max(ends), site.definitions.project.timezone)}" if len(ends) == len(longer) else "with no end"
    return f"A pause {words} is in force already, and the longer one counts; `{door.command('resume')}` lifts it first."


def _waits(door: Door) -> bool:
    from engine.runs.inbox import waiting

    return bool(waiting(door.site().state))


def _left_out(verb: str, meant: Whom, ways: list[tuple[str | None, str | None]]) -> str:
    met = {record if meant.records else contact for record, contact in ways}
    left = [key for key in meant.keys if key not in met]
    if not left:
        return ""
    # The contacts of a company share its line.
    places = list(dict.fromkeys(meant.places[key] for key in left if key in meant.places))
    where = f" ({', '.join(places[:_PLACES])}{', …' if len(places) > _PLACES else ''})" if places else ""
    return f"{len(left):,} of them {'is' if len(left) == 1 else 'are'} {'not paused' if verb == 'resume' else 'on no way'}{where}: nothing changes for them."
