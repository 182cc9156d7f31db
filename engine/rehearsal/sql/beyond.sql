-- What a course sends only after its end: what each of those on the way waits for, and the steps of occurrences that have not opened.
SELECT sequence, last.step AS step, record, occurrence, contact FROM (
    SELECT sequence, record, occurrence, contact, arg_max(struct_pack(step := step, decision := decision, due := due), moment) AS last
    FROM fates WHERE contact IS NOT NULL AND decision IN ('wait', 'exit', 'complete', 'hold') GROUP BY ALL
) WHERE last.decision = 'wait' AND last.due > $until
UNION ALL
SELECT sequence, step, NULL, occurrence, NULL FROM ahead WHERE opens > $until
