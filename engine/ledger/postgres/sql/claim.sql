-- T2 in one statement: planned rows that may go now, in the plan's order, that nobody else is taking at this moment. Judged too long
-- ago, stopped, paused or cancelled ones stay, and those whose send window has closed since (5.4). Materialized: a planner that runs the inner
-- select twice would take two sets of rows.
-- Of a message of several (4.8) the first row that may go stands in the order, and brings the others. A plan that holds one of them at this moment
-- may make another message of it: then all stay.
WITH next AS MATERIALIZED (
  SELECT s.send_key, s.message, s.payload_hash
  FROM sends s
  CROSS JOIN LATERAL (SELECT s.message AS message, s.payload_hash AS payload_hash, s.item AS item) o
  WHERE s.state = 'planned'
    AND s.due_at <= %(now)s
    AND (s.not_before IS NULL OR s.not_before <= %(now)s)
    AND (s.expires_at IS NULL OR s.expires_at > %(now)s)
    AND s.judged_at BETWEEN %(judged_after)s AND %(now)s
    AND (s.open_until IS NULL OR s.open_until > %(now)s)
    AND /* controlled */ TRUE
    AND (s.message IS NULL OR NOT EXISTS (
      SELECT 1
      FROM sends s
      WHERE s.message = o.message AND s.item < o.item AND s.payload_hash IS NOT DISTINCT FROM o.payload_hash
        AND s.state = 'planned'
        AND s.due_at <= %(now)s
        AND (s.not_before IS NULL OR s.not_before <= %(now)s)
        AND (s.expires_at IS NULL OR s.expires_at > %(now)s)
        AND s.judged_at BETWEEN %(judged_after)s AND %(now)s
        AND (s.open_until IS NULL OR s.open_until > %(now)s)
        AND /* controlled */ TRUE
    ))
  ORDER BY s.position NULLS LAST, s.due_at, s.number
  LIMIT %(limit)s
  FOR UPDATE OF s SKIP LOCKED
), others AS MATERIALIZED (
  SELECT s.send_key, s.message, s.payload_hash
  FROM next n
  JOIN sends s ON s.message = n.message AND s.payload_hash IS NOT DISTINCT FROM n.payload_hash AND s.send_key <> n.send_key
  WHERE s.state = 'planned'
    AND s.due_at <= %(now)s
    AND (s.not_before IS NULL OR s.not_before <= %(now)s)
    AND (s.expires_at IS NULL OR s.expires_at > %(now)s)
    AND s.judged_at BETWEEN %(judged_after)s AND %(now)s
    AND (s.open_until IS NULL OR s.open_until > %(now)s)
    AND /* controlled */ TRUE
), held AS MATERIALIZED (
  SELECT s.send_key FROM sends s WHERE s.send_key IN (SELECT send_key FROM others) FOR UPDATE OF s SKIP LOCKED
), broken AS (
  SELECT message, payload_hash FROM others WHERE send_key NOT IN (SELECT send_key FROM held)
), wanted AS (
  SELECT w.send_key
  FROM (SELECT * FROM next UNION ALL SELECT * FROM others) w
  WHERE NOT EXISTS (SELECT 1 FROM broken b WHERE b.message = w.message AND b.payload_hash IS NOT DISTINCT FROM w.payload_hash)
), taken AS (
  UPDATE sends
  SET state = 'claimed', token = sends.token + 1, owner = %(owner)s, lease_until = clock_timestamp() + %(lease)s, updated_at = %(now)s
  FROM wanted
  WHERE sends.send_key = wanted.send_key AND sends.state = 'planned'
  RETURNING sends.*
)
SELECT s.send_key::text, s.token, s.sequence, s.step, s.entity, s.record, s.occurrence, s.contact, s.template, s.locale, s.category,
       s.topic, p.address, p.name, p.variables, s.due_at, s.expires_at, s.attempts, s.address_key,
       s.payload_hash, s.message_id, f.sender, f.recipient, f.subject, f.payload, s.open_until, s.message::text, s.item
FROM taken s
LEFT JOIN pii p ON p.send_key = s.send_key
LEFT JOIN payloads f ON f.send_key = coalesce(CASE WHEN s.payload_hash IS NOT NULL THEN s.message END, s.send_key)
ORDER BY s.position NULLS LAST, s.due_at, s.number
