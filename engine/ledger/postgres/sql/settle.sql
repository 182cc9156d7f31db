-- T4 to T8 and T11: where each settlement takes its row. An acknowledgement is taken from any state that can have sent; all else
-- needs the token. A doubt (ambiguous) never becomes failed, and goes again only while the provider surely knows the key.
WITH said AS (
  SELECT *
  FROM unnest(
    %(keys)s::uuid[], %(tokens)s::bigint[], %(states)s::text[], %(phases)s::text[], %(codes)s::integer[], %(enhanced_codes)s::text[], %(texts)s::text[],
    %(provider_ids)s::text[], %(retries)s::timestamptz[]
  ) WITH ORDINALITY AS g(send_key, token, said, phase, code, enhanced_code, text, provider_message_id, retry_at, place)
), moved AS MATERIALIZED (
  SELECT g.*, s.send_key IS NOT NULL AS found, s.message,
         -- A message of several that was not accepted is made anew from those of its rows that may go then (4.8).
         g.said = 'retry' AND s.message IS NOT NULL AND NOT s.ambiguous AND s.known_until IS NULL AS fresh,
         coalesce(nullif(concat_ws(' ', g.code::text, nullif(g.enhanced_code, '')), ''), nullif(g.phase, ''), g.said) AS reason,
         CASE
           WHEN g.said = 'sent' AND s.state IN ('claimed', 'dispatching', 'unknown', 'planned', 'failed') THEN 'sent'
           WHEN g.said = 'sent' AND s.state = 'sent' THEN 'already'
           WHEN s.state IS DISTINCT FROM 'dispatching' OR s.token <> g.token THEN 'stale'
           WHEN g.said = 'failed' THEN CASE WHEN s.ambiguous THEN 'unknown' ELSE 'failed' END
           WHEN g.said = 'retry' AND g.phase = 'not_tried' AND (NOT s.ambiguous OR k.known) THEN 'planned'
           WHEN g.said = 'retry' AND s.attempts < %(max_attempts)s AND (NOT s.ambiguous OR k.known) THEN 'planned'
           WHEN g.said = 'retry' THEN CASE WHEN s.ambiguous THEN 'unknown' ELSE 'failed' END
           WHEN s.attempts < %(max_attempts)s AND k.known THEN 'planned'
           ELSE 'unknown'
         END AS becomes
  FROM said g
  LEFT JOIN sends s USING (send_key)
  CROSS JOIN LATERAL (SELECT coalesce(s.known_until > %(now)s AND s.known_by_clock > clock_timestamp(), FALSE)) AS k(known)
), settled AS (
  -- A doubt stays a doubt until an acknowledgement or a person ends it.
  UPDATE sends
  SET state = m.becomes,
      reason = CASE m.becomes WHEN 'failed' THEN m.reason WHEN 'unknown' THEN m.reason END,
      not_before = CASE m.becomes WHEN 'planned' THEN m.retry_at END,
      ambiguous = CASE WHEN m.becomes = 'sent' THEN FALSE ELSE sends.ambiguous OR m.said = 'unknown' END,
      attempts = CASE WHEN m.said = 'retry' AND m.phase = 'not_tried' THEN sends.attempts - 1 ELSE sends.attempts END,
      owner = NULL,
      lease_until = NULL,
      sent_at = CASE m.becomes WHEN 'sent' THEN %(now)s::timestamptz END,
      provider_message_id = CASE WHEN m.provider_message_id <> '' THEN m.provider_message_id ELSE sends.provider_message_id END,
      payload_hash = CASE WHEN m.fresh AND m.becomes = 'planned' THEN NULL ELSE sends.payload_hash END,
      message_id = CASE WHEN m.fresh AND m.becomes = 'planned' THEN NULL ELSE sends.message_id END,
      updated_at = %(now)s
  FROM moved m
  WHERE sends.send_key = m.send_key AND m.becomes NOT IN ('stale', 'already')
), thawed AS (
  DELETE FROM payloads WHERE send_key IN (SELECT message FROM moved WHERE fresh AND becomes = 'planned')
), told AS (
  INSERT INTO outcomes (send_key, token, said_at, outcome, became, phase, code, enhanced_code, text)
  SELECT send_key, token, %(now)s, said, becomes, phase, code, enhanced_code, text FROM moved WHERE found
)
SELECT send_key::text, becomes FROM moved ORDER BY place
