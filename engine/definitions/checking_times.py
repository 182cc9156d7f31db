"""Time as a sequence says it: windows that open, calendars and countries that are known, zones of contacts that the map has (semantics 5.3, 5.4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time

from engine.calendars import countries, parts_of
from engine.definitions.base import RECIPIENT, Loc
from engine.definitions.draft import Draft
from engine.definitions.sequences import Sequence
from engine.definitions.translating import did_you_mean
from engine.problems import Origin, Problem


def calendars(draft: Draft) -> Iterator[Problem]:
    """The countries of `holidays:`, and their parts, are ones whose holidays are known."""
    if draft.project is None:
        return
    places = draft.where("project", "project")
    for name, calendar in draft.project.holidays.items():
        if calendar.country is None:
            if calendar.subdivision is not None:
                place = places.key("holidays", name, "subdivision")
                yield Problem("E264", f"`subdivision: {calendar.subdivision}` is a part of no country", place, "name the country too, such as `country: DE`")
            continue
        known = countries()
        if calendar.country not in known:
            place = places.value("holidays", name, "country")
            codes = [code for code in known if len(code) == 2]
            upper = calendar.country.strip().upper()
            help = (
                f"write `country: {upper}`"
                if upper in known
                else did_you_mean(upper, codes)
                if len(upper) == 2
                else "write its two letters of ISO 3166, such as TH or SG"
            )
            yield Problem("E264", f"no holidays are known of `{calendar.country}`", place, f"{help}; where a country is not known, list its days in `also:`")
        elif calendar.subdivision is not None and calendar.subdivision not in (parts := parts_of(calendar.country)):
            help = did_you_mean(calendar.subdivision, parts, "known are") if parts else "take it out: the whole country has the same"
            yield Problem("E264", f"`{calendar.subdivision}` is no part of {calendar.country}", places.value("holidays", name, "subdivision"), help)


def times(draft: Draft) -> Iterator[Problem]:
    for id, sequence in draft.sequences.items():
        places = draft.where("sequence", id)
        if sequence.holidays is not None:
            yield from _calendar(draft, sequence.holidays, places.value("holidays"))
        if sequence.timezone == RECIPIENT and draft.crm is not None and draft.crm.contact.timezone is None:
            yield Problem(
                "E326", "`timezone: recipient` needs the field in which contacts have their timezone", places.value("timezone"),
                "add `timezone: FIELD` to `contact:` in definitions/crm.yaml, or name a zone here",
                ((draft.where("crm", "crm").key("contact"), "the contact's fields"),),
            )  # fmt: skip
        yield from _window(draft, sequence)


def _window(draft: Draft, sequence: Sequence) -> Iterator[Problem]:
    window, places = sequence.send_window, draft.where("sequence", sequence.id)
    if window is None:
        return
    if window.holidays is not None:
        yield from _calendar(draft, window.holidays, places.value("send_window", "holidays"))
    loc: Loc = ("send_window",)
    if window.days is None and window.from_ is None and window.to is None and window.holidays is None:
        yield Problem("E325", "this window is always open", places.key(*loc), 'say when mail may leave: `{days: [mon-fri], from: "08:00", to: "18:00"}`')
    elif window.days == ():
        yield Problem(
            "E325", "this window has no day: it never opens", places.value(*loc, "days"), "name days, such as `[mon-fri]`, or take `days` out for all of them"
        )
    elif window.to is not None and (window.from_ or time()) >= window.to:
        opens = f"{window.from_ or time():%H:%M}"
        yield Problem(
            "E325", f"this window closes at {window.to:%H:%M}, and opens at {opens}: it never opens", places.value(*loc, "to"),
            "let `from` be earlier than `to`; over midnight take two sequences, or `from` alone, which is open until midnight",
        )  # fmt: skip


def _calendar(draft: Draft, name: str, place: Origin) -> Iterator[Problem]:
    if draft.project is None or name in draft.project.holidays:
        return
    known = draft.project.holidays
    help = did_you_mean(name, known, "the calendars are") if known else f"add `holidays: {{{name}: {{country: {name.upper()[:2]}}}}}` to engine.yaml"
    related = ((draft.where("project", "project").key("holidays"), "calendars are declared here"),) if known else ()
    yield Problem("E263", f"there is no calendar of holidays `{name}`", place, help, related)
