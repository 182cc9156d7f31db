-- A final exit is never written over.
UPDATE enrollments
SET exit_at = %(now)s, exit_reason = n.reason, exit_final = n.final
FROM new_exits n
WHERE enrollments.sequence = n.sequence AND enrollments.entity = n.entity AND enrollments.record = n.record
  AND enrollments.occurrence = n.occurrence AND enrollments.contact = n.contact
  AND (enrollments.exit_final IS NULL OR NOT enrollments.exit_final)
