"""The embedded ledger as its next writer will find it, in thought: temporary tables of the reader's own connection stand before the
ledger's, and the same statements as an apply's write into them (1.1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from engine.ledger.chain import Transaction
from engine.ledger.duckdb import DuckdbReading
from engine.ledger.duckdb.ordering import Ordering
from engine.ledger.duckdb.sending import Sending
from engine.ledger.ledger import OnUnknown
from engine.ledger.orders import Order

# The table that each order writes into.
_WRITES = {"suppress": "suppressions", "unsuppress": "suppressions", "event": "inbox_events"}
_IN_DOUBT = "('claimed', 'dispatching', 'unknown')"


def as_a_writer_finds_it(ledger: DuckdbReading, names: Mapping[str, str], choices: Mapping[str, OnUnknown], orders: Mapping[str, Order], now: datetime) -> None:
    """From here on the reading answers as if a writer had opened it at `now` (naive UTC): what a dead process held is given back, doubts are
    settled by `choices` of each sequence, and `orders` are carried out. `names` are the former names of sequences. Nothing is written."""
    thought = _Thought(ledger.connection, ledger.files, ledger.copied_at)
    thought.know(names)
    thought.recover_first(choices, now)
    thought.take_in_first(orders, now)


class _Thought(DuckdbReading, Ordering, Sending):
    """The statements of an apply, on temporary tables under the names of the ledger's own."""

    @contextmanager
    def _transaction(self, kind: str, now: datetime, *, inside: str = "", after: str = "") -> Iterator[Transaction]:
        """Nothing is committed: what is written ends with the connection."""
        yield Transaction(self._head.serial + 1)

    def recover_first(self, choices: Mapping[str, OnUnknown], now: datetime) -> None:
        """9.4, 9.5: the sends that a dead process held, and the doubts that the definitions settle."""
        if self._is_thought("sends") or not self._row(f"SELECT count(*) FROM sends WHERE state IN {_IN_DOUBT}")[0]:
            return
        self._stand_before("sends", f"WHERE state IN {_IN_DOUBT}")
        # What is written beside the sends, and no plan reads.
        for beside in ("outcomes", "payloads"):
            self._stand_before(beside, "LIMIT 0")
        self.recover(now)
        self.settle_unknown(choices, now)
        for beside in ("outcomes", "payloads"):
            self._rows(f"DROP TABLE temp.{beside}")
        self._rows("ALTER TABLE temp.sends RENAME TO were_in_doubt")
        whole = self._whole("sends")
        self._rows(f"CREATE TEMP VIEW sends AS FROM {whole} WHERE state NOT IN {_IN_DOUBT} UNION ALL BY NAME FROM temp.were_in_doubt")

    def take_in_first(self, orders: Mapping[str, Order], now: datetime) -> None:
        """9.8: what nobody has taken in yet, in the order in which it was given."""
        if not orders:
            return
        for table in {"orders", *(_WRITES.get(order.verb, "controls") for order in orders.values())}:
            self._stand_before(table)
        self.take_in(orders, now)

    def _stand_before(self, table: str, which: str = "") -> None:
        if self._is_thought(table):
            return
        self._rows(f"CREATE TEMP TABLE {table} AS FROM {self._whole(table)} {which}")
        if table == "inbox_events":
            # 3.2: one event is one by its name and id.
            self._rows("CREATE UNIQUE INDEX told_once ON temp.inbox_events (event, event_id)")

    def _is_thought(self, table: str) -> bool:
        """Whether something stands before it already: a second plan on the same connection takes in only what came since."""
        asked = "FROM (SELECT table_name AS name FROM duckdb_tables() WHERE temporary UNION ALL SELECT view_name FROM duckdb_views() WHERE temporary) WHERE name = $table"
        return bool(self._rows(asked, {"table": table}))

    def _whole(self, table: str) -> str:
        """The ledger's own table."""
        (catalog,) = self._row("SELECT current_database()")
        return '"{}".main.{}'.format(catalog.replace('"', '""'), table)
