INSERT INTO pii (send_key, address, name, variables)
SELECT send_key, address, name, variables FROM judged WHERE act IN ('insert', 'refresh', 'revive') AND NOT kept
ON CONFLICT DO UPDATE SET address = excluded.address, name = excluded.name, variables = excluded.variables
