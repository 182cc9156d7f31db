-- 7.6: what a contact received: sends that left or may have left, by the moment when they were decided.
SELECT 'received' AS kind, contact, sequence, step, template, max(decided_at) AS at
FROM sends
WHERE state IN ('dispatching', 'sent', 'unknown')
  AND ($sequence IS NULL OR sequence = $sequence) AND ($since IS NULL OR decided_at > $since) AND decided_at <= $until
GROUP BY ALL
