-- The due moments of date triggers with their ends, and the life of each occurrence (3.6). Where several zones count, it opens with the
-- first of them and closes with the last.
CREATE OR REPLACE TEMP TABLE dues AS
SELECT sequence, occurrence, pos, zone, raw, due, moved_at AS own_expiry,
    -- It also expires when a later active step of the sequence is due (5.6).
    least(moved_at, min(due) FILTER (WHERE active) OVER (
        PARTITION BY sequence, occurrence, zone ORDER BY pos ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)) AS expiry
FROM moved('expiry_source');

CREATE OR REPLACE TEMP TABLE life AS
SELECT sequence, occurrence, min(due) FILTER (WHERE pos = 0) AS opens, max(own_expiry) FILTER (WHERE pos = last) AS closes
FROM dues JOIN (SELECT sequence, max(pos) AS last FROM steps GROUP BY ALL) USING (sequence) GROUP BY ALL;
