"""What an enrollment by hand did: who is on the sequence now, who is not and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.views.escaping import to_json
from engine.views.naming import Naming
from engine.views.phrases import counted, wrapped
from engine.views.plan_json import FORMAT_VERSION
from engine.views.reasons import short

_PLACES = 10
# The record is enrolled, and has nobody who gets it: whoever comes while it is open does (4.5).
_NOBODY_YET = ("no_recipient", "no_recipient_yet")


@dataclass(frozen=True)
class EnrolledPage:
    """`enrolled` has the decisions (decision, reason, contact) of each record, `refused` the reason why a record is not on it.

    `nothing` says of those enrolled who get nothing as things are, and why: they wait, or leave at once. `missing` counts the keys that no record has, `places` says where a file names them, `repeated` counts keys that were said before.
    """

    sequence: str
    enrolled: Mapping[str, Sequence[tuple[str, str, str | None]]]
    refused: Mapping[str, str]
    naming: Naming
    entity: str
    missing: int = 0
    places: Sequence[str] = ()
    repeated: int = 0
    dry_run: bool = False
    nothing: Mapping[str, str] = field(default_factory=dict)

    @property
    def noted(self) -> Counter[str]:
        """Records that wait for somebody who can be written to, by reason."""
        return Counter(reason for reason in self.refused.values() if reason in _NOBODY_YET)

    @property
    def held(self) -> Counter[str]:
        """Steps of those enrolled that would come now, and are held or passed over."""
        return Counter(reason for rows in self.enrolled.values() for decision, reason, _ in rows if decision in ("hold", "skip"))

    @property
    def held_beside(self) -> Counter[str]:
        """The same, without those who get nothing at all and are told of once."""
        rows = [row for record, rows in self.enrolled.items() if record not in self.nothing for row in rows]
        return Counter(reason for decision, reason, _ in rows if decision in ("hold", "skip"))


def as_json(page: EnrolledPage) -> str:
    value: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "kind": "enrolled",
        "sequence": page.sequence,
        "enrolled": len(page.enrolled),
        "skipped": dict(sorted(Counter(page.refused.values()).items())),
        "noted": dict(sorted(page.noted.items())),
        "held": dict(sorted(page.held.items())),
        "get_nothing": dict(sorted(Counter(page.nothing.values()).items())),
        "not_in_crm": page.missing,
        "places_not_in_crm": list(page.places),
        "named_twice": page.repeated,
        "dry_run": page.dry_run,
        "records": [
            {
                "about": {"entity": page.entity, "key": page.naming.record(page.entity, record)},
                "enrolled": record in page.enrolled,
                "reason": page.refused.get(record),
                "gets_nothing": page.nothing.get(record),
            }
            for record in sorted({*page.enrolled, *page.refused})
        ],
    }
    return to_json(value, indent=1) + "\n"


def as_text(page: EnrolledPage, *, width: int = 80, command: Callable[[str], str] = lambda words: f"engine {words}") -> str:
    would = "would be " if page.dry_run else ""
    enrolled = f"{counted(len(page.enrolled), page.entity, _many(page.entity))} {would}enrolled in {page.sequence}"
    lines = [f"{enrolled}."]
    if page.nothing:
        gets = "would get" if page.dry_run else "gets" if len(page.nothing) == 1 else "get"
        lines = [*wrapped(f"{enrolled}; {len(page.nothing):,} of them {gets} nothing as things are:", width), *_counted(Counter(page.nothing.values()), width)]
    for reason, count in sorted(page.held_beside.items()):
        lines += wrapped(f"{count:,} of the steps that come now {'is' if count == 1 else 'are'} held or passed over: {short(reason)}", width, first="  ")
    if page.noted:
        lines.append(f"{page.noted.total():,} {would}noted, with nobody to write to yet; who joins in time gets it:")
        lines += _counted(page.noted, width)
    left = Counter(page.refused.values()) - page.noted
    if left or page.missing:
        lines.append(f"{left.total() + page.missing:,} not{' to be' if page.dry_run else ''} enrolled:")
        lines += _counted(left, width)
        if page.missing:
            lines += wrapped("not in the CRM" + _at(page.places), width, first=f"  {page.missing:>6,}  ", rest=" " * 10)
    if page.repeated:
        lines.append(f"{counted(page.repeated, 'key')} named more than once; counted once.")
    if page.dry_run:
        lines.append("A dry run: nothing was written.")
    elif len(page.nothing) < len(page.enrolled):
        lines.append(f"{'The others' if page.nothing else 'They'} get what is due with the next apply; `{command('plan')}` shows it.")
    return "\n".join(lines) + "\n"


def _counted(reasons: Counter[str], width: int) -> list[str]:
    """The most frequent first."""
    found = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return [line for reason, count in found for line in wrapped(short(reason), width, first=f"  {count:>6,}  ")]


def _at(places: Sequence[str]) -> str:
    """Where the first of them are named: a line of a file says nothing about a person."""
    return f" ({', '.join(places[:_PLACES])}{', …' if len(places) > _PLACES else ''})" if places else ""


def _many(noun: str) -> str:
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
