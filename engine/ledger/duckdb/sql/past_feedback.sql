-- 7.6: what a contact opened or clicked, as feedback told it.
SELECT $kind AS kind, s.contact, s.sequence, s.step, s.template, max(e.occurred_at) AS at
FROM events e JOIN sends s ON s.send_key = e.send_key
WHERE e.kind = $kind
  AND ($sequence IS NULL OR s.sequence = $sequence) AND ($since IS NULL OR e.occurred_at > $since) AND e.occurred_at <= $until
GROUP BY ALL
