-- Each mail of either course once: `was` and `will` are its instants, NULL where that course does not send it. The base's steps are
-- called as the head calls them. `changed` says that its letter has another text.
CREATE OR REPLACE TABLE joined AS
WITH renamed AS (
    SELECT b.* REPLACE (coalesce(n.now_sequence, b.sequence) AS sequence, coalesce(n.now_step, b.step) AS step), b.sequence AS old_sequence
    FROM base_mails b LEFT JOIN names n ON n.sequence = b.sequence AND n.step = b.step
), either AS (
    SELECT coalesce(b.sequence, h.sequence) AS sequence, coalesce(b.step, h.step) AS step, coalesce(b.entity, h.entity) AS entity,
        coalesce(b.record, h.record) AS record, coalesce(b.occurrence, h.occurrence) AS occurrence, coalesce(b.contact, h.contact) AS contact,
        b.moment AS was, h.moment AS will, b.old_sequence, b.template AS old_template, b.locale AS old_locale, h.template, h.locale
    FROM renamed b FULL JOIN head_mails h
    ON b.sequence = h.sequence AND b.step = h.step AND b.entity = h.entity AND b.record = h.record AND b.occurrence = h.occurrence AND b.contact = h.contact
)
SELECT s.*,
    CASE WHEN was IS NULL THEN 'gain' WHEN will IS NULL THEN 'loss' WHEN was <> will THEN 'move' ELSE 'same' END AS kind,
    was IS NOT NULL AND will IS NOT NULL AND bl.digest IS DISTINCT FROM hl.digest AS changed,
    wd.day AS was_day, id.day AS will_day
FROM either s
LEFT JOIN base_letters bl ON bl.sequence = s.old_sequence AND bl.template = s.old_template AND bl.locale IS NOT DISTINCT FROM s.old_locale
LEFT JOIN head_letters hl ON hl.sequence = s.sequence AND hl.template = s.template AND hl.locale IS NOT DISTINCT FROM s.locale
LEFT JOIN local_days wd ON wd.moment = s.was
LEFT JOIN local_days id ON id.moment = s.will;

-- A mail that one course sends only after the days that were looked at is later, or sooner, and neither lost nor gained.
UPDATE joined SET kind = 'later' FROM head_beyond b
WHERE kind = 'loss' AND b.sequence = joined.sequence AND b.step = joined.step AND b.occurrence = joined.occurrence
    AND (b.record IS NULL OR (b.record = joined.record AND b.contact = joined.contact));

UPDATE joined SET kind = 'sooner' FROM (
    SELECT coalesce(n.now_sequence, b.sequence) AS sequence, coalesce(n.now_step, b.step) AS step, b.record, b.occurrence, b.contact
    FROM base_beyond b LEFT JOIN names n ON n.sequence = b.sequence AND n.step = b.step
) b
WHERE kind = 'gain' AND b.sequence = joined.sequence AND b.step = joined.step AND b.occurrence = joined.occurrence
    AND (b.record IS NULL OR (b.record = joined.record AND b.contact = joined.contact));

-- Records that tell a step to other people than before.
CREATE OR REPLACE TABLE regrouped AS
SELECT sequence, step, count(*) AS records FROM (
    SELECT sequence, step, record, occurrence FROM joined
    GROUP BY ALL
    HAVING count(*) FILTER (WHERE was IS NOT NULL) > 0 AND count(*) FILTER (WHERE will IS NOT NULL) > 0 AND count(*) FILTER (WHERE kind IN ('gain', 'loss')) > 0
) GROUP BY ALL;
