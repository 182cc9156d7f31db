-- Calendar time in a zone (semantics 5.1 to 5.6). Time zones live in Python: zone_offsets and zone_walls are its tables.

-- A wall time moved by `sign * n` units, to at_us after midnight where that is said. min and h move the instant, not the wall.
-- A year count is capped where a timestamp would overflow; the result is past 9999 anyway.
CREATE OR REPLACE TEMP MACRO stepped(wall, sign, n, unit) AS
CASE unit
    WHEN 'd' THEN wall + to_days((sign * n)::INTEGER)
    WHEN 'w' THEN wall + to_days((sign * n * 7)::INTEGER)
    WHEN 'mo' THEN wall + to_months((sign * n)::INTEGER)
    WHEN 'y' THEN wall + to_months((sign * least(n, 9000) * 12)::INTEGER)
    ELSE wall
END;

-- Each row of `source` moved from an instant (from_at) or a wall time (from_wall) by sign * count units in its zone.
CREATE OR REPLACE TEMP MACRO moved(source) AS TABLE
WITH shifted AS (
    SELECT s.*, stepped(coalesce(s.from_wall, s.from_at + to_microseconds(o.off)), sign, count, unit) AS reached
    FROM query_table(source) s
    ASOF LEFT JOIN zone_offsets o ON s.zone = o.zone AND s.from_at >= o.utc_from
), timed AS (
    SELECT *, CASE WHEN at_us IS NULL OR unit IN ('min', 'h') THEN reached ELSE date_trunc('day', reached) + to_microseconds(at_us) END AS target
    FROM shifted
)
SELECT t.* EXCLUDE (reached, target),
    CASE
        -- Nothing moves nothing, also in an hour that the clocks give twice.
        WHEN count = 0 AND at_us IS NULL AND from_at IS NOT NULL THEN from_at
        WHEN unit = 'min' THEN coalesce(from_at, coalesce(w.fixed, t.target - to_microseconds(w.off))) + to_minutes(sign * count)
        WHEN unit = 'h' THEN coalesce(from_at, coalesce(w.fixed, t.target - to_microseconds(w.off))) + to_hours(sign * count)
        ELSE coalesce(w.fixed, t.target - to_microseconds(w.off))
    END AS moved_at
FROM timed t
ASOF LEFT JOIN zone_walls w ON t.zone = w.zone AND t.target >= w.wall_from;

-- The same from instants, where a time of day before the instant itself is the next day's: what a `wait` does (5.2).
CREATE OR REPLACE TEMP MACRO moved_on(source) AS TABLE
WITH shifted AS (
    SELECT s.*, CASE WHEN unit IN ('min', 'h') THEN NULL ELSE at_us END AS daily,
        stepped(s.from_at + to_microseconds(o.off), sign, count, unit) AS reached
    FROM query_table(source) s
    ASOF LEFT JOIN zone_offsets o ON s.zone = o.zone AND s.from_at >= o.utc_from
), timed AS (
    SELECT *, CASE WHEN daily IS NULL THEN reached ELSE date_trunc('day', reached) + to_microseconds(daily) END AS target FROM shifted
), converted AS (
    SELECT t.*, coalesce(w.fixed, t.target - to_microseconds(w.off)) AS target_utc, CASE WHEN daily IS NOT NULL THEN t.target + to_days(1) END AS later
    FROM timed t
    ASOF LEFT JOIN zone_walls w ON t.zone = w.zone AND t.target >= w.wall_from
)
SELECT c.* EXCLUDE (daily, reached, target, target_utc, later),
    CASE
        WHEN count = 0 AND at_us IS NULL THEN from_at
        WHEN unit = 'min' THEN from_at + to_minutes(sign * count)
        WHEN unit = 'h' THEN from_at + to_hours(sign * count)
        WHEN later IS NOT NULL AND target_utc < from_at THEN coalesce(w.fixed, c.later - to_microseconds(w.off))
        ELSE target_utc
    END AS moved_at
FROM converted c
ASOF LEFT JOIN zone_walls w ON c.zone = w.zone AND c.later >= w.wall_from;
