-- The rows that this commit may move, held until its end, in the order in which everybody takes rows. A claim passes them over.
SELECT count(*)
FROM (
  SELECT s.send_key
  FROM sends s
  WHERE s.state IN ('planned', 'cancelled')
    AND s.send_key IN (SELECT send_key FROM new_sends UNION SELECT send_key FROM new_skips UNION SELECT send_key FROM new_cancels)
  ORDER BY s.send_key
  FOR UPDATE OF s
) AS locked
