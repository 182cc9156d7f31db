-- When a cap that holds somebody may have room again: at the next local midnight, or when an earlier mail to the address is old enough.
SELECT d.sequence, d.record, $midnight AS moment FROM decisions d WHERE d.reason = 'frequency_cap'
UNION
SELECT d.sequence, d.record, min(r.decided_at + to_hours(h.hours))
FROM decisions d
JOIN (
    SELECT address_key, decided_at FROM recent_sends UNION ALL SELECT address_key, c.now FROM decisions, clock c WHERE decision = 'send'
) r ON r.address_key = d.address_key
CROSS JOIN (SELECT unnest($hours::BIGINT[]) AS hours) h CROSS JOIN clock c
WHERE d.reason = 'frequency_cap' AND r.decided_at + to_hours(h.hours) > c.now
GROUP BY d.sequence, d.record, h.hours
