-- What the holder needs to make and send the message, with the bytes that an earlier attempt froze.
SELECT s.send_key::VARCHAR, s.token, s.sequence, s.step, s.entity, s.record, s.occurrence, s.contact, s.template, s.locale, s.category,
       s.topic, p.address, p.name, p.variables, s.due_at, s.expires_at, s.attempts, s.address_key,
       s.payload_hash, s.message_id, f.sender, f.recipient, f.subject, f.payload, s.open_until, s.message::VARCHAR, s.item
FROM staged g
JOIN sends s ON s.send_key = g.send_key AND s.number = g.number
LEFT JOIN pii p ON p.send_key = g.send_key AND p.number = g.number
LEFT JOIN payloads f ON f.send_key = g.send_key AND f.number = g.number
ORDER BY g.place
