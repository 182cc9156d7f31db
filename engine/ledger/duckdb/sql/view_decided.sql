SELECT s.sequence, s.entity, s.record, s.occurrence, s.contact, s.step, s.state, s.reason, s.decided_at, s.due_at,
       CASE WHEN s.state <> 'skipped' THEN s.address_key END AS address_key, s.ambiguous,
       -- The bytes of these stay (4.8, 9.3), whatever else is due now.
       CASE WHEN s.state = 'planned' AND s.payload_hash IS NOT NULL AND (s.ambiguous OR s.known_until IS NOT NULL) THEN coalesce(s.message, s.send_key)::VARCHAR END AS message
FROM sends s
SEMI JOIN (
  SELECT sequence, entity, record, occurrence FROM candidate_occurrences
  UNION ALL
  SELECT sequence, entity, record, occurrence FROM viewed_enrollments
) c USING (sequence, entity, record, occurrence)
WHERE s.state <> 'cancelled'
