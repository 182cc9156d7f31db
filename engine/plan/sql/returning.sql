-- 3.9: whatever the record. A live enrollment bars another; `never` bars for good; `after` counts from the end of the last.
CREATE OR REPLACE TEMP TABLE again_source AS
SELECT k.sequence, k.contact, k.record, k.occurrence, s.zone, k.exit_at AS from_at, NULL::TIMESTAMP AS from_wall, 1 AS sign,
    s.again_count AS count, s.again_unit AS unit, NULL::BIGINT AS at_us,
    k.live OR k.lives_again AS lives
FROM known_now k JOIN seqs s USING (sequence) SEMI JOIN candidates c ON c.sequence = k.sequence AND c.contact = k.contact
WHERE s.reenter <> 'every_occurrence';

INSERT INTO barred
SELECT a.sequence, a.contact, bool_or(a.lives) AS lives, max(a.moved_at) AS free_at
FROM moved('again_source') a GROUP BY ALL;

