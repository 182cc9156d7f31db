-- Why the head does not send what the base sends: what it says of the step, else of the enrollment; or another mail tells of the record.
WITH lost AS (
    SELECT t.* FROM told t JOIN mails m ON m.was_mail = t.was_mail WHERE m.kind = 'loss'
), explained AS (
    SELECT l.was_mail, l.sequence, l.step,
        CASE WHEN l.will IS NOT NULL THEN 'in_another_mail' ELSE coalesce(f.reason, g.reason, u.reason, 'not_enrolled') END AS reason
    FROM lost l
    LEFT JOIN (
        SELECT sequence, step, record, occurrence, contact, arg_max(reason, moment) AS reason FROM head_fates WHERE decision IN ('skip', 'hold') GROUP BY ALL
    ) f ON f.sequence = l.sequence AND f.step = l.step AND f.record = l.record AND f.occurrence = l.occurrence AND f.contact = l.contact
    LEFT JOIN (
        SELECT sequence, record, occurrence, contact, arg_max(reason, moment) AS reason FROM head_fates WHERE decision IN ('exit', 'complete') GROUP BY ALL
    ) g ON g.sequence = l.sequence AND g.record = l.record AND g.occurrence = l.occurrence AND g.contact = l.contact
    LEFT JOIN (
        SELECT DISTINCT sequence, step, record, occurrence, reason FROM head_fates WHERE decision = 'unreached'
    ) u ON u.sequence = l.sequence AND u.step = l.step AND u.record = l.record AND u.occurrence = l.occurrence
), one_each AS (
    -- Of a mail of several records the reason that most of them have.
    SELECT was_mail, sequence, step, reason, count(*) AS records FROM explained GROUP BY was_mail, sequence, step, reason
    QUALIFY row_number() OVER (PARTITION BY was_mail ORDER BY reason = 'in_another_mail' DESC, records DESC, reason) = 1
)
SELECT sequence, step, reason, count(*) AS mails FROM one_each GROUP BY ALL ORDER BY mails DESC, reason
