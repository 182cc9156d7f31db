-- Gates 6.12 to 6.14 as far as one contact alone answers them; `passes` is all of them but the gap, which others of this plan may close.
CREATE OR REPLACE TEMP TABLE flagged AS
SELECT g.*, v.variable, s.guarded,
    NOT is_record AND NOT late AND step_fault IS NULL AND hold_fault IS NULL AND consent_fault IS NULL AND NOT taken_in_ledger AND v.variable IS NULL AND NOT s.guarded AS passes
FROM gated g JOIN seqs s ON s.sequence = g.sequence
LEFT JOIN missing v ON v.sequence = g.sequence AND v.step = g.step AND v.record = g.record AND v.contact = g.contact;
