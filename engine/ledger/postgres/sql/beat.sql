-- Claimed rows alone are extended; a dispatching row's lease was fixed at T3. A row that is being moved at this moment needs no beat.
UPDATE sends
SET lease_until = greatest(sends.lease_until, clock_timestamp() + %(lease)s)
WHERE sends.state = 'claimed'
  AND sends.send_key IN (SELECT s.send_key FROM sends s WHERE s.state = 'claimed' AND s.owner = ANY(%(owners)s::text[]) FOR UPDATE OF s SKIP LOCKED)
