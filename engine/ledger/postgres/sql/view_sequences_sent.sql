-- Handed over, or perhaps handed over: a first run that was stopped before its first mail is still the first run. One look in the
-- index for each sequence there is, in place of all rows.
WITH RECURSIVE named AS (
  (SELECT sequence FROM sends ORDER BY sequence LIMIT 1)
  UNION ALL
  SELECT (SELECT s.sequence FROM sends s WHERE s.sequence > n.sequence ORDER BY s.sequence LIMIT 1) FROM named n WHERE n.sequence IS NOT NULL
)
SELECT n.sequence FROM named n
WHERE n.sequence IS NOT NULL
  AND EXISTS (SELECT 1 FROM sends s WHERE s.sequence = n.sequence AND s.state IN ('dispatching', 'sent', 'unknown', 'failed'))
