"""What a `deliver` did: what it sent, what did not leave, and what it left for others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from engine import __version__
from engine.views.escaping import one_line, to_json
from engine.views.ink import PLAIN, Ink
from engine.views.phrases import counted, iso, moment, wrapped
from engine.views.plan_json import FORMAT_VERSION

if TYPE_CHECKING:
    from engine.runs.delivering import Worked
    from engine.runs.opening import Site

_SHOWN = 12
_COUNTS = ("sent", "failed", "unknown", "put_off", "held", "withdrawn")
_WHY = {
    "stopped": "Sending was stopped",
    "interrupted": "A signal came",
    "server": "The server did not take mails any more",
    "settings": "The set-up is wrong",
}


def as_json(worked: Worked, site: Site) -> str:
    """One value; send keys tell the mails apart, and nobody is named."""
    delivered = worked.delivered
    value: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "kind": "delivered",
        "engine_version": __version__,
        "project": site.definitions.project.name,
        "env": site.environment.name,
        "now": iso(site.now, site.definitions.project.timezone),
        "exit_code": worked.exit_code,
        **{name: getattr(delivered, name) for name in _COUNTS},
        "recovered_unknown": worked.recovered,
        "left_planned": worked.planned,
        "stopped": worked.is_stopped,
        "ended": delivered.ended,
        "code": delivered.code or None,
        "message": delivered.word or None,
        "help": delivered.help or None,
        "fates": [{"send_key": fate.send_key, "state": fate.state, "phase": fate.phase, "message": fate.text} for fate in delivered.fates],
        "mails": str(worked.mails) if worked.mails else None,
    }
    return to_json(value, indent=1) + "\n"


def as_text(worked: Worked, site: Site, *, width: int = 80, ink: Ink = PLAIN, command: Callable[[str], str] = lambda words: f"engine {words}") -> str:
    return "\n".join(_lines(worked, site, width, ink, command)) + "\n"


def _lines(worked: Worked, site: Site, width: int, ink: Ink, command: Callable[[str], str]) -> Iterator[str]:
    delivered, zone = worked.delivered, site.definitions.project.timezone
    yield ink.strong(f"Delivered {one_line(site.definitions.project.name)} ({site.environment.name}), {moment(site.now, zone)} {zone}")
    yield ""
    yield "  " + (ink.good(f"{counted(delivered.sent, 'mail')} sent.") if delivered.sent else "No mail was sent.")
    told = [
        (delivered.failed, "failed"),
        (delivered.unknown, "unknown: nobody can tell whether accepted"),
        (delivered.put_off, "put off by the server; a later run tries again"),
        (delivered.held, "held: this environment may not write to the address (E605)"),
        (delivered.withdrawn, "withdrawn: stopped, suppressed or expired meanwhile"),
        (worked.recovered, "in doubt: a worker died while they were in flight"),
    ]
    for count, text in told:
        if count:
            yield from wrapped(f"{count:,} {text}.", width, first="  ")
    if delivered.ended != "done":
        code = f" ({delivered.code})" if delivered.code else ""
        yield from (ink.warn(line) for line in wrapped(f"{_WHY[delivered.ended]}{code}: {one_line(delivered.word)}.", width, first="  "))
        if delivered.help:
            yield from wrapped(one_line(delivered.help), width, first="  = help: ")
    if worked.planned and worked.is_stopped:
        yield from wrapped(f"{worked.planned:,} stay planned: the project is stopped or paused. `{command('status')}` says by whom.", width, first="  ")
    elif worked.planned:
        yield from wrapped(
            f"{worked.planned:,} stay planned: with another worker, put off, or judged more than 30 minutes ago. `{command('apply')}` judges them again.",
            width,
            first="  ",
        )
    if delivered.fates:
        yield ""
        yield ink.strong("What did not leave")
        for fate in delivered.fates[:_SHOWN]:
            phase = f" ({fate.phase})" if fate.phase else ""
            yield from wrapped(one_line(f"{fate.send_key[:8]}  {fate.state}{phase}: {fate.text}"), width, first="  ", rest=" " * 12)
    yield ""
    if worked.mails and delivered.sent:
        yield f"The mails: {one_line(str(worked.mails / 'index.html'))}"
    if delivered.unknown or worked.recovered:
        yield f"To settle:  {command('sends --state unknown')}, then {command('resolve SEND --as sent|failed|resend')}"
    else:
        yield f"`{command('sends')}` lists what went to whom."
