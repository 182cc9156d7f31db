-- 8.6 for `wait` steps: of each enrollment its own.
CREATE OR REPLACE TEMP TABLE waits AS
SELECT a.* EXCLUDE (ago)
FROM all_waits a
JOIN here h ON h.id = a.id
LEFT JOIN held_times t ON t.sequence = h.sequence AND t.step = h.step AND t.ago = a.ago
WHERE coalesce(t.first OR a.due >= t.since, a.ago = 0)
QUALIFY row_number() OVER (PARTITION BY a.id ORDER BY a.ago) = 1;
