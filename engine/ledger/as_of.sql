-- The ledger as it was at the one moment of the table `as_of`: under the names of its tables, and in front of them for this question
-- alone. What an apply wrote counts from after its own now, so that an apply's moment shows what that apply saw; what people and the
-- world told counts at once. Names are today's, as the definitions are. {ledger} is where the tables are.
CREATE TEMPORARY VIEW starts AS
SELECT s.sequence, s.serial, s.started FROM {ledger}.starts s JOIN {ledger}.transactions t ON t.serial = s.serial
WHERE t.done_at < (SELECT moment FROM as_of);

CREATE TEMPORARY VIEW step_starts AS
SELECT s.sequence, s.step, s.serial, s.started FROM {ledger}.step_starts s JOIN {ledger}.transactions t ON t.serial = s.serial
WHERE t.done_at < (SELECT moment FROM as_of);

CREATE TEMPORARY VIEW followed AS
SELECT sequence, serial, said, since, day FROM {ledger}.followed WHERE since < (SELECT moment FROM as_of);

CREATE TEMPORARY VIEW fact_counts AS
SELECT c.serial, c.entity, c.records FROM {ledger}.fact_counts c JOIN {ledger}.transactions t ON t.serial = c.serial
WHERE t.done_at < (SELECT moment FROM as_of);

CREATE TEMPORARY VIEW audience_counts AS
SELECT sequence, serial, digest, people, counted_at FROM {ledger}.audience_counts WHERE counted_at < (SELECT moment FROM as_of);

CREATE TEMPORARY VIEW occurrences AS
SELECT sequence, entity, record, occurrence, base_at, source, override FROM {ledger}.occurrences
WHERE taken_at < (SELECT moment FROM as_of) OR (taken_by <> 'plan' AND taken_at = (SELECT moment FROM as_of));

CREATE TEMPORARY VIEW ticks AS
SELECT sequence, tick, base_at FROM {ledger}.ticks WHERE closed_at < (SELECT moment FROM as_of);

CREATE TEMPORARY VIEW rosters AS
SELECT sequence, serial, digest FROM {ledger}.rosters WHERE kept_at < (SELECT moment FROM as_of);

-- Only the last change of a member is kept: before it, it was the other way. Before its first roster a sequence had no members.
CREATE TEMPORARY VIEW memberships AS
SELECT m.sequence, m.record, CASE WHEN m.changed_at < (SELECT moment FROM as_of) THEN m.member ELSE NOT m.member END AS member
FROM {ledger}.memberships m
WHERE EXISTS (SELECT 1 FROM {ledger}.rosters r WHERE r.sequence = m.sequence AND r.kept_at < (SELECT moment FROM as_of));

CREATE TEMPORARY VIEW inbox_events AS
SELECT event, event_id, entity, record, happened_at FROM {ledger}.inbox_events WHERE received_at <= (SELECT moment FROM as_of);

CREATE TEMPORARY VIEW suppressions AS
SELECT address_key, reason, topic, CAST(NULL AS TIMESTAMP) AS lifted_at FROM {ledger}.suppressions
WHERE since <= (SELECT moment FROM as_of) AND (lifted_at IS NULL OR lifted_at > (SELECT moment FROM as_of));

CREATE TEMPORARY VIEW controls AS
SELECT order_id, scope, action, sequence, entity, record, occurrence, contact, until, ordered_by, ordered_at, note, CAST(NULL AS TIMESTAMP) AS lifted_at
FROM {ledger}.controls
WHERE ordered_at <= (SELECT moment FROM as_of)
  -- A cancellation is taken up by an apply, and that apply saw it.
  AND (lifted_at IS NULL OR lifted_at > (SELECT moment FROM as_of) OR (lifted_by = 'exit' AND lifted_at = (SELECT moment FROM as_of)));

-- An exit that came later is none yet, and one that was taken back later still lasts.
CREATE TEMPORARY VIEW enrollments AS
WITH known AS (
  SELECT DISTINCT ON (sequence, entity, record, occurrence, contact) sequence, entity, record, occurrence, contact, happened, happened_at, reason, final
  FROM {ledger}.enrollment_history WHERE happened_at < (SELECT moment FROM as_of)
  ORDER BY sequence, entity, record, occurrence, contact, serial DESC, happened
), later AS (
  SELECT DISTINCT sequence, entity, record, occurrence, contact FROM {ledger}.enrollment_history WHERE happened_at >= (SELECT moment FROM as_of)
), met AS (
  SELECT e.sequence, e.entity, e.record, e.occurrence, e.contact, e.base_date, e.base_at, e.began, e.exit_at, e.exit_reason, e.exit_final,
         l.sequence IS NOT NULL AS moved, k.happened, k.happened_at, k.reason, k.final
  FROM {ledger}.enrollments e
  LEFT JOIN later l USING (sequence, entity, record, occurrence, contact)
  LEFT JOIN known k USING (sequence, entity, record, occurrence, contact)
  WHERE e.began < (SELECT moment FROM as_of)
)
SELECT sequence, entity, record, occurrence, contact, base_date, base_at, began,
       CASE WHEN NOT moved AND exit_at < (SELECT moment FROM as_of) THEN exit_at WHEN moved AND happened = 'exited' THEN happened_at END AS exit_at,
       CASE WHEN NOT moved AND exit_at < (SELECT moment FROM as_of) THEN exit_reason WHEN moved AND happened = 'exited' THEN reason END AS exit_reason,
       CASE WHEN NOT moved AND exit_at < (SELECT moment FROM as_of) THEN exit_final WHEN moved AND happened = 'exited' THEN final END AS exit_final
FROM met;

-- Decided before; in the state that the last answer before the moment gave it, unless nothing has happened to it since.
CREATE TEMPORARY VIEW sends AS
SELECT s.send_key, s.number, s.sequence, s.step, s.entity, s.record, s.occurrence, s.contact, s.due_at, s.decided_at, s.template, s.category, s.topic, s.address_key, s.ambiguous,
       s.message, s.item, CASE WHEN s.first_dispatch_at < (SELECT moment FROM as_of) THEN s.payload_hash END AS payload_hash,
       CASE WHEN s.first_dispatch_at < (SELECT moment FROM as_of) THEN s.known_until END AS known_until,
       CASE WHEN s.state = 'skipped' OR s.updated_at < (SELECT moment FROM as_of) THEN s.reason END AS reason,
       CASE WHEN s.state = 'skipped' OR s.updated_at < (SELECT moment FROM as_of) THEN s.state
            WHEN o.became IS NOT NULL THEN o.became
            WHEN s.first_dispatch_at < (SELECT moment FROM as_of) THEN 'dispatching'
            ELSE 'planned' END AS state
FROM {ledger}.sends s
LEFT JOIN (
  SELECT DISTINCT ON (send_key) send_key, became FROM {ledger}.outcomes
  WHERE said_at < (SELECT moment FROM as_of) AND became IN ('planned', 'sent', 'failed', 'unknown')
  ORDER BY send_key, said_at DESC, token DESC
) o ON o.send_key = s.send_key
WHERE s.decided_at < (SELECT moment FROM as_of);
