-- 8.8: who was on the way before the trigger was changed keeps the starts of then.
UPDATE here SET start = e.start
FROM (
    SELECT h.id, arg_min(e.start, e.until) AS start
    FROM here h
    JOIN known k ON k.sequence = h.sequence AND k.record = h.record AND k.occurrence = h.occurrence AND k.contact = h.contact
    JOIN era_starts e ON e.sequence = h.sequence AND e.step = h.step AND k.began < e.until
    GROUP BY h.id
) e
WHERE here.id = e.id;

-- 8.9: who came with another audience, or after it, gets nothing that was due before its day.
UPDATE here SET floor = f.day
FROM (
    SELECT h.id, max(f.day) AS day
    FROM here h
    JOIN floors f ON f.sequence = h.sequence
    LEFT JOIN known k ON k.sequence = h.sequence AND k.record = h.record AND k.occurrence = h.occurrence AND k.contact = h.contact
    WHERE coalesce(k.began >= f.since, true)
    GROUP BY h.id
) f
WHERE here.id = f.id;
