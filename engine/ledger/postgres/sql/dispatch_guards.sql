-- T3: what each row of the group is, now that it is about to leave. The first that holds is the reason not to send.
-- Of a message of several (4.8) that is frozen only now, all go, or those that could are held, to be made anew without the others. One that was
-- frozen before is bound to its bytes, and the provider may have it: the rest carries it.
WITH g AS (
  SELECT * FROM unnest(%(keys)s::uuid[], %(tokens)s::bigint[], %(payload_hashes)s::text[], %(transports)s::text[], %(messages)s::uuid[])
       AS g(send_key, token, payload_hash, transport, message)
), silenced AS (
  SELECT s.send_key,
         CASE min(CASE u.reason WHEN 'bounce' THEN 1 WHEN 'complaint' THEN 2 ELSE 3 END)
           WHEN 1 THEN 'suppressed_bounce' WHEN 2 THEN 'suppressed_complaint' ELSE 'unsubscribed' END AS reason
  FROM g
  JOIN sends s USING (send_key)
  JOIN suppressions u ON u.address_key = s.address_key
  WHERE u.lifted_at IS NULL
    AND (u.topic IS NULL OR u.topic = s.topic)
    AND (u.reason <> 'unsubscribed' OR s.category = 'marketing')
  GROUP BY s.send_key
), each_row AS (
SELECT g.send_key::text, g.message, s.payload_hash IS NOT NULL AS bound,
       CASE
         WHEN s.state IS DISTINCT FROM 'claimed' OR s.token <> g.token THEN 'lost'
         WHEN s.payload_hash <> g.payload_hash THEN 'other_bytes'
         WHEN s.expires_at <= %(now)s THEN 'expired'
         WHEN x.reason IS NOT NULL THEN x.reason
         WHEN /* controlled */ FALSE THEN 'held'
         WHEN s.lease_until <= clock_timestamp() THEN 'held'
         WHEN s.judged_at NOT BETWEEN %(judged_after)s AND %(now)s THEN 'held'
         WHEN s.open_until <= %(now)s THEN 'held'
         WHEN s.ambiguous AND (NOT coalesce(s.known_until > %(now)s AND s.known_by_clock > clock_timestamp(), FALSE) OR s.transport <> g.transport)
           THEN 'window_over'
         ELSE 'go'
       END AS verdict
FROM g
LEFT JOIN sends s USING (send_key)
LEFT JOIN silenced x USING (send_key)
)
SELECT send_key,
       CASE WHEN message IS NOT NULL AND NOT bound AND verdict = 'go' AND bool_or(verdict <> 'go') OVER (PARTITION BY message) THEN 'held' ELSE verdict END
FROM each_row
