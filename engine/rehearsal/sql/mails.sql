-- Each mail of either course once, and how it differs. A mail of the base and one of the head are the same mail where both tell of a record,
-- and each is the other's best: at the same instant before another, then with more records in common.
CREATE OR REPLACE TABLE base_mails AS
SELECT was_mail AS mail, any_value(sequence) AS sequence, any_value(step) AS step, any_value(contact) AS contact, any_value(was) AS was, count(*) AS items,
    any_value(old_sequence) AS old_sequence, any_value(old_template) AS template, any_value(old_locale) AS locale,
    CASE WHEN bool_or(kind = 'later') THEN 'later' ELSE 'loss' END AS alone
FROM told WHERE was IS NOT NULL GROUP BY was_mail;

CREATE OR REPLACE TABLE head_mails AS
SELECT will_mail AS mail, any_value(sequence) AS sequence, any_value(step) AS step, any_value(contact) AS contact, any_value(will) AS will, count(*) AS items,
    any_value(template) AS template, any_value(locale) AS locale, CASE WHEN bool_or(kind = 'sooner') THEN 'sooner' ELSE 'gain' END AS alone
FROM told WHERE will IS NOT NULL GROUP BY will_mail;

CREATE OR REPLACE TABLE same_mail AS
WITH pairs AS (
    SELECT was_mail, will_mail, count(*) AS common, any_value(was) AS was, any_value(will) AS will, min((record, occurrence)) AS least
    FROM told WHERE kind = 'both' GROUP BY ALL
)
SELECT was_mail, will_mail, common FROM pairs
QUALIFY row_number() OVER (PARTITION BY was_mail ORDER BY was = will DESC, common DESC, will, least) = 1
    AND row_number() OVER (PARTITION BY will_mail ORDER BY was = will DESC, common DESC, was, least) = 1;

-- `changed`: it goes in both with another text, or tells of other records.
CREATE OR REPLACE TABLE mails AS
WITH either AS (
    SELECT b.mail AS was_mail, coalesce(h.sequence, b.sequence) AS sequence, coalesce(h.step, b.step) AS step, coalesce(h.contact, b.contact) AS contact,
        b.was, h.will, b.items AS was_items, h.items AS will_items,
        CASE WHEN b.mail IS NULL THEN h.alone WHEN h.mail IS NULL THEN b.alone WHEN b.was <> h.will THEN 'move' ELSE 'same' END AS kind,
        b.mail IS NOT NULL AND h.mail IS NOT NULL AND (bl.digest IS DISTINCT FROM hl.digest OR s.common < greatest(b.items, h.items)) AS changed
    FROM (base_mails b LEFT JOIN same_mail s ON s.was_mail = b.mail) FULL JOIN head_mails h ON h.mail = s.will_mail
    LEFT JOIN base_letters bl ON bl.sequence = b.old_sequence AND bl.template = b.template AND bl.locale IS NOT DISTINCT FROM b.locale
    LEFT JOIN head_letters hl ON hl.sequence = h.sequence AND hl.template = h.template AND hl.locale IS NOT DISTINCT FROM h.locale
)
SELECT e.*, wd.day AS was_day, id.day AS will_day
FROM either e LEFT JOIN local_days wd ON wd.moment = e.was LEFT JOIN local_days id ON id.moment = e.will;
