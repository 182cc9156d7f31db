INSERT INTO sends (
  send_key, number, sequence, step, entity, record, occurrence, contact, state, due_at, expires_at, decided_at, judged_at, run_id,
  template, locale, category, topic, address_key, position, message, item, not_before, open_until, updated_at
)
SELECT send_key, $number + row_number() OVER (ORDER BY position, send_key), sequence, step, entity, record, occurrence, contact, 'planned',
       due_at, expires_at, $now, $now, $run_id, template, locale, category, topic, address_key, position, message, item, not_before, open_until, $now
FROM judged
WHERE act = 'insert'
ORDER BY position, send_key
ON CONFLICT DO NOTHING
