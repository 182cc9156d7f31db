-- Until when the send window of the step is open (semantics 5.4): a planned row that has not left by then is the next plan's matter. NULL is without end,
-- as far as a plan's judgement holds.
ALTER TABLE sends ADD COLUMN open_until timestamptz;
