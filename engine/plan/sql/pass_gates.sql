-- The gates of the contact (6.9 to 6.12) for those whose step is due, or was until it came too late; the template is chosen and the address is known.
CREATE OR REPLACE TEMP TABLE reached AS
SELECT a.id, a.sequence, a.entity, a.record, a.occurrence, a.contact, a.step, a.pos, a.due, a.expiry, a.is_record, coalesce(a.base_at, a.base_date::TIMESTAMP) AS base,
    coalesce(ch.template, only_one.template) AS template,
    t.active AS template_active, t.category, t.topic, p.address, p.address_key, p.fault, p.active AS contact_active, p.suppressed, p.name,
    l.locale, a.has_if AND h.record IS NULL AS condition_false, a.late
FROM at_step a
LEFT JOIN holds h ON a.has_if AND h.sequence = a.sequence AND h.rule = 'if:' || a.step AND h.record = a.record AND h.contact = a.contact
LEFT JOIN chosen ch ON ch.sequence = a.sequence AND ch.step = a.step AND ch.record = a.record AND ch.contact = a.contact
LEFT JOIN step_template only_one ON only_one.sequence = a.sequence AND only_one.step = a.step
LEFT JOIN templates t ON t.template = coalesce(ch.template, only_one.template)
LEFT JOIN people p ON p.contact = a.contact
LEFT JOIN locales l ON l.template = coalesce(ch.template, only_one.template) AND l.wanted = coalesce(p.language, '')
WHERE a.decision IS NULL OR a.late;

CREATE OR REPLACE TEMP TABLE gated AS
SELECT r.*,
    CASE
        WHEN NOT r.template_active THEN 'step_inactive'
        WHEN r.condition_false OR r.template IS NULL THEN 'condition_false'
    END AS step_fault,
    CASE WHEN NOT r.contact_active THEN 'contact_inactive' ELSE r.fault END AS hold_fault,
    CASE
        WHEN r.suppressed = 'bounce' THEN 'suppressed_bounce'
        WHEN r.suppressed = 'complaint' THEN 'suppressed_complaint'
        -- Somebody said by hand that this address gets nothing at all.
        WHEN r.suppressed IS NOT NULL THEN 'unsubscribed'
        WHEN r.category = 'marketing' THEN m.fault
    END AS consent_fault,
    -- A planned row that nobody has claimed is judged again: it takes its address only if its own contact passes (9.6).
    EXISTS (FROM decided d WHERE d.state <> 'skipped' AND (d.state <> 'planned' OR d.ambiguous) AND d.sequence = r.sequence AND d.step = r.step AND d.record = r.record
        AND d.occurrence = r.occurrence AND d.address_key = r.address_key AND d.contact <> r.contact) AS taken_in_ledger,
    EXISTS (FROM decided d WHERE d.state = 'planned' AND d.sequence = r.sequence AND d.step = r.step AND d.record = r.record
        AND d.occurrence = r.occurrence AND d.address_key = r.address_key AND d.contact = r.contact) AS planned_before,
    EXISTS (FROM gap_sends g WHERE g.sequence = r.sequence AND g.step = r.step AND g.record = r.record AND g.contact = r.contact
        AND g.occurrence <> r.occurrence AND g.free_at > (SELECT now FROM clock)) AS too_soon
FROM reached r
LEFT JOIN marketing_faults m ON m.contact = r.contact AND m.topic = r.topic;
