-- What each of those who are sent something waits for then: their next step, when nobody looks at them again before the days end.
SELECT 'wait' AS decision, 'not_due' AS reason, sequence, step, entity, record, occurrence, contact, moved_at AS due FROM moved_sends
UNION ALL
SELECT 'wait', 'not_due', * FROM (
    SELECT d.sequence, st.step, d.entity, d.record, d.occurrence, d.contact, u.due
    FROM decisions d JOIN seqs s ON s.sequence = d.sequence LEFT JOIN people p ON p.contact = d.contact
    JOIN dues u ON u.sequence = d.sequence AND u.occurrence = d.occurrence AND u.pos > d.pos
        AND u.zone = CASE WHEN s.by_recipient AND p.zone IN (SELECT zone FROM zone_offsets) THEN p.zone ELSE s.zone END
    JOIN steps st ON st.sequence = u.sequence AND st.pos = u.pos
    WHERE d.decision = 'send' AND st.active
    QUALIFY row_number() OVER (PARTITION BY d.sequence, d.record, d.occurrence, d.contact ORDER BY u.pos) = 1
)
