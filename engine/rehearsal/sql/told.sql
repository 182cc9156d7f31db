-- Each record that either course tells a contact of, at one step, once: `was` and `will` are the instants of the mails that do, NULL where
-- that course does not tell it; `was_mail` and `will_mail` say which mail it is (4.8: several records of a contact may be one). The base's
-- steps are called as the head calls them.
CREATE OR REPLACE TABLE told AS
WITH base AS (
    SELECT b.* REPLACE (coalesce(n.now_sequence, b.sequence) AS sequence, coalesce(n.now_step, b.step) AS step), b.sequence AS old_sequence,
        coalesce(b.message, concat_ws(chr(31), b.sequence, b.step, b.entity, b.record, b.occurrence, b.contact)) AS mail
    FROM base_sends b LEFT JOIN names n ON n.sequence = b.sequence AND n.step = b.step
), head AS (
    SELECT *, coalesce(message, concat_ws(chr(31), sequence, step, entity, record, occurrence, contact)) AS mail FROM head_sends
)
SELECT coalesce(b.sequence, h.sequence) AS sequence, coalesce(b.step, h.step) AS step, coalesce(b.entity, h.entity) AS entity,
    coalesce(b.record, h.record) AS record, coalesce(b.occurrence, h.occurrence) AS occurrence, coalesce(b.contact, h.contact) AS contact,
    b.moment AS was, h.moment AS will, b.mail AS was_mail, h.mail AS will_mail,
    b.old_sequence, b.template AS old_template, b.locale AS old_locale, h.template, h.locale,
    CASE WHEN b.moment IS NULL THEN 'gain' WHEN h.moment IS NULL THEN 'loss' ELSE 'both' END AS kind
FROM base b FULL JOIN head h
ON b.sequence = h.sequence AND b.step = h.step AND b.entity = h.entity AND b.record = h.record AND b.occurrence = h.occurrence AND b.contact = h.contact;

-- What one course tells only after the days that were looked at is later, or sooner, and neither lost nor gained.
UPDATE told SET kind = 'later' FROM head_beyond b
WHERE kind = 'loss' AND b.sequence = told.sequence AND b.step = told.step AND b.occurrence = told.occurrence
    AND (b.record IS NULL OR (b.record = told.record AND b.contact = told.contact));

UPDATE told SET kind = 'sooner' FROM (
    SELECT coalesce(n.now_sequence, b.sequence) AS sequence, coalesce(n.now_step, b.step) AS step, b.record, b.occurrence, b.contact
    FROM base_beyond b LEFT JOIN names n ON n.sequence = b.sequence AND n.step = b.step
) b
WHERE kind = 'gain' AND b.sequence = told.sequence AND b.step = told.step AND b.occurrence = told.occurrence
    AND (b.record IS NULL OR (b.record = told.record AND b.contact = told.contact));

-- Records that tell a step to other people than before, and how many of them only to fewer.
CREATE OR REPLACE TABLE regrouped AS
SELECT sequence, step, count(*) AS records, count(*) FILTER (WHERE NOT somebody_new) AS fewer FROM (
    SELECT sequence, step, record, occurrence, bool_or(kind = 'gain') AS somebody_new FROM told
    GROUP BY sequence, step, record, occurrence
    HAVING count(*) FILTER (WHERE was IS NOT NULL) > 0 AND count(*) FILTER (WHERE will IS NOT NULL) > 0 AND count(*) FILTER (WHERE kind IN ('gain', 'loss')) > 0
) GROUP BY ALL;
