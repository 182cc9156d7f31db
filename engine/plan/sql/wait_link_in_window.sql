-- Each link is due when its window is open, and the next one counts from there (5.4).
CREATE OR REPLACE TEMP TABLE link_due AS
SELECT sequence, base_at, zone, win, pos, moved_at AS due, moved_at AS from_at FROM moved_on('link_source');

INSERT INTO chain
SELECT sequence, base_at, zone, pos, due FROM windowed('link_due');
