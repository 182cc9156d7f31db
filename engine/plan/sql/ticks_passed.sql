-- 3.4, 3.7: a tick before the sequence's start is none of its own, and one whose first step has expired enrolls nobody.
DELETE FROM taken
WHERE fresh AND source IN ('schedule', 'once') AND (sequence, base_at) NOT IN (
    SELECT (w.sequence, w.base_at) FROM wait_closes w JOIN seqs s USING (sequence) CROSS JOIN clock c
    WHERE s.may_enter AND w.base_at >= s.start AND w.first_expired > c.now AND (c.known_from IS NULL OR w.base_at >= c.known_from)
);
