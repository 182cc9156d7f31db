-- T3: each row of the group goes where its guard says, and those that go have their bytes frozen.
UPDATE sends
SET state = CASE
              WHEN m.verdict = 'go' THEN 'dispatching'
              WHEN m.verdict = 'held' THEN 'planned'
              WHEN sends.ambiguous OR m.verdict = 'window_over' OR m.bound THEN 'unknown'
              ELSE 'skipped'
            END,
    reason = CASE WHEN m.verdict NOT IN ('go', 'held') THEN m.verdict END,
    owner = CASE WHEN m.verdict = 'go' THEN sends.owner END,
    lease_until = CASE WHEN m.verdict = 'go' THEN sends.lease_until END,
    token = CASE WHEN m.verdict = 'held' THEN sends.token + 1 ELSE sends.token END,
    attempts = CASE WHEN m.verdict = 'go' THEN sends.attempts + 1 ELSE sends.attempts END,
    transport = CASE WHEN m.verdict = 'go' THEN m.transport ELSE sends.transport END,
    known_until = CASE WHEN m.verdict = 'go' THEN coalesce(sends.known_until, m.known_until) ELSE sends.known_until END,
    payload_hash = CASE WHEN m.verdict = 'go' THEN m.payload_hash ELSE sends.payload_hash END,
    message = CASE WHEN m.verdict = 'go' THEN m.message ELSE sends.message END,
    message_id = CASE WHEN m.verdict = 'go' THEN m.message_id ELSE sends.message_id END,
    first_dispatch_at = CASE WHEN m.verdict = 'go' THEN coalesce(sends.first_dispatch_at, $now) ELSE sends.first_dispatch_at END,
    updated_at = $now
FROM moved m
WHERE sends.send_key = m.send_key AND sends.number = m.number
  AND m.verdict NOT IN ('lost', 'other_bytes')
