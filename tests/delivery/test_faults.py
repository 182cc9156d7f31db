"""Each fault of a server, from the first byte to the row: exactly the states of reliability.md §3.4, and the phase on record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from engine.delivery.delivering import deliver
from engine.delivery.smtp import SmtpServer
from engine.ledger.duckdb import DuckdbLedger
from tests.delivery.ledgers import FastClock, Never, key_of, make_ledger, open_ledger, plan, render
from tests.delivery.over_smtp import BYE, drop, made
from tests.smtp_server import Act, ScriptedServer

SILENT, GARBAGE = Act(then="silence"), Act(b"HTTP/1.1 400 Bad Request\r\n")
REFUSED, LATER = Act(b"550 5.7.1 no\r\n"), Act(b"451 4.3.0 later\r\n")
# fault -> (script, the row's state after one try, the phase on record, attempts on record, whether the server has the mail)
FAULTS: dict[str, tuple[Mapping[str, Act], str, str, int, bool]] = {
    "nothing": ({}, "sent", "dot", 1, True),
    "dropped before DATA": ({"DATA": drop()}, "planned", "data", 1, False),
    "dropped in the body": ({"BODY": Act(then="drop")}, "planned", "body", 1, False),
    "dropped at the dot": ({"DOT": drop()}, "unknown", "dot", 1, False),
    "dropped after accepting": ({"DOT": Act(then="drop", accept=True)}, "unknown", "dot", 1, True),
    "dropped after 250": ({"DOT": Act(b"250 2.0.0 ok\r\n", then="drop", accept=True)}, "sent", "dot", 1, True),
    "garbage at MAIL": ({"MAIL": GARBAGE}, "planned", "mail", 1, False),
    "garbage at RCPT": ({"RCPT": GARBAGE}, "planned", "rcpt", 1, False),
    "garbage at DATA": ({"DATA": GARBAGE}, "planned", "data", 1, False),
    "garbage at the dot": ({"DOT": GARBAGE}, "unknown", "dot", 1, False),
    "silence at MAIL": ({"MAIL": SILENT}, "planned", "mail", 1, False),
    "silence at DATA": ({"DATA": SILENT}, "planned", "data", 1, False),
    "silence at the dot": ({"DOT": SILENT}, "unknown", "dot", 1, False),
    "421 at the greeting": ({"CONNECT": BYE}, "planned", "", 0, False),
    "421 at EHLO": ({"EHLO": BYE}, "planned", "", 0, False),
    "421 at MAIL": ({"MAIL": BYE}, "planned", "mail", 1, False),
    "421 at RCPT": ({"RCPT": BYE}, "planned", "rcpt", 1, False),
    "421 at DATA": ({"DATA": BYE}, "planned", "data", 1, False),
    "421 at the dot": ({"DOT": BYE}, "planned", "dot", 1, False),
    "421 at QUIT": ({"QUIT": BYE}, "sent", "dot", 1, True),
    "4yz at the dot": ({"DOT": LATER}, "planned", "dot", 1, False),
    "5yz at MAIL": ({"MAIL": REFUSED}, "failed", "mail", 1, False),
    "5yz at RCPT": ({"RCPT": REFUSED}, "failed", "rcpt", 1, False),
    "5yz at the dot": ({"DOT": REFUSED}, "failed", "dot", 1, False),
}  # fmt: skip
_numbers = count()


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DuckdbLedger]:
    """One ledger for all faults; each has a send of its own."""
    with open_ledger(make_ledger(tmp_path_factory.mktemp("ledger"))) as opened:
        yield opened


def on_record(ledger: DuckdbLedger, number: int) -> tuple[Any, ...]:
    """State and attempts of the row, and the phases that were written down."""
    query = "SELECT state, attempts, (SELECT list(phase) FROM outcomes o WHERE o.send_key = s.send_key) FROM sends s WHERE send_key = $1"
    return tuple(ledger.connection.execute(query, [key_of(number)]).fetchall()[0])


@pytest.mark.parametrize("fault", FAULTS)
def test_3_4_each_fault_of_a_server_leaves_one_state(fault: str, ledger: DuckdbLedger) -> None:
    """Before the dot a row is planned again (or failed, with a 5yz); at the dot only an answer decides, and without one it is unknown."""
    script, state, phase, tries, taken = FAULTS[fault]
    number = next(_numbers)
    clock = FastClock()
    clock.moment += timedelta(minutes=number)
    plan(ledger, range(number, number + 1), clock.moment, run=f"run-{number}", more=lambda _: {"expires_at": clock.moment + timedelta(seconds=30)})
    with ScriptedServer(script) as server:
        transport = made(SmtpServer("127.0.0.1", server.port, tls="none"))
        done = deliver(ledger, transport, render, worker="w1", clock=clock, stops=Never(), retry_for=timedelta(0))
        transport.close()
        assert len(server.accepted) == taken
    assert on_record(ledger, number) == (state, tries, [phase] if tries else None)
    assert done.exit_code == (0 if state == "sent" or (state == "planned" and tries) else 6)
