"""What another system sent before this engine did: rows that a cut-over brings, written in one transaction or not at all.

The statements are the same for every home; `$name` is a value, and only how a send is numbered differs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import pyarrow as pa

from engine.ledger.records import INSTANT, NEW_ENROLLMENTS

_KEYS = ("sequence", "entity", "record", "occurrence", "contact")
_ENROLLMENT = [(name, pa.string()) for name in _KEYS]

# One row a send key. state is sent, failed or skipped; `address_key` is NULL for skips alone. Instants are naive UTC.
PAST_SENDS = pa.schema([
    ("send_key", pa.string()), *_ENROLLMENT, ("step", pa.string()), ("state", pa.string()), ("reason", pa.string()), ("detail", pa.string()),
    ("decided_at", INSTANT), ("due_at", INSTANT), ("sent_at", INSTANT), ("template", pa.string()), ("locale", pa.string()),
    ("category", pa.string()), ("topic", pa.string()), ("address_key", pa.string()), ("address", pa.string()), ("message_id", pa.string()),
])  # fmt: skip
# The exit columns are NULL for somebody who is on the way.
PAST_ENROLLMENTS = pa.schema([
    *[(field.name, field.type) for field in NEW_ENROLLMENTS], ("began", INSTANT),
    ("exit_at", INSTANT), ("exit_reason", pa.string()), ("exit_final", pa.bool_()),
])  # fmt: skip
PAST_OCCURRENCES = pa.schema([*_ENROLLMENT[:4], ("base_at", INSTANT), ("note", pa.string())])
PAST_PAUSES = pa.schema([*_ENROLLMENT, ("ordered_at", INSTANT), ("note", pa.string())])

PAST: Mapping[str, pa.Schema] = {
    "sends": PAST_SENDS,
    "enrollments": PAST_ENROLLMENTS,
    "occurrences": PAST_OCCURRENCES,
    "pauses": PAST_PAUSES,
}
# Where an occurrence, a pause or a send of such a row says it comes from.
IMPORTED = "import"


def is_imported(run_id: str) -> bool:
    """Whether a row came by an import, and not by a run of this engine."""
    return run_id.startswith(f"{IMPORTED} ")


@dataclass(frozen=True)
class Past:
    """Tables as in PAST; missing ones are empty. `import_id` names the import, and is the run of its rows."""

    import_id: str
    by: str
    tables: Mapping[str, pa.Table]

    def table(self, name: str) -> pa.Table:
        return self.tables.get(name, PAST[name].empty_table()).select(PAST[name].names).cast(PAST[name])

    @property
    def written(self) -> str:
        """The import as the ledger's orders keep it."""
        return json.dumps({"import": self.import_id, "by": self.by}, sort_keys=True)


@dataclass(frozen=True, slots=True)
class TakenPast:
    """How many rows were new; the others were in the ledger before. `doubled` sends went to an address that another contact's row holds."""

    sends: int
    enrollments: int
    occurrences: int
    pauses: int
    doubled: int

    @property
    def total(self) -> int:
        return self.sends + self.enrollments + self.occurrences + self.pauses


def _same(left: str, right: str, *names: str) -> str:
    return " AND ".join(f"{left}.{name} = {right}.{name}" for name in names)


_SLOT = ("sequence", "step", "entity", "record", "occurrence", "address_key")

# A row that is planned or was cancelled did not leave this house, and left another one: it is sent now (T4). Every other row stays.
JUDGE = f"""
CREATE TEMPORARY TABLE past_judged AS
SELECT n.*, s.state AS was,
       n.state <> 'skipped' AND EXISTS (
         SELECT 1 FROM address_slots a JOIN sends h ON h.send_key = a.holder
         WHERE {_same("a", "n", *_SLOT)} AND a.holder <> n.send_key AND h.address_key = a.address_key AND h.state NOT IN ('skipped', 'cancelled')
       ) AS doubled
FROM past_sends n LEFT JOIN sends s ON s.send_key = n.send_key
WHERE s.send_key IS NULL OR (s.state IN ('planned', 'cancelled') AND n.state = 'sent')
"""
COUNT = """
SELECT count(*) FILTER (WHERE was IS NULL), count(*) FILTER (WHERE was IS NULL OR NOT doubled), count(*) FILTER (WHERE doubled) FROM past_judged
"""


def insert_sends(number: str = "") -> str:
    """New rows; `number` is what a home without numbers of its own gives each row."""
    column, value = ("number, ", f"{number}, ") if number else ("", "")
    return f"""
INSERT INTO sends (send_key, {column}sequence, step, entity, record, occurrence, contact, state, reason, detail, due_at, decided_at, judged_at, run_id,
                   template, locale, category, topic, address_key, transport, message_id, sent_at, updated_at)
SELECT send_key, {value}sequence, step, entity, record, occurrence, contact,
       CASE WHEN doubled THEN 'skipped' ELSE state END, CASE WHEN doubled THEN 'duplicate_address' ELSE reason END, detail, due_at, decided_at, decided_at,
       $run, template, locale, category, topic, CASE WHEN NOT doubled THEN address_key END, CASE WHEN state <> 'skipped' THEN '{IMPORTED}' END, message_id,
       CASE WHEN NOT doubled THEN sent_at END, $now
FROM past_judged WHERE was IS NULL ORDER BY decided_at, send_key
"""


STATEMENTS: tuple[str, ...] = (
    f"""
UPDATE sends SET state = 'sent', reason = NULL, decided_at = n.decided_at, sent_at = n.sent_at, address_key = n.address_key, ambiguous = FALSE,
                 token = sends.token + 1, owner = NULL, lease_until = NULL, transport = '{IMPORTED}', updated_at = $now
FROM past_judged n WHERE sends.send_key = n.send_key AND n.was IS NOT NULL AND NOT n.doubled
""",
    f"""
INSERT INTO address_slots ({", ".join(_SLOT)}, holder)
SELECT {", ".join(_SLOT)}, send_key FROM past_judged WHERE state <> 'skipped' AND NOT doubled
ON CONFLICT ({", ".join(_SLOT)}) DO UPDATE SET holder = excluded.holder
""",
)
ENROLLMENTS = """
INSERT INTO enrollments (sequence, entity, record, occurrence, contact, base_date, base_at, began, run_id, exit_at, exit_reason, exit_final)
SELECT sequence, entity, record, occurrence, contact, base_date, base_at, began, $run, exit_at, exit_reason, exit_final FROM past_enrollments
ON CONFLICT DO NOTHING
"""
# An import of sends cannot know who is on the way by hand, and takes them for done; an import of enrollments knows.
CORRECT = f"""
UPDATE enrollments SET exit_at = n.exit_at, exit_reason = n.exit_reason, exit_final = n.exit_final, run_id = $run
FROM past_enrollments n WHERE {_same("enrollments", "n", *_KEYS)} AND enrollments.run_id LIKE '{IMPORTED} sends %' AND $run LIKE '{IMPORTED} enrollments %'
"""
HISTORY = f"""
INSERT INTO enrollment_history (sequence, entity, record, occurrence, contact, serial, happened_at, happened, reason, final, run_id)
SELECT n.sequence, n.entity, n.record, n.occurrence, n.contact, $serial, n.exit_at, 'exited', n.exit_reason, n.exit_final, $run
FROM past_enrollments n JOIN enrollments e ON {_same("e", "n", *_KEYS)}
WHERE e.run_id = $run AND n.exit_at IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM enrollment_history h WHERE h.run_id = $run AND {_same("h", "n", *_KEYS)})
"""
OCCURRENCES = f"""
INSERT INTO occurrences (sequence, entity, record, occurrence, base_at, source, override, note, taken_by, taken_at)
SELECT sequence, entity, record, occurrence, base_at, '{IMPORTED}', FALSE, coalesce(note, ''), $by, $now FROM past_occurrences
ON CONFLICT DO NOTHING
"""
# Only for those whose enrollment came with this import: a pause that somebody lifted since is not set again.
PAUSES = f"""
INSERT INTO controls (order_id, scope, action, sequence, entity, record, occurrence, contact, until, ordered_by, ordered_at, note)
SELECT $run, 'enrollment', 'paused', n.sequence, n.entity, n.record, n.occurrence, n.contact, NULL, $by, n.ordered_at, coalesce(n.note, '')
FROM past_pauses n JOIN enrollments e ON {_same("e", "n", *_KEYS)}
WHERE e.run_id = $run AND NOT EXISTS (SELECT 1 FROM controls c WHERE c.order_id = $run AND {_same("c", "n", *_KEYS)})
"""


def values_of(past: Past, now: datetime) -> dict[str, object]:
    """The values that the statements name, but for a home's own."""
    return {"run": past.import_id, "by": past.by, "now": now}
