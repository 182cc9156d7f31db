-- People on the way now who stand elsewhere in the head: the first plan of each course, without those who only enter in it.
-- People are counted, with however many records each of them is on the way. Who is done stands at no step, and is found by the sequence alone.
WITH renamed AS (
    SELECT DISTINCT sequence, now_sequence FROM names
), base AS (
    SELECT coalesce(n.now_sequence, r.now_sequence, b.sequence) AS sequence, record, occurrence, contact,
        CASE WHEN reason = 'guard' THEN 'send' ELSE decision END AS decision, CASE WHEN decision IN ('exit', 'complete') THEN reason ELSE coalesce(n.now_step, b.step) END AS place
    FROM base_first b LEFT JOIN names n ON n.sequence = b.sequence AND n.step = b.step LEFT JOIN renamed r ON r.sequence = b.sequence
), head AS (
    SELECT sequence, record, occurrence, contact,
        CASE WHEN reason = 'guard' THEN 'send' ELSE decision END AS decision, CASE WHEN decision IN ('exit', 'complete') THEN reason ELSE step END AS place
    FROM head_first
)
SELECT coalesce(b.sequence, h.sequence) AS sequence, coalesce(b.decision, 'none') AS was, coalesce(b.place, '') AS was_at,
    coalesce(h.decision, 'none') AS will, coalesce(h.place, '') AS will_at, count(DISTINCT coalesce(b.contact, h.contact)) AS people
FROM base b FULL JOIN head h ON b.sequence = h.sequence AND b.record = h.record AND b.occurrence = h.occurrence AND b.contact = h.contact
WHERE (b.decision, b.place) IS DISTINCT FROM (h.decision, h.place)
GROUP BY ALL ORDER BY sequence, people DESC, was, was_at, will, will_at
