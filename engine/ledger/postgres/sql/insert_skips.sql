INSERT INTO sends (sequence, step, entity, record, occurrence, contact, send_key, state, reason, detail, due_at, decided_at, judged_at, run_id, updated_at)
SELECT n.sequence, n.step, n.entity, n.record, n.occurrence, n.contact, n.send_key, 'skipped', n.reason, n.detail, n.due_at, %(now)s, %(now)s, %(run_id)s, %(now)s
FROM new_skips n
WHERE NOT EXISTS (SELECT 1 FROM sends s WHERE s.send_key = n.send_key)
ORDER BY n.due_at NULLS FIRST, n.send_key
ON CONFLICT DO NOTHING
