-- The decisions of this pass; the walk goes on behind what was passed over (6.17).
CREATE OR REPLACE TEMP TABLE outcome AS
SELECT a.id, a.sequence, a.step, a.pos, a.entity, a.record, a.occurrence, a.contact, a.due, a.expiry, a.is_record, a.decision, a.reason,
    NULL::VARCHAR AS template, NULL::VARCHAR AS locale, NULL::VARCHAR AS category, NULL::VARCHAR AS topic,
    NULL::VARCHAR AS address, NULL::VARCHAR AS address_key, NULL::VARCHAR AS name,
    -- 5.6: what held it when it came too late.
    CASE WHEN holding(j.reason) THEN 'held_for: ' || j.reason
        WHEN a.reason = 'send_window' THEN strftime(a.opens, 'opens: %Y-%m-%dT%H:%M:%SZ') END AS detail
FROM at_step a LEFT JOIN judged j ON j.id = a.id AND j.late WHERE a.decision IS NOT NULL
UNION ALL
SELECT id, sequence, step, pos, entity, record, occurrence, contact, due, expiry, is_record,
    CASE
        WHEN holding(reason) THEN 'hold'
        WHEN reason = 'no_recipient' THEN 'unreached'
        WHEN reason = 'due' THEN 'send'
        ELSE 'skip'
    END, reason, template, locale, category, topic, address, address_key, name,
    CASE reason WHEN 'missing_variable' THEN variable END
FROM judged WHERE NOT late;

-- A record's own walk tells only where it would send; what it would do otherwise is counted, never decided.
INSERT INTO decisions BY NAME
SELECT decision, reason, sequence, step, pos, entity, record, occurrence, CASE WHEN is_record THEN NULL ELSE contact END AS contact,
    CASE WHEN reason = 'step_inactive' OR decision = 'complete' THEN NULL ELSE due END AS due, expiry, template, locale, category, topic,
    address, address_key, name, detail
FROM outcome WHERE NOT is_record OR decision = 'unreached';

INSERT INTO named
SELECT sequence, 'no_recipient_yet', count(*) FROM outcome WHERE is_record AND decision IN ('wait', 'complete', 'hold') GROUP BY ALL;

-- Who was passed over stands at the next position now.
INSERT INTO walk
-- Behind a row that was judged again that is the first step which is not decided.
SELECT w.* REPLACE (greatest(w.pos + 1, w.onward) AS pos, CASE WHEN o.reason IN ('expired', 'ledger_restored') THEN o.due ELSE c.now END AS prev_at)
FROM outcome o CROSS JOIN clock c JOIN walk w ON w.id = o.id AND w.pos = c.pass
WHERE o.decision = 'skip';
