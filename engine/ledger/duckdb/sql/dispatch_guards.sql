-- T3: what each row of the group is, now that it is about to leave. The first that holds is the reason not to send.
-- Of a message of several (4.8) that is frozen only now, all go, or those that could are held, to be made anew without the others. One that was
-- frozen before is `bound` to its bytes, and the provider may have it: a row of it that may not go is in doubt, and the rest carries it.
CREATE OR REPLACE TEMP TABLE moved AS
WITH met AS MATERIALIZED (
  SELECT g.*, g.message IS NOT NULL AND s.payload_hash IS NOT NULL AS bound, s.state, s.token AS held_by, s.lease_until, s.payload_hash AS frozen_as, s.expires_at, s.judged_at, s.open_until, s.ambiguous,
         s.known_until AS known, s.transport AS went_by, s.address_key, s.category, s.topic, s.sequence, s.entity, s.record, s.occurrence, s.contact
  FROM (SELECT * REPLACE (send_key::UUID AS send_key, message::UUID AS message) FROM arriving) g
  LEFT JOIN sends s ON s.send_key = g.send_key AND s.number = g.number
), silenced AS (
  SELECT s.send_key,
         CASE min(CASE u.reason WHEN 'bounce' THEN 1 WHEN 'complaint' THEN 2 ELSE 3 END)
           WHEN 1 THEN 'suppressed_bounce' WHEN 2 THEN 'suppressed_complaint' ELSE 'unsubscribed' END AS reason
  FROM met s
  JOIN suppressions u ON u.address_key = s.address_key
  WHERE u.lifted_at IS NULL
    AND (u.topic IS NULL OR u.topic = s.topic)
    AND (u.reason <> 'unsubscribed' OR s.category = 'marketing')
  GROUP BY s.send_key
), each_row AS (
SELECT s.place, s.send_key, s.number, s.token, s.payload_hash, s.message_id, s.transport, s.known_until, s.message, s.bound,
       CASE
         WHEN s.state IS DISTINCT FROM 'claimed' OR s.held_by <> s.token THEN 'lost'
         WHEN s.frozen_as <> s.payload_hash THEN 'other_bytes'
         WHEN s.expires_at <= $now THEN 'expired'
         WHEN x.reason IS NOT NULL THEN x.reason
         WHEN /* controlled */ FALSE THEN 'held'
         WHEN s.lease_until <= $now + $longest_send THEN 'held'
         WHEN s.judged_at NOT BETWEEN $judged_after AND $now THEN 'held'
         WHEN s.open_until <= $now THEN 'held'
         WHEN s.ambiguous AND (s.known IS NULL OR s.known <= $now OR s.went_by <> s.transport) THEN 'window_over'
         ELSE 'go'
       END AS verdict
FROM met s
LEFT JOIN silenced x USING (send_key)
)
SELECT * REPLACE (
         CASE
           WHEN message IS NOT NULL AND NOT bound AND verdict = 'go' AND bool_or(verdict <> 'go') OVER (PARTITION BY message) THEN 'held'
           ELSE verdict
         END AS verdict
       )
FROM each_row
