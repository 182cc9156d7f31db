-- 8.4: a step was appended to a sequence with `backfill`: who had completed it lives again, while the occurrence is open.
UPDATE known_now SET lives_again = true
FROM (
    SELECT k.sequence, k.record, k.occurrence, k.contact
    FROM known_now k JOIN seqs s USING (sequence)
    SEMI JOIN occ o ON o.sequence = k.sequence AND o.record = k.record AND o.occurrence = k.occurrence
    LEFT JOIN (
        SELECT d.sequence, d.record, d.occurrence, d.contact, max(st.pos) AS furthest
        FROM decided d JOIN steps st ON st.sequence = d.sequence AND st.step = d.step GROUP BY ALL
    ) d USING (sequence, record, occurrence, contact)
    WHERE s.backfilled AND NOT k.live AND k.gone IS NULL AND k.in_audience AND k.exit_reason = 'complete'
        AND coalesce(d.furthest, -1) < (SELECT max(st.pos) FROM steps st WHERE st.sequence = k.sequence)
) a
WHERE known_now.sequence = a.sequence AND known_now.record = a.record AND known_now.occurrence = a.occurrence AND known_now.contact = a.contact;
