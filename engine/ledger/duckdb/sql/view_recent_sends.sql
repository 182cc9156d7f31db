SELECT s.sequence, s.entity, s.record, s.occurrence, s.contact, s.step, s.state, s.decided_at, s.address_key, e.exit_reason AS ended_as,
       s.template, s.category, s.topic, s.message::VARCHAR AS message
FROM (
  SELECT * FROM sends
  WHERE decided_at > $sends_since AND state NOT IN ('skipped', 'cancelled')
) s
LEFT JOIN enrollments e USING (sequence, entity, record, occurrence, contact)
