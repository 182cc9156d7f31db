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
    -- A key is known to the transport that was told it: another one knows what it says itself, and a window that was made shorter is shorter.
    known_until = CASE
                    WHEN m.verdict <> 'go' THEN sends.known_until
                    WHEN sends.transport = m.transport AND sends.known_until IS NOT NULL AND m.known_until IS NOT NULL
                      THEN least(sends.known_until, sends.first_dispatch_at + (m.known_until - $now))
                    ELSE m.known_until
                  END,
    payload_hash = CASE WHEN m.verdict = 'go' THEN m.payload_hash ELSE sends.payload_hash END,
    message = CASE WHEN m.verdict = 'go' THEN m.message ELSE sends.message END,
    message_id = CASE WHEN m.verdict = 'go' THEN m.message_id ELSE sends.message_id END,
    first_dispatch_at = CASE WHEN m.verdict = 'go' THEN coalesce(sends.first_dispatch_at, $now) ELSE sends.first_dispatch_at END,
    updated_at = $now
FROM moved m
WHERE sends.send_key = m.send_key AND sends.number = m.number
  AND m.verdict NOT IN ('lost', 'other_bytes')
