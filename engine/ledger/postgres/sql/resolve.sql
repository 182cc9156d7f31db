-- T12. Sent again by choice: what may be accepted twice is no doubt any more. A resend waits for the next plan to judge it (9.6).
WITH moved AS (
  UPDATE sends
  SET state = %(state)s,
      reason = CASE WHEN %(state)s = 'planned' THEN NULL ELSE %(reason)s END,
      ambiguous = (%(state)s = 'sent'),
      token = sends.token + 1,
      attempts = CASE WHEN %(state)s = 'planned' THEN 0 ELSE sends.attempts END,
      not_before = NULL,
      sent_at = CASE WHEN %(state)s = 'sent' THEN sends.first_dispatch_at END,
      updated_at = %(now)s
  WHERE sends.send_key = ANY(%(keys)s::uuid[]) AND sends.state = 'unknown'
  RETURNING sends.send_key
), told AS (
  INSERT INTO outcomes (send_key, token, said_at, outcome, became, phase, code, enhanced_code, text)
  SELECT send_key, 0, %(now)s, %(reason)s, %(state)s, %(by)s, NULL, '', %(note)s FROM moved
)
SELECT send_key::text FROM moved
