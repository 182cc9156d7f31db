-- The rows that settlements move. A doubt stays a doubt until an acknowledgement or a person ends it. A message of several that was not accepted
-- is made anew from those of its rows that may go then (4.8); one that the provider may know keeps its bytes.
UPDATE sends
SET state = m.becomes,
    reason = CASE m.becomes WHEN 'failed' THEN m.reason WHEN 'unknown' THEN m.reason END,
    not_before = CASE m.becomes WHEN 'planned' THEN m.retry_at END,
    ambiguous = CASE WHEN m.becomes = 'sent' THEN FALSE ELSE sends.ambiguous OR m.said = 'unknown' END,
    attempts = CASE WHEN m.said = 'retry' AND m.phase = 'not_tried' THEN sends.attempts - 1 ELSE sends.attempts END,
    owner = NULL,
    lease_until = NULL,
    sent_at = CASE m.becomes WHEN 'sent' THEN $now END,
    provider_message_id = CASE WHEN m.provider_message_id <> '' THEN m.provider_message_id ELSE sends.provider_message_id END,
    payload_hash = CASE WHEN m.thaws THEN NULL ELSE sends.payload_hash END,
    message_id = CASE WHEN m.thaws THEN NULL ELSE sends.message_id END,
    updated_at = $now
FROM moved m
WHERE sends.send_key = m.send_key AND sends.number = m.number
  AND m.becomes NOT IN ('stale', 'already')
