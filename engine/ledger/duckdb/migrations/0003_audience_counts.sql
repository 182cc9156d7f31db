-- How many people a sequence was for: a row where an apply counted another number than the last, or where what decides it was changed
-- (its digest). Kept where the guard `max_drift` is said; the row with the highest serial holds.
CREATE TABLE audience_counts (
    sequence VARCHAR, serial BIGINT, digest VARCHAR NOT NULL, people BIGINT NOT NULL, counted_at TIMESTAMP NOT NULL, PRIMARY KEY (sequence, serial)
);
