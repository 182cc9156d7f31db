-- Business days and send windows (semantics 5.1, 5.4). Calendars live in Python: these are its tables, made only where something counts by them.

-- The days of each calendar, numbered from 1 in the years that are known; a day before them has 0, and one behind them no number.
CREATE OR REPLACE TEMP TABLE open_days (cal VARCHAR, n BIGINT, day DATE);
-- The hours of each window in each zone; and the days on which a change of the clocks leaves nothing of it, with the open day behind each.
CREATE OR REPLACE TEMP TABLE windows (win VARCHAR, zone VARCHAR, cal VARCHAR, from_us BIGINT, to_us BIGINT);
CREATE OR REPLACE TEMP TABLE lost_days (win VARCHAR, zone VARCHAR, day DATE, instead DATE);
-- The zones of contacts, for each sequence that goes by them.
CREATE OR REPLACE TEMP TABLE recipient_zones (sequence VARCHAR, zone VARCHAR);

-- Each row of `source` whose unit is bd, with as many days as these business days are. What would need a year that is not known lies beyond
-- all years: a step is not sent on a guess.
CREATE OR REPLACE TEMP MACRO in_days(source) AS TABLE
WITH placed AS (
    SELECT s.*, coalesce(s.from_wall, s.from_at + to_microseconds(o.off))::DATE AS start
    FROM query_table(source) s
    ASOF LEFT JOIN zone_offsets o ON s.zone = o.zone AND s.from_at >= o.utc_from
), numbered AS (
    SELECT p.*, d.n + CASE WHEN sign > 0 THEN count ELSE 1 - count END AS wanted
    FROM placed p
    ASOF LEFT JOIN open_days d ON p.cal = d.cal AND p.start - (CASE WHEN p.sign > 0 THEN 0 ELSE 1 END) >= d.day
)
SELECT p.* EXCLUDE (start, wanted) REPLACE (
    CASE
        WHEN p.unit <> 'bd' OR p.count = 0 THEN p.count
        WHEN d.day IS NOT NULL THEN abs(d.day - p.start)
        WHEN p.sign > 0 THEN 9000
        ELSE p.start - DATE '0001-02-01'
    END AS count,
    CASE WHEN p.unit <> 'bd' THEN p.unit WHEN p.count > 0 AND d.day IS NULL AND p.sign > 0 THEN 'y' ELSE 'd' END AS unit)
FROM numbered p
LEFT JOIN open_days d ON d.cal = p.cal AND d.n = p.wanted AND d.n > 0;

-- Each row of `source` with its due moment in its window: the same, or the opening of the next open day (5.4).
CREATE OR REPLACE TEMP MACRO windowed(source) AS TABLE
WITH placed AS (
    SELECT s.*, w.cal AS open_cal, w.from_us, w.to_us, o.off AS here, s.due + to_microseconds(o.off) AS wall
    FROM query_table(source) s
    LEFT JOIN windows w ON w.win = s.win AND w.zone = s.zone
    ASOF LEFT JOIN zone_offsets o ON s.zone = o.zone AND s.due >= o.utc_from
), clocked AS (
    SELECT *, epoch_us(wall) - epoch_us(date_trunc('day', wall)) AS us FROM placed
), asked AS (
    SELECT *, us >= from_us AND us < to_us AS in_hours, CASE WHEN us < to_us THEN wall::DATE ELSE wall::DATE + 1 END AS first FROM clocked
), found AS (
    SELECT a.*, d.day AS found_day FROM asked a ASOF LEFT JOIN (FROM open_days WHERE n > 0) d ON a.open_cal = d.cal AND a.first <= d.day
), opened AS (
    SELECT f.*, coalesce(l.instead, f.found_day) AS open_day, open_day + to_microseconds(f.from_us) AS target
    FROM found f LEFT JOIN lost_days l ON l.win = f.win AND l.zone = f.zone AND l.day = f.found_day
), converted AS (
    SELECT o.*, coalesce(z.fixed, o.target - to_microseconds(z.off)) AS target_utc
    FROM opened o
    ASOF LEFT JOIN zone_walls z ON o.zone = z.zone AND o.target >= z.wall_from
), settled AS (
    SELECT *, CASE
        WHEN open_cal IS NULL OR (in_hours AND open_day = wall::DATE) THEN due
        WHEN open_day IS NULL THEN greatest(due, make_timestamp(10000, 1, 1, 0, 0, 0))
        WHEN target_utc >= due THEN target_utc
        -- In an hour that the clocks give twice the opening may be the second of the two.
        ELSE target - to_microseconds(here)
    END AS inside FROM converted
)
SELECT * EXCLUDE (open_cal, from_us, to_us, here, wall, us, in_hours, first, found_day, open_day, target, target_utc, inside) REPLACE (inside AS due, inside AS from_at) FROM settled;
