-- 7.6: what a contact opened or clicked, as feedback told it.
SELECT p.kind, s.contact, s.sequence, s.step, s.template, max(e.occurred_at) AS at
FROM events e JOIN sends s ON s.send_key = e.send_key, past_asked p
WHERE e.kind = p.kind
  AND (p.sequence IS NULL OR s.sequence = p.sequence) AND (p.since IS NULL OR e.occurred_at > p.since) AND e.occurred_at <= p.until
GROUP BY p.kind, s.contact, s.sequence, s.step, s.template
