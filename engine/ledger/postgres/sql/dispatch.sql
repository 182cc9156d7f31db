-- T3: each row of the group goes where its guard says, and those that go have their bytes frozen and their lease fixed: from now
-- on nobody extends it, and it outlasts the group.
WITH m AS (
  SELECT *
  FROM unnest(
    %(keys)s::uuid[], %(tokens)s::bigint[], %(verdicts)s::text[], %(messages)s::uuid[], %(payload_hashes)s::text[], %(message_ids)s::text[], %(transports)s::text[],
    %(known_for)s::interval[], %(senders)s::text[], %(recipients)s::text[], %(subjects)s::text[], %(payloads)b::bytea[]
  ) AS m(send_key, token, verdict, message, payload_hash, message_id, transport, known_for, sender, recipient, subject, payload)
), moved AS (
  UPDATE sends
  SET state = CASE
                WHEN m.verdict = 'go' THEN 'dispatching'
                WHEN m.verdict = 'held' THEN 'planned'
                -- What is bound to bytes that the provider may have is in doubt without them (4.8).
                WHEN sends.ambiguous OR m.verdict = 'window_over' OR (m.message IS NOT NULL AND sends.payload_hash IS NOT NULL) THEN 'unknown'
                ELSE 'skipped'
              END,
      reason = CASE WHEN m.verdict NOT IN ('go', 'held') THEN m.verdict END,
      owner = CASE WHEN m.verdict = 'go' THEN sends.owner END,
      lease_until = CASE WHEN m.verdict = 'go' THEN clock_timestamp() + %(lease)s END,
      token = CASE WHEN m.verdict = 'held' THEN sends.token + 1 ELSE sends.token END,
      attempts = CASE WHEN m.verdict = 'go' THEN sends.attempts + 1 ELSE sends.attempts END,
      transport = CASE WHEN m.verdict = 'go' THEN m.transport ELSE sends.transport END,
      -- A key is known to the transport that was told it: another one knows what it says itself, and a window that was made shorter is shorter.
      known_until = CASE
                      WHEN m.verdict <> 'go' THEN sends.known_until
                      WHEN sends.transport = m.transport AND sends.known_until IS NOT NULL AND m.known_for IS NOT NULL
                        THEN least(sends.known_until, sends.first_dispatch_at + m.known_for)
                      ELSE %(now)s + m.known_for
                    END,
      known_by_clock = CASE
                         WHEN m.verdict <> 'go' THEN sends.known_by_clock
                         WHEN sends.transport = m.transport AND sends.known_until IS NOT NULL AND m.known_for IS NOT NULL
                           THEN least(sends.known_by_clock, clock_timestamp() + m.known_for)
                         ELSE clock_timestamp() + m.known_for
                       END,
      payload_hash = CASE WHEN m.verdict = 'go' THEN m.payload_hash ELSE sends.payload_hash END,
      message = CASE WHEN m.verdict = 'go' THEN m.message ELSE sends.message END,
      message_id = CASE WHEN m.verdict = 'go' THEN m.message_id ELSE sends.message_id END,
      first_dispatch_at = CASE WHEN m.verdict = 'go' THEN coalesce(sends.first_dispatch_at, %(now)s) ELSE sends.first_dispatch_at END,
      updated_at = %(now)s
  FROM m
  WHERE sends.send_key = m.send_key AND sends.state = 'claimed' AND sends.token = m.token
  RETURNING m.*
), tried AS (
  INSERT INTO attempts (send_key, token, started_at, transport)
  SELECT send_key, token, %(now)s, transport FROM moved WHERE verdict = 'go'
), kept AS (
  INSERT INTO payloads (send_key, sender, recipient, subject, payload)
  SELECT coalesce(message, send_key), sender, recipient, subject, payload FROM moved WHERE verdict = 'go' AND payload IS NOT NULL
  ON CONFLICT DO NOTHING
)
SELECT send_key::text FROM moved WHERE verdict = 'go'
