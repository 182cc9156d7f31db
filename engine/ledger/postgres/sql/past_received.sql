-- 7.6: what a contact received: sends that left or may have left, by the moment when they were decided.
SELECT 'received' AS kind, s.contact, s.sequence, s.step, s.template, max(s.decided_at) AS at
FROM sends s, past_asked p
WHERE p.kind = 'received' AND s.state IN ('dispatching', 'sent', 'unknown')
  AND (p.sequence IS NULL OR s.sequence = p.sequence) AND (p.since IS NULL OR s.decided_at > p.since) AND s.decided_at <= p.until
GROUP BY s.contact, s.sequence, s.step, s.template
