"""Whether a ledger on Postgres is whole: read from the first row to the last, and told by everything that has to agree."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import psycopg

from engine.ledger.care import Finding, Verified
from engine.ledger.keys import send_key
from engine.ledger.postgres.connecting import Connection, Place, transaction
from engine.ledger.transitions import STATES
from engine.ledger.witness import Witness, read_witness

_LIVE = b"('planned', 'claimed', 'dispatching', 'sent', 'failed', 'unknown')"
_SLOT = b"sequence, step, entity, record, occurrence, address_key"
_BESIDE = ("pii", "payloads", "attempts", "outcomes")
# Rows that are read from the server at a time.
_PIECE = 10_000
# Each counts rows that must not be there.
_WRONG: dict[str, tuple[bytes, str]] = {
    "address slots": (
        b"SELECT (SELECT count(*) FROM (SELECT 1 FROM sends WHERE state IN " + _LIVE + b" GROUP BY " + _SLOT + b" HAVING count(*) > 1) twice)"
        b" + (SELECT count(*) FROM address_slots a WHERE NOT EXISTS (SELECT 1 FROM sends s WHERE s.send_key = a.holder))",
        "are held twice, or by a send that is not there",
    ),
    "rows beside sends": (
        b"SELECT "
        + b" + ".join(f"(SELECT count(*) FROM {name} b WHERE NOT EXISTS (SELECT 1 FROM sends s WHERE s.send_key = b.send_key))".encode() for name in _BESIDE)
        + b" + (SELECT count(*) FROM sends s WHERE s.state = 'dispatching'"
        b" AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.send_key = s.send_key AND a.token = s.token))",
        "belong to no send, or are missing",
    ),
    "numbers": (b"SELECT count(*) - count(DISTINCT number) FROM sends", "are used twice"),
}


def verify(connection: Connection, place: Place, witness: Path | None) -> Verified:
    """Check the ledger against itself, and against what this host last saw, all at one moment. Never writes; damage is a finding."""
    seen = read_witness(witness) if witness is not None else None
    findings: list[Finding] = []
    head: Witness | None = None
    try:
        with transaction(connection, place, "ISOLATION LEVEL REPEATABLE READ READ ONLY"):
            row = connection.execute("SELECT lineage::text, serial, head_hash FROM ledger_meta").fetchone()
            if row is None:
                return Verified(str(place), None, (Finding("the head", "", "is missing"),))
            head = Witness(row[0], row[1], row[2])
            for finding in _findings(connection, head, seen):
                findings.append(finding)
    except psycopg.Error as error:
        findings.append(Finding("reading", "", f"broke off: {type(error).__name__}"))
    return Verified(str(place), head, tuple(findings))


def _findings(connection: Connection, head: Witness, seen: Witness | None) -> Iterator[Finding]:
    yield _chain(connection, head)
    if seen is not None:
        yield _seen(connection, head, seen)
    yield from _of_rows(connection)
    yield _states(connection)


def wrong_inside(connection: Connection) -> str:
    """What does not agree among the rows as the transaction that is on would leave them; nothing, mostly."""
    return next((f"{one.asked}: {one.fault}" for one in _of_rows(connection) if one.fault), "")


def _of_rows(connection: Connection) -> Iterator[Finding]:
    yield _send_keys(connection)
    for what, (query, wrong) in _WRONG.items():
        row = connection.execute(query).fetchone()
        count = int(row[0]) if row else 0
        yield Finding(what, "all fit", f"{count:,} {wrong}" if count else "")


def _chain(connection: Connection, head: Witness) -> Finding:
    """Every transaction's link to the one before it, reckoned again."""
    head_hash, count = "0" * 64, 0
    with connection.cursor("chain") as cursor:
        cursor.itersize = _PIECE
        for serial, link, kind, done_at, covers in cursor.execute("SELECT serial, head_hash, kind, done_at, covers FROM transactions ORDER BY serial"):
            count += 1
            if serial != count:
                return Finding("the chain", "", f"transaction {count:,} is missing")
            at: datetime = done_at
            head_hash = sha256(f"{head_hash}\n{serial}\n{kind}\n{at.isoformat()}\n{covers}".encode()).hexdigest()
            if head_hash != link:
                return Finding("the chain", "", f"breaks at {serial:,}: it does not follow from the one before it")
    if (count, head_hash) != (head.serial, head.head_hash):
        return Finding("the chain", "", f"ends at {count:,}, the head says {head.serial:,}")
    return Finding("the chain", f"{count:,} transactions, each tied to the one before it")


def _seen(connection: Connection, head: Witness, seen: Witness) -> Finding:
    if seen.lineage != head.lineage:
        return Finding("the witness", "", "is of another lineage: the ledger was made anew or exchanged")
    if seen.serial > head.serial:
        return Finding("the witness", "", f"saw {seen.serial:,} transactions, the ledger has {head.serial:,}: it was rolled back or lost its end")
    row = connection.execute("SELECT head_hash FROM transactions WHERE serial = %s", [seen.serial]).fetchone()
    if seen.serial and (row is None or row[0] != seen.head_hash):
        return Finding("the witness", "", f"saw another history up to {seen.serial:,}")
    more = head.serial - seen.serial
    return Finding("the witness", f"saw the same; {more:,} more were committed by other processes or hosts" if more else "saw the same")


def _send_keys(connection: Connection) -> Finding:
    wrong = count = 0
    with connection.cursor("keys") as cursor:
        cursor.itersize = _PIECE
        for key, *named in cursor.execute("SELECT send_key::text, sequence, step, entity, record, occurrence, contact FROM sends"):
            count += 1
            wrong += key != send_key(*named)
    return Finding("send keys", f"{count:,} fit what they name", f"{wrong:,} do not fit what they name" if wrong else "")


def _states(connection: Connection) -> Finding:
    scanned: dict[str, int] = dict(connection.execute("SELECT state, count(*) FROM sends GROUP BY state").fetchall())
    return Finding("the sends", f"{sum(scanned.values()):,} in " + (", ".join(f"{scanned[s]:,} {s}" for s in STATES if s in scanned) or "no state"))
