-- Until when the `wait` steps of this pass may go: counted from their due moments (5.6).
CREATE OR REPLACE TEMP TABLE wait_expiry_source AS
SELECT id, zone, cal, win, moved_at AS raw, moved_at AS due, moved_at AS from_at, NULL::TIMESTAMP AS from_wall, 1 AS sign,
    exp_count AS count, exp_unit AS unit, NULL::BIGINT AS at_us
FROM moved_on('wait_source');
