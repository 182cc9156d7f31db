-- Why the head does not send what the base sends: what it says of the step, else of the enrollment.
SELECT j.sequence, j.step, coalesce(f.reason, g.reason, u.reason, 'not_enrolled') AS reason, count(*) AS mails
FROM joined j
LEFT JOIN (
    SELECT sequence, step, record, occurrence, contact, arg_max(reason, moment) AS reason FROM head_fates WHERE decision IN ('skip', 'hold') GROUP BY ALL
) f ON f.sequence = j.sequence AND f.step = j.step AND f.record = j.record AND f.occurrence = j.occurrence AND f.contact = j.contact
LEFT JOIN (
    SELECT sequence, record, occurrence, contact, arg_max(reason, moment) AS reason FROM head_fates WHERE decision IN ('exit', 'complete') GROUP BY ALL
) g ON g.sequence = j.sequence AND g.record = j.record AND g.occurrence = j.occurrence AND g.contact = j.contact
LEFT JOIN (
    SELECT DISTINCT sequence, step, record, occurrence, reason FROM head_fates WHERE decision = 'unreached'
) u ON u.sequence = j.sequence AND u.step = j.step AND u.record = j.record AND u.occurrence = j.occurrence
WHERE j.kind = 'loss'
GROUP BY ALL ORDER BY mails DESC, reason
