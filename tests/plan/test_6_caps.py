"""Semantics 6.15, 6.21: frequency caps. Hours roll, days are whole local ones; the highest priority goes first, the loser names its winner."""

from __future__ import annotations

import dataclasses
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.definitions.caps import Cap
from engine.definitions.definitions import Definitions
from engine.ledger.keys import send_key
from engine.ledger.records import RECENT_SENDS
from engine.plan.capping import keep_caps
from engine.plan.planning import prepare
from engine.plan.statements import run
from engine.tables import put

from .base import base_files, contact
from .story import Teller, _loaded, sequences


def letter(id: str, *, template: str = "news", priority: str = "normal", expires: str = "7d") -> str:
    """One mail on the day when a contact's trial ends."""
    return f"""
        id: {id}
        about: contact
        status: active
        active_from: 2026-01-01
        priority: {priority}
        expires: {expires}
        min_gap: 1h
        trigger: {{date: contact.trial_end}}
        steps:
          - {{id: news, after: 0d, template: {template}}}
    """


def caps(*said: str) -> str:
    return "caps:\n" + "".join(f"  - {{{cap}}}\n" for cap in said)


def test_the_highest_priority_goes_and_the_loser_names_its_winner(tell: Teller) -> None:
    """6.15, 6.21: candidates are taken in the order of priority; each goes if every cap has room; the reason names the cap and the mail that won."""
    story = tell(
        letter("a-low", priority="low"),
        letter("b-normal"),
        letter("c-urgent", priority="urgent"),
        letter("d-high", priority="high"),
        contact(1, trial_end="2026-03-02"),
        contact(2, trial_end="2026-03-02"),
        more=caps("max: 2, per: 7d, of: all"),
    )
    plan = story.planned("2026-03-02 09:00")
    rows = [row for row in plan.decisions.to_pylist() if row["contact"] == "1"]
    assert {row["sequence"]: row["decision"] for row in rows} == {"a-low": "hold", "b-normal": "hold", "c-urgent": "send", "d-high": "send"}
    held = next(row for row in rows if row["sequence"] == "b-normal")
    assert (held["reason"], held["detail"]) == ("frequency_cap", "2 per 7d of all, after d-high/news")
    assert held["winner"] == next(row["send_key"] for row in rows if row["sequence"] == "d-high")
    assert [summary.counts["hold"] for summary in plan.sequences] == [2, 2, 0, 0]
    assert plan.summary["considered"] == 8 and plan.summary["send"] == 4


def test_hours_roll_and_days_are_whole_local_ones(tell: Teller) -> None:
    """6.21: `per` in h rolls, exactly 24 h later is free; in d it is whole local days, today included; due at 09:00 of their days."""
    hours, days = (
        tell(letter("first"), contact(1, trial_end="2026-03-02"), more=caps(f"max: 1, per: {per}, of: all")) for per in ("24h", "2d")
    )
    for story in (hours, days):
        assert story.apply("2026-03-02 15:30") == ["1 news: send due, 2026-03-02 09:00"]
        story.now_has(contact(1, trial_end="2026-03-03"))
    assert hours.sends("2026-03-03 15:29") == []
    assert hours.sends("2026-03-03 15:30") == ["1 news: send due, 2026-03-03 09:00"]
    assert days.sends("2026-03-03 23:59") == []
    assert days.sends("2026-03-04 00:00") == ["1 news: send due, 2026-03-03 09:00"]


def test_what_is_held_by_a_cap_goes_when_there_is_room_or_expires(tell: Teller) -> None:
    """6.17: a hold is not recorded; it is looked at afresh, and may expire."""
    story = tell(letter("first", priority="high"), letter("short", expires="1d"), letter("long"), contact(1, trial_end="2026-03-02"), more=caps("max: 1, per: 48h, of: all"))
    assert [line for line in story.apply("2026-03-02 09:00") if "hold" in line] == ["1 news: hold frequency_cap, 2026-03-02 09:00"] * 2
    assert story.plan("2026-03-04 09:00", of="short") == ["1 news: skip expired, 2026-03-02 09:00", "1: complete complete"]
    assert story.plan("2026-03-04 09:00", of="long") == ["1 news: send due, 2026-03-02 09:00"]


def test_only_marketing_is_counted_unless_the_cap_says_transactional(tell: Teller) -> None:
    """6.21: caps count and hold marketing only, unless a cap says `category: transactional`."""
    texts = [letter(f"{name}-{kind}", template=template) for name in "ab" for kind, template in (("hello", "hello"), ("news", "news"))]
    story = tell(*texts, contact(1, trial_end="2026-03-02"), more=caps("max: 1, per: 1d, of: all"))
    assert _sent(story.planned("2026-03-02 09:00").decisions.to_pylist()) == ["a-hello", "a-news", "b-hello"]
    story = tell(*texts, contact(1, trial_end="2026-03-02"), more=caps("max: 1, per: 1d, of: all, category: transactional"))
    assert _sent(story.planned("2026-03-02 09:00").decisions.to_pylist()) == ["a-hello", "a-news", "b-news"]


def test_a_cap_is_of_all_of_a_topic_a_sequence_or_a_type(tell: Teller) -> None:
    """6.21: `of` says what shares the room: everything, one topic, one sequence, or one template type."""
    texts = [letter("a", template="news"), letter("b", template="news"), letter("c", template="offers"), letter("d", template="offers")]
    people = contact(1, trial_end="2026-03-02", wants_offers=True)
    for of, sent in (("all", ["a"]), ("topic", ["a", "c"]), ("type", ["a", "c"]), ("sequence", ["a", "b", "c", "d"])):
        story = tell(*texts, people, more=caps(f"max: 1, per: 1d, of: {of}"))
        assert _sent(story.planned("2026-03-02 09:00").decisions.to_pylist()) == sent, of
    story = tell(*texts, people, more=caps("max: 1, per: 1d, of: topic", "max: 1, per: 1d, of: all"))
    rows = {row["sequence"]: row["detail"] for row in story.planned("2026-03-02 09:00").decisions.to_pylist() if row["decision"] == "hold"}
    assert rows == {"b": "1 per 1d of topic, after a/news", "c": "1 per 1d of all, after a/news", "d": "1 per 1d of all, after a/news"}


def test_the_ledger_and_the_plan_count_together_by_address(tell: Teller) -> None:
    """6.21: per address, the sends of the ledger and of this plan together: failed ones take no place, unknown ones do; two contacts of one address share it."""
    shared = [contact(id, email=email, trial_end="2026-03-02") for id, email in ((1, "one@x.example"), (2, "two@x.example"), (3, "three@x.example"))]
    story = tell(letter("first"), *shared, more=caps("max: 1, per: 7d, of: all"))
    story.applied("2026-03-02 09:00", one="failed", two="unknown")
    story.write(letter("second"))
    story.now_has(*({**row, "trial_end": datetime(2026, 3, 4).date()} for row in shared), contact(4, email=" THREE@x.example", trial_end="2026-03-04"))
    rows = [row for row in story.planned("2026-03-04 09:00").decisions.to_pylist() if row["decision"] in ("send", "hold")]
    assert sorted((row["sequence"], row["contact"], row["decision"]) for row in rows) == [
        ("first", "1", "send"), ("first", "2", "hold"), ("first", "3", "hold"), ("first", "4", "hold"),
        ("second", "1", "hold"), ("second", "2", "hold"), ("second", "3", "hold"), ("second", "4", "hold"),
    ]  # fmt: skip
    held = next(row for row in rows if (row["sequence"], row["contact"]) == ("second", "2"))
    assert held["winner"] == send_key("first", "news", "contact", "2", "2026-03-02", "2")


def test_a_planned_mail_loses_its_place_to_a_higher_priority(tell: Teller) -> None:
    """9.6: a planned row that nobody has claimed is judged again through all gates, the cap too; cancelled, it can go later."""
    story = tell(letter("first"), contact(1, trial_end="2026-03-02"), more=caps("max: 1, per: 24h, of: all"))
    story.committed("2026-03-02 09:00")
    story.write(letter("urgent", priority="urgent"))
    story.applied("2026-03-02 09:10")
    assert sorted((row.sequence, row.state, row.reason) for row in story.ledger.sends().rows) == [("first", "cancelled", "frequency_cap"), ("urgent", "sent", None)]
    assert story.sends("2026-03-03 09:10") == ["1 news: send due, 2026-03-02 09:00"]


def _sent(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(row["sequence"] for row in rows if row["decision"] == "send")


# --- the law: random sends ------------------------------------------------------------------------------------------

NOW = datetime(2026, 3, 29, 12)
SPANS = [("24h", timedelta(hours=24)), ("72h", timedelta(hours=72)), ("1d", None), ("3d", None)]
PRIORITIES = ["urgent", "high", "normal", "low"]
TEMPLATES = {"news": ("marketing", "product-news"), "offers": ("marketing", "partner-offers"), "hello": ("transactional", None), "tips": ("transactional", None)}
_cap = st.fixed_dictionaries({
    "max": st.integers(1, 3), "per": st.sampled_from([name for name, _ in SPANS]), "of": st.sampled_from(["all", "topic", "sequence", "type"]),
    "category": st.sampled_from(["marketing", "marketing", "transactional"]),
}).filter(lambda cap: not (cap["of"] == "topic" and cap["category"] == "transactional"))  # fmt: skip
_send = st.tuples(
    st.sampled_from(["s1", "s2", "s3", "s4"]), st.sampled_from(sorted(TEMPLATES)), st.sampled_from(["x", "y"]), st.integers(1, 12), st.integers(0, 5)
)
_before = st.tuples(_send, st.sampled_from(["sent", "unknown", "failed", "planned", "claimed"]), st.integers(0, 100))


@pytest.fixture(scope="module")
def drafted() -> Definitions:
    texts = [letter(f"s{number}", priority=priority) for number, priority in enumerate(PRIORITIES, 1)]
    return _loaded(tuple(sorted((base_files("Europe/Berlin") | sequences(*texts)).items())))


@given(said=st.lists(_cap, min_size=1, max_size=3), sends=st.lists(_send, max_size=25, unique_by=lambda send: (send[0], send[3])), before=st.lists(_before, max_size=25))
def test_no_address_is_ever_above_a_cap(drafted: Definitions, said: list[dict[str, Any]], sends: list[Any], before: list[Any]) -> None:
    """6.21: over random sends of ledger and plan no address has more than a cap allows, and who is admitted is whom a naive walk admits."""
    definitions = dataclasses.replace(drafted, project=drafted.project.model_copy(update={"caps": tuple(Cap(**cap) for cap in said)}))
    earlier = [
        {"sequence": s, "entity": "contact", "record": str(900 + n), "occurrence": "o", "contact": str(900 + n), "step": "news", "state": state, "address_key": who,
         "decided_at": NOW - timedelta(hours=hours), "template": t, "category": TEMPLATES[t][0], "topic": TEMPLATES[t][1]}
        for n, ((s, t, who, _, _), state, hours) in enumerate(before)
    ]  # fmt: skip
    went = _planned(definitions, sends, earlier)
    asking = sorted(sends, key=lambda send: (send[0], NOW - timedelta(hours=send[4]), send[3]))
    taken = [(who, t, s, row["decided_at"]) for row in earlier if row["state"] not in ("failed", "planned") for who, t, s in [(row["address_key"], row["template"], row["sequence"])]]
    admitted = set()
    for s, t, who, record, _ in asking:
        if all(_count(cap, taken, (who, t, s)) < cap["max"] for cap in said if cap["category"] == TEMPLATES[t][0]):
            admitted.add((s, str(record)))
            taken.append((who, t, s, NOW))
    assert went == admitted
    old = Counter(who for who, _, _, at in taken if at < NOW)
    for cap in said:
        for who, t, s, at in taken:
            # What the ledger had before was not this plan's to keep small.
            assert at < NOW or TEMPLATES[t][0] != cap["category"] or _count(cap, taken, (who, t, s)) <= max(cap["max"], old[who])


def _planned(definitions: Definitions, sends: list[Any], earlier: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """The planner's own tables and walk over these sends."""
    with duckdb.connect(":memory:") as connection:
        cursor = connection.cursor()
        prepare(cursor, definitions, NOW)
        put(cursor, "recent_sends", pa.Table.from_pylist(earlier, RECENT_SENDS), "*, step AS said")
        run(cursor, "recent_mails")
        for s, t, who, record, late in sends:
            cursor.execute(
                "INSERT INTO decisions (decision, reason, sequence, step, entity, record, occurrence, contact, due, template, category, topic, address_key) "
                "VALUES ('send', 'due', $1, 'news', 'contact', $2, 'o', $2, $3, $4, $5, $6, $7)",
                [s, str(record), NOW - timedelta(hours=late), t, *TEMPLATES[t], who],
            )
        keep_caps(cursor, definitions, NOW)
        return set(cursor.execute("SELECT sequence, record FROM decisions WHERE decision = 'send'").fetchall())


def _count(cap: dict[str, Any], taken: list[tuple[str, str, str, datetime]], asking: tuple[str, str, str]) -> int:
    """Counted naively: in summer time Berlin is two hours ahead, and the clocks went forward on this very day."""
    who, template, sequence = asking
    same = {"all": lambda t, s: True, "topic": lambda t, s: TEMPLATES[t][1] == TEMPLATES[template][1], "sequence": lambda t, s: s == sequence, "type": lambda t, s: t == template}[cap["of"]]
    counted = 0
    for other, t, s, at in taken:
        span = dict(SPANS)[cap["per"]]
        if span is not None:
            inside = at > NOW - span
        else:
            midnight = datetime(2026, 3, 28, 23) if cap["per"] == "1d" else datetime(2026, 3, 26, 23)
            inside = at >= midnight
        counted += other == who and TEMPLATES[t][0] == cap["category"] and same(t, s) and inside
    return counted
