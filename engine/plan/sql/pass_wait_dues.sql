CREATE OR REPLACE TEMP TABLE waits AS SELECT id, raw, due, moved_at AS expiry FROM moved('wait_expiry_source');
