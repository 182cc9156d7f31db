-- Gates 6.12 to 6.16: the first gate that does not pass, for everyone whose step is due.
CREATE OR REPLACE TEMP TABLE judged AS
WITH flagged AS (
    SELECT g.*, v.variable, s.guarded
    FROM gated g JOIN seqs s ON s.sequence = g.sequence
    LEFT JOIN missing v ON v.sequence = g.sequence AND v.step = g.step AND v.record = g.record AND v.contact = g.contact
), winners AS (
    -- 4.6: a send that is planned already, else the lowest contact key of this plan that passes all other gates before the cap.
    SELECT sequence, step, record, occurrence, address_key, arg_min(contact, (NOT planned_before, whole(contact) IS NULL, whole(contact), contact)) AS winner
    FROM flagged
    WHERE NOT is_record AND step_fault IS NULL AND hold_fault IS NULL AND consent_fault IS NULL AND NOT taken_in_ledger
        AND NOT too_soon AND variable IS NULL AND NOT guarded
    GROUP BY ALL
), turns AS (
    -- 3.8: of several occurrences of one record in this plan the earlier base goes, where a gap is kept.
    SELECT f.id, row_number() OVER (PARTITION BY f.sequence, f.step, f.record, f.contact ORDER BY f.base, f.occurrence) AS turn
    FROM flagged f JOIN seqs s ON s.sequence = f.sequence AND s.gap_count IS NOT NULL
    JOIN winners w ON w.sequence = f.sequence AND w.step = f.step AND w.record = f.record AND w.occurrence = f.occurrence
        AND w.address_key = f.address_key AND w.winner = f.contact
    WHERE NOT f.is_record AND f.step_fault IS NULL AND f.hold_fault IS NULL AND f.consent_fault IS NULL AND NOT f.taken_in_ledger
        AND NOT f.too_soon AND f.variable IS NULL AND NOT f.guarded
)
SELECT f.*, w.winner,
    coalesce(
        f.step_fault,
        CASE WHEN f.is_record THEN CASE WHEN f.variable IS NULL THEN 'no_recipient' ELSE 'missing_variable' END END,
        f.hold_fault, f.consent_fault,
        CASE WHEN f.taken_in_ledger OR w.winner <> f.contact THEN 'duplicate_address' END,
        CASE WHEN f.too_soon OR t.turn > 1 THEN 'too_soon' END,
        CASE WHEN f.variable IS NOT NULL THEN 'missing_variable' END,
        CASE WHEN f.guarded THEN 'guard' END,
        'due') AS reason
FROM flagged f
LEFT JOIN winners w ON w.sequence = f.sequence AND w.step = f.step AND w.record = f.record AND w.occurrence = f.occurrence AND w.address_key = f.address_key
LEFT JOIN turns t ON t.id = f.id;

