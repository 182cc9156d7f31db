-- T12. Sent again by choice: what may be accepted twice is no doubt any more. A resend waits for the next plan to judge it (9.6).
WITH moved AS (
  UPDATE sends
  SET state = %(state)s,
      reason = CASE WHEN %(state)s = 'planned' THEN NULL ELSE %(reason)s END,
      ambiguous = (%(state)s = 'sent'),
      token = sends.token + 1,
      attempts = CASE WHEN %(state)s = 'planned' THEN 0 ELSE sends.attempts END,
      not_before = NULL,
      -- What a restore doubts was perhaps never handed over here: that it is taken for sent now is all that is known.
      sent_at = CASE WHEN %(state)s = 'sent' THEN coalesce(sends.first_dispatch_at, %(now)s) END,
      judged_at = CASE WHEN %(state)s = 'planned' THEN 'epoch'::timestamptz ELSE sends.judged_at END,
      -- A message of several is made anew of what may go then (4.8), unless the provider knows its bytes.
      payload_hash = CASE WHEN %(state)s = 'planned' AND sends.message IS NOT NULL AND sends.known_until IS NULL THEN NULL ELSE sends.payload_hash END,
      updated_at = %(now)s
  WHERE sends.send_key = ANY(%(keys)s::uuid[]) AND sends.state = 'unknown'
  RETURNING sends.send_key, sends.state, sends.message, sends.payload_hash
), thawed AS (
  DELETE FROM payloads WHERE send_key IN (SELECT message FROM moved WHERE state = 'planned' AND message IS NOT NULL AND payload_hash IS NULL)
), told AS (
  INSERT INTO outcomes (send_key, token, said_at, outcome, became, phase, code, enhanced_code, text)
  SELECT send_key, 0, %(now)s, %(reason)s, %(state)s, %(by)s, NULL, '', %(note)s FROM moved
)
SELECT send_key::text FROM moved
