-- 4.6: who takes each address: a send that is planned already, else the lowest contact key of this plan that passes all other gates before the cap.
CREATE OR REPLACE TEMP TABLE winners AS
SELECT sequence, step, record, occurrence, address_key, arg_min(contact, (NOT planned_before, whole(contact) IS NULL, whole(contact), contact)) AS winner
FROM flagged
WHERE passes AND NOT too_soon
GROUP BY ALL;

-- 3.8: of several occurrences of one record in this plan that a contact would get, the earlier base goes, where a gap is kept.
CREATE OR REPLACE TEMP TABLE later_turns AS
SELECT f.id
FROM flagged f JOIN seqs s ON s.sequence = f.sequence AND s.gap_count IS NOT NULL
JOIN winners w ON w.sequence = f.sequence AND w.step = f.step AND w.record = f.record AND w.occurrence = f.occurrence
    AND w.address_key = f.address_key AND w.winner = f.contact
WHERE f.passes AND NOT f.too_soon
QUALIFY row_number() OVER (PARTITION BY f.sequence, f.step, f.record, f.contact ORDER BY f.base, f.occurrence) > 1;
