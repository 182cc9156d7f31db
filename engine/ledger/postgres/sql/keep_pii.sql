INSERT INTO pii (send_key, address, name, variables)
SELECT j.send_key, j.address, j.name, j.variables
FROM judged j
WHERE j.act IN ('insert', 'refresh', 'revive') AND NOT j.kept
ON CONFLICT (send_key) DO UPDATE SET address = excluded.address, name = excluded.name, variables = excluded.variables
