-- The occurrences that are open at some moment of the days ahead: all that the ledger will be asked about.
SELECT DISTINCT b.sequence, s.entity, v.record, b.occurrence
FROM valued v JOIN bases b ON b.sequence = v.sequence AND b.value_at = v.value_at
JOIN life l ON l.sequence = b.sequence AND l.occurrence = b.occurrence JOIN seqs s ON s.sequence = b.sequence CROSS JOIN clock c
WHERE v.matches AND v.in_range AND l.opens <= $until AND l.closes > c.now
