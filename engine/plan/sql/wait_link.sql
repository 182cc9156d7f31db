INSERT INTO chain
SELECT sequence, base_at, zone, pos, moved_at FROM moved_on('link_source');
