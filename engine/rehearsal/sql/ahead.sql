-- Steps of occurrences that have not opened: what lies behind the days that are looked at is later, not lost.
SELECT DISTINCT d.sequence, s.step, d.occurrence, l.opens, d.due
FROM dues d JOIN steps s ON s.sequence = d.sequence AND s.pos = d.pos JOIN life l ON l.sequence = d.sequence AND l.occurrence = d.occurrence CROSS JOIN clock c
WHERE l.opens > c.now AND s.active AND year(d.due) <= 9999
