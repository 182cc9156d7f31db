-- When the `wait` steps of this pass are due, and until when they may go (5.2, 5.6): of each enrollment its own.
CREATE OR REPLACE TEMP TABLE wait_source AS
SELECT id, zone, coalesce(prev_at, base_at) AS from_at, sign, count, unit, at_us, exp_count, exp_unit
FROM here WHERE kind = 'wait' AND (active OR held IS NOT NULL);

CREATE OR REPLACE TEMP TABLE wait_expiry_source AS
SELECT id, zone, moved_at AS due, moved_at AS from_at, NULL::TIMESTAMP AS from_wall, 1 AS sign, exp_count AS count, exp_unit AS unit,
    NULL::BIGINT AS at_us
FROM moved_on('wait_source');

CREATE OR REPLACE TEMP TABLE waits AS SELECT id, due, moved_at AS expiry FROM moved('wait_expiry_source');
