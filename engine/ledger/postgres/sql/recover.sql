-- T9 and T10: rows whose lease is over, by the server's clock. The token passes on, so that whatever their holder still says is told
-- from the next holder's word. Those that another process is moving at this moment are left to it.
WITH dead AS MATERIALIZED (
  SELECT s.send_key, s.state, s.token,
         s.state = 'claimed' OR (s.attempts < %(max_attempts)s AND coalesce(s.known_until > %(now)s AND s.known_by_clock > clock_timestamp(), FALSE)) AS again
  FROM sends s
  WHERE s.state IN ('claimed', 'dispatching') AND s.lease_until <= clock_timestamp()
  ORDER BY s.send_key
  FOR UPDATE OF s SKIP LOCKED
), moved AS (
  UPDATE sends
  SET state = CASE WHEN d.again THEN 'planned' ELSE 'unknown' END,
      reason = CASE WHEN d.again THEN NULL ELSE 'process_died' END,
      ambiguous = sends.ambiguous OR d.state = 'dispatching',
      token = sends.token + 1,
      owner = NULL,
      lease_until = NULL,
      updated_at = %(now)s
  FROM dead d
  WHERE sends.send_key = d.send_key AND sends.state = d.state AND sends.token = d.token
  RETURNING d.send_key, d.state AS was, d.token, sends.state
), told AS (
  INSERT INTO outcomes (send_key, token, said_at, outcome, became, phase, code, enhanced_code, text)
  SELECT send_key, token, %(now)s, 'unknown', state, 'process_died', NULL, '', '' FROM moved WHERE was = 'dispatching'
)
SELECT send_key::text, was, state FROM moved ORDER BY send_key
