-- Hand-made occurrences of records that are there, with their end (3.6) and whether they began before the sequence did (3.7).
CREATE OR REPLACE TEMP TABLE taken_now AS
SELECT t.*, s.may_enter,
    t.base_at < s.start OR (coalesce(t.base_at < c.known_from, false)
        AND NOT EXISTS (FROM known k WHERE k.sequence = t.sequence AND k.record = t.record AND k.occurrence = t.occurrence)) AS early,
    CASE WHEN EXISTS (FROM known k WHERE k.sequence = t.sequence AND k.record = t.record AND k.occurrence = t.occurrence)
        THEN w.last_expired ELSE w.first_expired END <= c.now AS closed
FROM taken t CROSS JOIN clock c
JOIN seqs s USING (sequence)
JOIN standing st ON st.sequence = t.sequence AND st.record = t.record
JOIN wait_closes w ON w.sequence = t.sequence AND w.base_at = t.base_at
WHERE t.record <> '';

INSERT INTO occ
SELECT sequence, entity, record, occurrence, NULL, base_at, override FROM taken_now WHERE may_enter AND NOT early AND NOT closed;

INSERT INTO named
SELECT sequence, 'before_introduction', count(*) FROM taken_now t
WHERE early AND NOT closed AND NOT EXISTS (FROM known k WHERE k.sequence = t.sequence AND k.record = t.record AND k.occurrence = t.occurrence)
GROUP BY ALL;

INSERT INTO named SELECT sequence, 'closed', count(*) FROM taken_now WHERE closed GROUP BY ALL;

INSERT INTO named
SELECT t.sequence, 'record_missing', count(*) FROM taken t
WHERE t.record <> '' AND NOT EXISTS (FROM standing st WHERE st.sequence = t.sequence AND st.record = t.record)
GROUP BY ALL;
