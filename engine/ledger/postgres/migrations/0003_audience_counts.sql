-- How many people a sequence was for: a row where an apply counted another number than the last, or where what decides it was changed
-- (its digest). Kept where the guard `max_drift` is said; the row with the highest serial holds.
CREATE TABLE audience_counts (
    sequence text, serial bigint, digest text NOT NULL, people bigint NOT NULL, counted_at timestamptz NOT NULL, PRIMARY KEY (sequence, serial)
);
