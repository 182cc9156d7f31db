-- When each window is open next: now, or later.
CREATE OR REPLACE TEMP TABLE now_source AS SELECT w.win, w.zone, c.now AS due, c.now AS from_at FROM windows w, clock c;

CREATE OR REPLACE TEMP TABLE windows_now AS SELECT win, zone, due AS opens FROM windowed('now_source');
