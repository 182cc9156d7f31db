SELECT s.sequence, s.entity, s.record, s.occurrence, s.contact, s.step, s.state, s.decided_at, s.address_key, e.exit_reason AS ended_as,
       s.template, s.category, s.topic, s.message::VARCHAR AS message
FROM sends s
LEFT JOIN enrollments e USING (sequence, entity, record, occurrence, contact)
WHERE s.decided_at > (SELECT sends_since FROM asked) AND s.state NOT IN ('skipped', 'cancelled')
