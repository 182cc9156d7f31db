-- The audience of each record (§4): the first group that has somebody who can be mailed, and of it at most `max`.
CREATE OR REPLACE TEMP TABLE marketing_faults AS
SELECT p.contact, t.topic,
    CASE
        WHEN EXISTS (FROM refusals r WHERE r.address = p.address AND (r.topic IS NULL OR r.topic = t.topic)) THEN 'unsubscribed'
        WHEN EXISTS (FROM denials d WHERE d.address = p.address AND d.topic = t.topic) THEN 'no_consent'
        WHEN t.topic IN (FROM opt_ins) AND NOT EXISTS (FROM consents c WHERE c.address = p.address AND c.topic = t.topic) THEN 'no_consent'
    END AS fault
FROM people p CROSS JOIN (SELECT DISTINCT topic FROM templates WHERE category = 'marketing') t;

-- Who can get at least one of the sequence's mails (4.2).
CREATE OR REPLACE TEMP TABLE mailable AS
SELECT DISTINCT a.sequence, a.contact
FROM audience a JOIN people p USING (contact) JOIN reach r USING (sequence)
LEFT JOIN marketing_faults m ON m.contact = a.contact AND m.topic IS NOT DISTINCT FROM r.topic AND r.category = 'marketing'
WHERE p.fault IS NULL AND p.active AND p.suppressed IS NULL AND m.fault IS NULL;

CREATE OR REPLACE TEMP TABLE members AS
WITH able AS (
    SELECT a.* FROM audience a JOIN mailable m ON m.sequence = a.sequence AND m.contact = a.contact
), grouped AS (
    SELECT * FROM able QUALIFY grp = min(grp) OVER (PARTITION BY sequence, record)
), ranked AS (
    SELECT g.sequence, g.record, g.contact, s.audience_max, w.contact IS NOT NULL AS on_the_way,
        row_number() OVER (
            PARTITION BY g.sequence, g.record
            -- Places are the record's: whoever is on the way in any of its occurrences stays, also when `max` is lower now (4.4).
            ORDER BY (w.contact IS NOT NULL) DESC, g.pos, whole(g.contact) IS NULL, whole(g.contact), g.contact
        ) AS place
    FROM grouped g JOIN seqs s USING (sequence)
    LEFT JOIN placed w ON w.sequence = g.sequence AND w.record = g.record AND w.contact = g.contact
)
SELECT sequence, record, contact, audience_max IS NULL OR on_the_way OR place <= audience_max AS inside FROM ranked;
