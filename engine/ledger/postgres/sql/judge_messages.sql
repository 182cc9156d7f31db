-- 4.8: what this commit plans as one message is led by the first row that it plans. A row that a worker holds, or whose bytes stay as they were
-- frozen, is not among them: it keeps to its own.
UPDATE judged
SET message = m.message, not_before = m.not_before
FROM (
  SELECT send_key, first_value(send_key) OVER (PARTITION BY message ORDER BY item) AS message, max(not_before) OVER (PARTITION BY message) AS not_before
  FROM judged
  WHERE message IS NOT NULL AND act IN ('insert', 'refresh', 'revive')
) m
WHERE judged.send_key = m.send_key
