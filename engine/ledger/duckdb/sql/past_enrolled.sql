-- 7.6: in which sequences a contact was enrolled, on the way or not any more.
SELECT 'enrolled' AS kind, contact, sequence, NULL::VARCHAR AS step, NULL::VARCHAR AS template, max(began) AS at
FROM enrollments
WHERE ($sequence IS NULL OR sequence = $sequence) AND ($since IS NULL OR began > $since) AND began <= $until
GROUP BY ALL
