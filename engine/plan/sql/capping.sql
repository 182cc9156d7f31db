-- 6.21: what the caps look at: the mails of this plan in the order in which they are taken, and those of the ledger to the same addresses.
-- A mail of several records stands where its first does (4.8).
CREATE OR REPLACE TEMP TABLE capping AS
SELECT d.rowid AS id, d.address_key, d.category, d.topic, d.sequence, t.type, d.step, d.entity, d.record, d.occurrence, d.contact,
    row_number() OVER (ORDER BY s.priority, d.due, d.sequence, whole(d.record) IS NULL, whole(d.record), d.record,
        whole(d.occurrence) IS NULL, whole(d.occurrence), d.occurrence, whole(d.contact) IS NULL, whole(d.contact), d.contact) AS place
FROM decisions d JOIN seqs s USING (sequence) JOIN templates t USING (template)
WHERE d.decision = 'send' AND coalesce(d.item, 1) = 1;

-- A failed send takes no place. What has no category counts in each.
CREATE OR REPLACE TEMP TABLE capped_before AS
SELECT r.address_key, coalesce(r.category, t.category) AS category, r.topic, r.sequence, t.type, r.step, r.entity, r.record, r.occurrence, r.contact, r.decided_at
FROM recent_mails r LEFT JOIN templates t USING (template)
WHERE r.state <> 'failed' AND r.address_key IN (SELECT address_key FROM capping);
