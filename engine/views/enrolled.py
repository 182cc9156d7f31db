"""What an enrollment by hand did: who is on the sequence now, who is not and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.views.escaping import to_json
from engine.views.naming import Naming
from engine.views.phrases import counted, wrapped
from engine.views.plan_json import FORMAT_VERSION
from engine.views.reasons import short


@dataclass(frozen=True)
class EnrolledPage:
    """`enrolled` has the decisions (decision, reason, contact) of each record, `refused` the reason why a record is not on it."""

    sequence: str
    enrolled: Mapping[str, Sequence[tuple[str, str, str | None]]]
    refused: Mapping[str, str]
    missing: int
    naming: Naming
    entity: str


def as_json(page: EnrolledPage) -> str:
    value: dict[str, Any] = {
        "format_version": FORMAT_VERSION,
        "kind": "enrolled",
        "sequence": page.sequence,
        "enrolled": len(page.enrolled),
        "skipped": dict(sorted(Counter(page.refused.values()).items())),
        "not_in_crm": page.missing,
        "records": [
            {
                "about": {"entity": page.entity, "key": page.naming.record(page.entity, record)},
                "enrolled": record in page.enrolled,
                "reason": page.refused.get(record),
            }
            for record in sorted({*page.enrolled, *page.refused})
        ],
    }
    return to_json(value, indent=1) + "\n"


def as_text(page: EnrolledPage, *, width: int = 80, command: Callable[[str], str] = lambda words: f"engine {words}") -> str:
    lines = [f"{counted(len(page.enrolled), page.entity, _many(page.entity))} enrolled in {page.sequence}."]
    held = Counter(reason for rows in page.enrolled.values() for decision, reason, _ in rows if decision in ("hold", "skip"))
    for reason, count in sorted(held.items()):
        lines += wrapped(f"{count:,} of the steps that come now {'is' if count == 1 else 'are'} held or passed over: {short(reason)}", width, first="  ")
    if page.refused or page.missing:
        lines.append(f"{len(page.refused) + page.missing:,} not enrolled:")
        for reason, count in sorted(Counter(page.refused.values()).items(), key=lambda item: (-item[1], item[0])):
            lines += wrapped(short(reason), width, first=f"  {count:>6,}  ")
        if page.missing:
            lines.append(f"  {page.missing:>6,}  not in the CRM")
    if page.enrolled:
        lines.append(f"They get what is due with the next apply; `{command('plan')}` shows it.")
    return "\n".join(lines) + "\n"


def _many(noun: str) -> str:
    return f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
