-- The records that somebody is enrolled for, or was by hand, and what the trigger of each says of them now (6.3).
CREATE OR REPLACE TEMP TABLE wanted AS SELECT sequence, record FROM known UNION SELECT sequence, record FROM taken;

INSERT INTO standing
SELECT w.sequence, w.record, v.matches, CASE WHEN v.in_range THEN occurrence_key(v.value_at, s.on_a_date) WHEN v.value_at IS NOT NULL THEN '' END,
    CASE WHEN v.in_range THEN v.value_at END
FROM wanted w JOIN valued v USING (sequence, record) JOIN seqs s USING (sequence)
WHERE s.kind = 'date';
