"""The values of the letters: for each send of a plan, the variables of its template as JSON, read set-based from the snapshot."""

from __future__ import annotations

from datetime import datetime

import pyarrow as pa

from engine.definitions.definitions import Definitions
from engine.facts.snapshot import Snapshot
from engine.ledger.records import SENDS
from engine.messages.usage import used_variables
from engine.relations.binding import Binder, sql
from engine.relations.variables import values
from engine.tables import put


def with_variables(definitions: Definitions, snapshot: Snapshot, sends: pa.Table, now: datetime) -> pa.Table:
    """The rows of SENDS with `variables` filled, in their order."""
    if sends.num_rows == 0:
        return sends
    cursor = snapshot.connection.cursor()
    try:
        put(cursor, "letters", sends)
        cursor.execute(
            "CREATE OR REPLACE TEMP TABLE filled (sequence VARCHAR, template VARCHAR, locale VARCHAR, record VARCHAR, contact VARCHAR, variables VARCHAR)"
        )
        groups = cursor.execute("SELECT DISTINCT sequence, entity, template, locale FROM letters ORDER BY ALL").fetchall()
        for sequence, entity, template, locale in groups:
            cursor.execute(
                "CREATE OR REPLACE TEMP TABLE pairs AS SELECT DISTINCT record, contact FROM letters WHERE sequence = $1 AND template = $2 AND locale = $3",
                [sequence, template, locale],
            )
            binder = Binder()
            names = sorted(used_variables(definitions, template, locale))
            select = values(definitions, definitions.templates[template].type, names, "pairs", entity, now, binder)
            cursor.execute(
                f"INSERT INTO filled SELECT $sequence, $template, $locale, record, contact, variables FROM ({sql(select)})",
                {**binder.values, "sequence": sequence, "template": template, "locale": locale},
            )
        filled = cursor.sql(
            "SELECT l.* REPLACE (f.variables AS variables) FROM letters l JOIN filled f USING (sequence, template, locale, record, contact) ORDER BY position"
        ).to_arrow_table()
        return filled.select(SENDS.names).cast(SENDS)
    finally:
        cursor.close()
