"""What every home of the ledger does alike. A home's test module gives `home` and inherits these stories."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from engine.errors import LedgerRefused, WrongUsage
from engine.ledger.feedback import Feedback, TakenFeedback
from engine.ledger.history import EnrollmentFilter, SendFilter, Told
from engine.ledger.ledger import Ledger
from engine.ledger.orders import Order
from engine.ledger.records import LEASE, MAX_ATTEMPTS, Claimed, PastAsked, Settlement
from engine.ledger.transitions import moves
from tests.ledger.stories import DUE_ON, MONDAY, candidates, changes, dispatch, enrollment, key, run, said, send, skip, who
from tests.ledger.walks import walk

LATER = MONDAY + timedelta(minutes=10)


class Home:
    """A place where ledgers live: an empty one can be made, opened, and left as a killed process leaves it."""

    @abstractmethod
    def open(self) -> Ledger:
        """The ledger; made when it is not there."""

    @abstractmethod
    def reopen(self, ledger: Ledger) -> Ledger:
        """The same ledger after a clean end."""

    def lapse(self, ledger: Ledger) -> None:
        """Let every lease run out. Where whoever opens the ledger knows its holder for dead, there is nothing to wait for."""


def state_of(ledger: Ledger, send_key: str) -> tuple[str, str | None]:
    detail = ledger.show(send_key)
    assert detail is not None
    return detail.row.state, detail.row.reason


def planned(ledger: Ledger, *rows: dict[str, Any], now: datetime = MONDAY) -> None:
    ledger.commit(run(now), changes(sends=rows))


def claimed(ledger: Ledger, *rows: dict[str, Any], now: datetime = MONDAY, worker: str = "w1") -> list[Claimed]:
    planned(ledger, *rows)
    return ledger.claim(worker, 100, now)


def dispatching(ledger: Ledger, *rows: dict[str, Any], ttl: int = 0, now: datetime = MONDAY) -> list[Claimed]:
    taken = claimed(ledger, *rows)
    assert ledger.begin_dispatch([dispatch(row, ttl=ttl) for row in taken], now) == {row.send_key for row in taken}
    return taken


def order(verb: Any, at: datetime = LATER, **given: Any) -> Order:
    return Order(verb, at, "mia", **given)


class LedgerConformance:
    """Inherit, and give the fixture `home`."""

    @pytest.fixture
    def ledger(self, home: Home) -> Iterator[Ledger]:
        ledger = home.open()
        yield ledger
        ledger.close()

    # --- what comes from outside -----------------------------------------------------------------------------

    def test_3_2_an_event_told_twice_is_one_event(self, home: Home) -> None:
        """3.2: the name and the id are the event; the first holds, also after a restart, and a plan asks for names."""
        ledger = home.open()
        told = {"event": "signed", "event_id": "e-1", "entity": "contract", "record": "7", "happened_at": MONDAY}
        assert ledger.take_in({"a": order("event", **told), "b": order("event", **{**told, "record": "8"})}, LATER) == {"a": 1, "b": 0}
        assert ledger.take_in({"a": order("event", **told), "c": order("event", **{**told, "event": "visited"})}, LATER) == {"c": 1}
        ledger = home.reopen(ledger)
        asked = ledger.view(candidates(events=("signed",))).tables["events"].to_pylist()
        assert asked == [{"event": "signed", "id": "e-1", "entity": "contract", "record": "7", "happened_at": MONDAY}]
        assert ledger.view(candidates()).tables["events"].num_rows == 0
        ledger.close()

    def test_10_1_audiences_are_those_of_the_last_apply_that_changed_them(self, home: Home) -> None:
        """10.1: how many people a sequence was for, since when it is so many, also after a restart; max_drift compares with it."""
        ledger = home.open()
        for now, people in ((MONDAY, 10), (LATER, 10), (LATER + timedelta(days=1), 20)):
            ledger.commit(run(now), changes(audiences=[{"sequence": "renewal", "digest": "sha256:1", "people": people}]))
            ledger = home.reopen(ledger)
            (known,) = ledger.view(candidates()).tables["audiences"].to_pylist()
            assert known == {"sequence": "renewal", "digest": "sha256:1", "people": people, "counted_at": MONDAY if people == 10 else now}
        ledger.close()

    def test_3_3_3_4_ticks_and_members_are_what_the_last_apply_saw(self, home: Home) -> None:
        """3.3, 3.4: the last tick of a sequence, the members that are left, and the last rules by which they were; also after a restart."""
        ledger = home.open()
        ledger.commit(
            run(MONDAY),
            changes(
                ticks=[{"sequence": "monthly", "tick": "2026-01-01T09:00", "base_at": MONDAY - timedelta(days=4)}],
                memberships=[{"sequence": "guests", "record": record, "member": True} for record in ("1", "2")],
                rosters=[{"sequence": "guests", "digest": "sha256:1"}],
            ),
        )
        tick = {"sequence": "monthly", "tick": "2026-01-05T09:00", "base_at": MONDAY}
        ledger.commit(
            run(LATER),
            changes(
                ticks=[tick],
                memberships=[{"sequence": "guests", "record": "1", "member": False}, {"sequence": "guests", "record": "3", "member": True}],
                rosters=[{"sequence": "guests", "digest": ""}],
            ),
        )
        ledger = home.reopen(ledger)
        tables = ledger.view(candidates()).tables
        assert tables["ticks"].to_pylist() == [tick]
        assert sorted(row["record"] for row in tables["memberships"].to_pylist()) == ["2", "3"]
        assert tables["rosters"].to_pylist() == [{"sequence": "guests", "digest": ""}]
        ledger.close()

    # --- the road ---------------------------------------------------------------------------------------------

    def test_9_1_planned_claimed_dispatched_sent(self, ledger: Ledger) -> None:
        """A send goes its way, and every stop on it is written down."""
        (row,) = claimed(ledger, send("1"))
        assert (row.address, row.variables, row.attempts, row.token, row.frozen) == ("ann-1@example.com", '{"contract_number":"C-1"}', 0, 1, None)
        assert state_of(ledger, row.send_key) == ("claimed", None)
        assert ledger.begin_dispatch([dispatch(row)], MONDAY) == {row.send_key}
        settled = ledger.settle([said(row, "sent", code=250, provider_message_id="q1")], LATER)
        assert settled.sent == (row.send_key,)
        shown = ledger.show(row.send_key)
        assert shown is not None and shown.payload == f"Dear Ann {row.send_key}".encode()
        assert (shown.row.state, shown.row.sent_at, shown.row.attempts, shown.provider_message_id) == ("sent", LATER, 1, "q1")
        assert [(attempt.outcome, attempt.code) for attempt in shown.attempts] == [("sent", 250)]

    def test_9_1_a_second_commit_adds_nothing(self, ledger: Ledger) -> None:
        """The same plan under another run judges the planned again and sends nothing twice; the same run twice is once."""
        first = run()
        rows = changes(sends=[send("1"), send("2")], skips=[skip("3")], enrollments=[enrollment("1")])
        assert ledger.commit(first, rows).planned == 2
        assert ledger.commit(first, rows).already
        again = ledger.commit(run(LATER), rows)
        assert (again.planned, again.judged_again, again.skipped, again.taken) == (0, 2, 0, 1)
        assert ledger.sends().total == 3
        assert ledger.enrollments().total == 1

    def test_a_sent_key_is_never_planned_again(self, ledger: Ledger) -> None:
        """Apply after apply sends nothing."""
        (row,) = dispatching(ledger, send("1"))
        ledger.settle([said(row, "sent")], MONDAY)
        again = ledger.commit(run(LATER), changes(sends=[send("1")], skips=[skip("1")], cancels=[{"send_key": row.send_key, "reason": "expired"}]))
        assert (again.planned, again.revived, again.skipped, again.cancelled, again.taken) == (0, 0, 0, 0, 2)
        assert ledger.claim("w1", 10, LATER) == []
        assert state_of(ledger, row.send_key)[0] == "sent"

    def test_9_1_a_now_before_the_last_is_refused(self, ledger: Ledger) -> None:
        """An apply never goes back in time."""
        planned(ledger, send("1"), now=LATER)
        with pytest.raises(LedgerRefused):
            planned(ledger, send("2"), now=MONDAY)
        assert ledger.head().last_now == LATER
        assert ledger.sends().total == 1

    def test_claims_follow_the_plan_s_order(self, ledger: Ledger) -> None:
        """Position first; what is not due, expired or put off stays."""
        planned(
            ledger, send("3"), send("1"), send("2"), send("4", due_at=MONDAY + timedelta(hours=1)), send("5", expires_at=MONDAY),
        )  # fmt: skip
        assert [row.record for row in ledger.claim("w1", 2, MONDAY)] == ["1", "2"]
        assert [row.record for row in ledger.claim("w2", 9, MONDAY)] == ["3"]
        assert ledger.claim("w2", 9, MONDAY) == []

    def test_the_head_moves_with_every_change(self, ledger: Ledger) -> None:
        """Serial by one, hash by what was written; a claim that finds nothing is no change."""
        before = ledger.head()
        assert ledger.claim("w1", 1, MONDAY) == []
        assert ledger.head() == before
        planned(ledger, send("1"))
        after = ledger.head()
        assert (after.serial, after.lineage) == (before.serial + 1, before.lineage)
        assert after.head_hash != before.head_hash

    def test_the_ledger_remembers(self, home: Home) -> None:
        """After a clean end everything is there, also the head."""
        ledger = home.open()
        dispatching(ledger, send("1"))
        head = ledger.head()
        ledger = home.reopen(ledger)
        assert ledger.head() == head
        assert state_of(ledger, key("1"))[0] == "dispatching"
        ledger.close()

    # --- skips, cancels, addresses -----------------------------------------------------------------------------

    def test_9_1_a_skip_takes_the_send_key(self, ledger: Ledger) -> None:
        """What was passed over is final."""
        ledger.commit(run(), changes(skips=[skip("1")]))
        assert ledger.commit(run(), changes(sends=[send("1")])).taken == 1
        assert state_of(ledger, key("1")) == ("skipped", "expired")

    def test_9_6_a_planned_row_that_no_longer_passes(self, ledger: Ledger) -> None:
        """It is cancelled with the reason or skipped; one that a worker holds is left alone."""
        (row,) = claimed(ledger, send("1"))
        planned(ledger, send("2"), send("3"))
        done = ledger.commit(
            run(), changes(cancels=[{"send_key": key(r), "reason": "paused_sequence"} for r in "12"], skips=[skip("3", reason="condition_false")])
        )
        assert (done.cancelled, done.skipped) == (1, 1)
        assert state_of(ledger, row.send_key)[0] == "claimed"
        assert state_of(ledger, key("2")) == ("cancelled", "paused_sequence")
        assert state_of(ledger, key("3")) == ("skipped", "condition_false")
        assert ledger.claim("w1", 9, MONDAY) == []

    def test_9_6_a_cancelled_row_may_be_planned_again(self, ledger: Ledger) -> None:
        """It was never handed over: its key is free, also for a skip, and its decision is as new."""
        planned(ledger, send("1"), send("2"))
        ledger.commit(run(), changes(cancels=[{"send_key": key(r), "reason": "left_audience"} for r in "12"]))
        done = ledger.commit(run(LATER), changes(sends=[send("1")], skips=[skip("2")]))
        assert (done.revived, done.skipped) == (1, 1)
        assert [row.send_key for row in ledger.claim("w1", 9, LATER)] == [key("1")]
        shown = ledger.show(key("1"))
        assert shown is not None and shown.row.decided_at == LATER

    def test_9_6_judging_again_refreshes_what_will_be_sent(self, ledger: Ledger) -> None:
        """A new address and new values go out, and the moment of the decision stays."""
        planned(ledger, send("1"))
        planned(ledger, send("1", address="new@example.com", variables='{"contract_number":"C-2"}', locale="th"), now=LATER)
        (row,) = ledger.claim("w1", 1, LATER)
        assert (row.address, row.address_key, row.variables, row.locale) == ("new@example.com", "k:new@example.com", '{"contract_number":"C-2"}', "th")
        shown = ledger.show(row.send_key)
        assert shown is not None and (shown.row.decided_at, shown.judged_at) == (MONDAY, LATER)

    def test_9_6_judged_too_long_ago(self, ledger: Ledger) -> None:
        """No row is dispatched more than 30 minutes after it was judged; the next plan lets it go."""
        (row,) = claimed(ledger, send("1"))
        late = MONDAY + timedelta(minutes=29), MONDAY + timedelta(minutes=31)
        assert ledger.begin_dispatch([dispatch(row)], late[1]) == set()
        assert state_of(ledger, row.send_key)[0] == "planned"
        assert ledger.claim("w1", 1, late[1]) == []
        planned(ledger, send("1"), now=late[1])
        (row,) = ledger.claim("w1", 1, late[1])
        assert ledger.begin_dispatch([dispatch(row)], late[1]) == {row.send_key}

    def test_5_4_a_window_that_closed_since_the_plan(self, ledger: Ledger) -> None:
        """A row goes until its send window closes: neither claimed nor dispatched from then on, and it stays planned for the next plan."""
        shuts = MONDAY + timedelta(minutes=10)
        first, second = send("1", open_until=shuts), send("2", open_until=shuts)
        (row,) = claimed(ledger, first)
        assert ledger.begin_dispatch([dispatch(row)], shuts - timedelta(seconds=1)) == {first["send_key"]}
        (row,) = claimed(ledger, second)
        assert ledger.begin_dispatch([dispatch(row)], shuts) == set()
        assert state_of(ledger, second["send_key"])[0] == "planned"
        assert ledger.claim("w1", 1, shuts) == []
        planned(ledger, send("2"), now=shuts)
        assert [row.send_key for row in ledger.claim("w1", 1, shuts)] == [second["send_key"]]

    def test_4_6_one_mail_for_an_address(self, ledger: Ledger) -> None:
        """Two contacts with one mailbox get one mail for a step, record and occurrence; for another record two."""
        done = ledger.commit(
            run(), changes(sends=[send("1", "bob", address="x@example.com"), send("1", "ann", address="x@example.com"), send("2", "bob", address="x@example.com")])
        )
        assert (done.planned, done.refused) == (2, 1)
        assert {(row.record, row.contact) for row in ledger.claim("w1", 9, MONDAY)} == {("1", "ann"), ("2", "bob")}
        assert ledger.commit(run(), changes(sends=[send("1", "bob", address="x@example.com")])).refused == 1

    @pytest.mark.parametrize("how", ["cancelled", "skipped", "moved"])
    def test_4_6_an_address_is_free_again(self, ledger: Ledger, how: str) -> None:
        """A send that was cancelled, skipped or went to another address holds its old address no longer, back and forth."""
        ann, bob = send("1", "ann", address="x@example.com"), send("1", "bob", address="x@example.com")
        planned(ledger, ann)
        if how == "cancelled":
            ledger.commit(run(), changes(cancels=[{"send_key": ann["send_key"], "reason": "left_audience"}]))
        elif how == "skipped":
            ledger.commit(run(), changes(skips=[skip("1", "ann")]))
        else:
            planned(ledger, send("1", "ann", address="y@example.com"))
        assert ledger.commit(run(), changes(sends=[bob])).planned == 1
        if how != "skipped":
            assert ledger.commit(run(), changes(sends=[ann])).refused == 1
            ledger.commit(run(), changes(cancels=[{"send_key": bob["send_key"], "reason": "left_audience"}]))
            done = ledger.commit(run(), changes(sends=[ann]))
            assert done.planned + done.revived + done.judged_again == 1
        live = [row for row in ledger.sends().rows if row.state == "planned"]
        assert len(live) == 1

    # --- fencing ---------------------------------------------------------------------------------------------------

    def test_t3_needs_the_token(self, ledger: Ledger) -> None:
        """Who lost the row does not hand it over."""
        (row,) = claimed(ledger, send("1"))
        ledger.release([(row.send_key, row.token)], MONDAY)
        (other,) = ledger.claim("w2", 1, MONDAY)
        assert other.token > row.token
        assert ledger.begin_dispatch([dispatch(row)], MONDAY) == set()
        assert ledger.begin_dispatch([dispatch(other)], MONDAY) == {other.send_key}

    def test_t3_needs_the_lease(self, ledger: Ledger) -> None:
        """A lease that could end during the hand-over is none."""
        (row,) = claimed(ledger, send("1"))
        planned(ledger, send("1"), now=MONDAY + LEASE)
        assert ledger.begin_dispatch([dispatch(row)], MONDAY + LEASE - timedelta(minutes=5)) == set()

    def test_t4_evidence_always_wins(self, home: Home, ledger: Ledger) -> None:
        """A zombie's failure is dropped, its acknowledgement is taken, whenever it comes."""
        (row,) = dispatching(ledger, send("1"))
        home.lapse(ledger)
        ledger.recover(LATER)
        assert ledger.settle([said(row, "failed", code=550)], LATER).stale == (row.send_key,)
        assert ledger.settle([said(row, "retry", code=450)], LATER).stale == (row.send_key,)
        assert state_of(ledger, row.send_key)[0] == "unknown"
        assert ledger.settle([said(row, "sent", code=250)], LATER).sent == (row.send_key,)
        assert state_of(ledger, row.send_key)[0] == "sent"
        assert ledger.settle([said(row, "failed", code=550)], LATER).stale == (row.send_key,)
        assert ledger.settle([said(row, "sent", code=250)], LATER).sent == (row.send_key,)
        assert state_of(ledger, row.send_key)[0] == "sent"

    def test_t5_to_t7(self, ledger: Ledger) -> None:
        """A 4yz is tried again later, a 5yz has failed, a lost answer is a doubt."""
        retry, refused, doubt = dispatching(ledger, send("1"), send("2"), send("3"))
        settled = ledger.settle(
            [
                said(retry, "retry", phase="rcpt", code=450, enhanced_code="4.2.1", retry_at=LATER),
                said(refused, "failed", phase="rcpt", code=550, enhanced_code="5.1.1"),
                said(doubt, "unknown", phase="dot"),
            ],
            MONDAY,
        )
        assert (settled.planned, settled.failed, settled.unknown) == ((retry.send_key,), (refused.send_key,), (doubt.send_key,))
        assert state_of(ledger, refused.send_key) == ("failed", "550 5.1.1")
        assert state_of(ledger, doubt.send_key) == ("unknown", "dot")
        assert ledger.claim("w1", 9, MONDAY) == []
        (again,) = ledger.claim("w1", 9, LATER)
        assert (again.send_key, again.attempts) == (retry.send_key, 1)
        assert again.frozen is not None and again.frozen.payload == f"Dear Ann {retry.send_key}".encode()

    def test_a_frozen_message_is_not_exchanged(self, ledger: Ledger) -> None:
        """The same key with other bytes is refused, and nothing of the group moves."""
        (row,) = dispatching(ledger, send("1"), ttl=3600)
        ledger.settle([said(row, "unknown")], MONDAY)
        planned(ledger, send("2"))
        two = ledger.claim("w1", 9, MONDAY)
        with pytest.raises(ValueError, match="other bytes"):
            ledger.begin_dispatch([dispatch(two[1]), dispatch(two[0]).__class__(two[0].send_key, two[0].token, dispatch(two[1]).frozen, "api", 3600)], MONDAY)
        assert {state_of(ledger, one.send_key)[0] for one in two} == {"claimed"}

    def test_8_1_a_definite_refusal_thaws_at_the_next_plan(self, ledger: Ledger) -> None:
        """Nothing was accepted and no provider knows the key: who is judged again gets today's text at today's address."""
        (row,) = dispatching(ledger, send("1"))
        ledger.settle([said(row, "retry", code=450)], MONDAY)
        planned(ledger, send("1", address="new@example.com"))
        (again,) = ledger.claim("w1", 9, MONDAY)
        assert (again.frozen, again.address) == (None, "new@example.com")
        assert ledger.begin_dispatch([dispatch(again, text="Hello")], MONDAY) == {again.send_key}

    def test_t8_a_provider_that_knows_the_key(self, ledger: Ledger) -> None:
        """A doubt goes again with the same bytes while the key is surely known, and stays a doubt afterwards."""
        (row,) = dispatching(ledger, send("1"), ttl=1800)
        assert ledger.settle([said(row, "unknown")], MONDAY).planned == (row.send_key,)
        planned(ledger, send("1", address="new@example.com"))
        (again,) = ledger.claim("w1", 9, MONDAY)
        assert again.frozen is not None and again.frozen.recipient == "ann-1@example.com"
        known = MONDAY + timedelta(seconds=1800 * 0.8)
        assert ledger.begin_dispatch([dispatch(again, ttl=1800, transport="smtp")], known) == set()
        assert state_of(ledger, again.send_key) == ("unknown", "window_over")

    def test_t8_another_transport_does_not_know_the_key(self, ledger: Ledger) -> None:
        """A doubt with one provider is never sent through another."""
        (row,) = dispatching(ledger, send("1"), ttl=86400)
        ledger.settle([said(row, "unknown")], MONDAY)
        (again,) = ledger.claim("w1", 9, MONDAY)
        assert ledger.begin_dispatch([dispatch(again, ttl=86400, transport="api")], MONDAY) == set()
        assert state_of(ledger, again.send_key)[0] == "unknown"

    def test_t8_a_key_that_one_transport_knows_is_no_promise_of_another(self, ledger: Ledger) -> None:
        """What was told a key and put off goes by another transport, which knows none: a lost answer there is a doubt."""
        (row,) = dispatching(ledger, send("1"), ttl=86400)
        assert ledger.settle([said(row, "retry", code=450)], MONDAY).planned == (row.send_key,)
        (again,) = ledger.claim("w1", 9, MONDAY)
        assert ledger.begin_dispatch([dispatch(again, transport="plain")], MONDAY) == {row.send_key}
        assert ledger.settle([said(again, "unknown")], MONDAY).unknown == (row.send_key,)

    def test_t8_a_window_that_was_made_shorter_is_shorter(self, ledger: Ledger) -> None:
        """The same transport promises less than at the first attempt: what it says now holds, counted from that attempt."""
        (row,) = dispatching(ledger, send("1"), ttl=86400)
        ledger.settle([said(row, "retry", code=450)], MONDAY)
        (again,) = ledger.claim("w1", 9, LATER)
        assert ledger.begin_dispatch([dispatch(again, ttl=700)], LATER) == {row.send_key}
        assert ledger.settle([said(again, "unknown")], LATER).unknown == (row.send_key,)

    def test_t11_attempts_are_exhausted(self, ledger: Ledger) -> None:
        """Failed when every attempt was refused for certain, unknown when one was in doubt; a row not tried has not attempted."""
        rows = {1: send("1"), 2: send("2")}
        sure, doubtful = dispatching(ledger, *rows.values(), ttl=86400)
        ledger.settle([said(sure, "retry", phase="not_tried"), said(doubtful, "unknown")], MONDAY)
        for _ in range(MAX_ATTEMPTS):
            for row in ledger.claim("w1", 9, MONDAY):
                ledger.begin_dispatch([dispatch(row, ttl=86400)], MONDAY)
                ledger.settle([said(row, "retry", code=450)], MONDAY)
        assert state_of(ledger, sure.send_key) == ("failed", "450")
        assert state_of(ledger, doubtful.send_key)[0] == "unknown"

    def test_t9_t10_a_dead_process(self, home: Home, ledger: Ledger) -> None:
        """What was only claimed is planned again; what may have left is in doubt, or goes again under its key."""
        (with_key,) = dispatching(ledger, send("3"), ttl=86400)
        (doubt,) = dispatching(ledger, send("2"))
        (held,) = claimed(ledger, send("1"))
        home.lapse(ledger)
        recovered = ledger.recover(LATER)
        assert (recovered.released, recovered.unknown, recovered.again) == (1, 1, 1)
        assert state_of(ledger, held.send_key)[0] == "planned"
        assert state_of(ledger, doubt.send_key) == ("unknown", "process_died")
        assert state_of(ledger, with_key.send_key)[0] == "planned"
        assert ledger.recover(LATER).released == 0
        assert ledger.begin_dispatch([dispatch(held)], LATER) == set()

    def test_a_doubt_is_never_cancelled(self, ledger: Ledger) -> None:
        """A row that may have been delivered and passes no gate any more is unknown, not cancelled or skipped: it could be planned anew."""
        one, two = dispatching(ledger, send("1"), send("2"), ttl=86400)
        ledger.settle([said(one, "unknown"), said(two, "unknown")], MONDAY)
        done = ledger.commit(run(), changes(cancels=[{"send_key": one.send_key, "reason": "left_audience"}], skips=[skip("2")]))
        assert (done.cancelled, done.skipped, done.in_doubt) == (0, 0, 2)
        assert state_of(ledger, one.send_key) == ("unknown", "left_audience")

    def test_a_message_that_cannot_be_made(self, ledger: Ledger) -> None:
        """It has failed, the others go."""
        one, two = claimed(ledger, send("1"), send("2"))
        assert ledger.fail(one.holds, "render_error", "`end_date` has no value", MONDAY)
        assert not ledger.fail(one.holds, "render_error", "", MONDAY)
        assert state_of(ledger, one.send_key) == ("failed", "render_error")
        assert ledger.begin_dispatch([dispatch(two)], MONDAY) == {two.send_key}

    # --- doubts --------------------------------------------------------------------------------------------------

    def test_9_5_a_person_resolves(self, ledger: Ledger) -> None:
        """Only a doubt can be resolved: as sent, as failed, or to be sent again once a plan has judged it."""
        rows = dispatching(ledger, *(send(r) for r in "123"))
        ledger.settle([said(row, "unknown") for row in rows], MONDAY)
        for row, as_ in zip(rows, ("sent", "failed", "resend"), strict=True):
            ledger.resolve(row.send_key, as_, by="mia", note="asked them", now=LATER)  # type: ignore[arg-type]  # both words are literals in the list above
        assert [state_of(ledger, row.send_key) for row in rows] == [("sent", "resolved_sent"), ("failed", "resolved_failed"), ("planned", None)]
        with pytest.raises(WrongUsage):
            ledger.resolve(rows[0].send_key, "failed", by="mia", note="", now=LATER)
        with pytest.raises(WrongUsage):
            ledger.resolve("no-such-send", "failed", by="mia", note="", now=LATER)
        assert ledger.claim("w1", 9, LATER) == [], "no plan has judged it since"
        planned(ledger, send("3"), now=LATER)
        (again,) = ledger.claim("w1", 9, LATER)
        assert ledger.begin_dispatch([dispatch(again)], LATER) == {rows[2].send_key}

    def test_9_5_on_unknown(self, ledger: Ledger) -> None:
        """If the sequence does not say, transactional is asked about and marketing is taken for sent."""
        rows = dispatching(
            ledger, send("1"), send("2", category="marketing", topic="news"), send("3", sequence="drip"), send("4", sequence="care", category="marketing")
        )
        ledger.settle([said(row, "unknown") for row in rows], MONDAY)
        settled = ledger.settle_unknown({"drip": "resend", "care": "ask"}, LATER)
        assert (settled.sent, settled.planned) == ((rows[1].send_key,), (rows[2].send_key,))
        assert [state_of(ledger, row.send_key)[0] for row in rows] == ["unknown", "sent", "planned", "unknown"]

    def test_t12_a_webhook_settles_a_doubt(self, ledger: Ledger) -> None:
        """Evidence that names the key, also for one that failed; a key that nobody knows is nothing."""
        doubt, failed = dispatching(ledger, send("1"), send("2"))
        ledger.settle([said(doubt, "unknown"), said(failed, "failed", code=550)], MONDAY)
        nobody = key("9")
        settled = ledger.acknowledge([doubt.send_key, failed.send_key, nobody], "webhook", LATER)
        assert (set(settled.sent), settled.stale) == ({doubt.send_key, failed.send_key}, (nobody,))

    # --- orders ---------------------------------------------------------------------------------------------------

    def test_9_8_an_order_is_carried_out_once(self, ledger: Ledger) -> None:
        """Its id is remembered: taken in again after its end it does nothing."""
        assert ledger.take_in({"a.json": order("stop")}, LATER) == {"a.json": 1}
        assert ledger.take_in({"a.json": order("stop")}, LATER) == {}
        assert ledger.take_in({"b.json": order("start")}, LATER) == {"b.json": 1}
        assert ledger.take_in({"a.json": order("stop")}, LATER) == {}
        assert ledger.view(candidates()).tables["controls"].num_rows == 0

    @pytest.mark.parametrize(
        "given",
        [{}, {"sequence": "renewal"}, {"sequence": "renewal", "contact": "ann-1"}, {"contact": "ann-1"}, {"entity": "contract", "record": "1"}],
        ids=["project", "sequence", "one in it", "one everywhere", "record"],
    )
    @pytest.mark.parametrize("verbs", [("pause", "resume"), ("stop", "start")])
    def test_9_8_a_stop_between_claim_and_dispatch(self, ledger: Ledger, given: dict[str, Any], verbs: tuple[Any, Any]) -> None:
        """It holds what a worker has, lets others go, and its end lets all go."""
        if verbs[0] == "stop" and set(given) - {"sequence"}:
            pytest.skip("enrollments are paused, not stopped")
        ledger.commit(run(), changes(enrollments=[enrollment("1"), enrollment("2", sequence="welcome")]))
        row, other = claimed(ledger, send("1"), send("2", sequence="welcome"))
        ledger.take_in({"1": order(verbs[0], **given)}, MONDAY)
        left = {other.send_key} if given else set()
        assert ledger.begin_dispatch([dispatch(row), dispatch(other)], MONDAY) == left
        assert state_of(ledger, row.send_key)[0] == "planned"
        assert ledger.claim("w1", 9, MONDAY) == []
        ledger.take_in({"2": order(verbs[1], **given)}, MONDAY)
        assert row.send_key in {again.send_key for again in ledger.claim("w1", 9, MONDAY)}

    def test_9_8_a_pause_that_ends_by_itself(self, ledger: Ledger) -> None:
        """`until` is a moment."""
        planned(ledger, send("1"))
        ledger.take_in({"1": order("pause", sequence="renewal", until=LATER)}, MONDAY)
        assert ledger.claim("w1", 9, MONDAY) == []
        assert len(ledger.claim("w1", 9, LATER)) == 1

    def test_9_8_many_at_once(self, ledger: Ledger) -> None:
        """B4: one order pauses, resumes or cancels many: those on the way and those by hand whom no plan has seen, and nobody else."""
        ledger.commit(run(), changes(enrollments=[enrollment(record) for record in "1234"], sends=[send(record) for record in "1234"]))
        ledger.enroll_by_hand("trial", "contact", ["ann-2", "ann-9"], by="mia", note="the fair", now=MONDAY)
        many = order("pause", contacts=("ann-1", "ann-2", "nobody"), note="rest")
        assert ledger.take_in({"1": Order.from_json(many.to_json())}, MONDAY) == {"1": 3}
        assert {(row.sequence, row.contact, row.by, row.note) for row in ledger.held()} == {
            ("renewal", "ann-1", "mia", "rest"), ("renewal", "ann-2", "mia", "rest"), ("trial", "ann-2", "mia", "rest"),
        }  # fmt: skip
        byhand = {"sequence": "trial", "entity": "contact", "record": "ann-9", "occurrence": "1", "contact": "ann-9"}
        ledger.commit(run(), changes(enrollments=[{**enrollment("9"), **byhand}]))
        assert {(row.contact, row.enrolled_by, row.note) for row in ledger.enrollments().rows if row.enrolled_by} == {("ann-9", "mia", "the fair")}
        assert ledger.take_in({"2": order("cancel", entity="contract", records=("3", "7"))}, MONDAY) == {"2": 1}
        assert [row.record for row in ledger.claim("w1", 9, MONDAY)] == ["4"]
        assert ledger.take_in({"3": order("resume", sequence="renewal", contacts=("ann-2", "ann-3"))}, MONDAY) == {"3": 1}
        assert [row.record for row in ledger.claim("w1", 9, MONDAY)] == ["2"]

    def test_9_8_cancel_is_for_who_is_on_the_way_now(self, ledger: Ledger) -> None:
        """It names the enrollments of today; the exit that a plan then writes ends the order, and next year's occurrence lives."""
        ledger.commit(run(), changes(enrollments=[enrollment("1"), enrollment("2")], sends=[send("1"), send("2")]))
        assert ledger.take_in({"1": order("cancel", contact="ann-1")}, MONDAY) == {"1": 1}
        (control,) = ledger.view(candidates()).tables["controls"].to_pylist()
        assert control == {"scope": "enrollment", "action": "cancelled", **who("1"), "until": None}
        assert [row.record for row in ledger.claim("w1", 9, MONDAY)] == ["2"]
        ledger.commit(run(), changes(exits=[{**who("1"), "reason": "cancelled", "final": True}], cancels=[{"send_key": key("1"), "reason": "cancelled"}]))
        assert ledger.view(candidates()).tables["controls"].num_rows == 0
        planned(ledger, send("1", occurrence="2027-02-04"))
        assert [row.occurrence for row in ledger.claim("w1", 9, MONDAY)] == ["2027-02-04"]

    @pytest.mark.parametrize(
        ("reason", "topic", "silenced"),
        [
            ("bounce", None, {"bill", "news", "care"}), ("complaint", None, {"bill", "news", "care"}), ("manual", None, {"bill", "news", "care"}),
            ("unsubscribed", None, {"news", "care"}), ("unsubscribed", "news", {"news"}),
        ],
    )  # fmt: skip
    def test_6_11_a_suppression_between_claim_and_dispatch(self, ledger: Ledger, reason: Any, topic: str | None, silenced: set[str]) -> None:
        """No send after a committed suppression; a transactional mail ignores an unsubscription, never a bounce."""
        rows = claimed(
            ledger,
            send("1", step="bill", address="x@example.com"),
            send("2", step="news", address="x@example.com", category="marketing", topic="news"),
            send("3", step="care", address="x@example.com", category="marketing", topic="care"),
        )
        suppress = order("suppress", address_key="k:x@example.com", reason=reason, topic=topic)
        assert ledger.take_in({"1": suppress, "2": suppress}, MONDAY) == {"1": 1, "2": 0}
        gone = ledger.begin_dispatch([dispatch(row) for row in rows], MONDAY)
        assert {row.step for row in rows if row.send_key not in gone} == silenced
        for row in rows:
            if row.step in silenced:
                assert state_of(ledger, row.send_key)[0] == "skipped"
        ledger.take_in({"3": order("unsuppress", address_key="k:x@example.com")}, MONDAY)
        assert ledger.view(candidates()).tables["suppressions"].num_rows == 0

    def test_an_expired_row_is_passed_over(self, ledger: Ledger) -> None:
        """Between claim and dispatch its time ran out."""
        (row,) = claimed(ledger, send("1", expires_at=MONDAY + timedelta(minutes=1)))
        assert ledger.begin_dispatch([dispatch(row)], LATER) == set()
        assert state_of(ledger, row.send_key) == ("skipped", "expired")

    def test_8_7_enrolled_by_hand_before_the_rename_was_applied(self, ledger: Ledger) -> None:
        """3.5: the number is the next one of the record's history, which is kept under the old name; another record begins at 1."""
        ledger.enroll_by_hand("welcome", "contact", ["7"], by="mia", note="", now=MONDAY)
        ledger.know({"hello": "welcome"})
        assert ledger.enroll_by_hand("hello", "contact", ["7", "8"], by="mia", note="", now=LATER) == {"7": "2", "8": "1"}
        rows = ledger.view(candidates()).tables["occurrences"].to_pylist()
        assert sorted((row["sequence"], row["record"], row["occurrence"]) for row in rows) == [
            ("welcome", "7", "1"), ("welcome", "7", "2"), ("welcome", "8", "1"),
        ]  # fmt: skip

    @pytest.mark.parametrize("given", [{}, {"contact": "ann-1"}], ids=["sequence", "one in it"])
    @pytest.mark.parametrize("verbs", [("pause", "resume"), ("stop", "start")])
    def test_8_7_an_order_by_the_new_name_before_the_rename_was_applied(self, ledger: Ledger, given: dict[str, Any], verbs: tuple[Any, Any]) -> None:
        """9.8: a stop by the name that the file has now holds what a worker has of the old one, and its end lets all go; rows are told by the new name."""
        if verbs[0] == "stop" and given:
            pytest.skip("enrollments are paused, not stopped")
        ledger.commit(run(), changes(enrollments=[enrollment("1")]))
        (row,) = claimed(ledger, send("1"))
        ledger.know({"endings": "renewal"})
        ledger.take_in({"1": order(verbs[0], sequence="endings", **given)}, MONDAY)
        assert ledger.begin_dispatch([dispatch(row)], MONDAY) == set() and ledger.claim("w1", 9, MONDAY) == []
        assert [one.sequence for one in ledger.enrollments(EnrollmentFilter(sequence="endings")).rows] == ["endings"]
        assert {one["sequence"] for one in ledger.view(candidates()).tables["controls"].to_pylist()} == {"renewal"}
        ledger.take_in({"2": order(verbs[1], sequence="endings", **given)}, MONDAY)
        assert [(again.send_key, again.sequence) for again in ledger.claim("w1", 9, MONDAY)] == [(row.send_key, "endings")]

    def test_3_5_enrolled_by_hand(self, ledger: Ledger) -> None:
        """The key is the next number for the sequence and the record; the moment is the base."""
        assert ledger.enroll_by_hand("welcome", "contact", ["7", "8", "7"], by="mia", note="asked", now=MONDAY) == {"7": "1", "8": "1"}
        assert ledger.enroll_by_hand("welcome", "contact", ["7"], by="mia", note="", now=LATER, override=True) == {"7": "2"}
        rows = ledger.view(candidates()).tables["occurrences"].sort_by([("record", "ascending"), ("occurrence", "ascending")]).to_pylist()
        assert [(row["record"], row["occurrence"], row["base_at"], row["override"]) for row in rows] == [
            ("7", "1", MONDAY, False), ("7", "2", LATER, True), ("8", "1", MONDAY, False),
        ]  # fmt: skip
        assert {row["source"] for row in rows} == {"hand"}

    # --- what a plan reads -------------------------------------------------------------------------------------------

    def test_3_10_exits_and_returns(self, ledger: Ledger) -> None:
        """An exit that lasts while its cause does is undone by a return; a final one stays, but for a path that was complete."""

        def exits() -> dict[str, tuple[Any, Any]]:
            rows = ledger.view(candidates(whole=("renewal",))).tables["enrollments"].to_pylist()
            return {row["record"]: (row["exit_reason"], row["exit_final"]) for row in rows}

        ledger.commit(run(), changes(enrollments=[enrollment(r) for r in "123"]))
        reasons = {"1": ("trigger_gone", False), "2": ("goal_met", True), "3": ("complete", True)}
        ledger.commit(run(), changes(exits=[{**who(r), "reason": reason, "final": final} for r, (reason, final) in reasons.items()]))
        assert exits() == reasons
        assert {row["record"] for row in ledger.view(candidates()).tables["enrollments"].to_pylist()} == {"1"}
        ledger.commit(run(LATER), changes(returns=[who(r) for r in "123"]))
        assert exits() == {"1": (None, None), "2": ("goal_met", True), "3": (None, None)}
        ledger.commit(run(LATER), changes(returns=[who("1")], exits=[{**who(r), "reason": "exit_condition", "final": True} for r in "12"]))
        assert exits() == {"1": ("exit_condition", True), "2": ("goal_met", True), "3": (None, None)}

    def test_the_view_holds_what_was_asked(self, ledger: Ledger) -> None:
        """Decided keys of live enrollments, of those with a planned row (9.6), and of the candidates; never cancelled ones, skips without an address."""
        ledger.commit(
            run(),
            changes(
                enrollments=[enrollment(r) for r in "1245"],
                exits=[{**who(r), "reason": "complete", "final": True} for r in "245"],
                sends=[send(r) for r in "1235"],
                skips=[skip("1", step="notice-60"), skip("4", step="notice-60")],
            ),
        )
        # Both were complete: 2's send has left, 5's is planned again.
        claimed = {row.record: row for row in ledger.claim("w", 10, MONDAY)}
        ledger.begin_dispatch([dispatch(claimed["2"])], MONDAY)
        ledger.settle([said(claimed.pop("2"), "sent")], MONDAY)
        ledger.release([(row.send_key, row.token) for row in claimed.values()], MONDAY)
        ledger.commit(run(), changes(cancels=[{"send_key": key("3"), "reason": "left_audience"}]))
        asked = ledger.view(candidates()).tables["decided"].to_pylist()
        assert sorted((row["record"], row["step"], row["state"], row["address_key"]) for row in asked) == [
            ("1", "notice-30", "planned", "k:ann-1@example.com"), ("1", "notice-60", "skipped", None), ("5", "notice-30", "planned", "k:ann-5@example.com"),
        ]  # fmt: skip
        more = ledger.view(candidates(("renewal", "contract", "2", DUE_ON), ("renewal", "contract", "3", DUE_ON)))
        assert sorted(row["record"] for row in more.tables["decided"].to_pylist()) == ["1", "1", "2", "5"]
        assert sorted(row["record"] for row in more.tables["enrollments"].to_pylist()) == ["1", "2", "5"]
        recent = {row["record"]: row["ended_as"] for row in more.tables["recent_sends"].to_pylist()}
        assert recent == {"1": None, "2": "complete", "5": "complete"}
        assert {(row["template"], row["category"], row["topic"]) for row in more.tables["recent_sends"].to_pylist()} == {("renewal-30-days", "transactional", None)}
        assert ledger.view(candidates(since=MONDAY)).tables["recent_sends"].num_rows == 0

    def test_1_1_a_view_of_a_past_moment_is_what_was_seen_then(self, ledger: Ledger) -> None:
        """With `as_of` the view leaves out what came later: sends, skips, exits and returns, enrollments, pauses, suppressions, starts, events."""
        seen: list[tuple[datetime, dict[str, Any]]] = []
        asked = replace(
            candidates(whole=("renewal", "trial")), ticks=True, memberships=True, events=("visited",), exits_since=MONDAY - timedelta(days=9),
            history=(PastAsked("received", None, None, MONDAY + timedelta(days=9)), PastAsked("enrolled", None, None, MONDAY + timedelta(days=9))),
        )  # fmt: skip

        def look(at: datetime | None = None) -> dict[str, Any]:
            rows = {name: table.to_pylist() for name, table in ledger.view(replace(asked, as_of=at)).tables.items()}
            return {name: sorted(map(str, table)) for name, table in rows.items()} | {"held": sorted(map(str, ledger.held(at)))}

        def at(hours: int) -> datetime:
            return MONDAY + timedelta(hours=hours)

        def kept(hours: int) -> None:
            seen.append((at(hours) + timedelta(minutes=5), look()))

        first = {"starts": [{"sequence": "renewal", "started": MONDAY}], "step_starts": [{"sequence": "renewal", "step": "a", "started": MONDAY}]}
        members = {"memberships": [{"sequence": "s", "record": "1", "member": True}], "rosters": [{"sequence": "s", "digest": "d1"}]}
        kept(-1)
        ledger.commit(run(at(0)), changes(enrollments=[enrollment(r) for r in "1234"], fact_counts=[{"entity": "contract", "records": 5}], **first))
        kept(0)
        ledger.commit(run(at(1)), changes(sends=[send(r) for r in "123"], skips=[skip("4")], exits=[{**who("3"), "reason": "trigger_gone", "final": False}], **members))
        kept(1)
        taken = {row.record: row for row in ledger.claim("w", 10, at(1) + timedelta(minutes=10))}
        ledger.begin_dispatch([dispatch(taken["1"]), dispatch(taken["2"])], at(1) + timedelta(minutes=11))
        ledger.settle([said(taken["1"], "sent"), said(taken["2"], "retry")], at(1) + timedelta(minutes=12))
        ledger.release([(taken["3"].send_key, taken["3"].token)], at(1) + timedelta(minutes=13))
        ledger.take_in({"a": order("pause", at(2), contact="ann-1"), "b": order("suppress", at(2), address_key="k:x", reason="manual")}, at(2))
        kept(2)
        tick = {"sequence": "t", "tick": "2026-01-05T09:00", "base_at": MONDAY}
        ledger.commit(run(at(3)), changes(returns=[who("3")], cancels=[{"send_key": key("3"), "reason": "left_audience"}], ticks=[tick]))
        kept(3)
        ledger.take_in({"c": order("resume", at(4), contact="ann-1"), "d": order("unsuppress", at(4), address_key="k:x")}, at(4))
        ledger.enroll_by_hand("trial", "contact", ["ann-9"], by="mia", note="", now=at(4))
        kept(4)
        members = {"memberships": [{"sequence": "s", "record": "1", "member": False}], "rosters": [{"sequence": "s", "digest": "d2"}]}
        ledger.commit(run(at(5)), changes(starts=[{"sequence": "renewal", "started": at(5)}], exits=[{**who("2"), "reason": "goal_met", "final": True}], **members))
        kept(5)
        for moment, was in seen:
            now = look(moment)
            assert {name: (rows, now[name]) for name, rows in was.items() if rows != now[name]} == {}, moment
        # An apply's own moment shows what that apply saw, and the reader itself has not stayed there.
        assert look(at(1)) == seen[1][1]
        assert look() == seen[-1][1]

    def test_feedback_stands_beside_the_send_once(self, ledger: Ledger) -> None:
        """9.7: told twice it is one row; a doubt ends (T12); a complaint suppresses; what is about no send is counted. By send key or Message-ID."""
        ledger.commit(run(), changes(enrollments=[enrollment(r) for r in "123"], sends=[send(r) for r in "123"]))
        claimed = ledger.claim("w", 10, MONDAY)
        ledger.begin_dispatch([dispatch(row) for row in claimed], MONDAY)
        ledger.settle([said(row, "unknown" if row.record == "1" else "sent") for row in claimed], MONDAY)
        shown = ledger.show(key("3"))
        assert shown is not None and shown.message_id
        told = [
            Feedback(key("1"), "opened", MONDAY), Feedback(key("2"), "complained", MONDAY), Feedback(None, "clicked", MONDAY, shown.message_id, "their-1"),
            Feedback(None, "clicked", MONDAY, "<nobody@example.com>"),
        ]  # fmt: skip
        assert ledger.take_feedback("x", told, LATER) == TakenFeedback(new=3, known=0, unmatched=1, settled=1, suppressed=1)
        assert ledger.take_feedback("x", [*told, *told], LATER) == TakenFeedback(new=0, known=6, unmatched=2)
        after = ledger.show(key("1"))
        assert after is not None and after.row.state == "sent" and after.told == (Told("opened", MONDAY),)
        asked = replace(
            candidates(), history=tuple(PastAsked(kind, None, None, LATER) for kind in ("received", "opened", "clicked", "enrolled"))
        )
        history = ledger.view(asked).tables["history"].to_pylist()
        assert sorted((row["kind"], row["contact"], row["step"], row["at"]) for row in history if row["kind"] != "enrolled") == [
            ("clicked", "ann-3", "notice-30", MONDAY), ("opened", "ann-1", "notice-30", MONDAY),
            *(("received", f"ann-{record}", "notice-30", MONDAY) for record in "123"),
        ]  # fmt: skip
        assert sorted((row["contact"], row["step"]) for row in history if row["kind"] == "enrolled") == [(f"ann-{record}", None) for record in "123"]
        for nothing in (PastAsked("received", "other", None, LATER), PastAsked("opened", None, MONDAY, LATER), PastAsked("enrolled", None, None, MONDAY - timedelta(days=1))):
            assert ledger.view(replace(asked, history=(nothing,))).tables["history"].num_rows == 0
        assert ledger.view(candidates()).tables["history"].num_rows == 0
        ledger.take_feedback("y", [Feedback(key("1"), "clicked", LATER), Feedback(key("1"), "delivered", MONDAY)], LATER)
        shown = ledger.show(key("1"))
        assert shown is not None and shown.told == (Told("delivered", MONDAY), Told("opened", MONDAY), Told("clicked", LATER))

    def test_the_view_holds_who_left_lately(self, ledger: Ledger) -> None:
        """Where it is asked for, also enrollments that ended after an instant, finally too: what the guard `max_exits` counts (10.1)."""
        ledger.commit(run(), changes(enrollments=[enrollment("1"), enrollment("2")]))
        ledger.commit(run(), changes(exits=[{**who("1"), "reason": "goal_met", "final": True}]))
        asked = candidates()
        assert [row["record"] for row in ledger.view(asked).tables["enrollments"].to_pylist()] == ["2"]
        lately = ledger.view(replace(asked, exits_since=MONDAY - timedelta(seconds=1))).tables["enrollments"].to_pylist()
        assert sorted((row["record"], row["exit_reason"]) for row in lately) == [("1", "goal_met"), ("2", None)]
        assert ledger.view(replace(asked, exits_since=MONDAY)).tables["enrollments"].num_rows == 1

    def test_a_record_is_of_its_entity(self, ledger: Ledger) -> None:
        """Contract 12 and zone 12 are two records; what was cancelled is no send of an enrollment."""
        zone = {"sequence": "zones", "entity": "zone", "record": "12", "occurrence": DUE_ON, "contact": "ann-12"}
        ledger.commit(run(), changes(enrollments=[enrollment("12"), {**enrollment("12"), **zone}], sends=[send("12")]))
        ledger.commit(run(), changes(cancels=[{"send_key": key("12"), "reason": "cancelled"}]))
        assert [row.sequence for row in ledger.enrollments(EnrollmentFilter(record="12")).rows] == ["renewal", "zones"]
        (found,) = ledger.enrollments(EnrollmentFilter(entity="contract", record="12")).rows
        assert (found.sequence, found.sends) == ("renewal", 0)
        assert ledger.sends(SendFilter(entity="contract", record="12")).total == 1
        assert ledger.sends(SendFilter(entity="zone", record="12")).total == 0

    def test_3_7_introductions(self, ledger: Ledger) -> None:
        """A later start of the same sequence or step is the one that holds; what did not change is no new one."""
        first = {"starts": [{"sequence": "renewal", "started": MONDAY}], "step_starts": [{"sequence": "renewal", "step": "a", "started": MONDAY}]}
        ledger.commit(run(), changes(**first, fact_counts=[{"entity": "contract", "records": 5}]))
        ledger.commit(run(), changes(**first, fact_counts=[{"entity": "contract", "records": 4}]))
        ledger.commit(run(), changes(starts=[{"sequence": "renewal", "started": LATER}]))
        view = ledger.view(candidates()).tables
        assert view["starts"].to_pylist() == [{"sequence": "renewal", "started": LATER}]
        assert view["step_starts"].to_pylist() == [{"sequence": "renewal", "step": "a", "started": MONDAY}]
        assert view["fact_counts"].to_pylist() == [{"entity": "contract", "records": 4}]

    def test_9_8_status_tells_what_is_in_force_the_widest_first(self, ledger: Ledger) -> None:
        """9.8: a stop of everything is told before a thousand pauses of people, and a pause that has ended by itself is not."""
        many = [enrollment(str(number)) for number in range(1_001)]
        ledger.commit(run(), changes(enrollments=many))
        ledger.take_in({"1": order("pause", sequence="renewal", contacts=tuple(one["contact"] for one in many))}, MONDAY)
        ledger.take_in({"2": order("pause", until=LATER)}, MONDAY)
        ledger.take_in({"3": order("pause", sequence="renewal")}, MONDAY)
        ledger.take_in({"4": order("stop")}, MONDAY)
        told = ledger.status(LATER - timedelta(seconds=1)).controls
        assert [(one.action, one.scope) for one in told[:3]] == [("paused", "project"), ("stopped", "project"), ("paused", "sequence")]
        assert [(one.action, one.scope) for one in ledger.status(LATER).controls[:2]] == [("stopped", "project"), ("paused", "sequence")]

    def test_9_8_an_older_order_undoes_no_newer_one(self, ledger: Ledger) -> None:
        """9.8: a start, and an address that may be written to again, lay in the inbox while both were stopped anew."""
        ledger.take_in({"1": order("stop"), "2": order("suppress", address_key="a", reason="manual")}, LATER)
        assert ledger.take_in({"3": order("start", MONDAY), "4": order("unsuppress", MONDAY, address_key="a")}, LATER) == {"3": 0, "4": 0}
        assert [one.action for one in ledger.status(LATER).controls] == ["stopped"] and ledger.status(LATER).suppressions == 1
        assert ledger.take_in({"5": order("start"), "6": order("unsuppress", address_key="a")}, LATER) == {"5": 1, "6": 1}

    def test_9_8_status_forgets_what_was_cancelled_and_has_left(self, ledger: Ledger) -> None:
        """9.8: a cancellation is in force until the plan that follows it; what a pause holds stays told."""
        ledger.commit(run(), changes(enrollments=[enrollment(r) for r in "123"]))
        ledger.take_in({"1": order("cancel", sequence="renewal", contacts=("ann-1", "ann-2")), "2": order("pause", sequence="renewal", contact="ann-3")}, MONDAY)
        assert [one.contact for one in ledger.status(MONDAY).controls] == ["ann-1", "ann-2", "ann-3"]
        ledger.commit(run(), changes(exits=[{**who("1"), "reason": "cancelled", "final": True}]))
        assert [one.contact for one in ledger.status(MONDAY).controls] == ["ann-2", "ann-3"]

    def test_8_7_names(self, ledger: Ledger) -> None:
        """8.7: asked and told under the present name, kept under the first one; a question for a plan may bring a name that no apply has seen."""
        (row,) = claimed(ledger, send("1"))
        ledger.commit(run(), changes(enrollments=[enrollment("1")]))
        ledger.take_in({"a": Order("pause", MONDAY, "ann", sequence="renewal")}, MONDAY)
        asked = pa.table({"sequence": ["notices"], "entity": ["contract"], "record": ["1"], "occurrence": [row.occurrence]})
        early = replace(candidates(), occurrences=asked, whole_sequences=("notices",), former={"notices": "renewal"})
        assert [one["sequence"] for one in ledger.view(early).tables["decided"].to_pylist()] == ["renewal"]
        named = [{"sequence": "renewal", "step": step, "name": name, "since": MONDAY} for step, name in (("", "notices"), ("notice-30", "first"))]
        ledger.commit(run(), changes(names=named))
        ledger.commit(run(), changes(names=[{**named[0], "name": "letters", "since": LATER}]))
        assert (ledger.names().kept("letters"), ledger.names().name("renewal"), ledger.names().kept("other")) == ("renewal", "letters", "other")
        (told,) = ledger.sends(SendFilter(sequence="letters")).rows
        assert (told.sequence, told.step, told.send_key) == ("letters", "first", row.send_key)
        shown = ledger.show(row.send_key)
        assert shown is not None and shown.row == told
        assert [(one.sequence, one.last_step) for one in ledger.enrollments(EnrollmentFilter(sequence="letters")).rows] == [("letters", "first")]
        assert [one.sequence for one in ledger.status().controls] == ["letters"]
        assert ledger.take_in({"b": Order("resume", LATER, "ann", sequence="letters")}, LATER) == {"b": 1}
        assert ledger.enroll_by_hand("letters", "contract", ["1"], by="ann", note="", now=LATER) == {"1": "1"}
        # A file has a newer name: people ask by it, and a plan of the definitions before still finds what is theirs.
        ledger.know({"endings": "letters"})
        assert [one.sequence for one in ledger.sends(SendFilter(sequence="endings")).rows] == ["endings"]
        view = ledger.view(replace(early, occurrences=asked.set_column(0, "sequence", pa.array(["letters"])), former={})).tables
        assert {one["sequence"] for name in ("decided", "occurrences", "enrollments") for one in view[name].to_pylist()} == {"renewal"}
        assert [one["name"] for one in view["names"].to_pylist()] == ["notices", "first", "letters"]

    def test_d6_growth_of_segments(self, ledger: Ledger) -> None:
        """D6: a count is kept where it changed, and what a segment brought, by a plan or by hand."""
        for minutes, members in ((0, 5), (10, 5), (20, 7)):
            at = MONDAY + timedelta(minutes=minutes)
            ledger.commit(run(at), changes(segment_counts=[{"segment": "vip", "members": members}, {"segment": "all", "members": 9}]))
        ledger.commit(run(MONDAY + timedelta(minutes=30)), changes(segment_uses=[{"segment": "vip", "sequence": "welcome", "enrolled": 2}]))
        by_hand = MONDAY + timedelta(minutes=40)
        ledger.enroll_by_hand("welcome", "contact", ["1", "2", "3"], by="mia", note="", now=by_hand, segment="vip")
        ledger.enroll_by_hand("welcome", "contact", ["4"], by="mia", note="", now=by_hand)
        vip = ledger.segment_history("vip")
        assert [(row.counted_at, row.members) for row in vip.counts] == [(MONDAY, 5), (MONDAY + timedelta(minutes=20), 7)]
        assert [(row.used_at, row.sequence, row.enrolled) for row in vip.uses] == [(MONDAY + timedelta(minutes=30), "welcome", 2), (by_hand, "welcome", 3)]
        assert (vip.members_at(MONDAY + timedelta(minutes=19)), vip.members_at(MONDAY - timedelta(minutes=1))) == (5, None)
        assert ledger.segment_history("none").counts == ()

    def test_a_notice_goes_once_a_day(self, ledger: Ledger) -> None:
        """Attention: an owner gets one notice a day; one that failed for certain may go again, one in doubt not."""
        day = MONDAY.date()
        head = ledger.head()
        assert ledger.begin_notice("accounts", day, 3, MONDAY)
        assert ledger.head().serial == head.serial + 1
        assert not ledger.begin_notice("accounts", day, 3, LATER)
        ledger.end_notice("accounts", day, "failed", LATER)
        assert ledger.begin_notice("accounts", day, 4, LATER)
        ledger.end_notice("accounts", day, "unknown", LATER)
        assert not ledger.begin_notice("accounts", day, 4, LATER)
        assert ledger.begin_notice("marketing", day, 1, LATER) and ledger.begin_notice("accounts", day + timedelta(days=1), 4, LATER)
        assert ledger.sends().total == 0 and not ledger.status().runs

    def test_sequences_that_have_sent(self, ledger: Ledger) -> None:
        """A plan alone is no first run."""
        (row,) = claimed(ledger, send("1"))
        assert ledger.view(candidates()).tables["sequences_sent"].num_rows == 0
        ledger.begin_dispatch([dispatch(row)], MONDAY)
        assert ledger.view(candidates()).tables["sequences_sent"].to_pylist() == [{"sequence": "renewal"}]

    # --- what people read ----------------------------------------------------------------------------------------------

    def test_status_and_pages(self, ledger: Ledger) -> None:
        """Counts, doubts, runs and rows in pages."""
        one = run()
        ledger.commit(one, changes(sends=[send(r) for r in "1234"], enrollments=[enrollment("1")]))
        rows = ledger.claim("w1", 2, MONDAY)
        ledger.begin_dispatch([dispatch(row) for row in rows], MONDAY)
        ledger.settle([said(rows[0], "sent"), said(rows[1], "unknown", phase="dot")], MONDAY)
        ledger.finish_run(one.run_id, "done", {"sent": 1}, LATER)
        status = ledger.status()
        assert dict(status.states) == {"planned": 2, "sent": 1, "unknown": 1}
        assert [row.send_key for row in status.unknown] == [rows[1].send_key]
        assert (status.runs[0].outcome, status.runs[0].ended_at, dict(status.runs[0].counts)) == ("done", LATER, {"sent": 1})
        assert status.enrollments_live == 1
        page = ledger.sends(limit=3, offset=3)
        assert (page.total, len(page.rows)) == (4, 1)
        assert ledger.sends(SendFilter(state="sent")).rows[0].commit == "abc"
        assert ledger.find_sends(rows[0].send_key[:10]) == (rows[0].send_key,)
        shown = ledger.enrollments(EnrollmentFilter(contact="ann-1")).rows[0]
        assert (shown.sends, shown.last_step) == (1, "notice-30")
        applied = ledger.applied_definitions()
        assert applied is not None and (applied.digest, applied.compiled, applied.run_id) == ("sha256:d1", "{}", one.run_id)

    def test_nasty_texts_come_back_as_they_went(self, ledger: Ledger) -> None:
        """Quotes, control characters, Thai and emoji in keys are only text."""
        nasty = "o'\"\\\n\t\x00\x0b\x1f ก้ 🎵"
        planned(ledger, send(nasty, nasty, address="x@example.com"))
        (row,) = ledger.claim(nasty, 9, MONDAY)
        assert (row.record, row.contact, row.send_key) == (nasty, nasty, key(nasty, nasty))
        assert ledger.begin_dispatch([dispatch(row, text=nasty)], MONDAY) == {row.send_key}
        ledger.settle([Settlement(row.send_key, row.token, "failed", text=nasty)], MONDAY)

    def test_every_move_is_in_the_table(self, home: Home, ledger: Ledger) -> None:
        """Whatever is done in whatever order, a row moves only as the table of transitions says."""
        for seed in range(60 if os.environ.get("ENGINE_SOAK") else 3):
            for before, after in walk(ledger, seed, steps=40, lapse=home.lapse):
                assert moves(before, after), f"{before} to {after}, seed {seed}"
