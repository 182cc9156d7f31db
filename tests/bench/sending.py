"""Making messages and recording what became of them."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from hashlib import sha256
from pathlib import Path

import duckdb
import jinja2
import pyarrow as pa

from engine.definitions.loading import load
from engine.definitions.trees import WorkTree
from engine.ledger.duckdb import DuckdbLedger
from engine.ledger.records import Claimed, Dispatch, Frozen, Settlement
from engine.messages.rendering import Renderer
from tests.bench.measuring import Measure, rate, timed
from tests.delivery.ledgers import NOW, key_of, make_ledger, open_ledger, plan

ROOT = Path(__file__).resolve().parents[2]
BATCH = 100


def measures(scale: float, rounds: int) -> Iterator[Measure]:
    yield _messages(max(200, int(3000 * scale)), rounds)
    yield from _outcomes(max(2 * BATCH, int(10_000 * scale) // BATCH * BATCH))


def _cpu(action: Callable[[], object]) -> float:
    begun = time.process_time()
    action()
    return time.process_time() - begun


def _messages(count: int, rounds: int) -> Measure:
    definitions = load(WorkTree(ROOT)).definitions
    assert definitions is not None
    renderer = Renderer(definitions)
    text = (ROOT / "definitions" / "templates" / "welcome.en.md").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True)
    bare = [environment.from_string("Welcome to Harmony Music, {{ company_name }}"), environment.from_string(text)]
    people = [{"company_name": f"Lotus Hotel {number}", "contact_name": f"Ana Martins {number}", "industry": "hotel"} for number in range(count)]

    def ours() -> None:
        for number, variables in enumerate(people):
            renderer.render(
                "welcome", "en", variables, contact_name=variables["contact_name"], to_address=f"person{number}@example.com",
                send_key=f"84c5d9e6-529c-cc53-c3b3-{number:012x}", due_at=datetime(2026, 11, 23, 2, 0),
            )  # fmt: skip

    def jinja() -> None:
        for variables in people:
            for template in bare:
                template.render(variables)

    renderer.render("welcome", "en", people[0], contact_name="Ana", to_address="ana@example.com", send_key=key_of(1), due_at=NOW)
    pairs = [(_cpu(ours), _cpu(jinja)) for _ in range(rounds)]
    mine, base = min(pair[0] for pair in pairs), min(pair[1] for pair in pairs)
    note = (
        "subject, HTML and text parts, headers, MIME; bare: subject and body alone, compiled once, without layout, text part or sandbox. CPU time of one core"
    )
    return Measure("messages with MIME, a core", rate(count, mine), rate(count, base), mine / base, "2,500/s", count / mine >= 2500, note)


def _frozen(number: int) -> Frozen:
    payload = b"Subject: Welcome\r\n\r\n" + b"Dear Ana, welcome.\r\n" * 300
    return Frozen(payload, sha256(payload).hexdigest(), "hello@example.org", f"person{number}@example.com", f"<{number}@example.org>", "Welcome")


def _claim(ledger: DuckdbLedger, claimed: list[Claimed]) -> None:
    claimed.extend(ledger.claim("bench", BATCH, NOW))


def _outcomes(count: int) -> Iterator[Measure]:
    with tempfile.TemporaryDirectory() as folder, open_ledger(make_ledger(Path(folder))) as ledger:
        plan(ledger, range(count))
        claiming = settling = dispatching = 0.0
        for _ in range(count // BATCH):
            claimed: list[Claimed] = []
            claiming += timed(partial(_claim, ledger, claimed))
            group = [Dispatch(row.send_key, row.token, _frozen(place), "smtp") for place, row in enumerate(claimed)]
            dispatching += timed(partial(ledger.begin_dispatch, group, NOW))
            said = [Settlement(row.send_key, row.token, "sent", "dot", 250, "2.0.0", "ok: queued as Q17") for row in claimed]
            settling += timed(partial(ledger.settle, said, NOW))
        bare = _bare_commits(Path(folder) / "bare.duckdb", count)
    goal = count / settling >= 10_000
    yield Measure(f"outcomes recorded, {BATCH} a commit", rate(count, settling), rate(count, bare), settling / bare, "10,000/s", goal,
                  "bare: UPDATE and INSERT of the same rows from Arrow, and COMMIT, with fsync; ours also fences, chains a hash and writes the witness durably")  # fmt: skip
    whole = claiming + dispatching + settling
    yield Measure(f"the same with claim and dispatch before it ({BATCH} a commit)", rate(count, whole), rate(count, bare), whole / bare, "", None,
                  f"claim {rate(count, claiming)}, dispatch with frozen payloads of 6 kB {rate(count, dispatching)}")  # fmt: skip


def _bare_commits(path: Path, count: int) -> float:
    connection = duckdb.connect(str(path))
    connection.execute("CREATE TABLE sends (send_key UUID PRIMARY KEY, number BIGINT, state VARCHAR, updated_at TIMESTAMP)")
    connection.execute("CREATE TABLE outcomes (send_key UUID, said_at TIMESTAMP, outcome VARCHAR, text VARCHAR)")
    keys = pa.table({"send_key": [key_of(number) for number in range(count)], "number": list(range(count))})
    connection.register("arriving", keys)
    connection.execute("INSERT INTO sends SELECT send_key::UUID, number, 'dispatching', $1 FROM arriving", [NOW])
    connection.unregister("arriving")

    def commits() -> None:
        for start in range(0, count, BATCH):
            connection.register("arriving", keys.slice(start, BATCH))
            connection.execute("BEGIN")
            connection.execute("UPDATE sends SET state = 'sent', updated_at = $1 FROM arriving a WHERE sends.number = a.number", [NOW])
            connection.execute("INSERT INTO outcomes SELECT send_key::UUID, $1, 'sent', 'ok' FROM arriving", [NOW])
            connection.execute("COMMIT")
            connection.unregister("arriving")

    spent = timed(commits)
    connection.close()
    return spent
