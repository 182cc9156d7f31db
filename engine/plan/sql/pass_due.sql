-- One pass of the walk (6.17): everyone who stands at this position, with the step's due moment and expiry (gates 6.5 to 6.8).
CREATE OR REPLACE TEMP TABLE here AS
SELECT w.*, st.step, st.kind, st.active AND coalesce(t.active, true) AS active, st.start, st.has_if, st.exp_count, st.exp_unit, s.zone, s.kind AS trigger,
    st.sign, st.count, st.unit, st.at_us
FROM walk w
LEFT JOIN seqs s ON s.sequence = w.sequence
LEFT JOIN steps st ON st.sequence = w.sequence AND st.pos = w.pos
LEFT JOIN chosen ch ON ch.sequence = w.sequence AND ch.step = st.step AND ch.record = w.record AND ch.contact = w.contact
LEFT JOIN templates t ON t.template = ch.template
WHERE w.pos = (SELECT pass FROM clock) AND NOT w.done;

CREATE OR REPLACE TEMP TABLE wait_source AS
SELECT id, zone, coalesce(prev_at, base_at) AS from_at, NULL::TIMESTAMP AS from_wall, sign, count, unit, at_us, true AS next_day, exp_count, exp_unit
FROM here WHERE kind = 'wait' AND (active OR held IS NOT NULL);

CREATE OR REPLACE TEMP TABLE wait_expiry_source AS
SELECT id, zone, moved_at AS due, moved_at AS from_at, NULL::TIMESTAMP AS from_wall, 1 AS sign, exp_count AS count, exp_unit AS unit,
    NULL::BIGINT AS at_us, false AS next_day
FROM moved('wait_source');

CREATE OR REPLACE TEMP TABLE at_step AS
WITH waits AS (SELECT id, due, moved_at AS expiry FROM moved('wait_expiry_source')), timed AS (
    SELECT h.* EXCLUDE (sign, count, unit, at_us, exp_count, exp_unit, zone, trigger),
        coalesce(d.due, w.due) AS due, coalesce(d.expiry, w.expiry) AS expiry
    FROM here h
    LEFT JOIN dues d ON h.kind IN ('before', 'after') AND d.sequence = h.sequence AND d.occurrence = h.occurrence AND d.pos = h.pos
    LEFT JOIN waits w ON w.id = h.id
)
SELECT t.*,
    CASE
        WHEN held IS NOT NULL THEN 'hold'
        WHEN step IS NULL THEN 'complete'
        WHEN kind = 'wait' AND NOT active THEN 'skip'
        WHEN kind <> 'wait' AND due < start THEN 'skip'
        WHEN due < c.known_from THEN 'skip'
        WHEN due > c.now THEN 'wait'
        WHEN expiry <= c.now THEN 'skip'
        WHEN NOT active THEN 'skip'
    END AS decision,
    CASE
        WHEN held IS NOT NULL THEN held
        WHEN step IS NULL THEN 'complete'
        WHEN kind = 'wait' AND NOT active THEN 'step_inactive'
        WHEN kind <> 'wait' AND due < start THEN 'before_introduction'
        WHEN due < c.known_from THEN 'ledger_restored'
        WHEN due > c.now THEN 'not_due'
        WHEN expiry <= c.now THEN 'expired'
        WHEN NOT active THEN 'step_inactive'
    END AS reason
FROM timed t, clock c;
