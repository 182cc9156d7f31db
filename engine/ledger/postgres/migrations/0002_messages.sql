-- Several sends that are one message (semantics 4.8): it is the send key of the first of them, and `item` the place in it; both are NULL for a
-- mail of its own. Rows are one message where `payload_hash` is the same too: what was left out when it was frozen has none.
ALTER TABLE sends ADD COLUMN message uuid, ADD COLUMN item bigint;
CREATE INDEX sends_of_messages ON sends (message, item) WHERE message IS NOT NULL;
