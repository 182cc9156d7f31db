-- T2 in one statement: planned rows that may go now, in the plan's order, that nobody else is taking at this moment. Judged too long
-- ago, stopped, paused or cancelled ones stay. Materialized: a planner that runs the inner select twice would take two sets of rows.
WITH next AS MATERIALIZED (
  SELECT s.send_key
  FROM sends s
  WHERE s.state = 'planned'
    AND s.due_at <= %(now)s
    AND (s.not_before IS NULL OR s.not_before <= %(now)s)
    AND (s.expires_at IS NULL OR s.expires_at > %(now)s)
    AND s.judged_at BETWEEN %(judged_after)s AND %(now)s
    AND /* controlled */ TRUE
  ORDER BY s.position NULLS LAST, s.due_at, s.number
  LIMIT %(limit)s
  FOR UPDATE OF s SKIP LOCKED
), taken AS (
  UPDATE sends
  SET state = 'claimed', token = sends.token + 1, owner = %(owner)s, lease_until = clock_timestamp() + %(lease)s, updated_at = %(now)s
  FROM next
  WHERE sends.send_key = next.send_key AND sends.state = 'planned'
  RETURNING sends.*
)
SELECT s.send_key::text, s.token, s.sequence, s.step, s.entity, s.record, s.occurrence, s.contact, s.template, s.locale, s.category,
       s.topic, p.address, p.name, p.variables, s.due_at, s.expires_at, s.attempts, s.address_key,
       s.payload_hash, s.message_id, f.sender, f.recipient, f.subject, f.payload
FROM taken s
LEFT JOIN pii p ON p.send_key = s.send_key
LEFT JOIN payloads f ON f.send_key = s.send_key
ORDER BY s.position NULLS LAST, s.due_at, s.number
