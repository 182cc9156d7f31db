-- T3: what each row of the group is, now that it is about to leave. The first `stays` that holds is the reason not to send.
SELECT g.send_key::VARCHAR,
       CASE
         WHEN s.state IS DISTINCT FROM 'claimed' OR s.token <> g.token OR s.lease_until <= $now + $longest_send THEN 'lost'
         WHEN s.payload_hash IS NOT NULL AND s.payload_hash <> g.payload_hash THEN 'other_bytes'
         WHEN s.expires_at IS NOT NULL AND s.expires_at <= $now THEN 'expired'
         WHEN x.reason IS NOT NULL THEN x.reason
         WHEN EXISTS (
           SELECT 1 FROM controls c
           WHERE c.lifted_at IS NULL AND (c.until IS NULL OR c.until > $now)
             AND (c.sequence IS NULL OR c.sequence = s.sequence)
             AND (c.entity IS NULL OR c.entity = s.entity)
             AND (c.record IS NULL OR c.record = s.record)
             AND (c.occurrence IS NULL OR c.occurrence = s.occurrence)
             AND (c.contact IS NULL OR c.contact = s.contact)
         ) THEN 'held'
         WHEN s.judged_at < $judged_after OR s.judged_at > $now THEN 'held'
         WHEN s.ambiguous AND (s.known_until IS NULL OR s.known_until <= $now OR s.transport <> g.transport) THEN 'window_over'
         ELSE 'go'
       END AS verdict
FROM staged g
LEFT JOIN sends s ON s.send_key = g.send_key AND s.number = g.number
LEFT JOIN (
  SELECT s.send_key,
         CASE min(CASE u.reason WHEN 'bounce' THEN 1 WHEN 'complaint' THEN 2 ELSE 3 END)
           WHEN 1 THEN 'suppressed_bounce' WHEN 2 THEN 'suppressed_complaint' ELSE 'unsubscribed' END AS reason
  FROM staged g
  JOIN sends s ON s.send_key = g.send_key AND s.number = g.number
  JOIN suppressions u ON u.address_key = s.address_key
  WHERE u.lifted_at IS NULL
    AND (u.topic IS NULL OR u.topic = s.topic)
    AND (u.reason <> 'unsubscribed' OR s.category = 'marketing')
  GROUP BY s.send_key
) x ON x.send_key = g.send_key
