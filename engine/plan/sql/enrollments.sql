-- Who is considered (6.18): enrollments live at the start, those that live again (3.10), and the new ones.
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
