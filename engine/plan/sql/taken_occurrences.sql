-- Hand-made occurrences of records that are there, with their end (3.6) and whether they began before the sequence did (3.7).
CREATE OR REPLACE TEMP TABLE taken_now AS
SELECT t.*, s.may_enter, k.record IS NOT NULL AS enrolled,
    t.base_at < s.start OR (k.record IS NULL AND coalesce(t.base_at < c.known_from, false)) AS early,
    CASE WHEN k.record IS NOT NULL THEN w.last_expired ELSE w.first_expired END <= c.now AS closed
FROM taken t CROSS JOIN clock c
JOIN seqs s USING (sequence)
JOIN standing st ON st.sequence = t.sequence AND st.record = t.record
JOIN wait_closes w ON w.sequence = t.sequence AND w.base_at = t.base_at
LEFT JOIN (SELECT DISTINCT sequence, record, occurrence FROM known) k ON k.sequence = t.sequence AND k.record = t.record AND k.occurrence = t.occurrence
WHERE t.record <> '';

INSERT INTO occ
SELECT sequence, entity, record, occurrence, NULL, base_at, override FROM taken_now WHERE may_enter AND NOT early AND NOT closed;

-- What a longer `backfill` would reach (3.7): for people who read a first run.
INSERT INTO early_ones
SELECT sequence, count(*), count(*) FILTER (WHERE NOT closed), max(date_diff('day', base_at, now)) FILTER (WHERE NOT closed) + 1
FROM taken_now CROSS JOIN clock WHERE early AND NOT enrolled GROUP BY ALL;

INSERT INTO named
SELECT sequence, CASE WHEN closed THEN 'closed' ELSE 'before_introduction' END, count(*) FROM taken_now WHERE closed OR (early AND NOT enrolled) GROUP BY ALL;

INSERT INTO named
SELECT t.sequence, 'record_missing', count(*) FROM taken t ANTI JOIN standing st ON st.sequence = t.sequence AND st.record = t.record
WHERE t.record <> '' GROUP BY ALL;
