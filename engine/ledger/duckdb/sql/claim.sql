-- T2: planned rows that may go now, in the plan's order. Judged too long ago, stopped, paused or cancelled ones stay.
SELECT s.send_key, s.number
FROM sends s
WHERE s.state = 'planned'
  AND s.due_at <= $now
  AND (s.not_before IS NULL OR s.not_before <= $now)
  AND (s.expires_at IS NULL OR s.expires_at > $now)
  AND s.judged_at >= $judged_after
  AND s.judged_at <= $now
  AND NOT EXISTS (
    SELECT 1 FROM controls c
    WHERE c.lifted_at IS NULL AND (c.until IS NULL OR c.until > $now)
      AND (c.sequence IS NULL OR c.sequence = s.sequence)
      AND (c.entity IS NULL OR c.entity = s.entity)
      AND (c.record IS NULL OR c.record = s.record)
      AND (c.occurrence IS NULL OR c.occurrence = s.occurrence)
      AND (c.contact IS NULL OR c.contact = s.contact)
  )
ORDER BY s.position NULLS LAST, s.due_at, s.number
LIMIT $limit
