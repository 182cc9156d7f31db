-- A skip of a row that was planned, or planned and cancelled: the key is taken for good.
UPDATE sends
SET state = CASE WHEN sends.ambiguous OR sends.state = 'planned' AND sends.message IS NOT NULL AND sends.payload_hash IS NOT NULL THEN 'unknown' ELSE 'skipped' END,
    reason = n.reason,
    detail = n.detail,
    due_at = coalesce(n.due_at, sends.due_at),
    decided_at = CASE WHEN sends.ambiguous OR sends.state = 'planned' AND sends.message IS NOT NULL AND sends.payload_hash IS NOT NULL THEN sends.decided_at ELSE $now END,
    run_id = $run_id,
    updated_at = $now
FROM new_skips n
WHERE sends.send_key = n.send_key AND sends.state IN ('planned', 'cancelled')
RETURNING sends.state
