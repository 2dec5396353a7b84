-- Times are Unix nanoseconds (WallTime). JSON columns hold the words of patrol-core as serde writes them.

CREATE TABLE lead (
    id          TEXT PRIMARY KEY,
    revision    INTEGER NOT NULL,
    state       TEXT NOT NULL,
    open        INTEGER NOT NULL CHECK (open IN (0, 1)),
    tier        TEXT NOT NULL,
    made_at     INTEGER NOT NULL,
    state_since INTEGER NOT NULL,
    stored_at   INTEGER NOT NULL,
    json        TEXT NOT NULL
) STRICT;
CREATE INDEX lead_by_made ON lead (made_at, id);
CREATE INDEX lead_open ON lead (made_at, id) WHERE open = 1;
CREATE INDEX lead_by_state_since ON lead (state_since);

-- AUTOINCREMENT: a sequence is never given twice, not even after old rows were removed.
CREATE TABLE outbox (
    sequence      INTEGER PRIMARY KEY AUTOINCREMENT,
    lead          TEXT NOT NULL,
    revision      INTEGER NOT NULL,
    op            TEXT NOT NULL,
    tier          TEXT NOT NULL,
    written_at    INTEGER NOT NULL,
    -- When the oldest change that this row stands for was written: superseded updates hand it on.
    waiting_since INTEGER NOT NULL,
    -- Empty once superseded or delivered: the row then only says what became of it.
    item          TEXT NOT NULL,
    state         TEXT NOT NULL CHECK (state IN ('waiting', 'parked', 'delivered', 'superseded')),
    superseded_by INTEGER,
    attempts      INTEGER NOT NULL DEFAULT 0,
    not_before    INTEGER NOT NULL DEFAULT 0,
    tried_at      INTEGER,
    why           TEXT,
    settled_at    INTEGER,
    case_id       TEXT
) STRICT;
CREATE INDEX outbox_unsettled ON outbox (lead, sequence) WHERE state IN ('waiting', 'parked');
CREATE INDEX outbox_by_lead ON outbox (lead, revision, op);
CREATE INDEX outbox_by_state ON outbox (state, settled_at);

-- One row per stored picture; the bytes are files named by their hash.
CREATE TABLE evidence (
    sha256    TEXT PRIMARY KEY,
    bytes     INTEGER NOT NULL,
    stored_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX evidence_by_age ON evidence (stored_at);

CREATE TABLE desk (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    json TEXT NOT NULL
) STRICT;

CREATE TABLE note (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- What was counted and then removed.
CREATE TABLE tally (
    name TEXT PRIMARY KEY,
    n    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who looked at what, and why (State Council Order 799, article 16). Each row's hash covers the row before it.
CREATE TABLE viewing (
    sequence INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL,
    by       TEXT NOT NULL,
    unit     TEXT NOT NULL,
    reason   TEXT NOT NULL,
    what     TEXT NOT NULL,
    lead     TEXT,
    sha256   TEXT NOT NULL
) STRICT;
CREATE TRIGGER viewing_is_not_changed BEFORE UPDATE ON viewing BEGIN
    SELECT RAISE(ABORT, 'the log of viewings is append-only');
END;
CREATE TRIGGER viewing_is_not_deleted BEFORE DELETE ON viewing BEGIN
    SELECT RAISE(ABORT, 'the log of viewings is append-only');
END;

-- Length and last hash of the log: a log cut short at its end no longer agrees with it.
CREATE TABLE viewing_head (
    only   INTEGER PRIMARY KEY CHECK (only = 1),
    rows   INTEGER NOT NULL,
    sha256 TEXT NOT NULL
) STRICT;
INSERT INTO viewing_head (only, rows, sha256) VALUES (1, 0, '');
