-- 9.6: a row that is planned is judged again, also where its enrollment was complete: somebody chose to resend what was in doubt.
UPDATE known_now SET lives_again = true
FROM (SELECT DISTINCT sequence, record, occurrence, contact FROM decided WHERE state = 'planned') d
WHERE known_now.sequence = d.sequence AND known_now.record = d.record AND known_now.occurrence = d.occurrence AND known_now.contact = d.contact
    AND NOT live AND gone IS NULL AND in_audience AND exit_reason = 'complete';
