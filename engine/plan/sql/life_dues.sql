-- When each step of a date trigger's occurrence is due (5.1, 5.2); once per distinct value.
CREATE OR REPLACE TEMP TABLE due_source AS
SELECT b.sequence, b.occurrence, st.pos, st.active, st.exp_count, st.exp_unit, s.zone, s.cal, s.win, st.sign, st.count, st.unit, st.at_us,
    b.base_at AS from_at,
    -- A base that is a date has the step's or the sequence's time of day, else 09:00.
    CASE WHEN b.base_date IS NOT NULL THEN b.base_date + to_microseconds(coalesce(st.at_us, s.at_us, 32400000000)) END AS from_wall
-- Two values may come round on one day.
FROM (SELECT DISTINCT sequence, occurrence, base_date, base_at FROM bases) b JOIN seqs s USING (sequence) JOIN steps st USING (sequence)
WHERE s.kind = 'date';
