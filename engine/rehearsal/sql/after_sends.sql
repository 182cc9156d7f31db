-- Who is sent something and has a `wait` next, which counts from now (5.2). `simple`: nothing else decides when it is due. Where the step is
-- switched off for some, or those on their way keep an earlier time, only a plan can tell.
CREATE OR REPLACE TEMP TABLE after_sends AS
SELECT d.sequence, st.step, d.entity, d.record, d.occurrence, d.contact,
    CASE WHEN s.by_recipient AND p.zone IN (SELECT zone FROM zone_offsets) THEN p.zone ELSE s.zone END AS zone, s.cal,
    c.now AS from_at, NULL::TIMESTAMP AS from_wall, st.sign, st.count, st.unit, st.at_us,
    st.active AND o.template IS NOT NULL AND NOT list_contains($changed::VARCHAR[], d.sequence) AS simple
FROM decisions d JOIN seqs s ON s.sequence = d.sequence JOIN steps st ON st.sequence = d.sequence AND st.pos = d.pos + 1
LEFT JOIN step_template o ON o.sequence = st.sequence AND o.step = st.step LEFT JOIN people p ON p.contact = d.contact CROSS JOIN clock c
WHERE d.decision = 'send' AND st.kind = 'wait'
