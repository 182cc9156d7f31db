-- T9 and T10: what a dead process held. The token passes on, so that whatever it still says is told from the next holder's word.
UPDATE sends
SET state = CASE WHEN state = 'claimed' OR (attempts < $max_attempts AND known_until > $now) THEN 'planned' ELSE 'unknown' END,
    reason = CASE WHEN state = 'claimed' OR (attempts < $max_attempts AND known_until > $now) THEN NULL ELSE 'process_died' END,
    ambiguous = ambiguous OR state = 'dispatching',
    token = token + 1,
    owner = NULL,
    lease_until = NULL,
    updated_at = $now
WHERE state IN ('claimed', 'dispatching')
