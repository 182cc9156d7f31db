-- Back on the way: an exit that lasted only while its cause did, or a path that was complete and has a further step (8.4).
UPDATE enrollments
SET exit_at = NULL, exit_reason = NULL, exit_final = NULL
FROM new_returns n
WHERE enrollments.sequence = n.sequence AND enrollments.entity = n.entity AND enrollments.record = n.record
  AND enrollments.occurrence = n.occurrence AND enrollments.contact = n.contact
  AND (NOT enrollments.exit_final OR enrollments.exit_reason = 'complete')
