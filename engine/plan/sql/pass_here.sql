-- One pass of the walk (6.17): everyone who stands at this position, with the step and the clock of its sequence.
CREATE OR REPLACE TEMP TABLE here AS
SELECT w.*, st.step, st.kind, st.active AND coalesce(t.active, true) AS active, st.start, NULL::TIMESTAMP AS floor, NULL::TIMESTAMP AS lapses, st.has_if, st.exp_count, st.exp_unit, s.zone, s.cal, s.win, s.kind AS trigger,
    st.sign, st.count, st.unit, st.at_us
FROM walk w
LEFT JOIN seqs s ON s.sequence = w.sequence
LEFT JOIN steps st ON st.sequence = w.sequence AND st.pos = w.pos
LEFT JOIN chosen ch ON ch.sequence = w.sequence AND ch.step = st.step AND ch.record = w.record AND ch.contact = w.contact
LEFT JOIN templates t ON t.template = ch.template
WHERE w.pos = (SELECT pass FROM clock);

