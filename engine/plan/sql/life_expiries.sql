-- Until when each step may go: counted from its due moment (5.6).
CREATE OR REPLACE TEMP TABLE expiry_source AS
SELECT sequence, occurrence, pos, active, zone, cal, win, moved_at AS raw, moved_at AS due, moved_at AS from_at, NULL::TIMESTAMP AS from_wall,
    1 AS sign, exp_count AS count, exp_unit AS unit, NULL::BIGINT AS at_us
FROM moved('due_source');
