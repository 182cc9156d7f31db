-- 6.21: the sends of the ledger as mails: what was one message (4.8) is one row. A planned row that nobody has claimed is judged again in this plan.
CREATE OR REPLACE TEMP VIEW recent_mails AS
SELECT * FROM recent_sends WHERE state <> 'planned' AND message IS NULL
UNION ALL
SELECT * FROM (
    SELECT * FROM recent_sends WHERE state <> 'planned' AND message IS NOT NULL
    QUALIFY row_number() OVER (
        PARTITION BY message ORDER BY state = 'failed', decided_at DESC, whole(record) IS NULL, whole(record), record, whole(occurrence) IS NULL, whole(occurrence), occurrence
    ) = 1
);
