INSERT INTO pii (send_key, number, address, name, variables)
SELECT j.send_key, s.number, j.address, j.name, j.variables
FROM judged j
JOIN sends s ON s.send_key = j.send_key
WHERE j.act IN ('insert', 'refresh', 'revive') AND NOT j.kept
ORDER BY s.number
ON CONFLICT DO UPDATE SET address = excluded.address, name = excluded.name, variables = excluded.variables
