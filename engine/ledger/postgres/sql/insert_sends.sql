INSERT INTO sends (
  send_key, sequence, step, entity, record, occurrence, contact, state, due_at, expires_at, decided_at, judged_at, run_id,
  template, locale, category, topic, address_key, position, message, item, not_before, open_until, updated_at
)
SELECT send_key, sequence, step, entity, record, occurrence, contact, 'planned',
       due_at, expires_at, %(now)s, %(now)s, %(run_id)s, template, locale, category, topic, address_key, position, message, item, not_before, open_until, %(now)s
FROM judged
WHERE act = 'insert'
ORDER BY position, send_key
ON CONFLICT DO NOTHING
