-- T4 to T8 and T11: where each settlement takes its row. An acknowledgement is taken from any state that can have sent; all else
-- needs the token. A doubt (ambiguous) never becomes failed, and goes again only while the provider surely knows the key.
CREATE OR REPLACE TEMP TABLE moved AS
SELECT *, becomes = 'planned' AND said = 'retry' AND message IS NOT NULL AND NOT ambiguous AND known IS NULL AS thaws
FROM (
SELECT s.message, s.ambiguous, s.known_until AS known, g.* EXCLUDE (state), g.state AS said,
       coalesce(nullif(concat_ws(' ', g.code::VARCHAR, nullif(g.enhanced_code, '')), ''), nullif(g.phase, ''), g.state) AS reason,
       CASE
         WHEN g.state = 'sent' AND s.state IN ('claimed', 'dispatching', 'unknown', 'planned', 'failed') THEN 'sent'
         WHEN g.state = 'sent' AND s.state = 'sent' THEN 'already'
         WHEN s.state IS DISTINCT FROM 'dispatching' OR s.token <> g.token THEN 'stale'
         WHEN g.state = 'failed' THEN CASE WHEN s.ambiguous THEN 'unknown' ELSE 'failed' END
         WHEN g.state = 'retry' AND g.phase = 'not_tried' AND (NOT s.ambiguous OR s.known_until > $now) THEN 'planned'
         WHEN g.state = 'retry' AND s.attempts < $max_attempts AND (NOT s.ambiguous OR s.known_until > $now) THEN 'planned'
         WHEN g.state = 'retry' THEN CASE WHEN s.ambiguous THEN 'unknown' ELSE 'failed' END
         WHEN s.attempts < $max_attempts AND s.known_until > $now THEN 'planned'
         ELSE 'unknown'
       END AS becomes
FROM (SELECT * REPLACE (send_key::UUID AS send_key) FROM arriving) g
LEFT JOIN sends s ON s.send_key = g.send_key AND s.number = g.number
)
