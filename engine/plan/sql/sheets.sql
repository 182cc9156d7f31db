-- What explain shows: for everyone who stood at a step in this plan, what each gate had to look at.
INSERT INTO sheets BY NAME
SELECT a.sequence, a.entity, a.record, a.occurrence, a.contact, a.is_record, a.step, a.pos, a.kind, a.due, a.expiry, a.start,
    coalesce(o.decision, a.decision) AS decision, coalesce(o.reason, a.reason) AS reason,
    j.template, j.step_fault, j.taken_in_ledger OR j.winner <> j.contact AS duplicate, j.too_soon, j.variable, j.guarded, j.id IS NOT NULL AS reached, a.opens
FROM at_step a
LEFT JOIN outcome o ON o.id = a.id
LEFT JOIN judged j ON j.id = a.id;
