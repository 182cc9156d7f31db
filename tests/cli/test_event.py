"""`engine event`: told once, also while a run holds the ledger; and what people see of it."""

from __future__ import annotations

from datetime import datetime

from engine.clock import naive_utc
from engine.ledger.duckdb.files import Hold, LedgerFiles

from .conftest import NOW, Project

WELCOME = """\
id: visits
status: active
about: contact
trigger: {event: visited}
reenter: every_occurrence
steps:
  - {id: hello, wait: 0d, template: birthday}
"""


def with_events(project: Project) -> Project:
    crm = project.root / "definitions" / "crm.yaml"
    crm.write_text(crm.read_text(encoding="utf-8") + "events: {visited: {entity: contact}, signed: {entity: contract, at: end_date}}\n", encoding="utf-8")
    (project.root / "definitions" / "sequences" / "visits.yaml").write_text(WELCOME, encoding="utf-8")
    return project


def test_3_2_event_told_twice_starts_its_sequence_once(project: Project) -> None:
    """3.2: one id is one event; the plan then sends, and shows neither the id nor the record's key."""
    run = with_events(project).run
    told = run("event", "visited", "--record", "contact:1", "--id", "secret-id-1")
    assert (told.code, told.out) == (0, "The event `visited` of contact 1 is in the ledger. The next apply starts `visits` by it.\n")
    again = run("event", "visited", "--record", "1", "--id", "secret-id-1")
    assert (again.code, again.out) == (0, "An event `visited` with this id was told before; nothing was changed.\n")
    plan = run("plan", "--select", "sequence:visits", "--format", "json")
    assert '"send": 1' in plan.out and "secret-id-1" not in plan.out
    assert "secret-id-1" in run("plan", "--select", "sequence:visits", "--format", "json", "--show-pii").out
    late = run("event", "visited", "--record", "2", "--id", "b", "--at", "2026-12-01T09:00:00+07:00")
    assert "It happens only on 2026-12-01T09:00:00+07:00." in late.out
    assert '"upcoming": 1' in run("plan", "--select", "sequence:visits", "--format", "json").out


def test_3_2_event_waits_for_no_lock(project: Project) -> None:
    """3.2, 9.8: while a run holds the ledger the event lies in the inbox, and the next run takes it in exactly once."""
    run = with_events(project).run
    files = LedgerFiles(project.root / "state" / "ledger.duckdb")
    with Hold(files, "apply", naive_utc(datetime.fromisoformat(NOW))):
        said = run("event", "visited", "--record", "1", "--id", "a")
    assert said.code == 0 and said.out.startswith("A run holds the ledger") and len(list((project.root / "state" / "inbox").iterdir())) == 1
    applied = run("apply", "--select", "sequence:visits")
    assert "Recorded: 1 enrolled" in applied.out, applied.out
    assert list((project.root / "state" / "inbox").iterdir()) == []
    assert "told before" in run("event", "visited", "--record", "1", "--id", "a").out


def test_3_2_what_is_no_event_is_wrong_usage(project: Project) -> None:
    """An event that is not declared, one that the CRM tells, another entity's record, no id: 64, with a way out."""
    run = with_events(project).run
    for words, message in (
        (("visitd", "--record", "1", "--id", "a"), "did you mean `visited`"),
        (("signed", "--record", "7", "--id", "a"), "the CRM tells the event `signed` by itself"),
        (("visited", "--record", "contract:7", "--id", "a"), "happens to a contact, not to a contract"),
        (("visited", "--record", "1", "--id", "a\tb"), "that is no id of an event"),
        (("visited", "--record", "1", "--id", "a", "--at", "noon"), "is not a moment"),
    ):
        said = run("event", *words)
        assert said.code == 64 and message in said.err.lower() or message in said.err, said.err


def test_3_2_an_id_that_another_event_has_is_refused(project: Project) -> None:
    """3.2: one id is one event, so a second one under it would vanish: another record's, or of another moment, exit 1 and nothing written."""
    run = with_events(project).run
    at = ("--at", "2026-11-23T08:00:00+07:00")
    assert run("event", "visited", "--record", "1", "--id", "a", *at).code == 0
    for words, says in ((("--record", "2"), "an event of another record has it"), (("--record", "1", "--at", "2026-11-22T08:00:00+07:00"), "another moment, Mon 23 Nov 2026, 08:00")):
        said = run("event", "visited", *words, "--id", "a")
        assert said.code == 1 and says in said.err and "nothing was written" in said.err and said.out == "", said
    for words in (at, ()):
        assert "told before" in run("event", "visited", "--record", "1", "--id", "a", *words, now="2026-11-23T10:00:00+07:00").out
    files = LedgerFiles(project.root / "state" / "ledger.duckdb")
    with Hold(files, "apply", naive_utc(datetime.fromisoformat(NOW))):
        assert run("event", "visited", "--record", "1", "--id", "b").code == 0
        assert run("event", "visited", "--record", "2", "--id", "b").code == 1
        assert run("event", "visited", "--record", "1", "--id", "b").code == 0
    told = [path.read_text(encoding="utf-8") for path in (project.root / "state" / "inbox").iterdir()]
    assert len(told) == 2 and all('"record": "1"' in text for text in told)
