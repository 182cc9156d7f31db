SELECT e.sequence, e.entity, e.record, e.occurrence, e.contact, e.base_date, e.base_at, e.began, e.exit_at, e.exit_reason, e.exit_final
FROM enrollments e
WHERE e.exit_final IS NULL OR NOT e.exit_final
   OR e.sequence IN (SELECT unnest($whole_sequences::VARCHAR[]))
   OR (e.sequence, e.entity, e.record, e.occurrence) IN (SELECT (sequence, entity, record, occurrence) FROM candidate_occurrences)
   OR e.exit_at > $exits_since
   -- A planned row is judged by every plan (9.6), also one that was planned again when all was over.
   OR (e.sequence, e.entity, e.record, e.occurrence, e.contact) IN (SELECT (sequence, entity, record, occurrence, contact) FROM sends WHERE state = 'planned')
