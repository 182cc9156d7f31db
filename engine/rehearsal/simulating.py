"""The calendar of the coming days: what the definitions as they are would send, per sequence, day and contact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache

from engine.clock import to_local
from engine.rehearsal.course import Course
from engine.rehearsal.foretelling import MOST_INSTANTS, Ground, Progress, foretold, silent
from engine.runs.as_found import as_found, is_stopped_now
from engine.runs.opening import Site
from engine.runs.planning import with_kill_switch


@dataclass(frozen=True, slots=True)
class Slot:
    """The mails of one step at one instant (naive UTC)."""

    moment: datetime
    sequence: str
    step: str
    mails: int


@dataclass(frozen=True)
class Simulation:
    """`pressure` says how many people get so many mails in all these days."""

    course: Course
    now: datetime
    timezone: str
    slots: tuple[Slot, ...]
    days: Mapping[date, int]
    pressure: Mapping[int, int]
    ledger_as_of: datetime | None = None

    @property
    def mails(self) -> int:
        return sum(slot.mails for slot in self.slots)

    @property
    def people(self) -> int:
        return sum(self.pressure.values())

    @property
    def most(self) -> int:
        return max(self.pressure, default=0)

    @property
    def steps(self) -> Mapping[tuple[str, str], tuple[int, date, date]]:
        """Of each step its mails, and the first and the last local day."""
        found: dict[tuple[str, str], tuple[int, date, date]] = {}
        for slot in self.slots:
            day = to_local(slot.moment, self.timezone).date()
            count, first, last = found.get((slot.sequence, slot.step), (0, day, day))
            found[slot.sequence, slot.step] = (count + slot.mails, min(first, day), max(last, day))
        return dict(sorted(found.items()))


def simulation(site: Site, until: datetime, *, most: int = MOST_INSTANTS, progress: Progress = silent) -> Simulation:
    """Follow the site's definitions from its now until then (naive UTC). Nothing is written. `progress` is told how many of the days are done."""
    with site.read_facts() as snapshot, site.read_ledger() as ledger:
        as_found(ledger, site)
        # The same people at each instant.
        address_key = cache(site.pseudonyms.address_key)
        ground = Ground(snapshot, lambda asked: with_kill_switch(ledger.view(asked), is_stopped_now(site)), site.now, until, site.environment.name, address_key)
        course = foretold(ground, site.definitions, most=most, progress=progress)
        zone = site.definitions.project.timezone
        mails = course.letters()
        slots = Counter((mail.moment, mail.sequence, mail.step) for mail in mails)
        days = Counter(to_local(mail.moment, zone).date() for mail in mails)
        pressure = Counter(Counter(mail.contact for mail in mails).values())
        return Simulation(
            course, site.now, zone, tuple(Slot(*key, count) for key, count in sorted(slots.items())), dict(sorted(days.items())), dict(sorted(pressure.items())),
            ledger.copied_at,
        )  # fmt: skip
