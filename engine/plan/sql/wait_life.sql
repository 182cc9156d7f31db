-- One link of the chain of waits: when the step at this pass would be due if nothing but waiting happened (3.6).
CREATE OR REPLACE TEMP TABLE link_source AS
SELECT c.sequence, c.base_at, c.zone, s.cal, s.win, c.moved_at AS from_at, NULL::TIMESTAMP AS from_wall, 1 AS sign, st.count, st.unit,
    st.at_us, st.pos
FROM chain c JOIN seqs s USING (sequence) JOIN steps st USING (sequence)
WHERE c.pos = (SELECT pass FROM clock) - 1 AND st.pos = (SELECT pass FROM clock);
