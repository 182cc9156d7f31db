-- What left, was settled or was in somebody's hands after the backup was made: the newer ledger's word on it holds. Planned rows that never
-- were in any hand are left to the next plan, but one that the backup still has as planned follows its cancellation.
CREATE OR REPLACE TEMP TABLE taken AS
SELECT n.* REPLACE (
         CASE n.state WHEN 'dispatching' THEN 'unknown' WHEN 'claimed' THEN 'planned' ELSE n.state END AS state,
         CASE n.state WHEN 'dispatching' THEN 'process_died' WHEN 'claimed' THEN NULL ELSE n.reason END AS reason,
         n.ambiguous OR n.state = 'dispatching' AS ambiguous,
         CASE WHEN n.state IN ('claimed', 'dispatching') THEN n.token + 1 ELSE n.token END AS token,
         CASE WHEN n.state IN ('claimed', 'dispatching') THEN NULL ELSE n.owner END AS owner,
         CASE WHEN n.state IN ('claimed', 'dispatching') THEN NULL ELSE n.lease_until END AS lease_until,
         coalesce(s.number, $number + row_number() OVER (PARTITION BY s.number IS NULL ORDER BY n.number)) AS number
       ),
       s.send_key IS NULL AS is_new
FROM newer.sends n
LEFT JOIN sends s ON s.send_key = n.send_key
WHERE (n.state NOT IN ('planned', 'claimed', 'cancelled') OR n.ambiguous OR n.payload_hash IS NOT NULL OR (n.state = 'cancelled' AND s.send_key IS NOT NULL))
  AND (s.send_key IS NULL OR (s.state, s.token, s.updated_at) IS DISTINCT FROM (n.state, n.token, n.updated_at))
