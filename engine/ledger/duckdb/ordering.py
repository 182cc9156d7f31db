"""Orders of people, each carried out exactly once, and enrollments by hand (semantics 3.5, 9.8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from engine.ledger.duckdb.home import Home
from engine.ledger.obeying import KEYS, Obeying, control_values, event_values, many_values, named_values, suppression_values
from engine.ledger.orders import Order

_MATCHES = " AND ".join(
    [
        *(f"(${key} IS NULL OR {{alias}}{key} = ${key})" for key in KEYS),
        *(
            f"(${many}::VARCHAR[] IS NULL OR {{alias}}{key} IN (SELECT unnest(${many}::VARCHAR[])))"
            for key, many in (("contact", "contacts"), ("record", "records"))
        ),
    ]
)


class Ordering(Home, Obeying):
    """The part of a ledger that obeys."""

    def take_in(self, orders: Mapping[str, Order], now: datetime) -> dict[str, int]:
        if not orders:
            return {}
        orders = self.names().orders(orders)
        with self._transaction("orders", now) as transaction:
            taken = {id for (id,) in self._rows("SELECT order_id FROM orders WHERE order_id IN (SELECT unnest($ids::VARCHAR[]))", {"ids": list(orders)})}

            def remember(order_id: str, written: str) -> None:
                self._rows("INSERT INTO orders VALUES ($id, $now, $written)", {"id": order_id, "now": now, "written": written})

            return self.obey_new(transaction, orders, taken, remember)

    def _hold(self, order_id: str, order: Order) -> int:
        return self._count(
            """INSERT INTO controls
               SELECT $id, $scope, $action, $sequence, $entity, $record, $occurrence, $contact, $until, $by, $at, $note, NULL, NULL
               WHERE NOT EXISTS (
                 SELECT 1 FROM controls c
                 WHERE c.lifted_at IS NULL AND c.scope = $scope AND c.action = $action AND c.until IS NOT DISTINCT FROM $until
                   AND c.sequence IS NOT DISTINCT FROM $sequence AND c.entity IS NOT DISTINCT FROM $entity AND c.record IS NOT DISTINCT FROM $record
                   AND c.occurrence IS NOT DISTINCT FROM $occurrence AND c.contact IS NOT DISTINCT FROM $contact
               )""",
            control_values(order_id, order),
        )

    def _lift(self, order: Order) -> int:
        # Keys left out mean any: `resume renewal --contact 7` lifts the pauses of 7 in renewal, whatever record they are about.
        values = control_values("", order)
        return self._count(
            "UPDATE controls SET lifted_at = $at, lifted_by = $by "
            # What has ended by itself is not there to be lifted.
            # Nor what was ordered after it, where this one lay in the inbox meanwhile.
            "WHERE lifted_at IS NULL AND (until IS NULL OR until > $at) AND ordered_at <= $at AND scope = $scope AND action = $action AND "
            + _MATCHES.format(alias=""),
            {key: values[key] for key in ("at", "by", "scope", "action", *KEYS)} | many_values(order),
        )

    def _for_each(self, order_id: str, order: Order) -> int:
        # Written out for what is on the way now, so that next year's occurrence is not paused or cancelled by this year's order.
        # Occurrences by hand that no plan has seen yet are about the contact, or name the record.
        return self._count(
            f"""INSERT INTO controls
                WITH meant AS (
                  SELECT e.sequence, e.entity, e.record, e.occurrence, e.contact FROM enrollments e
                  WHERE (e.exit_final IS NULL OR NOT e.exit_final) AND {_MATCHES.format(alias="e.")}
                  UNION
                  SELECT o.sequence, o.entity, o.record, o.occurrence,
                         CASE WHEN $contacts::VARCHAR[] IS NULL THEN $contact::VARCHAR ELSE o.record END
                  FROM occurrences o
                  WHERE ($sequence IS NULL OR o.sequence = $sequence)
                    AND ($entity IS NULL OR o.entity = $entity) AND o.record IN (SELECT unnest($named::VARCHAR[]))
                    AND ($occurrence IS NULL OR o.occurrence = $occurrence)
                    AND NOT EXISTS (SELECT 1 FROM enrollments e WHERE (e.sequence, e.entity, e.record, e.occurrence) = (o.sequence, o.entity, o.record, o.occurrence))
                )
                SELECT $id, $scope, $action, sequence, entity, record, occurrence, contact, $until, $by, $at, $note, NULL, NULL
                FROM meant m
                WHERE NOT EXISTS (
                  SELECT 1 FROM controls c
                  WHERE c.lifted_at IS NULL AND c.action = $action AND c.until IS NOT DISTINCT FROM $until AND c.sequence = m.sequence AND c.entity = m.entity AND c.record = m.record
                    AND c.occurrence = m.occurrence AND c.contact IS NOT DISTINCT FROM m.contact
                )""",
            control_values(order_id, order) | named_values(order),
        )

    def _suppress(self, order_id: str, order: Order) -> int:
        return self._count(
            """INSERT INTO suppressions
               SELECT $id, $address_key, $reason, $topic, $at, $by, $note, NULL, NULL
               WHERE NOT EXISTS (
                 SELECT 1 FROM suppressions s
                 WHERE s.lifted_at IS NULL AND s.address_key = $address_key AND s.reason = $reason AND s.topic IS NOT DISTINCT FROM $topic
               )""",
            {**suppression_values(order), "id": order_id, "note": order.note},
        )

    def _unsuppress(self, order: Order) -> int:
        return self._count(
            """UPDATE suppressions SET lifted_at = $at, lifted_by = $by
               WHERE lifted_at IS NULL AND since <= $at AND address_key = $address_key AND ($reason IS NULL OR reason = $reason) AND ($topic IS NULL OR topic = $topic)""",
            suppression_values(order),
        )

    def _keep_event(self, order: Order) -> int:
        # 3.2: what comes twice under one id is one event, the first.
        return self._count(
            "INSERT INTO inbox_events VALUES ($event, $event_id, $entity, $record, $happened_at, $received_at, $told_by) ON CONFLICT DO NOTHING",
            event_values(order),
        )

    def enroll_by_hand(
        self,
        sequence: str,
        entity: str,
        records: Sequence[str],
        *,
        by: str,
        note: str,
        now: datetime,
        override: bool = False,
        segment: str | None = None,
    ) -> dict[str, str]:
        sequence = self.names().kept(sequence)
        wanted = list(dict.fromkeys(records))
        if not wanted:
            return {}
        with self._transaction("enroll", now) as transaction:
            rows = self._rows(
                """INSERT INTO occurrences
                   SELECT $sequence, $entity, w.record, CAST(coalesce(max(TRY_CAST(o.occurrence AS BIGINT)), 0) + 1 AS VARCHAR), $now, 'hand', $override, $note,
                          $by, $now
                   FROM (SELECT unnest($records::VARCHAR[]) AS record) w
                   LEFT JOIN occurrences o ON o.sequence = $sequence AND o.entity = $entity AND o.record = w.record
                   GROUP BY w.record
                   RETURNING record, occurrence""",
                {"sequence": sequence, "entity": entity, "records": wanted, "override": override, "note": note, "by": by, "now": now},
            )
            if segment is not None:
                self._rows(
                    "INSERT INTO segment_uses VALUES ($segment, $sequence, $enrolled, $now)",
                    {"segment": segment, "sequence": sequence, "enrolled": len(rows), "now": now},
                )
            transaction.cover(sequence, entity, *sorted(rows))
        return dict(rows)

    def _count(self, sql: str, values: dict[str, Any]) -> int:
        return int(self._row(sql, values)[0])
