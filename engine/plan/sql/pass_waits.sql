-- Of each enrollment its own: when the `wait` steps of this pass are due (5.2).
CREATE OR REPLACE TEMP TABLE wait_source AS
SELECT id, zone, cal, win, coalesce(prev_at, base_at) AS from_at, NULL::TIMESTAMP AS from_wall, sign, count, unit, at_us, exp_count, exp_unit
FROM here WHERE kind = 'wait' AND (active OR held IS NOT NULL);
