-- A claimed row that can never be handed over.
WITH moved AS (
  UPDATE sends
  SET state = CASE WHEN ambiguous THEN 'unknown' ELSE 'failed' END, reason = %(reason)s, owner = NULL, lease_until = NULL, updated_at = %(now)s
  WHERE send_key = %(key)s::uuid AND state = 'claimed' AND token = %(token)s
  RETURNING send_key, token, state
), told AS (
  INSERT INTO outcomes (send_key, token, said_at, outcome, became, phase, code, enhanced_code, text)
  SELECT send_key, token, %(now)s, 'failed', state, 'rendering', NULL, '', %(text)s FROM moved
)
SELECT state FROM moved
