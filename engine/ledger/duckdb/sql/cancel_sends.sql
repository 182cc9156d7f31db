-- Planned rows that pass no longer. One that may have been delivered is a doubt, and stays one; so is one whose message goes on without it (4.8).
UPDATE sends
SET state = CASE WHEN sends.ambiguous OR sends.message IS NOT NULL AND sends.payload_hash IS NOT NULL THEN 'unknown' ELSE 'cancelled' END,
    reason = n.reason,
    address_key = sends.address_key,
    updated_at = $now
FROM new_cancels n
WHERE sends.send_key = n.send_key AND sends.state = 'planned'
RETURNING sends.state
