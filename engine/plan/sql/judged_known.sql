-- What became of the enrollments that the ledger knows: whether their reason still stands (6.3).
CREATE OR REPLACE TEMP TABLE judged_known AS
SELECT k.sequence, k.entity, k.record, k.occurrence, k.contact, k.base_date, k.base_at, k.exit_at, k.exit_reason, k.exit_final,
    k.exit_reason IS NULL AS live,
    st.record IS NOT NULL AS record_there, s.is_contact,
    CASE
        WHEN s.sequence IS NULL OR s.status = 'archived' THEN 'sequence_removed'
        WHEN st.record IS NULL THEN 'trigger_gone'
        WHEN s.kind = 'date' AND t.occurrence IS NOT NULL THEN 'trigger_changed'
        WHEN s.kind = 'manual' AND t.occurrence IS NULL AND k.base_date IS NOT NULL THEN 'trigger_changed'
        WHEN s.kind = 'date' AND (NOT st.matches OR st.occurrence IS NULL) THEN 'trigger_gone'
        WHEN s.kind = 'date' AND s.every IS NULL AND st.occurrence <> k.occurrence THEN 'date_moved'
        -- 3.1: not a day on which the value comes round.
        WHEN s.kind = 'date' AND s.every IS NOT NULL AND (CASE
            WHEN s.every_months THEN date_diff('month', st.value_at::DATE, k.base_date) > 0 AND date_diff('month', st.value_at::DATE, k.base_date) % s.every = 0
                AND (st.value_at + to_months(date_diff('month', st.value_at::DATE, k.base_date)::INTEGER))::DATE = k.base_date
            ELSE k.base_date > st.value_at::DATE AND date_diff('day', st.value_at::DATE, k.base_date) % s.every = 0
        END) IS NOT TRUE THEN 'date_moved'
        WHEN s.kind <> 'date' AND t.occurrence IS NULL THEN 'trigger_gone'
    END AS gone
FROM known k
LEFT JOIN seqs s ON s.sequence = k.sequence
LEFT JOIN standing st ON st.sequence = k.sequence AND st.record = k.record
LEFT JOIN taken t ON t.sequence = k.sequence AND t.record = k.record AND t.occurrence = k.occurrence;
