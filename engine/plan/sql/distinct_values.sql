-- The distinct values of the date triggers, and the records whose occurrence is open now (3.1, 3.6).
INSERT INTO bases
SELECT v.sequence, occurrence_key(v.value_at, s.on_a_date), v.value_at, CASE WHEN s.on_a_date THEN v.value_at::DATE END, CASE WHEN NOT s.on_a_date THEN v.value_at END, v.records
FROM (SELECT sequence, value_at, count(*) AS records FROM valued WHERE matches AND in_range GROUP BY ALL) v JOIN seqs s USING (sequence)
WHERE s.every IS NULL;
