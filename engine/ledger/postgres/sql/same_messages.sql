-- 4.8: the other rows of the messages that these are part of, which may have been sent with them.
SELECT k.send_key::text, o.send_key::text
FROM sends k
JOIN sends o ON o.message = k.message AND o.send_key <> k.send_key AND o.payload_hash IS NOT DISTINCT FROM k.payload_hash
WHERE k.send_key = ANY(%(keys)s::uuid[]) AND k.message IS NOT NULL AND o.state IN ('claimed', 'dispatching', 'unknown', 'planned', 'failed')
ORDER BY o.item
