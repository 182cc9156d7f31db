-- When each step of a date trigger's occurrence is due, and until when it may go (5.1, 5.2, 5.6); once per distinct value.
CREATE OR REPLACE TEMP TABLE due_source AS
SELECT b.sequence, b.occurrence, st.pos, st.active, st.exp_count, st.exp_unit, s.zone, st.sign, st.count, st.unit, st.at_us,
    b.base_at AS from_at,
    -- A base that is a date has the step's or the sequence's time of day, else 09:00.
    CASE WHEN b.base_date IS NOT NULL THEN b.base_date + to_microseconds(coalesce(st.at_us, s.at_us, 32400000000)) END AS from_wall
-- Two values may come round on one day.
FROM (SELECT DISTINCT sequence, occurrence, base_date, base_at FROM bases) b JOIN seqs s USING (sequence) JOIN steps st USING (sequence)
WHERE s.kind = 'date';

CREATE OR REPLACE TEMP TABLE expiry_source AS
SELECT sequence, occurrence, pos, active, zone, moved_at AS due, moved_at AS from_at, NULL::TIMESTAMP AS from_wall,
    1 AS sign, exp_count AS count, exp_unit AS unit, NULL::BIGINT AS at_us
FROM moved('due_source');

CREATE OR REPLACE TEMP TABLE dues AS
SELECT sequence, occurrence, pos, due, moved_at AS own_expiry,
    -- It also expires when a later active step of the sequence is due (5.6).
    least(moved_at, min(due) FILTER (WHERE active) OVER (
        PARTITION BY sequence, occurrence ORDER BY pos ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING)) AS expiry
FROM moved('expiry_source');

CREATE OR REPLACE TEMP TABLE life AS
SELECT sequence, occurrence, arg_min(due, pos) AS opens, arg_max(own_expiry, pos) AS closes
FROM dues GROUP BY ALL;
