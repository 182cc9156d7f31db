-- 3.2: an event ahead of now has not begun. Until then its record is upcoming, unless somebody is on its path.
CREATE OR REPLACE TEMP TABLE ahead_of_now AS
SELECT t.* FROM taken t JOIN seqs s USING (sequence) CROSS JOIN clock c WHERE s.kind = 'event' AND t.base_at > c.now;

INSERT INTO named
SELECT t.sequence, 'upcoming', count(*)
FROM ahead_of_now t JOIN seqs s USING (sequence) JOIN standing st ON st.sequence = t.sequence AND st.record = t.record
ANTI JOIN known k ON k.sequence = t.sequence AND k.record = t.record AND k.occurrence = t.occurrence AND k.exit_reason IS NULL
WHERE s.status <> 'draft' GROUP BY ALL;

-- What a simulation comes back for.
INSERT INTO begin_later SELECT sequence, record, base_at FROM taken WHERE base_at > (SELECT now FROM clock) AND sequence IN (SELECT sequence FROM seqs WHERE kind = 'event');

DELETE FROM taken WHERE base_at > (SELECT now FROM clock) AND sequence IN (SELECT sequence FROM seqs WHERE kind = 'event');
