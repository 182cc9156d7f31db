-- Gates 6.5 to 6.8 for everyone who stands at this position.
CREATE OR REPLACE TEMP TABLE at_step AS
WITH timed AS (
    SELECT h.* EXCLUDE (sign, count, unit, at_us, exp_count, exp_unit, cal, trigger, lapses),
        coalesce(d.raw, w.raw) AS raw, coalesce(d.due, w.due) AS due,
        CASE WHEN h.lapses IS NULL THEN coalesce(d.expiry, w.expiry) ELSE least(d.own_expiry, h.lapses) END AS expiry
    FROM here h
    LEFT JOIN dues d ON h.kind IN ('before', 'after') AND d.sequence = h.sequence AND d.occurrence = h.occurrence AND d.pos = h.pos AND d.zone = h.zone
    LEFT JOIN waits w ON h.kind = 'wait' AND w.id = h.id
)
SELECT t.*, NULL::TIMESTAMP AS opens,
    CASE
        WHEN held IS NOT NULL THEN 'hold'
        WHEN step IS NULL THEN 'complete'
        WHEN kind = 'wait' AND NOT active THEN 'skip'
        WHEN (kind <> 'wait' AND due < start) OR due < floor THEN 'skip'
        WHEN due < c.known_from THEN 'skip'
        WHEN due > c.now THEN 'wait'
        WHEN expiry <= c.now THEN 'skip'
        WHEN NOT active THEN 'skip'
    END AS decision,
    CASE
        WHEN held IS NOT NULL THEN held
        WHEN step IS NULL THEN 'complete'
        WHEN kind = 'wait' AND NOT active THEN 'step_inactive'
        WHEN (kind <> 'wait' AND due < start) OR due < floor THEN 'before_introduction'
        WHEN due < c.known_from THEN 'ledger_restored'
        WHEN due > c.now THEN 'not_due'
        WHEN expiry <= c.now THEN 'expired'
        WHEN NOT active THEN 'step_inactive'
    END AS reason,
    -- Too late, and asked all the same what would hold it (5.6).
    coalesce(reason = 'expired', false) AND active AND NOT is_record AS late
FROM timed t, clock c;
