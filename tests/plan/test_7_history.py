"""Semantics 7.6: rules on history ask the ledger what this contact received, opened, clicked, and where it was enrolled."""

from __future__ import annotations

from engine.ledger.feedback import Feedback

from .base import contact, contract
from .samples import DRIP, ONE_NOTICE, TRIAL
from .story import Story, Teller

# Everybody's trial ends on one day; who gets the mail is a matter of the rule.
ASKED = TRIAL.replace("template: hello", "template: tips, if: RULE")


def asked(rule: str, *, id: str = "asked") -> str:
    return ASKED.replace("RULE", rule).replace("id: trial", f"id: {id}").replace("active_from: 2026-01-01", "active_from: 2026-01-01\n    expires: 60d")


def sends(story: Story, at: str, *sequences: str) -> dict[str, list[str]]:
    rows = story.planned(at).decisions.to_pylist()
    return {id: sorted(row["contact"] for row in rows if row["sequence"] == id and row["decision"] == "send") for id in sequences}


def test_received_counts_sends_of_the_contact_in_the_span(tell: Teller) -> None:
    """7.6: rows in (now - within, now]: exactly 48 h ago is out; a failed one is none, one in doubt is; by sequence, step and template."""
    story = tell(DRIP, *(contact(i) for i in (1, 2, 3, 4)))
    for id in (1, 2, 3):
        story.enroll("drip", id, "2026-03-01 09:00")
    story.applied("2026-03-02 09:00", person2="failed", person3="unknown")
    story.write(
        asked("{received: {sequence: drip, within: 48h}}", id="lately"),
        asked("{received: {sequence: drip, step: welcome}}", id="welcomed"),
        asked("{received: {sequence: drip, step: tips}}", id="tipped"),
        asked("{received: {template: hello}}", id="hello"),
        asked("{not: {received: {within: 1y}}}", id="never"),
    )
    story.now_has(*(contact(i, trial_end="2026-03-03") for i in (1, 2, 3, 4)))
    names = ("lately", "welcomed", "tipped", "hello", "never")
    assert sends(story, "2026-03-04 08:59", *names) == {"lately": ["1", "3"], "welcomed": ["1", "3"], "tipped": [], "hello": ["1", "3"], "never": ["2", "4"]}
    assert sends(story, "2026-03-04 09:00", "lately", "welcomed") == {"lately": [], "welcomed": ["1", "3"]}


def test_this_plans_rows_are_not_counted(tell: Teller) -> None:
    """7.6: what this plan would send is no history yet."""
    story = tell(TRIAL, asked("{not: {received: {sequence: trial}}}"), contact(1, trial_end="2026-03-02"))
    assert story.sends("2026-03-02 09:00") == ["1 ends: send due, 2026-03-02 09:00"] * 2


def test_enrolled_counts_enrollments_that_began_in_the_span(tell: Teller) -> None:
    """7.6: also those that are over; by the moment when they began."""
    story = tell(TRIAL, contact(1, trial_end="2026-03-02"), contact(2))
    story.apply("2026-03-02 09:00")
    story.apply("2026-03-02 10:00")
    story.write(asked("{enrolled: {sequence: trial, within: 24h}}", id="lately"), asked("{enrolled: {sequence: trial}}", id="ever"))
    story.now_has(contact(1, trial_end="2026-03-03"), contact(2, trial_end="2026-03-03"))
    assert sends(story, "2026-03-03 08:59", "ever")["ever"] == []
    assert sends(story, "2026-03-03 09:00", "lately", "ever") == {"lately": [], "ever": ["1"]}


def test_history_stands_in_segments_goals_exits_audiences_and_where(tell: Teller) -> None:
    """7.6, 7: the same rule in a segment, a goal, an exit, an audience and the `where` of a trigger about contacts."""
    story = tell(TRIAL, contact(1, trial_end="2026-03-02"), contact(2, trial_end="2026-04-02"), contract(7, end_date="2026-04-02"))
    story.apply("2026-03-02 09:00")
    story.file("segments/told", "id: told\nname: Told\nentity: contact\nrules: {received: {sequence: trial}}\n")
    rule = "{received: {sequence: trial}}"
    story.write(
        asked("{segment: told}", id="by-segment"),
        TRIAL.replace("id: trial", "id: by-goal").replace("steps:", f"goal: {rule}\n    steps:"),
        TRIAL.replace("id: trial", "id: by-exit").replace("steps:", f"exit_when: {rule}\n    steps:"),
        TRIAL.replace("id: trial", "id: by-where").replace("contact.trial_end}", f"contact.trial_end, where: {rule}}}"),
        ONE_NOTICE.replace("id: renewal", "id: by-audience").replace("steps:", f"audience: {{where: {rule}}}\n    steps:"),
        ONE_NOTICE.replace("id: renewal", "id: by-group").replace("steps:", f"audience: {{first_of: [{{not: {rule}}}, all]}}\n    steps:"),
    )
    story.now_has(contact(1, trial_end="2026-03-03"), contact(2, trial_end="2026-03-03"))
    rows = {(row["sequence"], row["contact"]): row["reason"] for row in story.planned("2026-03-03 09:00").decisions.to_pylist() if row["sequence"].startswith("by-") and row["decision"] != "complete"}
    assert {key: reason for key, reason in rows.items() if reason != "not_due"} == {
        ("by-segment", "1"): "due", ("by-segment", "2"): "condition_false",
        ("by-goal", "1"): "goal_met", ("by-goal", "2"): "due",
        ("by-exit", "1"): "exit_condition", ("by-exit", "2"): "due",
        ("by-where", "1"): "due", ("by-audience", "1"): "due", ("by-group", "2"): "due",
    }  # fmt: skip


def test_opened_and_clicked_count_feedback(tell: Teller) -> None:
    """7.6, 9.7: feedback beside the send, by the moment when it happened; it may come twice, and before its send was thought sent."""
    story = tell(TRIAL, *(contact(i, trial_end="2026-03-02") for i in (1, 2, 3)))
    story.applied("2026-03-02 09:00", person3="unknown")
    keys = {row.contact: row.send_key for row in story.ledger.sends().rows}
    now = story.utc("2026-03-04 09:00")
    told = [Feedback(keys["1"], "opened", story.utc("2026-03-02 10:00")), Feedback(keys["2"], "clicked", story.utc("2026-03-02 11:00")), Feedback(keys["3"], "opened", now)]
    taken = story.ledger.take_feedback("test", [*told, told[0]], now)
    assert (taken.new, taken.known, taken.unmatched, taken.settled) == (3, 1, 0, 1)
    assert story.ledger.take_feedback("test", told, now).new == 0
    assert story.state_of(3, "ends") == "sent"
    story.write(
        asked("{opened: {sequence: trial}}", id="opened"),
        asked("{clicked: {sequence: trial, step: ends}}", id="clicked"),
        asked("{opened: {template: hello, within: 47h}}", id="lately"),
    )
    story.now_has(*(contact(i, trial_end="2026-03-03") for i in (1, 2, 3)))
    assert sends(story, "2026-03-04 09:00", "opened", "clicked", "lately") == {"opened": ["1", "3"], "clicked": ["2"], "lately": ["3"]}


def test_a_complaint_and_a_bounce_silence_the_address(tell: Teller) -> None:
    """6.11, 9.7: feedback of a complaint or a bounce suppresses the address of its send; a mail that nobody knows is told."""
    story = tell(TRIAL, *(contact(i, trial_end="2026-03-02") for i in (1, 2)))
    story.applied("2026-03-02 09:00")
    keys = {row.contact: row.send_key for row in story.ledger.sends().rows}
    now = story.utc("2026-03-02 12:00")
    unknown = Feedback("00000000-0000-0000-0000-000000000000", "bounced", now)
    taken = story.ledger.take_feedback("test", [Feedback(keys["1"], "bounced", now), Feedback(keys["2"], "complained", now), unknown], now)
    assert (taken.new, taken.unmatched, taken.suppressed) == (2, 1, 2)
    assert story.ledger.take_feedback("test", [Feedback(keys["1"], "bounced", now)], now).suppressed == 0
    story.write(TRIAL.replace("id: trial", "id: next"))
    story.now_has(*(contact(i, trial_end="2026-03-03") for i in (1, 2)))
    rows = {row["contact"]: row["reason"] for row in story.planned("2026-03-03 09:00").decisions.to_pylist() if row["sequence"] == "next" and row["step"]}
    assert rows == {"1": "suppressed_bounce", "2": "suppressed_complaint"}
