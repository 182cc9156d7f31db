-- A claimed message that can never be handed over.
WITH moved AS (
  UPDATE sends
  SET state = CASE WHEN ambiguous THEN 'unknown' ELSE 'failed' END, reason = %(reason)s, owner = NULL, lease_until = NULL, updated_at = %(now)s
  FROM unnest(%(keys)s::uuid[], %(tokens)s::bigint[]) AS g(send_key, token)
  WHERE sends.send_key = g.send_key AND sends.state = 'claimed' AND sends.token = g.token
  RETURNING sends.send_key, sends.token, sends.state
), told AS (
  INSERT INTO outcomes (send_key, token, said_at, outcome, became, phase, code, enhanced_code, text)
  SELECT send_key, token, %(now)s, 'failed', state, 'rendering', NULL, '', %(text)s FROM moved
)
SELECT state FROM moved
