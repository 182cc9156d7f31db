-- 3.1, `every`: the days on which a value comes round, from one period after it, as far as one can be open now or is the next ahead:
-- of a value that lies ahead itself the first.
-- Months count from the value itself and clamp to the last day.
INSERT INTO bases
SELECT sequence, strftime(day, '%Y-%m-%d'), value_at, day, NULL, records
FROM (
    SELECT v.sequence, v.value_at, v.records, s.horizon_from, s.horizon_to, n,
        (CASE WHEN s.every_months THEN v.value_at + to_months((n * s.every)::INTEGER) ELSE v.value_at + to_days((n * s.every)::INTEGER) END)::DATE AS day
    FROM (
        SELECT sequence, value_at, count(*) AS records FROM valued
        WHERE matches AND in_range AND sequence IN (SELECT sequence FROM seqs WHERE every IS NOT NULL) GROUP BY ALL
    ) v
    JOIN seqs s USING (sequence)
    CROSS JOIN LATERAL (SELECT date_diff('day', v.value_at::DATE, s.horizon_from) // CASE WHEN s.every_months THEN 31 * s.every ELSE s.every END - 1 AS early,
        date_diff('day', v.value_at::DATE, s.horizon_to) // CASE WHEN s.every_months THEN 28 * s.every ELSE s.every END + 1 AS late) r
    CROSS JOIN LATERAL (SELECT unnest(range(greatest(1, early), greatest(2, late + 1))) AS n) k
)
WHERE day BETWEEN greatest(horizon_from, DATE '1970-01-02') AND DATE '2100-12-31' AND (day <= horizon_to OR n = 1);
