-- Who is considered (6.18): enrollments live at the start, those that live again (3.10), and the new ones.
CREATE OR REPLACE TEMP TABLE judged_known AS
SELECT k.*, k.exit_reason IS NULL AS live,
    s.sequence IS NOT NULL AND s.status <> 'archived' AS defined,
    st.record IS NOT NULL AS record_there,
    CASE
        WHEN s.sequence IS NULL OR s.status = 'archived' THEN 'sequence_removed'
        WHEN st.record IS NULL THEN 'trigger_gone'
        WHEN s.kind = 'date' AND t.occurrence IS NOT NULL THEN 'trigger_changed'
        WHEN s.kind = 'manual' AND t.occurrence IS NULL AND k.base_date IS NOT NULL THEN 'trigger_changed'
        WHEN s.kind = 'date' AND (NOT st.matches OR st.occurrence IS NULL) THEN 'trigger_gone'
        WHEN s.kind = 'date' AND st.occurrence <> k.occurrence THEN 'date_moved'
        WHEN s.kind = 'manual' AND t.occurrence IS NULL THEN 'trigger_gone'
    END AS gone,
    CASE WHEN s.is_contact THEN st.record IS NOT NULL ELSE m.contact IS NOT NULL END AS in_audience,
    p.contact IS NOT NULL AS contact_there
FROM known k
LEFT JOIN seqs s ON s.sequence = k.sequence
LEFT JOIN standing st ON st.sequence = k.sequence AND st.record = k.record
LEFT JOIN taken t ON t.sequence = k.sequence AND t.record = k.record AND t.occurrence = k.occurrence
LEFT JOIN members m ON m.sequence = k.sequence AND m.record = k.record AND m.contact = k.contact AND m.inside
LEFT JOIN people p ON p.contact = k.contact;

-- 3.10: the cause is gone and the occurrence is the same. 8.4: or a step was appended, with `backfill`, while it is open.
CREATE OR REPLACE TEMP TABLE known_now AS
SELECT k.*, NOT k.live AND k.gone IS NULL AND k.in_audience AND (
        NOT k.exit_final
        OR (k.exit_reason = 'complete' AND s.backfilled
            AND EXISTS (FROM occ o WHERE o.sequence = k.sequence AND o.record = k.record AND o.occurrence = k.occurrence)
            AND EXISTS (FROM steps st WHERE st.sequence = k.sequence AND st.pos > coalesce((
                SELECT max(b.pos) FROM decided d JOIN steps b ON b.sequence = d.sequence AND b.step = d.step
                WHERE d.sequence = k.sequence AND d.record = k.record AND d.occurrence = k.occurrence AND d.contact = k.contact), -1)))
    ) AS lives_again
FROM judged_known k LEFT JOIN seqs s ON s.sequence = k.sequence;

CREATE OR REPLACE TEMP TABLE candidates AS
SELECT o.*, s.reenter, m.contact
FROM occ o JOIN seqs s USING (sequence)
JOIN (
    SELECT sequence, record, contact FROM members WHERE inside
    -- One row a record, however many occurrences it has.
    UNION SELECT o.sequence, o.record, o.record FROM occ o JOIN seqs s USING (sequence) WHERE s.is_contact
) m ON m.sequence = o.sequence AND m.record = o.record
WHERE s.may_enter
    AND NOT EXISTS (FROM known k WHERE k.sequence = o.sequence AND k.record = o.record AND k.occurrence = o.occurrence AND k.contact = m.contact);

-- 3.9: whatever the record. A live enrollment bars another; `never` bars for good; `after` counts from the end of the last.
CREATE OR REPLACE TEMP TABLE again_source AS
SELECT k.sequence, k.contact, k.record, k.occurrence, s.zone, k.exit_at AS from_at, NULL::TIMESTAMP AS from_wall, 1 AS sign,
    s.again_count AS count, s.again_unit AS unit, NULL::BIGINT AS at_us, false AS next_day,
    k.live OR k.lives_again AS lives
FROM known_now k JOIN seqs s USING (sequence) WHERE s.reenter <> 'every_occurrence';

CREATE OR REPLACE TEMP TABLE barred AS
SELECT a.sequence, a.contact, bool_or(a.lives) AS lives, max(a.moved_at) AS free_at
FROM moved('again_source') a GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE entering AS
SELECT c.*,
    CASE
        WHEN c.reenter = 'every_occurrence' THEN NULL
        WHEN b.lives THEN 'already_enrolled'
        WHEN c.override THEN NULL
        WHEN c.reenter = 'never' AND b.sequence IS NOT NULL THEN 'enrolled_before'
        WHEN c.reenter = 'after' AND b.free_at > (SELECT now FROM clock) THEN 'enrolled_lately'
    END AS refused
FROM candidates c LEFT JOIN barred b ON b.sequence = c.sequence AND b.contact = c.contact;

CREATE OR REPLACE TEMP TABLE enrollments AS
WITH first_of_plan AS (
    SELECT *, row_number() OVER (
        PARTITION BY sequence, contact
        ORDER BY coalesce(base_at, base_date::TIMESTAMP), whole(record) IS NULL, whole(record), record, occurrence
    ) AS turn
    FROM entering WHERE refused IS NULL
), considered AS (
    SELECT sequence, entity, record, occurrence, contact, base_date, base_at, 'live' AS origin, gone, in_audience, record_there, contact_there
    FROM known_now WHERE live
    UNION ALL
    SELECT sequence, entity, record, occurrence, contact, base_date, base_at, 'returned', gone, in_audience, record_there, contact_there
    FROM known_now WHERE lives_again
    UNION ALL
    SELECT sequence, entity, record, occurrence, contact, base_date, base_at, 'new', NULL, true, true, true
    FROM first_of_plan WHERE reenter = 'every_occurrence' OR turn = 1
)
SELECT * FROM considered;
