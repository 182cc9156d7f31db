-- What each planned row of the commit meets in the ledger; the rows that it may move are locked already. `kept` rows keep their
-- frozen bytes and their address: something may have been accepted under this key, or the provider still knows it with those bytes.
-- `not_before` is when a message that was put off may go.
CREATE TEMPORARY TABLE judged ON COMMIT DROP AS
WITH met AS (
  SELECT n.send_key, n.sequence, n.step, n.entity, n.record, n.occurrence, n.contact, n.due_at, n.expires_at, n.template, n.locale, n.category, n.topic,
         CASE WHEN k.kept THEN s.address_key ELSE n.address_key END AS address_key, n.address, n.name, n.variables, n.position, n.open_until,
         n.message::uuid AS message, n.item,
         s.state AS was, k.kept, CASE WHEN s.state = 'planned' THEN s.not_before END AS not_before
  FROM new_sends n
  LEFT JOIN sends s ON s.send_key = n.send_key
  CROSS JOIN LATERAL (SELECT coalesce(s.payload_hash IS NOT NULL AND (s.ambiguous OR s.known_until IS NOT NULL), FALSE)) AS k(kept)
), free AS (
  SELECT m.*,
         row_number() OVER (
           PARTITION BY m.sequence, m.step, m.entity, m.record, m.occurrence, m.address_key
           ORDER BY m.was IS DISTINCT FROM 'planned', m.contact COLLATE "C"
         ) = 1
         AND NOT EXISTS (
           SELECT 1
           FROM address_slots a
           JOIN sends h ON h.send_key = a.holder
           WHERE a.sequence = m.sequence AND a.step = m.step AND a.entity = m.entity AND a.record = m.record
             AND a.occurrence = m.occurrence AND a.address_key = m.address_key
             AND a.holder <> m.send_key AND h.address_key = a.address_key AND h.state NOT IN ('skipped', 'cancelled')
         ) AS has_slot
  FROM met m
  WHERE m.was IS NULL OR m.was IN ('planned', 'cancelled')
)
SELECT *,
       CASE
         WHEN was = 'planned' AND kept THEN 'keep'
         WHEN was = 'planned' AND has_slot THEN 'refresh'
         WHEN was = 'planned' THEN 'cancel'
         WHEN NOT has_slot THEN 'refuse'
         WHEN was = 'cancelled' THEN 'revive'
         ELSE 'insert'
       END AS act
FROM free
