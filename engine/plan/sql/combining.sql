-- 4.8: which sends are one mail: those of one contact, step and template. A row whose message was frozen before stays in that one. `mail` is the
-- row of the first by base, NULL where nothing is combined; what a guard holds is counted as if it went.
UPDATE decisions SET mail = c.mail, item = c.item
FROM (
    SELECT d.rowid AS id, first_value(d.rowid) OVER w AS mail, row_number() OVER w AS item
    FROM decisions d JOIN seqs s ON s.sequence = d.sequence
    JOIN enrollments e ON e.sequence = d.sequence AND e.record = d.record AND e.occurrence = d.occurrence AND e.contact = d.contact
    LEFT JOIN decided k ON k.state = 'planned' AND k.sequence = d.sequence AND k.step = d.step AND k.record = d.record AND k.occurrence = d.occurrence
        AND k.contact = d.contact
    WHERE s.combined AND (d.decision = 'send' OR d.decision = 'hold' AND d.reason = 'guard')
    WINDOW w AS (
        PARTITION BY d.sequence, d.step, d.contact, d.template, k.message
        ORDER BY coalesce(e.base_at, e.base_date::TIMESTAMP), whole(d.record) IS NULL, whole(d.record), d.record, d.occurrence
    )
) c
WHERE decisions.rowid = c.id;
