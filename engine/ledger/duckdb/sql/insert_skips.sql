INSERT INTO sends (
  send_key, number, sequence, step, entity, record, occurrence, contact, state, reason, detail, due_at, decided_at, judged_at, run_id, updated_at
)
SELECT n.send_key, $number + row_number() OVER (ORDER BY n.due_at NULLS FIRST, n.send_key), n.sequence, n.step, n.entity, n.record, n.occurrence, n.contact,
       'skipped', n.reason, n.detail, n.due_at, $now, $now, $run_id, $now
FROM new_skips n
WHERE NOT EXISTS (SELECT 1 FROM sends s WHERE s.send_key = n.send_key)
ON CONFLICT DO NOTHING
