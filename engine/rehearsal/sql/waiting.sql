-- What each of them waits for when the course ends: the last that was said of the enrollment.
SELECT sequence, step, record, occurrence, contact, due FROM (
    SELECT sequence, record, occurrence, contact, arg_max(struct_pack(step, decision, due), moment) AS last
    FROM fates WHERE contact IS NOT NULL AND decision IN ('wait', 'exit', 'complete', 'hold') GROUP BY ALL
), LATERAL (SELECT last.step AS step, last.decision AS decision, last.due AS due)
WHERE decision = 'wait' AND due > $until
