INSERT INTO address_slots (sequence, step, entity, record, occurrence, address_key, holder)
SELECT sequence, step, entity, record, occurrence, address_key, send_key
FROM judged j
WHERE act IN ('insert', 'refresh', 'revive')
  AND NOT EXISTS (
    SELECT 1 FROM address_slots a
    WHERE a.sequence = j.sequence AND a.step = j.step AND a.entity = j.entity AND a.record = j.record
      AND a.occurrence = j.occurrence AND a.address_key = j.address_key AND a.holder = j.send_key
  )
ON CONFLICT (sequence, step, entity, record, occurrence, address_key) DO UPDATE SET holder = excluded.holder
