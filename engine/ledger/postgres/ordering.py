"""Orders of people, each carried out exactly once, and enrollments by hand (semantics 3.5, 9.8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from engine.ledger.chain import Transaction
from engine.ledger.obeying import KEYS, Obeying, control_values, event_values, many_values, named_values, suppression_values
from engine.ledger.orders import Order
from engine.ledger.postgres.home import Home

_MATCHES = " AND ".join(
    [
        *(f"(%({key})s::text IS NULL OR {{alias}}{key} = %({key})s)" for key in KEYS),
        *(f"(%({many})s::text[] IS NULL OR {{alias}}{key} = ANY(%({many})s::text[]))" for key, many in (("contact", "contacts"), ("record", "records"))),
    ]
)


class Ordering(Home, Obeying):
    """The part of a ledger that obeys."""

    def take_in(self, orders: Mapping[str, Order], now: datetime) -> dict[str, int]:
        """Needs no lock of the plan: an order never waits for a run, only for a dispatch that is committing."""
        if not orders:
            return {}
        orders = self.names().orders(orders)
        return self._write("orders", now, lambda moving: self._take_in(moving, orders, now))

    def _take_in(self, moving: Transaction, orders: Mapping[str, Order], now: datetime) -> dict[str, int]:
        self._close_gate()
        taken = {id for (id,) in self._rows(b"SELECT order_id FROM orders WHERE order_id = ANY(%(ids)s::text[])", {"ids": list(orders)})}

        def remember(order_id: str, written: str) -> None:
            values = {"id": order_id, "now": now, "written": written}
            self._run(b"INSERT INTO orders (order_id, taken_at, written) VALUES (%(id)s, %(now)s, %(written)s)", values)

        return self.obey_new(moving, orders, taken, remember)

    def _hold(self, order_id: str, order: Order) -> int:
        same = " AND ".join(f"c.{key} IS NOT DISTINCT FROM %({key})s::text" for key in KEYS)
        return self._run(
            f"""INSERT INTO controls (order_id, scope, action, {", ".join(KEYS)}, until, ordered_by, ordered_at, note)
                SELECT %(id)s, %(scope)s, %(action)s, {", ".join(f"%({key})s::text" for key in KEYS)}, %(until)s::timestamptz, %(by)s, %(at)s, %(note)s
                WHERE NOT EXISTS (
                  SELECT 1 FROM controls c
                  WHERE c.lifted_at IS NULL AND c.scope = %(scope)s AND c.action = %(action)s AND c.until IS NOT DISTINCT FROM %(until)s::timestamptz AND {same}
                )""".encode(),
            control_values(order_id, order),
        )

    def _lift(self, order: Order) -> int:
        # Keys left out mean any: `resume renewal --contact 7` lifts the pauses of 7 in renewal, whatever record they are about.
        return self._run(
            # What has ended by itself is not there to be lifted, nor what was ordered after it, where this one lay in the inbox meanwhile.
            f"""UPDATE controls SET lifted_at = %(at)s, lifted_by = %(by)s
                WHERE lifted_at IS NULL AND (until IS NULL OR until > %(at)s) AND ordered_at <= %(at)s
                  AND scope = %(scope)s AND action = %(action)s AND {_MATCHES.format(alias="")}""".encode(),
            control_values("", order) | many_values(order),
        )

    def _for_each(self, order_id: str, order: Order) -> int:
        # Written out for what is on the way now, so that next year's occurrence is not paused or cancelled by this year's order.
        # Occurrences by hand that no plan has seen yet are about the contact, or name the record.
        return self._run(
            f"""INSERT INTO controls (order_id, scope, action, {", ".join(KEYS)}, until, ordered_by, ordered_at, note)
                WITH meant AS (
                  SELECT e.sequence, e.entity, e.record, e.occurrence, e.contact FROM enrollments e
                  WHERE e.exit_final IS NOT TRUE AND {_MATCHES.format(alias="e.")}
                  UNION
                  SELECT o.sequence, o.entity, o.record, o.occurrence,
                         CASE WHEN %(contacts)s::text[] IS NULL THEN %(contact)s::text ELSE o.record END
                  FROM occurrences o
                  WHERE (%(sequence)s::text IS NULL OR o.sequence = %(sequence)s)
                    AND (%(entity)s::text IS NULL OR o.entity = %(entity)s) AND o.record = ANY(%(named)s::text[])
                    AND (%(occurrence)s::text IS NULL OR o.occurrence = %(occurrence)s)
                    AND NOT EXISTS (SELECT 1 FROM enrollments e WHERE (e.sequence, e.entity, e.record, e.occurrence) = (o.sequence, o.entity, o.record, o.occurrence))
                )
                SELECT %(id)s, %(scope)s, %(action)s, m.sequence, m.entity, m.record, m.occurrence, m.contact, %(until)s::timestamptz, %(by)s, %(at)s, %(note)s
                FROM meant m
                WHERE NOT EXISTS (
                  SELECT 1 FROM controls c
                  WHERE c.lifted_at IS NULL AND c.action = %(action)s AND c.until IS NOT DISTINCT FROM %(until)s::timestamptz AND c.sequence = m.sequence
                    AND c.entity = m.entity AND c.record = m.record AND c.occurrence = m.occurrence AND c.contact IS NOT DISTINCT FROM m.contact
                )""".encode(),
            control_values(order_id, order) | named_values(order),
        )

    def _suppress(self, order_id: str, order: Order) -> int:
        return self._run(
            b"""INSERT INTO suppressions (order_id, address_key, reason, topic, since, ordered_by, note)
                SELECT %(id)s, %(address_key)s, %(reason)s, %(topic)s::text, %(at)s, %(by)s, %(note)s
                WHERE NOT EXISTS (
                  SELECT 1 FROM suppressions s
                  WHERE s.lifted_at IS NULL AND s.address_key = %(address_key)s AND s.reason = %(reason)s AND s.topic IS NOT DISTINCT FROM %(topic)s::text
                )""",
            {**suppression_values(order), "id": order_id, "note": order.note},
        )

    def _unsuppress(self, order: Order) -> int:
        return self._run(
            b"""UPDATE suppressions SET lifted_at = %(at)s, lifted_by = %(by)s
                WHERE lifted_at IS NULL AND since <= %(at)s AND address_key = %(address_key)s AND (%(reason)s::text IS NULL OR reason = %(reason)s)
                  AND (%(topic)s::text IS NULL OR topic = %(topic)s)""",
            suppression_values(order),
        )

    def _keep_event(self, order: Order) -> int:
        # 3.2: what comes twice under one id is one event, the first.
        return self._run(
            b"""INSERT INTO inbox_events (event, event_id, entity, record, happened_at, received_at, told_by)
                VALUES (%(event)s, %(event_id)s, %(entity)s, %(record)s, %(happened_at)s, %(received_at)s, %(told_by)s) ON CONFLICT DO NOTHING""",
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
        values = {"sequence": sequence, "entity": entity, "records": wanted, "override": override, "note": note, "by": by, "now": now}

        def work(moving: Transaction) -> dict[str, str]:
            # The next number is asked for and taken behind the gate: two never take the same.
            self._close_gate()
            rows = self._rows(
                b"""INSERT INTO occurrences (sequence, entity, record, occurrence, base_at, source, override, note, taken_by, taken_at)
                    SELECT %(sequence)s, %(entity)s, w.record, (coalesce(max(o.occurrence::bigint), 0) + 1)::text, %(now)s, 'hand', %(override)s, %(note)s,
                           %(by)s, %(now)s
                    FROM unnest(%(records)s::text[]) AS w(record)
                    LEFT JOIN occurrences o ON o.sequence = %(sequence)s AND o.entity = %(entity)s AND o.record = w.record AND o.occurrence ~ '^[0-9]{1,18}$'
                    GROUP BY w.record
                    RETURNING record, occurrence""",
                values,
            )
            if segment is not None:
                self._run(
                    b"INSERT INTO segment_uses (segment, sequence, enrolled, used_at) VALUES (%(segment)s, %(sequence)s, %(enrolled)s, %(now)s)",
                    {"segment": segment, "sequence": sequence, "enrolled": len(rows), "now": now},
                )
            moving.cover(sequence, entity, *sorted(rows))
            return dict(rows)

        return self._write("enroll", now, work)
