-- What is kept of a camera over restarts, small pictures of watched places among it: it expires as pictures do.
CREATE TABLE camera_memory (
    camera     TEXT PRIMARY KEY,
    json       TEXT NOT NULL,
    written_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO camera_memory (camera, json, written_at)
    SELECT substr(key, length('camera-memory:') + 1), value, CAST(strftime('%s', 'now') AS INTEGER) * 1000000000
    FROM note WHERE key LIKE 'camera-memory:%';
DELETE FROM note WHERE key LIKE 'camera-memory:%';
