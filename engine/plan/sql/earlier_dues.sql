-- 8.6: the latest time that does not lie before it was first followed; the first one always holds.
CREATE OR REPLACE TEMP TABLE chosen_dues AS
SELECT a.* EXCLUDE (ago, expiry), st.active
FROM all_dues a
JOIN steps st ON st.sequence = a.sequence AND st.pos = a.pos
LEFT JOIN held_times t ON t.sequence = a.sequence AND t.step = st.step AND t.ago = a.ago
WHERE coalesce(t.first OR a.due >= t.since, a.ago = 0)
QUALIFY row_number() OVER (PARTITION BY a.sequence, a.occurrence, a.pos, a.zone ORDER BY a.ago) = 1;

CREATE OR REPLACE TEMP TABLE dues AS
SELECT * EXCLUDE (active),
    least(own_expiry, min(due) FILTER (WHERE active) OVER (
        PARTITION BY sequence, occurrence, zone ORDER BY pos ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)) AS expiry
FROM chosen_dues;

CREATE OR REPLACE TEMP TABLE life AS
SELECT sequence, occurrence, min(due) FILTER (WHERE pos = 0) AS opens, max(own_expiry) FILTER (WHERE pos = last) AS closes
FROM dues JOIN (SELECT sequence, max(pos) AS last FROM steps GROUP BY ALL) USING (sequence) GROUP BY ALL;
