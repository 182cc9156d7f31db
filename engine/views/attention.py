"""What needs a person, in words: what, since when, what happens if nobody acts, and the one thing that mends it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.definitions.crm import ContactMap
from engine.runs.attending import Finding
from engine.runs.noticing import SENDER
from engine.views.escaping import one_line, to_json
from engine.views.guards_text import CODES, override, shown
from engine.views.ink import PLAIN, Ink
from engine.views.naming import Naming
from engine.views.phrases import counted, iso, joined, moment, wrapped
from engine.views.plan_json import FORMAT_VERSION
from engine.views.reasons import REASONS

_RECORDS = 100
# What is mended by a command and nothing else.
_COMMANDS = ("unknown", "guard", "job", "gone_members")
Command = Callable[[str], str]


@dataclass(frozen=True)
class AttentionPage:
    """Findings for people; `owners` are those of engine.yaml."""

    project: str
    environment: str
    zone: str
    now: datetime
    contact: ContactMap
    findings: Sequence[Finding]
    naming: Naming

    def owned(self) -> dict[str | None, list[Finding]]:
        """By owner, those without one first: what stops everything is nobody's, and so everybody's."""
        owners = sorted({finding.owner for finding in self.findings if finding.owner is not None})
        return {owner: [one for one in self.findings if one.owner == owner] for owner in (None, *owners) if any(one.owner == owner for one in self.findings)}


def as_json(page: AttentionPage, command: Command) -> str:
    value: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "kind": "attention",
        "project": page.project,
        "env": page.environment,
        "now": iso(page.now, page.zone),
        "findings": [_finding(page, one, command) for one in page.findings],
    }
    return to_json(value, indent=1) + "\n"


def _finding(page: AttentionPage, one: Finding, command: Command) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "owner": one.owner,
        "about": one.about,
        "step": one.step,
        "count": one.count,
        "reason": one.why or None,
        "since": iso(one.since, page.zone),
        "until": iso(one.until, page.zone),
        "what": what(page, one),
        "otherwise": otherwise(page, one) or None,
        "mend": mend(page, one, command),
        "records": [{"entity": one.entity, "key": page.naming.record(one.entity, key)} for key in one.records[:_RECORDS]],
    }


def as_text(page: AttentionPage, *, width: int = 80, ink: Ink = PLAIN, command: Command = lambda words: f"engine {words}") -> str:
    head = f"Attention, {page.project} ({page.environment}), {moment(page.now, page.zone)} {page.zone}"
    lines = [ink.strong(head)]
    if not page.findings:
        return f"{head}\n\nNothing needs a person.\n"
    for owner, findings in page.owned().items():
        lines += ["", ink.strong(one_line(owner) if owner is not None else "Without an owner")]
        lines += body(page, findings, width=width, command=command)
    return "\n".join(lines) + "\n"


def body(page: AttentionPage, findings: Sequence[Finding], *, width: int, command: Command) -> list[str]:
    """The findings of one owner."""
    lines: list[str] = []
    for one in findings:
        lines += ["", *wrapped(what(page, one), width, first="  ")]
        if one.since is not None:
            lines.append(f"    since      {moment(one.since, page.zone)}")
        if otherwise(page, one):
            lines += wrapped(otherwise(page, one), width, first="    otherwise  ", rest=" " * 15)
        mended = mend(page, one, command)
        # A command is never broken into lines: it is there to be copied.
        lines += [f"    mend       {mended}"] if one.kind in _COMMANDS else wrapped(mended, width, first="    mend       ", rest=" " * 15)
    return lines


# --- what -----------------------------------------------------------------------------------------------------------


def what(page: AttentionPage, one: Finding) -> str:
    """One sentence, without a full stop."""
    told: dict[str, Callable[[], str]] = {
        "unreached": lambda: f"{_records(one)} and nobody can be told{_who(one)}",
        "suppressed_only": lambda: f"{_records(one)} and nobody may be told{_who(one)}",
        "missing_variable": lambda: f"{counted(one.count, 'mail')} of {one.about} ({one.step}) cannot be written: `{one.detail.split(' ')[0]}` has no value",
        "hold": lambda: (
            f"{counted(one.count, 'mail')} of {one.about} ({one.step}) {'waits' if one.count == 1 else 'wait'} and will soon be too late: {_short(one.why)}"
        ),
        "unknown": lambda: f"nobody knows whether {counted(one.count, 'mail')} of {one.about} went out",
        "guard": lambda: _guard(one),
        "job": lambda: f"the job {one.about} " + ("has never run, though its time has come" if one.why == "never_ran" else "is late"),
        "draft": lambda: f"{one.about} is a draft that nobody has touched for a while",
        "gone_members": lambda: f"{counted(one.count, 'member')} of the segment {one.about} {'is' if one.count == 1 else 'are'} not in the CRM any more",
    }
    return one_line(told[one.kind]())


def _guard(one: Finding) -> str:
    """`the guard max_sends.per_run (E501) blocks everything: 12, at most 2`."""
    guard = one.guards[0]
    code = f" ({CODES[one.about]})" if one.about in CODES else ""
    saw = f"{shown(guard, guard.observed)}, {'at least' if guard.id == 'min_facts' else 'at most'} {shown(guard, guard.limit)}"
    beside = one.why or (one.detail if one.detail != guard.sequence else "")
    return f"the guard {one.about}{code} blocks {guard.sequence or 'everything'}: {saw}{f' ({beside})' if beside else ''}"


def _records(one: Finding) -> str:
    """`3 contracts reach their end date within 30 days`."""
    noun = counted(one.count, one.entity, _many(one.entity))
    if one.detail and one.within is not None:
        when = "today" if one.within == 0 else f"within {counted(one.within, 'day')}"
        return f"{noun} {'reaches its' if one.count == 1 else 'reach their'} {one.detail.replace('_', ' ')} {when}"
    return f"{noun} {'has' if one.count == 1 else 'have'} a mail of {one.about} due"


def _who(one: Finding) -> str:
    """`: Lotus Hotel has no contact with an address`."""
    more = one.count - len(one.names)
    names = [*one.names, *([f"{more:,} more"] if one.names and more else [])]
    several = one.count > 1
    lacks = {
        "no_contact": "no contact",
        "no_address": "no contact with an address",
        "invalid_address": "no contact with an address that is one",
        "contact_inactive": "no contact that is active",
        "suppressed": "only contacts who must not be written to",
    }[one.why]
    return f": {joined(names) if names else 'they' if several else 'it'} {'have' if several else 'has'} {lacks}"


def _short(reason: str) -> str:
    return next((words.short for known, words in REASONS.items() if known == reason), reason)


def _many(noun: str) -> str:
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"


# --- what happens, and what mends it -----------------------------------------------------------------------------------


def otherwise(page: AttentionPage, one: Finding) -> str:
    """What happens if nobody acts, and on which date; nothing where nothing does."""
    until = moment(one.until, page.zone) if one.until is not None else None
    first = "the first of them" if one.count > 1 else "it"
    told = {
        "unreached": f"{one.step} is passed over, from {until} on, and is never sent" if until else f"{one.step} is never sent",
        "suppressed_only": f"{one.step} is passed over, from {until} on, and is never sent" if until else f"{one.step} is never sent",
        "missing_variable": f"{first} expires on {until}, and is never sent" if until else "they are never sent",
        "hold": f"{first} expires on {until}, and is never sent" if until else "they are never sent",
        "unknown": "the doubt stays; their ways go on as if the mails had been sent",
        "guard": f"{'nothing' if one.is_grave else 'nothing of it'} is sent"
        + (f"; the first mail expires on {until}, and is never sent" if until else ", and what is due expires in its time"),
        "job": f"what is due waits, or expires; the next time is {until}" if until else "what is due waits, or expires",
        "draft": "nobody ever enters it",
        "gone_members": "nothing: they get no mail; the list only says less and less",
    }
    return told[one.kind]


def mend(page: AttentionPage, one: Finding, command: Command) -> str:
    """The one command, or the field of the CRM."""
    contact, whose = page.contact, "its" if one.count == 1 else "their"
    where = {
        "no_contact": f"in the CRM: {'a contact' if one.count == 1 else 'a contact for each'}, with `{contact.entity}.{contact.address}`",
        "no_address": f"in the CRM: `{contact.entity}.{contact.address}` of one of {whose} contacts",
        "invalid_address": f"in the CRM: `{contact.entity}.{contact.address}` of one of {whose} contacts",
        "contact_inactive": f"in the CRM: `{contact.entity}.{contact.active}` of one of {whose} contacts, or another contact",
        "suppressed": f"in the CRM: another contact; or `{command('unsuppress ADDRESS')}` where the address is good again",
    }
    if one.kind in ("unreached", "suppressed_only"):
        return where[one.why]
    if one.kind == "missing_variable":
        variable, _, path = one.detail.partition(" ")
        return f"in the CRM: `{path or variable}`; or `default:` of `{variable}` in its type"
    if one.kind == "hold" and one.why in ("stopped", "paused_sequence") and one.detail != "all":
        lifts = f"`{command(f'start {one.about}')}`" if one.why == "stopped" else f"`{command(f'resume {one.about}')}`, or `status: active` in its file"
        return f"{lifts}; `{command('status')}` says who it was"
    if one.kind == "hold":
        return where.get(one.why) or next((words.mend for reason, words in REASONS.items() if reason == one.why and words.mend), command(f"explain {one.why}"))
    if one.kind == "guard":
        return f"look at {command('plan')}; where that is meant: {override(one.guards, command('apply'))}"
    told = {
        "unknown": command(f"resolve {one.detail[:8]} --as sent|failed"),
        "job": command(f"apply --job {one.about}"),
        "draft": f"`status: active` in {one.detail}, or remove the file",
        "gone_members": command(f"segment remove {one.about} --gone"),
    }
    return told[one.kind]


def subject(page: AttentionPage, findings: Sequence[Finding]) -> str:
    """The subject of a notice."""
    return f"{page.project}: {counted(len(findings), 'thing needs', 'things need')} you"


def letters(page: AttentionPage, owners: Collection[str], command: Command) -> dict[str, tuple[str, str, int]]:
    """The notices: to each of the owners what is theirs, and what is nobody's, so that no one stays untold of it. Subject, text, how many findings.

    `page` has the findings of all owners, and `command` writes one as whoever gets the mail would.
    """
    owned = page.owned()
    nobody_s = owned.get(None, [])
    found = {}
    for owner in sorted(owners) or [SENDER]:
        theirs = owned.get(owner, [])
        if theirs or nobody_s:
            found[owner] = (subject(page, [*theirs, *nobody_s]), letter(page, owner, theirs, nobody_s, command), len(theirs) + len(nobody_s))
    return found


def letter(page: AttentionPage, owner: str, theirs: Sequence[Finding], nobody_s: Sequence[Finding], command: Command) -> str:
    """The text of a notice to one owner."""

    def told(findings: Sequence[Finding]) -> list[str]:
        return body(page, findings, width=76, command=command)

    lines = [f"{page.project} ({page.environment}), {moment(page.now, page.zone)} {page.zone}"]
    if nobody_s:
        lines += ["", "Without an owner, and so told to every one", *told(nobody_s), *(["", "Yours"] if theirs else [])]
    asked = "" if owner == SENDER or nobody_s else f" --owner {owner}"
    return "\n".join([*lines, *told(theirs), "", f"`{command(f'attention{asked}')}` says the same at any moment. This mail comes once a day at most.", ""])


def everybody_line(count: int, owners: Sequence[str]) -> str:
    """Whom what has no owner was told."""
    if [*owners] == [SENDER]:
        return f"{count:,} without an owner {'goes' if count == 1 else 'go'} to the sender's `reply_to`: `owners:` in engine.yaml, and `owner:` in a file, say whose it is"
    return f"{count:,} without an owner {'is' if count == 1 else 'are'} told to {'all of them' if len(owners) > 1 else 'them'}: `owner:` in a file says whose it is"


def sent_lines(told: Sequence[tuple[str, str]]) -> Iterator[str]:
    """What became of the notices, by owner."""
    words = {
        "sent": "told by mail",
        "already": "was told today already",
        "refused": "not told: this environment may not write there (`allow_recipients:`)",
        "failed": "not told: the mail was not accepted; it may go again today",
        "unknown": "nobody knows whether the mail was accepted; it does not go again today",
    }
    for owner, became in told:
        yield f"{one_line(owner)}: {words[became]}"
