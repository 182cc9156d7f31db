"""What `doctor` looks at: each check is one function; one that cannot be made, because something before it is bad, is left out."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from typing import TYPE_CHECKING

from engine.cli.door import Door
from engine.errors import DefinitionsInError, EngineError
from engine.views.examined import Finding
from engine.views.phrases import counted

if TYPE_CHECKING:
    from engine.definitions.environments import ResolvedEnvironment
    from engine.runs.opening import Site

_COMMAND = re.compile(r"`engine ([^`]+)`")


def examine(door: Door) -> list[Finding]:
    """Everything, in order."""
    return list(_all(door))


def _all(door: Door) -> Iterator[Finding]:
    from engine import __version__

    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("engine", "good", f"{__version__} on Python {version}")
    try:
        root = door.root
    except EngineError as error:
        yield Finding("project", "bad", error.message, error.help)
        return
    yield Finding("project", "good", str(root))
    try:
        site = door.site()
    except DefinitionsInError as error:
        yield Finding("definitions", "bad", counted(sum(p.severity == "error" for p in error.problems), "error"), f"`{door.command('validate')}` shows them")
        return
    except EngineError as error:
        yield Finding("environment", "bad", error.message, error.help)
        return
    warnings = f", {counted(len(site.warnings), 'warning')}: `{door.command('validate')}` shows them" if site.warnings else ""
    yield Finding("definitions", "note" if site.warnings else "good", f"{counted(len(site.definitions.sequences), 'sequence')}{warnings}")
    yield _commit(site)
    yield from _facts(site)
    yield _ledger(door, site)
    yield from _jobs(door, site)
    yield from _key(site)
    yield from _transport(site.environment)
    yield from _extras(site.environment)
    yield from _links(site)
    if site.stopped:
        yield Finding("kill switch", "note", "on: no mail leaves", "remove state/STOP, or unset ENGINE_STOP, when sending is meant")
    yield from _inbox(site)


def _commit(site: Site) -> Finding:
    if site.definitions.commit:
        return Finding("git", "good", f"the definitions are those of commit {site.definitions.commit[:10]}")
    return Finding("git", "note", "the definitions are not committed, so the ledger cannot say which ones a mail was made of", "commit before you apply")


def _facts(site: Site) -> Iterator[Finding]:
    from engine.facts.fit import check_facts, mend

    try:
        problems = check_facts(site.definitions, site.environment.facts, site.root, site.now)
    except DefinitionsInError as error:
        problems = list(error.problems)
    except EngineError as error:
        yield Finding("CRM", "bad", error.message, error.help)
        return
    if not problems:
        yield Finding("CRM", "good", "the map fits")
    for problem in problems:
        bad = problem.severity == "error"
        place = f" ({problem.origin.file}:{problem.origin.line})" if problem.origin else ""
        yield Finding("CRM", "bad" if bad else "note", f"{problem.code}: {problem.message}{place}", mend(problem) if bad else "")


def _ledger(door: Door, site: Site) -> Finding:
    try:
        with site.read_ledger() as ledger:
            head, states, holder, warnings = ledger.head(), ledger.status().states, ledger.holder(), ledger.warnings()
    except EngineError as error:
        return Finding("ledger", "bad", error.message, error.help and _here(door, error.help))
    except OSError as error:
        return Finding("ledger", "bad", f"{error.filename or 'its file'} cannot be used: {error.strerror}", "look at its rights and the room on its disk")
    if states.get("unknown"):
        return Finding(
            "ledger",
            "note",
            f"{counted(states['unknown'], 'send')} whose outcome nobody knows",
            _here(door, "`engine sends --state unknown`, then `engine resolve`"),
        )
    if warnings:
        return Finding("ledger", "note", "; ".join(warnings))
    return Finding("ledger", "good", f"at {head.serial:,}" + (f"; held by {holder}" if holder else ", free"))


def _here(door: Door, help: str) -> str:
    """The commands of a way out for this project and this environment: what the ledger says of itself knows neither."""
    return _COMMAND.sub(lambda found: f"`{door.command(found[1])}`", help)


def _jobs(door: Door, site: Site) -> Iterator[Finding]:
    """Jobs that are late, and those that never ran here: nobody may have told a scheduler of them."""
    from engine.runs.jobs import jobs_now
    from engine.views.phrases import moment

    if not site.definitions.project.jobs:
        return
    try:
        with site.read_ledger() as ledger:
            jobs = jobs_now(site.definitions.project, ledger, ledger.status(site.now), site.now)
    except (EngineError, OSError):
        return
    zone = site.definitions.project.timezone
    for job in jobs:
        if job.late:
            ran = f"and ran last on {moment(job.last, zone)}" if job.last is not None else "and never ran here"
            says = f"{job.name} should have run on {moment(job.missed or job.due, zone)}, {ran}"
            told = (
                "look at its scheduler" if job.last is not None else f"tell a scheduler of it (`{door.command('schedule export --for systemd')}`, or another)"
            )
            yield Finding("job", "bad", says, f"{told}; `{door.command(f'apply --job {job.name}')}` runs it now")
        elif job.last is None:
            mending = f"where this environment's mails should go by themselves: `{door.command('schedule export --for systemd')}`, or another scheduler"
            yield Finding("job", "note", f"{job.name} never ran here", mending)
        else:
            yield Finding("job", "good", f"{job.name} ran on {moment(job.last, zone)}, next on {moment(job.next, zone)}")


def _key(site: Site) -> Iterator[Finding]:
    from engine.ledger.pseudonyms import KEY_FILE

    path = site.state / KEY_FILE
    try:
        mode = path.stat().st_mode
    except OSError:
        yield Finding("key", "good", "the pseudonym key comes from the environment")
        return
    if mode & 0o077:
        yield Finding("key", "note", f"{path} can be read by others on this machine", f"chmod 600 {path}")
    else:
        yield Finding("key", "good", f"{path}, readable by its owner alone; it belongs into a backup")


def _transport(environment: ResolvedEnvironment) -> Iterator[Finding]:
    from engine.definitions.project import OutboxTransport, SmtpTransport

    try:
        sending = environment.sending
    except EngineError as error:
        yield Finding("transport", "bad", error.message, error.help)
        return
    transport = sending.transport
    if isinstance(transport, SmtpTransport):
        smtp = transport.smtp
        where = f"SMTP at {smtp.host}:{smtp.port}, tls {smtp.tls}"
        if smtp.idempotency:
            where += f", repeated keys known for {smtp.idempotency.window}"
        if "*" in sending.allow_recipients and not sending.redirect_to:
            yield Finding("transport", "good", f"{where}; it may write to everybody")
        elif sending.redirect_to:
            yield Finding("transport", "note", f"{where}; all mails go to one box (redirect_to)")
        elif sending.allow_recipients:
            yield Finding("transport", "note", f"{where}; it may write only to {', '.join(sending.allow_recipients)}")
        else:
            yield Finding(
                "transport", "bad", f"{where}, and it may write to nobody", 'write `allow_recipients: ["*"]`, or those it may write to, in engine.yaml'
            )
        if smtp.tls == "none" and str(smtp.host) not in ("localhost", "127.0.0.1", "::1"):
            yield Finding("transport", "note", "the connection is not encrypted", "tls: starttls, or tls")
    elif isinstance(transport, OutboxTransport):
        yield Finding("transport", "good", f"mails become files in {transport.outbox.dir}")
    else:
        yield Finding("transport", "good", "mails become files in state/outbox" if transport == "outbox" else "mails are printed")


def _extras(environment: ResolvedEnvironment) -> Iterator[Finding]:
    from engine.definitions.project import PostgresFacts

    if isinstance(environment.facts, PostgresFacts) and find_spec("psycopg") is None:
        yield Finding("extras", "bad", "the CRM is on Postgres, and its driver is not installed", "install the extra `postgres`")


def _links(site: Site) -> Iterator[Finding]:
    from engine.definitions.variables import category_of

    marketing = [id for id in site.definitions.templates if category_of(site.definitions, id) == "marketing"]
    if marketing and site.definitions.project.links.unsubscribe is None:
        yield Finding(
            "unsubscribe", "bad", f"{counted(len(marketing), 'marketing template')}, and no link to unsubscribe", "set links.unsubscribe in engine.yaml"
        )


def _inbox(site: Site) -> Iterator[Finding]:
    from engine.runs.inbox import FOLDER, unreadable, waiting

    for name in unreadable(site.state):
        yield Finding(
            "inbox",
            "bad",
            f"{name} cannot be read as an order, and may have been meant as a stop",
            f"look at {site.state / FOLDER / name}, give the order again, and delete it",
        )
    orders = waiting(site.state)
    if orders:
        yield Finding("inbox", "note", f"{counted(len(orders), 'order')} that no run has read yet; the next apply does")
    if not os.access(site.state, os.W_OK):
        yield Finding("inbox", "bad", f"{site.state / FOLDER} cannot be written, so `engine stop` could not reach a run", "let this user write there")
