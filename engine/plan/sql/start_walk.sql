-- Gates 6.1 to 6.4, and where each enrollment stands: behind the furthest step decided for it, in today's order (8.3).
-- A planned row that nobody has claimed is judged again (9.6): its step is not decided yet, and is asked before what comes behind
-- the furthest. `first` is the first such step that still stands.
CREATE OR REPLACE TEMP TABLE behind AS
WITH ordered AS (
    SELECT d.*, st.pos, min(st.pos) FILTER (WHERE d.state = 'planned') OVER (PARTITION BY d.sequence, d.record, d.occurrence, d.contact) AS first
    FROM decided d LEFT JOIN steps st ON st.sequence = d.sequence AND st.step = d.step
)
SELECT sequence, record, occurrence, contact, max(pos) FILTER (WHERE state <> 'planned') AS furthest, any_value(first) AS first,
    -- `wait` counts from the now of the run that decided the previous step; after one that came too late from that step's due moment.
    arg_max(CASE WHEN state = 'skipped' AND reason IN ('expired', 'ledger_restored') THEN coalesce(due_at, decided_at) ELSE decided_at END,
        -- Of those that one run passed over: what came too late was passed over first, each due later than the one before.
        (decided_at, state <> 'skipped', coalesce(reason NOT IN ('expired', 'ledger_restored'), true), coalesce(due_at, decided_at)))
        FILTER (WHERE state <> 'planned' AND (first IS NULL OR coalesce(pos, -1) < first)) AS prev_at,
    arg_max(decided_at, (decided_at, state <> 'skipped', coalesce(pos, -1))) FILTER (WHERE state <> 'planned') AS last_decided
FROM ordered GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE numbered AS SELECT row_number() OVER () AS id, * FROM enrollments;

CREATE OR REPLACE TEMP TABLE stops AS
SELECT e.id, bool_or(c.action = 'stopped') AS stopped,
    bool_or(c.action = 'paused' AND c.scope = 'project') AS project,
    bool_or(c.action = 'paused' AND c.scope = 'sequence') AS sequence,
    bool_or(c.action = 'paused' AND c.scope = 'enrollment') AS enrollment,
    bool_or(c.action = 'cancelled') AS cancelled
FROM numbered e JOIN controls c ON c.scope = 'project' OR (c.sequence = e.sequence AND (c.scope = 'sequence' OR (
    (c.record IS NULL OR c.record = e.record) AND (c.occurrence IS NULL OR c.occurrence = e.occurrence)
    AND (c.contact IS NULL OR c.contact = e.contact))))
WHERE c.until IS NULL OR c.until > (SELECT now FROM clock)
GROUP BY e.id;

CREATE OR REPLACE TEMP TABLE standings AS
SELECT e.*,
    CASE
        WHEN c.stopped THEN 'stopped'
        WHEN c.project THEN 'paused_project'
        WHEN c.sequence OR s.status IN ('paused', 'draft') THEN 'paused_sequence'
        WHEN c.enrollment THEN 'paused_enrollment'
    END AS held,
    CASE
        WHEN NOT (e.record_there AND e.contact_there) THEN NULL
        WHEN g.record IS NOT NULL AND s.status <> 'archived' THEN 'goal_met'
        WHEN x.record IS NOT NULL AND s.status <> 'archived' THEN 'exit_condition'
        WHEN c.cancelled THEN 'cancelled'
    END AS ended,
    least(b.first, coalesce(b.furthest + 1, 0)) AS pos, coalesce(b.furthest + 1, 0) AS onward, b.prev_at
FROM numbered e
LEFT JOIN seqs s ON s.sequence = e.sequence
LEFT JOIN stops c ON c.id = e.id
LEFT JOIN holds g ON g.sequence = e.sequence AND g.rule = 'goal' AND g.record = e.record AND g.contact = e.contact
LEFT JOIN holds x ON x.sequence = e.sequence AND x.rule = 'exit_when' AND x.record = e.record AND x.contact = e.contact
LEFT JOIN behind b ON b.sequence = e.sequence AND b.record = e.record AND b.occurrence = e.occurrence AND b.contact = e.contact;

INSERT INTO decisions (decision, reason, sequence, entity, record, occurrence, contact)
SELECT 'exit', coalesce(ended, gone, CASE WHEN NOT in_audience THEN 'left_audience' END), sequence, entity, record, occurrence, contact
FROM standings WHERE held IS NULL AND (ended IS NOT NULL OR gone IS NOT NULL OR NOT in_audience);

-- Records that nobody can be told about are walked too, from behind the furthest step that any contact of the occurrence had (4.3).
CREATE OR REPLACE TEMP TABLE lonely AS
WITH furthest AS (
    -- Of somebody who only had a step that was removed since, nothing is furthest: that is before the first, and NULL would be behind the last.
    SELECT sequence, record, occurrence, max(furthest) AS furthest, arg_max(prev_at, (coalesce(furthest, -1), last_decided)) AS prev_at
    FROM behind GROUP BY ALL
)
SELECT o.sequence, o.entity, o.record, o.occurrence, o.base_date, o.base_at, f.furthest, f.prev_at
FROM occ o JOIN seqs s USING (sequence)
LEFT JOIN furthest f ON f.sequence = o.sequence AND f.record = o.record AND f.occurrence = o.occurrence
LEFT JOIN holds g ON g.sequence = o.sequence AND g.rule IN ('goal', 'exit_when') AND g.record = o.record AND g.contact = ''
WHERE s.may_enter AND NOT s.is_contact AND s.status = 'active' AND g.record IS NULL
    AND NOT EXISTS (FROM members m WHERE m.sequence = o.sequence AND m.record = o.record)
    AND NOT EXISTS (FROM controls c WHERE (c.until IS NULL OR c.until > (SELECT now FROM clock))
        AND (c.scope = 'project' OR (c.sequence = o.sequence AND (c.scope = 'sequence' OR (
            -- The record itself was paused or cancelled, whoever its people are.
            c.contact IS NULL AND (c.record IS NULL OR c.record = o.record) AND (c.occurrence IS NULL OR c.occurrence = o.occurrence))))));

CREATE OR REPLACE TEMP TABLE walk AS
SELECT id, sequence, entity, record, occurrence, contact, base_date, base_at, pos, onward, prev_at, held, false AS is_record
FROM standings WHERE held IS NOT NULL OR (ended IS NULL AND gone IS NULL AND in_audience)
UNION ALL
SELECT -row_number() OVER (), sequence, entity, record, occurrence, '', base_date, base_at,
    coalesce(furthest + 1, 0), 0, prev_at, NULL, true
FROM lonely;
