-- An occurrence of a wait sequence closes when its first step has expired, one that enrolled somebody when its last has (3.6).
CREATE OR REPLACE TEMP TABLE close_source AS
SELECT c.sequence, c.base_at, c.pos, c.zone, s.cal, c.moved_at AS from_at, NULL::TIMESTAMP AS from_wall, 1 AS sign,
    st.exp_count AS count, st.exp_unit AS unit, NULL::BIGINT AS at_us
FROM chain c JOIN seqs s USING (sequence) JOIN steps st ON st.sequence = c.sequence AND st.pos = c.pos;
