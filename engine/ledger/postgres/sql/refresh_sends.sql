-- Judged again (9.6), or planned again after a cancellation: it was never accepted, so new bytes are frozen at the next dispatch.
UPDATE sends
SET state = 'planned',
    reason = NULL,
    detail = NULL,
    decided_at = CASE j.act WHEN 'revive' THEN %(now)s ELSE sends.decided_at END,
    judged_at = %(now)s,
    run_id = %(run_id)s,
    position = j.position,
    due_at = j.due_at,
    expires_at = j.expires_at,
    template = CASE WHEN j.kept THEN sends.template ELSE j.template END,
    locale = CASE WHEN j.kept THEN sends.locale ELSE j.locale END,
    category = j.category,
    topic = j.topic,
    address_key = j.address_key,
    payload_hash = CASE WHEN j.kept THEN sends.payload_hash END,
    message_id = CASE WHEN j.kept THEN sends.message_id END,
    attempts = CASE j.act WHEN 'revive' THEN 0 ELSE sends.attempts END,
    not_before = j.not_before,
    open_until = j.open_until,
    message = CASE WHEN j.kept THEN sends.message ELSE j.message END,
    item = CASE WHEN j.kept THEN sends.item ELSE j.item END,
    token = CASE j.act WHEN 'revive' THEN sends.token + 1 ELSE sends.token END,
    updated_at = %(now)s
FROM judged j
WHERE sends.send_key = j.send_key AND sends.state = j.was AND j.act IN ('keep', 'refresh', 'revive')
