-- Calendar time in a zone (semantics 5.1 to 5.6). Time zones live in Python: zone_offsets and zone_walls are its tables.

CREATE OR REPLACE TEMP TABLE zone_offsets (zone VARCHAR, utc_from TIMESTAMP, off BIGINT);
CREATE OR REPLACE TEMP TABLE zone_walls (zone VARCHAR, wall_from TIMESTAMP, off BIGINT, fixed TIMESTAMP);

-- Each row of `source` moved from an instant (from_at) or a wall time (from_wall) by sign * count units in its zone,
-- to at_us after midnight where that is said; next_day: a wall time before the instant itself is the next day's.
-- min and h move the instant. A year count is capped where a timestamp would overflow; the result is past 9999 anyway.
CREATE OR REPLACE TEMP MACRO moved(source) AS TABLE
WITH walled AS (
    SELECT s.*, coalesce(s.from_wall, s.from_at + to_microseconds(o.off)) AS wall
    FROM query_table(source) s
    ASOF LEFT JOIN zone_offsets o ON s.zone = o.zone AND s.from_at >= o.utc_from
), shifted AS (
    SELECT *,
        CASE unit
            WHEN 'd' THEN wall + to_days((sign * count)::INTEGER)
            WHEN 'w' THEN wall + to_days((sign * count * 7)::INTEGER)
            WHEN 'mo' THEN wall + to_months((sign * count)::INTEGER)
            WHEN 'y' THEN wall + to_months((sign * least(count, 9000) * 12)::INTEGER)
            ELSE wall
        END AS reached
    FROM walled
), timed AS (
    SELECT *, CASE WHEN at_us IS NULL OR unit IN ('min', 'h') THEN reached ELSE date_trunc('day', reached) + to_microseconds(at_us) END AS target
    FROM shifted
), converted AS (
    SELECT t.*, coalesce(w.fixed, t.target - to_microseconds(w.off)) AS target_utc,
        CASE WHEN t.next_day AND t.at_us IS NOT NULL THEN t.target + to_days(1) END AS later
    FROM timed t
    ASOF LEFT JOIN zone_walls w ON t.zone = w.zone AND t.target >= w.wall_from
), both_days AS (
    SELECT c.*, coalesce(w.fixed, c.later - to_microseconds(w.off)) AS later_utc
    FROM converted c
    ASOF LEFT JOIN zone_walls w ON c.zone = w.zone AND c.later >= w.wall_from
)
SELECT * EXCLUDE (wall, reached, target, target_utc, later, later_utc),
    CASE
        -- Nothing moves nothing, also in an hour that the clocks give twice.
        WHEN count = 0 AND at_us IS NULL AND from_at IS NOT NULL THEN from_at
        WHEN unit = 'min' THEN coalesce(from_at, target_utc) + to_minutes(sign * count)
        WHEN unit = 'h' THEN coalesce(from_at, target_utc) + to_hours(sign * count)
        WHEN later_utc IS NOT NULL AND target_utc < from_at THEN later_utc
        ELSE target_utc
    END AS moved_at
FROM both_days;
