-- When a step may go again for a record that is considered (3.8): sends of other occurrences of sequences that keep a gap, and when each is free.
CREATE OR REPLACE TEMP TABLE gap_source AS
SELECT r.sequence, r.step, r.record, r.occurrence, r.contact, s.zone, r.decided_at AS from_at, NULL::TIMESTAMP AS from_wall, 1 AS sign,
    s.gap_count AS count, s.gap_unit AS unit, NULL::BIGINT AS at_us
FROM recent_sends r JOIN seqs s USING (sequence)
WHERE s.gap_count IS NOT NULL AND r.ended_as IS DISTINCT FROM 'trigger_gone' AND r.state <> 'planned'
    AND (r.sequence, r.record) IN (SELECT (sequence, record) FROM enrollments);

INSERT INTO gap_sends SELECT sequence, step, record, occurrence, contact, moved_at AS free_at FROM moved('gap_source');
