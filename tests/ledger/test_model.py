"""The table of transitions, tried in every interleaving (reliability.md §3.7, §5 A 4)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.ledger.transitions import STATES, TRANSITIONS
from tests.ledger.model import Design, check, unfenced


@pytest.mark.parametrize("idempotent", [False, True], ids=["smtp", "with a key"])
def test_no_duplicate_no_loss_nothing_stuck(idempotent: bool) -> None:
    """Two workers, two crashes and two lapsed leases: whatever the order, each mail leaves at most once and no row lies."""
    states, broken = check(Design(idempotent=idempotent))
    assert broken == {}
    assert states > 200


@pytest.mark.soak
@pytest.mark.parametrize("idempotent", [False, True], ids=["smtp", "with a key"])
def test_three_of_everything(idempotent: bool) -> None:
    """Three workers, three crashes, three lapsed leases."""
    assert check(Design(idempotent=idempotent), workers=3, crashes=3, lapses=3)[1] == {}


def test_sending_before_recording_duplicates() -> None:
    """The checker has teeth: a worker that sends a claimed row and records it afterwards is found out."""
    _, broken = check(Design(order=("claim", "hand_over", "dispatch", "record")), until="duplicate")
    assert "duplicate" in broken


def test_recording_before_sending_loses() -> None:
    """A worker that records the row as sent and then sends it is found out."""
    _, broken = check(Design(order=("claim", "dispatch", "record", "hand_over")), until="lost")
    assert "lost" in broken


def test_a_rescue_without_a_fence_duplicates() -> None:
    """A rescue that plans again what a slow worker is handing over is found out."""
    _, broken = check(Design(table=unfenced(TRANSITIONS)), until="duplicate")
    assert "duplicate" in broken


def test_the_key_is_trusted_only_while_it_is_known() -> None:
    """Sending a doubt again to a server that knows no keys is found out: T8 is for providers that do."""
    again = tuple(line for line in TRANSITIONS if "key_unknown" not in line.when)
    _, broken = check(Design(table=tuple(replace(line, when=tuple(w for w in line.when if w != "key_known")) for line in again)), until="duplicate")
    assert "duplicate" in broken


def test_every_state_is_in_the_table() -> None:
    """No state without a way in, and only sent and skipped are without a way on."""
    assert {line.after for line in TRANSITIONS} == set(STATES)
    assert set(STATES) - {before for line in TRANSITIONS for before in line.before} == {"sent", "skipped"}
