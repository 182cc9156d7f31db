"""Numbers, moments and lists as people say them."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time

from engine.clock import aware, to_local
from engine.definitions.windows import SendWindow

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NARROWEST = 8
# Columns of a narrower table would say nothing: a narrow terminal breaks its lines.
_TABLE = 72
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def number(value: float) -> str:
    """With commas, and without an empty fraction.

    >>> number(1240.0), number(0.25)
    ('1,240', '0.25')
    """
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,g}"


def counted(count: int, one: str, many: str = "") -> str:
    """A number with its noun.

    >>> counted(1, "mail"), counted(3, "company", "companies")
    ('1 mail', '3 companies')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def with_article(noun: str) -> str:
    """A noun as "a" or "an" stands before it.

    >>> with_article("contract"), with_article("invoice")
    ('a contract', 'an invoice')
    """
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def joined(words: Sequence[str], last: str = "and") -> str:
    """`a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""


def day(value: date) -> str:
    """`Mon 23 Nov 2026`, in no locale but ours."""
    return f"{_DAYS[value.weekday()]} {value.day} {_MONTHS[value.month - 1]} {value.year}"


def short_day(value: date) -> str:
    """`23 Nov`, for a column of days that are near."""
    return f"{value.day} {_MONTHS[value.month - 1]}"


def moment(value: datetime, zone: str) -> str:
    """A naive UTC instant as `Mon 23 Nov 2026, 09:00` of the zone."""
    local = to_local(value, zone)
    return f"{day(local.date())}, {local:%H:%M}"


def window_in_words(window: SendWindow) -> str:
    """`mon-fri, 08:00 to 18:00, but on no holiday of th`."""
    hours = f"{window.from_ or time():%H:%M} to {window.to:%H:%M}" if window.to else f"from {window.from_:%H:%M} on" if window.from_ else "the whole day"
    days = ", ".join(window.days) if window.days else "every day"
    return f"{days}, {hours}" + (f", but on no holiday of {window.holidays}" if window.holidays else "")


def opening(detail: str | None) -> datetime | None:
    """The moment in the detail of a decision that a send window keeps: `opens: 2026-03-09T01:00:00Z`."""
    return datetime.fromisoformat(detail.removeprefix("opens: ")[:-1]) if detail is not None and detail.startswith("opens: ") else None


def stamp(value: datetime, zone: str) -> str:
    """A naive UTC instant as `2026-11-23 09:00` in the zone: for the columns of a table."""
    return f"{to_local(value, zone):%Y-%m-%d %H:%M}"


# A time of a schedule: local, without seconds and offset.
_LOCAL = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")


def occurrence(key: str, zone: str) -> str:
    """An occurrence's key as a person reads it: an instant in the zone, a time of a schedule as it is local, anything else as it is.

    >>> occurrence("2026-12-31T02:00:00Z", "Asia/Bangkok"), occurrence("2026-12-31", "Asia/Bangkok")
    ('2026-12-31 09:00', '2026-12-31')
    """
    if _LOCAL.fullmatch(key):
        return key.replace("T", " ")
    try:
        return f"{to_local(datetime.fromisoformat(key[:-1]), zone):%Y-%m-%d %H:%M}" if key.endswith("Z") else key
    except ValueError:
        return key


def iso(value: datetime | None, zone: str) -> str | None:
    """A naive UTC instant in ISO 8601 with the zone's offset; None stays None."""
    return None if value is None else aware(value, zone).isoformat()


def width_of(text: str) -> int:
    """How many columns a terminal takes for it: Thai vowel signs take none, wide characters two."""
    return sum(0 if unicodedata.category(c) in ("Mn", "Me", "Cf") else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def padded(text: str, columns: int) -> str:
    return text + " " * max(0, columns - width_of(text))


def cut(text: str, columns: int) -> str:
    """At most so many columns, with an ellipsis where something was left out."""
    if width_of(text) <= columns:
        return text
    kept = ""
    for character in text:
        if width_of(kept + character) > columns - 1:
            break
        kept += character
    return kept.rstrip() + "…"


def wrapped(text: str, width: int, *, first: str = "", rest: str | None = None) -> list[str]:
    """Lines of at most `width` columns; `first` begins the first one, `rest` the others (as many spaces if not said)."""
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=" " * width_of(first) if rest is None else rest, break_long_words=False, break_on_hyphens=False
    ) or [first.rstrip()]


def table(
    head: Sequence[str], rows: Iterable[Sequence[str]], width: int, *, right: Sequence[int] = (), indent: str = "  ", give: Sequence[int] = ()
) -> list[str]:
    """Columns side by side, two spaces between them. Where a line would be too long the columns `give` are cut, then the widest."""
    width = max(width, _TABLE)
    several = [list(row) for row in rows]
    everything = [list(head), *several] if any(head) else several
    if not everything:
        return []
    columns = [max(width_of(row[place]) for row in everything) for place in range(len(everything[0]))]
    kept = [place for place, size in enumerate(columns) if size]
    if len(kept) < len(columns):
        # A column that nobody has anything in only makes the lines longer.
        slim = [[row[place] for place in kept] for row in several]
        right, give = ([kept.index(place) for place in marked if place in kept] for marked in (right, give))
        return table([head[place] for place in kept] if any(head) else (), slim, width, right=right, indent=indent, give=give)
    while sum(columns) + 2 * (len(columns) - 1) + len(indent) > width and max(columns) > _NARROWEST:
        willing = [place for place in give if columns[place] > _NARROWEST] or range(len(columns))
        columns[max(willing, key=lambda place: columns[place])] -= 1
    lines = []
    for row in everything:
        cells = [cut(cell, size) for cell, size in zip(row, columns, strict=True)]
        shown = [
            " " * (size - width_of(cell)) + cell if place in right else padded(cell, size)
            for place, (cell, size) in enumerate(zip(cells, columns, strict=True))
        ]
        lines.append((indent + "  ".join(shown)).rstrip())
    return lines
