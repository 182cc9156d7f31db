-- Where several zones count, with the last of them.
CREATE OR REPLACE TEMP TABLE wait_closes AS
SELECT sequence, base_at, max(moved_at) FILTER (WHERE pos = 0) AS first_expired, max(moved_at) FILTER (WHERE pos = last) AS last_expired
FROM moved('close_source') JOIN (SELECT sequence, max(pos) AS last FROM steps GROUP BY ALL) USING (sequence) GROUP BY ALL;
