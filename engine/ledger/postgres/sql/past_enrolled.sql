-- 7.6: in which sequences a contact was enrolled, on the way or not any more.
SELECT 'enrolled' AS kind, e.contact, e.sequence, NULL::text AS step, NULL::text AS template, max(e.began) AS at
FROM enrollments e, past_asked p
WHERE p.kind = 'enrolled' AND (p.sequence IS NULL OR e.sequence = p.sequence) AND (p.since IS NULL OR e.began > p.since) AND e.began <= p.until
GROUP BY e.contact, e.sequence
