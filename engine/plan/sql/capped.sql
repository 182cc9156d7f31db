-- 6.15: who found a cap full is held, all records of a mail together (4.8); explain's sheets say the same.
UPDATE decisions SET decision = 'hold', reason = 'frequency_cap', detail = c.detail, winner = c.winner
FROM capped c WHERE coalesce(decisions.mail, decisions.rowid) = c.id;

UPDATE sheets SET decision = 'hold', reason = 'frequency_cap', cap = d.detail
FROM decisions d
WHERE d.reason = 'frequency_cap' AND sheets.reason = 'due' AND sheets.sequence = d.sequence AND sheets.step = d.step AND sheets.record = d.record
    AND sheets.occurrence = d.occurrence AND sheets.contact = d.contact;
