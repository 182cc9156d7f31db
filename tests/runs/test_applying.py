"""`apply` from the definitions to the mails: what leaves, what is written, and the exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import DefinitionsInError, LedgerRefused, LockHeld
from engine.ledger.keys import send_key
from engine.ledger.orders import Order
from engine.runs.applying import apply
from engine.runs.delivering import work
from engine.runs.inbox import leave_order
from tests.plan.base import contact, contract
from tests.plan.samples import ONE_LETTER, ONE_NOTICE, TRIAL

from .ground import Ground

NEWS = TRIAL.replace("id: trial", "id: news").replace("template: hello", "template: news")
AT = "2026-03-02T09:00:00+07:00"
LATER = "2026-03-02T10:00:00+07:00"


def two_mails(root: Path, more: str = "") -> Ground:
    """A notice about a contract, and the news for the same contact."""
    return Ground.make(root, ONE_NOTICE, NEWS, contract(7, end_date="2026-04-01"), contact(1, trial_end="2026-03-02"), more=more)


def test_mails_are_in_the_outbox_with_their_keys_and_links(tmp_path: Path) -> None:
    """1.1, 6.20: two mails leave; each Message-ID is made of its send key; only marketing can be unsubscribed from."""
    ground = two_mails(tmp_path)
    applied = ground.apply(AT)
    assert (applied.exit_code, applied.delivered and applied.delivered.sent) == (0, 2)
    by_subject = {str(mail["Subject"]): mail for mail in ground.mails()}
    assert set(by_subject) == {"notice", "news"}
    keys = {"notice": send_key("renewal", "notice", "contract", "7", "2026-04-01", "1"), "news": send_key("news", "ends", "contact", "1", "2026-03-02", "1")}
    for subject, mail in by_subject.items():
        assert str(keys[subject]).replace("-", "") in str(mail["Message-ID"]).replace("-", "")
        assert "person1@example.com" in str(mail["To"])
    assert "C-7" in by_subject["notice"].get_body(("plain",)).get_content()  # type: ignore[union-attr]  # a mail without a text part fails here
    assert by_subject["notice"]["List-Unsubscribe"] is None
    assert "https://mail.example.com/u/" in str(by_subject["news"]["List-Unsubscribe"])


def test_1_2_second_apply_leaves_the_outbox_as_it_is(tmp_path: Path) -> None:
    """1.2: applied again, and an hour later, nothing more is written to anybody."""
    ground = two_mails(tmp_path)
    ground.apply(AT)
    for at in (AT, LATER):
        applied = ground.apply(at)
        assert (applied.exit_code, applied.plan.summary["send"]) == (0, 0)
    assert len(ground.mails()) == 2


def test_1_3_apply_without_a_ledger_refuses(tmp_path: Path) -> None:
    """1.3: a ledger that is not there is not made by apply: exit 7."""
    ground = two_mails(tmp_path)
    (tmp_path / "state" / "ledger.duckdb").unlink()
    with pytest.raises(LedgerRefused) as refused:
        ground.apply(AT)
    assert refused.value.exit_code == 7
    assert not (tmp_path / "state" / "ledger.duckdb").exists()


def test_10_2_project_guard_writes_nothing_and_exits_3(tmp_path: Path) -> None:
    """10.2: `per_run: 1` and two due: exit 3, no mail, no row, no enrollment; allowed for this run, both go."""
    ground = two_mails(tmp_path, more="guards: {max_sends: {per_run: 1}}")
    applied = ground.apply(AT)
    assert (applied.exit_code, applied.committed, ground.mails()) == (3, None, [])
    with ground.site(AT).read_ledger() as ledger:
        assert (ledger.sends().rows, ledger.enrollments().rows) == ((), ())
    assert ground.apply(AT, max_sends__per_run=2).exit_code == 0
    assert len(ground.mails()) == 2


def test_10_2_sequence_guard_lets_the_others_go_and_exits_3(tmp_path: Path) -> None:
    """10.2: the news is over its own first run and held; the notice goes; exit 3."""
    ground = Ground.make(
        tmp_path, ONE_NOTICE, NEWS + "    guards: {first_run_max: 0}\n", contract(7, end_date="2026-04-01"), contact(1, trial_end="2026-03-02")
    )
    assert ground.apply(AT).exit_code == 3
    assert [str(mail["Subject"]) for mail in ground.mails()] == ["notice"]


def test_definitions_in_error_exit_1(tmp_path: Path) -> None:
    """interface.md §3: a mistake in a file stops everything with exit 1 before the ledger is opened."""
    ground = two_mails(tmp_path)
    ground.change("definitions/sequences/news.yaml", "template: news", "template: nws")
    with pytest.raises(DefinitionsInError) as error:
        ground.apply(AT)
    assert error.value.exit_code == 1


def test_lock_held_exits_5(tmp_path: Path) -> None:
    """interface.md §3: while another process holds the ledger, apply says so with exit 5 and sends nothing."""
    ground = two_mails(tmp_path)
    with ground.site(AT).open_ledger("other"), pytest.raises(LockHeld) as held:
        ground.apply(AT)
    assert held.value.exit_code == 5
    assert ground.mails() == []


@pytest.mark.parametrize("switch", ["file", "environment"])
def test_9_8_kill_switch_holds_everything(tmp_path: Path, switch: str) -> None:
    """9.8, 6.1: with state/STOP or ENGINE_STOP=1 both are held as stopped and nothing leaves; without it they go."""
    ground = two_mails(tmp_path)
    free = ground.environ
    if switch == "file":
        ground.write("state/STOP", "")
    else:
        ground.environ = {**free, "ENGINE_STOP": "1"}
    applied = ground.apply(AT)
    assert {(row["decision"], row["reason"]) for row in applied.plan.decisions.to_pylist()} == {("hold", "stopped")}
    assert ground.mails() == []
    (tmp_path / "state" / "STOP").unlink(missing_ok=True)
    ground.environ = free
    ground.apply(LATER)
    assert len(ground.mails()) == 2


def test_9_8_stop_left_in_the_inbox_is_taken_in_exactly_once(tmp_path: Path) -> None:
    """9.8: an order that lies in state/inbox when apply begins holds everything; started again, the old order does not come back."""
    ground = two_mails(tmp_path)
    site = ground.site(AT)
    leave_order(site.state, Order("stop", site.now, "test"))
    assert ground.apply(AT).plan.summary["hold"] == 2
    assert list((site.state / "inbox").glob("*.json")) == []
    leave_order(site.state, Order("start", ground.site(LATER).now, "test"))
    assert ground.apply(LATER).delivered.sent == 2  # type: ignore[union-attr]  # without a delivery this fails
    assert len(ground.mails()) == 2


def test_9_8_stop_during_a_run_ends_it_within_a_group(tmp_path: Path) -> None:
    """9.8: of sixty due, a stop that comes while the first group of twenty leaves lets none of the next ones go; the rest goes after `start`."""
    rows = [contact(i, trial_end="2026-03-02") for i in range(1, 61)]
    ground = Ground.make(tmp_path, TRIAL, *rows)
    site = ground.site(AT)
    left: list[Path] = []

    def stop_once(stage: str, done: int, total: int) -> None:
        if stage == "sending" and not left:
            left.append(leave_order(site.state, Order("stop", site.now, "test")))

    from engine.runs.applying import apply

    apply(site, environ=ground.environ, progress=stop_once)
    assert len(left) == 1
    assert len(ground.mails()) == 20
    leave_order(site.state, Order("start", ground.site(LATER).now, "test"))
    ground.apply(LATER)
    addresses = [str(mail["To"]) for mail in ground.mails()]
    assert (len(addresses), len(set(addresses))) == (60, 60)


OFFICE = '    send_window: {days: [mon-fri], from: "08:00", to: "18:00"}\n'


def test_5_4_what_the_window_shuts_out_is_told_and_goes_when_it_opens(tmp_path: Path) -> None:
    """5.4: planned a microsecond before the window closes, nothing leaves behind it; the apply says so, and the next morning's sends it once."""
    ground = Ground.make(tmp_path, ONE_NOTICE + OFFICE, contract(7, end_date="2026-04-01"), contract(8, end_date="2026-04-01"), contact(1))
    shut = ground.apply("2026-03-02T17:59:59.999999+07:00")
    assert (shut.exit_code, shut.plan.summary["send"], shut.delivered and shut.delivered.sent) == (0, 2, 0)
    assert shut.notes == ("2 sends stay planned: the send window closed before they could go; an apply after it opens sends them",)
    assert ground.mails() == []
    night = ground.apply("2026-03-02T18:20:00+07:00")
    assert night.committed and night.committed.cancelled == 2 and ground.mails() == []
    morning = ground.apply("2026-03-03T08:00:00+07:00")
    assert morning.delivered and morning.delivered.sent == 2 and morning.notes == ()
    assert len(ground.mails()) == 2


def test_5_4_workers_are_told_until_when(tmp_path: Path) -> None:
    """5.4, 9.6: what is planned for workers at 17:45 has less than half an hour, and the apply says so."""
    ground = Ground.make(tmp_path, ONE_NOTICE + OFFICE, contract(7, end_date="2026-04-01"), contact(1))
    site = ground.site("2026-03-02T17:45:00+07:00")
    told = apply(site, environ=ground.environ, reason="a test", by="test", plan_only=True).notes
    assert told == (
        "1 mail is planned, and none was sent: `engine deliver` sends it, for 30 minutes from now",
        "the send window of 1 of these closes before that, at 18:00 Asia/Bangkok; what has not left by then is the next apply's",
    )
    late = work(ground.site("2026-03-02T18:05:00+07:00"), environ=ground.environ, live=False)
    assert (late.delivered.sent, late.planned) == (0, 1) and ground.mails() == []


def test_d6_who_is_enrolled_by_hand_is_no_use_of_the_segment_of_a_file(tmp_path: Path) -> None:
    """D6, 3.5: a file takes the one guest of a segment, and somebody else is enrolled by a command: the segment brought one."""
    segment = tmp_path / "definitions" / "segments" / "guests.yaml"
    segment.parent.mkdir(parents=True)
    segment.write_text("{id: guests, name: Guests, entity: contact, rules: {contact.kind: guest}}", encoding="utf-8")
    ground = Ground.make(tmp_path, ONE_LETTER, contact(1, kind="guest"), contact(2))
    ground.write("definitions/enrollments/fair.yaml", "{id: fair, sequence: letter, segment: guests}")
    site = ground.site("2026-03-02T09:00:00+07:00")
    with site.open_ledger("enroll") as ledger:
        ledger.enroll_by_hand("letter", "contact", ["2"], by="test", note="", now=site.now)
    ground.apply("2026-03-02T09:00:00+07:00")
    assert len(ground.mails()) == 2
    with site.read_ledger() as ledger:
        assert [(use.sequence, use.enrolled) for use in ledger.segment_history("guests").uses] == [("letter", 1)]
