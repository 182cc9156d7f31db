-- The records whose value has an occurrence that is open now (3.6).
INSERT INTO occ
SELECT v.sequence, b.entity, v.record, b.occurrence, b.base_date, b.base_at, false
FROM valued v
JOIN (
    SELECT b.*, s.entity FROM bases b JOIN life l USING (sequence, occurrence) JOIN seqs s USING (sequence) CROSS JOIN clock c
    WHERE l.opens <= c.now AND l.closes > c.now
) b ON b.sequence = v.sequence AND b.value_at = v.value_at
WHERE v.matches AND v.in_range;
