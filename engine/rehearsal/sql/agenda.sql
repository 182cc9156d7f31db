-- When something falls due again, by sequence and record, after the plan whose tables these are. A moment that turns out to change
-- nothing costs a plan; one that is left out costs a mail that nobody was told of.
SELECT sequence, record, moment FROM (
    -- A step that waits; what is held may expire, and then the next step stands.
    SELECT sequence, record,
        CASE
            WHEN reason = 'send_window' THEN strptime(substr(detail, 8), '%Y-%m-%dT%H:%M:%SZ')
            WHEN decision = 'wait' THEN due
            ELSE expiry
        END AS moment
    FROM decisions WHERE decision IN ('wait', 'hold')
    UNION ALL
    -- A send ends the walk (6.17): the next step of a date's occurrence, or the `wait` that comes next.
    SELECT d.sequence, d.record, u.due FROM decisions d JOIN dues u ON u.sequence = d.sequence AND u.occurrence = d.occurrence AND u.pos > d.pos
    WHERE d.decision = 'send'
    UNION ALL
    SELECT sequence, record, greatest(CASE WHEN simple THEN moved_at END, from_at + INTERVAL 1 MINUTE) FROM moved_sends
    UNION ALL
    -- An event that is ahead of now.
    SELECT sequence, record, base_at FROM begin_later
    UNION ALL
    -- An occurrence that opens: its first step is due.
    SELECT v.sequence, v.record, l.opens
    FROM valued v JOIN bases b ON b.sequence = v.sequence AND b.value_at = v.value_at
    JOIN life l ON l.sequence = b.sequence AND l.occurrence = b.occurrence
    WHERE v.matches AND v.in_range
    UNION ALL
    -- A record with nobody to tell is walked at each of its steps (4.3); one without `before` or `after` at the next hour.
    SELECT n.sequence, n.record, d.due FROM lonely n JOIN dues d ON d.sequence = n.sequence AND d.occurrence = n.occurrence
    UNION ALL
    -- Someone whose last enrollment bars another for a while (3.9).
    SELECT e.sequence, e.record, b.free_at FROM entering e JOIN barred b ON b.sequence = e.sequence AND b.contact = e.contact WHERE e.refused = 'enrolled_lately'
    UNION ALL
    -- Someone whose last mail goes now: the next plan ends the enrollment, and `after` counts from there (3.9).
    SELECT d.sequence, d.record, c.now + INTERVAL 1 MINUTE FROM decisions d JOIN seqs s USING (sequence) CROSS JOIN clock c
    WHERE d.decision = 'send' AND s.reenter = 'after'
    UNION ALL
    -- Someone who was barred by an enrollment that ends in this plan.
    SELECT e.sequence, e.record, c.now + INTERVAL 1 MINUTE FROM entering e CROSS JOIN clock c
    WHERE e.refused = 'already_enrolled' AND EXISTS (
        FROM decisions d WHERE d.sequence = e.sequence AND d.contact = e.contact AND d.decision IN ('send', 'exit', 'complete'))
    UNION ALL
    -- The whole of a sequence that starts later (3.7).
    SELECT sequence, NULL, start FROM seqs
    UNION ALL
    -- A pause or a stop that ends by itself.
    SELECT s.sequence, NULL, p.until FROM controls p JOIN seqs s ON p.scope = 'project' OR p.sequence = s.sequence
), clock
WHERE moment > clock.now AND moment <= $until
GROUP BY ALL
