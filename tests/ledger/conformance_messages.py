"""What every home does with several sends that are one message (semantics 4.8). A home's test module inherits these stories as well."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from engine.ledger.feedback import Feedback
from engine.ledger.history import SendFilter, Told
from engine.ledger.ledger import Ledger
from engine.ledger.records import Claimed
from tests.ledger.conformance import LATER, Home, order, state_of
from tests.ledger.stories import MONDAY, candidates, changes, dispatch, enrollment, key, run, said, send

# One contact of three zones, and the message that their mails are.
ANN = "ann"
LEAD = key("1", ANN)


def items(*records: str, **given: Any) -> list[dict[str, Any]]:
    """The rows of one message, in their order."""
    return [send(record, ANN, message=key(records[0], ANN), item=place, **given) for place, record in enumerate(records, 1)]


def planned(ledger: Ledger, *rows: dict[str, Any]) -> None:
    ledger.commit(run(), changes(sends=rows, enrollments=[enrollment(row["record"], row["contact"]) for row in rows]))


def one_of(ledger: Ledger, now: Any = MONDAY, worker: str = "w1") -> Claimed:
    (message,) = ledger.claim(worker, 100, now)
    return message


def states(ledger: Ledger) -> Counter[str]:
    return Counter(row.state for row in ledger.sends(limit=100).rows)


def records_of(message: Claimed) -> list[str]:
    return [item.record for item in message.items]


class MessagesConformance:
    """Inherit, and give the fixture `home`."""

    @pytest.fixture
    def ledger(self, home: Home) -> Iterator[Ledger]:
        ledger = home.open()
        yield ledger
        ledger.close()

    def test_4_8_one_message_is_claimed_dispatched_and_settled_whole(self, ledger: Ledger) -> None:
        """4.8: three rows, one claim, one answer; each keeps its send key, and all point to one message."""
        planned(ledger, *items("1", "2", "3"))
        message = one_of(ledger)
        assert (message.send_key, records_of(message), len(message.holds)) == (LEAD, ["1", "2", "3"], 3)
        assert ledger.begin_dispatch([dispatch(message)], MONDAY) == {LEAD}
        assert states(ledger) == {"dispatching": 3}
        assert ledger.settle([said(message, "sent", code=250)], LATER).sent == (LEAD,)
        assert states(ledger) == {"sent": 3}
        shown = [ledger.show(key(record, ANN)) for record in "123"]
        assert {one and one.message_id for one in shown} == {f"<{LEAD}@example.com>"}
        assert [one and one.payload for one in shown] == [f"Dear Ann {LEAD}".encode()] * 3
        assert [one and [other.record for other in one.others] for one in shown] == [["2", "3"], ["1", "3"], ["1", "2"]]
        (sent,) = {row["message"] for row in ledger.view(candidates()).tables["recent_sends"].to_pylist()}
        assert sent == LEAD
        ledger.take_feedback("x", [Feedback(LEAD, "opened", LATER)], LATER)
        again = [ledger.show(key(record, ANN)) for record in "123"]
        assert [one and one.told for one in again] == [(Told("opened", LATER),)] * 3

    def test_4_8_a_limit_counts_messages_and_never_cuts_one(self, ledger: Ledger) -> None:
        """4.8: a worker that takes one takes all of its rows, and in the plan's order."""
        planned(ledger, send("5", "bo", position=0), *items("1", "2", "3", position=1))
        first, second = ledger.claim("w1", 1, MONDAY), ledger.claim("w2", 1, MONDAY)
        assert [row.contact for row in first] == ["bo"] and first[0].items == ()
        assert [records_of(row) for row in second] == [["1", "2", "3"]]
        assert ledger.claim("w3", 10, MONDAY) == []

    def test_4_8_what_is_given_back_is_claimed_whole_again(self, ledger: Ledger) -> None:
        """9.3: a message that goes back unsent goes back with all its rows."""
        planned(ledger, *items("1", "2", "3"))
        assert ledger.release(one_of(ledger).holds, MONDAY) == 3
        assert records_of(one_of(ledger)) == ["1", "2", "3"]

    def test_4_8_a_message_that_cannot_be_made_fails_whole(self, ledger: Ledger) -> None:
        """9.3: it is one mail that cannot be made."""
        planned(ledger, *items("1", "2"))
        message = one_of(ledger)
        assert ledger.fail(message.holds, "render_error", "no value", MONDAY)
        assert not ledger.fail(message.holds, "render_error", "", MONDAY)
        assert states(ledger) == {"failed": 2}

    def test_4_8_what_was_paused_before_the_claim_is_left_out(self, ledger: Ledger) -> None:
        """9.2: the rest goes without it, led by the first that is left."""
        planned(ledger, *items("1", "2", "3"))
        ledger.take_in({"p": order("pause", entity="contract", records=("1",))}, MONDAY)
        message = one_of(ledger)
        assert (message.send_key, records_of(message)) == (key("2", ANN), ["2", "3"])
        assert ledger.begin_dispatch([dispatch(message)], MONDAY) == {key("2", ANN)}
        ledger.settle([said(message, "sent")], MONDAY)
        ledger.take_in({"r": order("resume", entity="contract", records=("1",))}, LATER)
        alone = one_of(ledger, LATER)
        assert (alone.send_key, alone.items, alone.frozen) == (LEAD, (), None)

    def test_4_8_what_falls_out_at_the_last_look_is_left_out(self, ledger: Ledger) -> None:
        """9.2: nothing leaves, for the bytes have all three; the rest is claimed again and made without the one that was paused."""
        planned(ledger, *items("1", "2", "3"))
        message = one_of(ledger)
        ledger.take_in({"p": order("pause", entity="contract", records=("2",))}, MONDAY)
        assert ledger.begin_dispatch([dispatch(message)], MONDAY) == set()
        assert states(ledger) == {"planned": 3}
        again = one_of(ledger)
        assert (records_of(again), again.frozen) == (["1", "3"], None)
        assert ledger.begin_dispatch([dispatch(again, text="Dear Ann, only two")], MONDAY) == {LEAD}

    def test_4_8_what_expired_is_skipped_and_the_rest_goes(self, ledger: Ledger) -> None:
        """5.6: one of them came too late between claim and dispatch."""
        rows = items("1", "2")
        planned(ledger, {**rows[0], "expires_at": LATER}, rows[1])
        message = one_of(ledger)
        assert message.expires_at == LATER
        assert ledger.begin_dispatch([dispatch(message)], LATER) == set()
        assert state_of(ledger, LEAD) == ("skipped", "expired")
        assert one_of(ledger, LATER).send_key == key("2", ANN)

    def test_4_8_a_suppressed_address_sends_nothing(self, ledger: Ledger) -> None:
        """9.2: it is one address, so nothing is left."""
        planned(ledger, *items("1", "2"))
        message = one_of(ledger)
        ledger.take_in({"b": order("suppress", address_key="k:ann@example.com", reason="bounce")}, MONDAY)
        assert ledger.begin_dispatch([dispatch(message)], MONDAY) == set()
        assert states(ledger) == {"skipped": 2} and ledger.claim("w1", 10, MONDAY) == []

    def test_4_8_a_message_that_was_not_accepted_is_made_anew(self, ledger: Ledger) -> None:
        """9.3: put off by the server, it is made again from those of its rows that may go then."""
        planned(ledger, *items("1", "2", "3"))
        message = one_of(ledger)
        ledger.begin_dispatch([dispatch(message)], MONDAY)
        assert ledger.settle([said(message, "retry", retry_at=LATER)], MONDAY).planned == (LEAD,)
        assert ledger.claim("w1", 10, MONDAY) == []
        ledger.take_in({"p": order("pause", entity="contract", records=("1",))}, MONDAY)
        again = one_of(ledger, LATER)
        assert (records_of(again), again.frozen, again.attempts) == (["2", "3"], None, 1)
        assert ledger.begin_dispatch([dispatch(again, text="others")], LATER) == {key("2", ANN)}

    def test_9_4_a_death_leaves_one_doubt_about_all(self, home: Home) -> None:
        """9.4, 9.5: a worker dies after T3: all rows are unknown, and a person who settles one settles the message."""
        ledger = home.open()
        planned(ledger, *items("1", "2", "3"))
        ledger.begin_dispatch([dispatch(one_of(ledger))], MONDAY)
        home.lapse(ledger)
        ledger = home.reopen(ledger)
        assert ledger.recover(LATER).unknown == 3
        ledger.resolve(key("2", ANN), "sent", by="mia", note="seen", now=LATER)
        assert states(ledger) == {"sent": 3}
        ledger.close()

    def test_9_5_a_message_that_is_sent_again_by_choice_is_judged_and_made_anew(self, ledger: Ledger) -> None:
        """9.5, 9.6: `resend` of one is of all; one that passes no longer is cancelled, and the rest goes as one."""
        planned(ledger, *items("1", "2", "3"))
        message = one_of(ledger)
        ledger.begin_dispatch([dispatch(message)], MONDAY)
        ledger.settle([said(message, "unknown")], MONDAY)
        ledger.resolve(LEAD, "resend", by="mia", note="", now=LATER)
        assert states(ledger) == {"planned": 3}
        ledger.commit(run(LATER), changes(sends=items("2", "3"), cancels=[{"send_key": LEAD, "reason": "trigger_gone"}]))
        again = one_of(ledger, LATER)
        assert (again.send_key, records_of(again), again.frozen) == (key("2", ANN), ["2", "3"], None)
        assert state_of(ledger, LEAD) == ("cancelled", "trigger_gone")
        assert ledger.begin_dispatch([dispatch(again, text="two")], LATER) == {again.send_key}

    def test_4_8_an_acknowledgement_of_one_is_of_all(self, ledger: Ledger) -> None:
        """9.3: whatever comes back names the message by its first row; it always wins, for every row."""
        planned(ledger, *items("1", "2", "3"))
        message = one_of(ledger)
        ledger.begin_dispatch([dispatch(message)], MONDAY)
        ledger.settle([said(message, "unknown")], MONDAY)
        assert states(ledger) == {"unknown": 3}
        assert ledger.acknowledge([LEAD], "webhook", LATER).sent == (LEAD,)
        assert states(ledger) == {"sent": 3}

    def test_4_8_frozen_bytes_keep_their_records(self, ledger: Ledger) -> None:
        """9.3: with a provider that knows a repeated key the same bytes go again; a row that fell out meanwhile is in doubt until they are sent."""
        planned(ledger, *items("1", "2", "3"))
        message = one_of(ledger)
        ledger.begin_dispatch([dispatch(message, ttl=86400)], MONDAY)
        ledger.settle([said(message, "unknown", retry_at=LATER)], MONDAY)
        assert states(ledger) == {"planned": 3}
        kept = {row["message"] for row in ledger.view(candidates(("renewal", "contract", "1", "2026-02-04"))).tables["decided"].to_pylist()}
        assert kept == {LEAD}
        # A later plan has a fourth record for the same contact and step, and the first has gone.
        ledger.commit(run(LATER), changes(sends=items("2", "3", "4"), cancels=[{"send_key": LEAD, "reason": "trigger_gone"}]))
        assert state_of(ledger, LEAD) == ("unknown", "trigger_gone")
        old, new = sorted(ledger.claim("w1", 10, LATER), key=lambda one: len(one.holds), reverse=True)
        assert (old.send_key, records_of(old)) == (LEAD, ["2", "3"]) and old.frozen is not None and old.frozen.payload == f"Dear Ann {LEAD}".encode()
        assert (new.send_key, new.frozen) == (key("4", ANN), None)
        assert ledger.begin_dispatch([dispatch(old, ttl=86400), dispatch(new)], LATER) == {LEAD, new.send_key}
        assert ledger.settle([said(old, "sent"), said(new, "sent")], LATER).sent == (LEAD, new.send_key)
        assert states(ledger) == {"sent": 4}

    def test_9_6_a_plan_makes_one_message_of_what_is_still_planned(self, ledger: Ledger) -> None:
        """9.6: a row that waits, and one that became due since, are one mail; what a worker holds is not touched."""
        planned(ledger, *items("1", "2"))
        held = one_of(ledger)
        ledger.commit(run(LATER), changes(sends=items("1", "2", "3", "4")))
        (new,) = ledger.claim("w2", 10, LATER)
        assert (new.send_key, records_of(new)) == (key("3", ANN), ["3", "4"])
        ledger.release([*held.holds, *new.holds], LATER)
        ledger.commit(run(LATER + timedelta(minutes=1)), changes(sends=items("1", "2", "3", "4")))
        assert records_of(one_of(ledger, LATER + timedelta(minutes=1))) == ["1", "2", "3", "4"]

    def test_4_8_a_crash_before_the_dispatch_loses_nothing(self, home: Home) -> None:
        """9.4: claimed rows are planned again, and are one message again."""
        ledger = home.open()
        planned(ledger, *items("1", "2", "3"))
        one_of(ledger)
        home.lapse(ledger)
        ledger = home.reopen(ledger)
        assert ledger.recover(LATER).released == 3
        assert records_of(one_of(ledger, LATER)) == ["1", "2", "3"]
        ledger.close()

    def test_4_8_the_list_has_a_row_for_each(self, ledger: Ledger) -> None:
        """4.8: each send keeps its own key, and is found by its record."""
        planned(ledger, *items("1", "2"))
        assert [row.record for row in ledger.sends(SendFilter(record="2")).rows] == ["2"]
