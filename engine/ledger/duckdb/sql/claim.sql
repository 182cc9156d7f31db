-- T2: planned rows that may go now, in the plan's order. Judged too long ago, stopped, paused or cancelled ones stay, and those whose send
-- window has closed since (5.4).
-- `controlled` is asked only where something is controlled at all: nearly never. Asked a second time, for all the rows of `messages` (4.8).
SELECT s.send_key::VARCHAR, s.number, s.message::VARCHAR
FROM sends s
WHERE s.state = 'planned'
  AND s.due_at <= $now
  AND (s.not_before IS NULL OR s.not_before <= $now)
  AND (s.expires_at IS NULL OR s.expires_at > $now)
  AND s.judged_at BETWEEN $judged_after AND $now
  AND (s.open_until IS NULL OR s.open_until > $now)
  AND /* controlled */ TRUE
  AND ($messages::UUID[] IS NULL OR list_contains($messages::UUID[], s.message))
ORDER BY s.position NULLS LAST, s.due_at, s.number
LIMIT $limit
