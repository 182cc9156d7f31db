-- 5.6: where a later step is active for some contacts and not for others (5.7), each goes by the template chosen for them.
UPDATE here SET lapses = l.lapses
FROM (
    SELECT h.id, coalesce(min(d.due) FILTER (WHERE st.active AND coalesce(t.active, true)), 'infinity') AS lapses
    FROM here h
    LEFT JOIN dues d ON d.sequence = h.sequence AND d.occurrence = h.occurrence AND d.zone = h.zone AND d.pos > h.pos
    LEFT JOIN steps st ON st.sequence = d.sequence AND st.pos = d.pos
    LEFT JOIN chosen ch ON ch.sequence = st.sequence AND ch.step = st.step AND ch.record = h.record AND ch.contact = h.contact
    LEFT JOIN templates t ON t.template = ch.template
    WHERE h.kind IN ('before', 'after') AND h.sequence IN (SELECT sequence FROM chosen)
    GROUP BY h.id
) l
WHERE here.id = l.id;
