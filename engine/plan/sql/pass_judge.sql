-- Gates 6.12 to 6.16: the first gate that does not pass, for everyone whose step is due.
CREATE OR REPLACE TEMP TABLE judged AS
SELECT f.* EXCLUDE (passes), w.winner,
    coalesce(
        f.step_fault,
        CASE WHEN f.is_record THEN CASE WHEN f.variable IS NULL THEN 'no_recipient' ELSE 'missing_variable' END END,
        f.hold_fault, f.consent_fault,
        CASE WHEN f.taken_in_ledger OR (w.winner <> f.contact AND NOT f.late) THEN 'duplicate_address' END,
        CASE WHEN f.too_soon THEN 'too_soon' END,
        CASE WHEN f.variable IS NOT NULL THEN 'missing_variable' END,
        CASE WHEN f.guarded THEN 'guard' END,
        'due') AS reason
FROM flagged f
LEFT JOIN winners w ON w.sequence = f.sequence AND w.step = f.step AND w.record = f.record AND w.occurrence = f.occurrence AND w.address_key = f.address_key;
