use crate::error::{Doing, StoreError};
use crate::evidence::{Disk, EvidenceAhead, EvidenceFolder, RealDisk, Reserve, make_dir};
use crate::outbox;
use crate::reader::StoreReader;
use crate::schema;
use patrol_core::desk::OutboxItem;
use patrol_core::{CameraId, Clock, Evidence, Lead, WallTime};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Leads that left their last open state longer ago are not loaded for the desk: it links closed ones for 72 h, officers undo
/// and the city evaluates within days.
const CLOSED_LOADED: Duration = Duration::from_hours(30 * 24);

/// What the desk hands over at once: all of it is stored, or (evidence apart) nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Change<'a> {
    /// Complete snapshots; each replaces the one before.
    pub leads: &'a [Lead],
    /// Told to the city in this order.
    pub outbox: &'a [OutboxItem],
    pub evidence: &'a [Arc<Evidence>],
    /// JSON; `None` leaves the stored one.
    pub desk_state: Option<&'a str>,
    /// Small things to remember, key and value.
    pub notes: &'a [(String, String)],
}

/// What became of a change.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitReport {
    /// Sequence of each outbox item of the change, in its order.
    pub sequences: Vec<i64>,
    /// Unsent updates that a newer one of this change replaced.
    pub superseded: usize,
    /// Outbox items that were in the outbox already: the same change was committed before.
    pub repeated: usize,
    /// Pictures written now, and pictures that were there already.
    pub evidence_written: usize,
    pub evidence_present: usize,
    /// Pictures of the change that are not stored; ring when above 0.
    pub evidence_left_out: usize,
    /// Pictures were left out because the disk is (nearly) full.
    pub shrunk: bool,
    /// The first picture that could not be written, and why.
    pub evidence_error: Option<String>,
    /// The leads went in only because the reserve was given up: the next full disk stops them. Ring.
    pub reserve_spent: bool,
}

/// The writer. One process, one `Store` per folder.
pub struct Store {
    pub(crate) connection: Connection,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) dir: PathBuf,
    pub(crate) evidence: EvidenceFolder,
    pub(crate) disk: Box<dyn Disk>,
    pub(crate) reserve: Reserve,
    pub(crate) damaged: Arc<AtomicU64>,
    /// Last: given back after the database is closed.
    _lock: Lock,
}

impl Store {
    /// Opens the store in `dir`, making both when missing. A store that another process holds, or a newer build made, is refused.
    pub fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        Self::open_on(dir, clock, Box::new(RealDisk))
    }

    pub(crate) fn open_on(dir: &Path, clock: Arc<dyn Clock>, disk: Box<dyn Disk>) -> Result<Self, StoreError> {
        make_dir(dir)?;
        let lock = take_lock(dir)?;
        let connection = schema::open_writer(&database_path(dir))?;
        let evidence = EvidenceFolder::at(dir);
        evidence.prepare()?;
        let mut reserve = Reserve::at(dir);
        reserve.keep(&*disk, dir);
        let mut store = Self { connection, clock, dir: dir.to_owned(), evidence, disk, reserve, damaged: Arc::default(), _lock: lock };
        store.park_unreadable_rows()?;
        Ok(store)
    }

    /// A read-only connection of its own, for another thread.
    pub fn reader(&self) -> Result<StoreReader, StoreError> {
        StoreReader::open_counting(&self.dir, Arc::clone(&self.damaged))
    }

    /// Writes evidence beside this store before a change names it.
    pub fn evidence_ahead(&self) -> EvidenceAhead {
        EvidenceAhead::new(&self.evidence)
    }

    /// Stores a change. Pictures are written and synced first, then everything else in one transaction, which is on the disk
    /// when this returns.
    ///
    /// Pictures that cannot be written are left out and reported; they never keep a lead out. On [`crate::ErrorKind::Exhausted`],
    /// `Busy` or `Io` keep the change and commit it again, before any later one: committing one change twice stores it once.
    pub fn commit(&mut self, change: &Change<'_>) -> Result<CommitReport, StoreError> {
        let pictures = self.evidence.store(&*self.disk, change.evidence);
        let mut report = CommitReport {
            evidence_written: pictures.written,
            evidence_present: pictures.pictures.len() - pictures.written,
            evidence_left_out: pictures.left_out,
            shrunk: pictures.shrunk,
            evidence_error: pictures.error,
            ..CommitReport::default()
        };
        let now = self.clock.now();
        let written = self.write("store a change", |transaction| write_rows(transaction, change, &pictures.pictures, now))?;
        report.reserve_spent = self.reserve.spent;
        Ok(CommitReport { sequences: written.sequences, superseded: written.superseded, repeated: written.repeated, ..report })
    }

    /// Runs `work` as one transaction. When there is no space it is run once more with the reserve given up.
    pub(crate) fn write<T>(&mut self, doing: &str, work: impl Fn(&Transaction<'_>) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let mut once = || {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).doing(doing)?;
            let done = work(&transaction)?;
            transaction.commit().doing(doing)?;
            Ok(done)
        };
        match once() {
            Err(StoreError::Full { .. }) if self.reserve.spend() => {
                tracing::error!("disk full: the reserve for leads is given up");
                once()
            }
            other => other,
        }
    }

    /// Every open lead, and those that were closed within the last 30 days; oldest first.
    pub fn load_leads(&self) -> Result<Vec<Lead>, StoreError> {
        let since = self.clock.now() - CLOSED_LOADED;
        let mut statement = self
            .connection
            .prepare_cached("SELECT id, json FROM lead WHERE open = 1 OR state_since >= ?1 ORDER BY made_at, id")
            .doing("load the leads")?;
        let mut rows = statement.query([since.0]).doing("load the leads")?;
        let mut leads = Vec::new();
        while let Some(row) = rows.next().doing("load the leads")? {
            leads.push(lead_from_row(row)?);
        }
        Ok(leads)
    }

    /// The desk's state as it was last committed, JSON.
    pub fn load_desk_state(&self) -> Result<Option<String>, StoreError> {
        self.connection.query_row("SELECT json FROM desk", [], |row| row.get(0)).optional().doing("load the state of the desk")
    }

    /// Remembers `value` under `key`; also part of a [`Change`].
    pub fn put_note(&mut self, key: &str, value: &str) -> Result<(), StoreError> {
        self.write("store a note", |transaction| write_note(transaction, key, value))
    }

    pub fn note(&self, key: &str) -> Result<Option<String>, StoreError> {
        self.connection.query_row("SELECT value FROM note WHERE key = ?1", [key], |row| row.get(0)).optional().doing("read a note")
    }

    /// Keeps what was learnt of cameras, in place of what was kept of them before, in one transaction.
    pub fn put_camera_memories(&mut self, memories: &BTreeMap<CameraId, String>) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.write("store what was learnt of cameras", |transaction| {
            let sql = "INSERT INTO camera_memory (camera, json, written_at) VALUES (?1, ?2, ?3)
                ON CONFLICT (camera) DO UPDATE SET json = excluded.json, written_at = excluded.written_at";
            let mut statement = transaction.prepare_cached(sql).doing("store what was learnt of cameras")?;
            for (camera, json) in memories {
                statement.execute(params![camera.as_str(), json, now.0]).doing("store what was learnt of cameras")?;
            }
            Ok(())
        })
    }

    pub fn camera_memory(&self, camera: &CameraId) -> Result<Option<String>, StoreError> {
        let sql = "SELECT json FROM camera_memory WHERE camera = ?1";
        self.connection.query_row(sql, [camera.as_str()], |row| row.get(0)).optional().doing("read a camera's memory")
    }

    /// Pictures that this store and its readers found damaged or missing since it was opened.
    pub fn damaged_evidence(&self) -> u64 {
        self.damaged.load(std::sync::atomic::Ordering::Relaxed)
    }
}

pub(crate) fn database_path(dir: &Path) -> PathBuf {
    dir.join("patrol.sqlite")
}

/// A lead out of a row that starts with `id, json`.
pub(crate) fn lead_from_row(row: &rusqlite::Row<'_>) -> Result<Lead, StoreError> {
    let id: String = row.get(0).doing("read a lead")?;
    let json: String = row.get(1).doing("read a lead")?;
    serde_json::from_str(&json).map_err(|error| StoreError::corrupt(format!("lead {id}"), error.to_string()))
}

/// Keeps other processes out while it lives; the system gives it back when the process dies.
struct Lock(File);

impl Drop for Lock {
    fn drop(&mut self) {
        // Said aloud: a child being spawned at this moment has a copy of the descriptor, and closing ours would leave it locked.
        if let Err(error) = self.0.unlock() {
            tracing::warn!(%error, "store not unlocked");
        }
    }
}

fn take_lock(dir: &Path) -> Result<Lock, StoreError> {
    let path = dir.join("lock");
    let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(StoreError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock(file)),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { dir: dir.to_owned() }),
        Err(TryLockError::Error(error)) => Err(StoreError::io("lock", &path)(error)),
    }
}

fn write_rows(
    transaction: &Transaction<'_>,
    change: &Change<'_>,
    pictures: &[(String, u64)],
    now: WallTime,
) -> Result<outbox::Written, StoreError> {
    for lead in change.leads {
        write_lead(transaction, lead, now)?;
    }
    let written = outbox::write(transaction, change.outbox)?;
    for (sha256, bytes) in pictures {
        transaction
            .prepare_cached(
                "INSERT INTO evidence (sha256, bytes, stored_at) VALUES (?1, ?2, ?3)
                 ON CONFLICT (sha256) DO UPDATE SET stored_at = max(stored_at, excluded.stored_at)",
            )
            .and_then(|mut statement| statement.execute(params![sha256, *bytes as i64, now.0]))
            .doing("store the name of a picture")?;
    }
    if let Some(json) = change.desk_state {
        transaction
            .prepare_cached("INSERT INTO desk (only, json) VALUES (1, ?1) ON CONFLICT (only) DO UPDATE SET json = excluded.json")
            .and_then(|mut statement| statement.execute([json]))
            .doing("store the state of the desk")?;
    }
    for (key, value) in change.notes {
        write_note(transaction, key, value)?;
    }
    Ok(written)
}

fn write_lead(connection: &Connection, lead: &Lead, now: WallTime) -> Result<(), StoreError> {
    // A number that is not finite is written as null and never read again: refuse it here, where it is known who made it.
    let json = serde_json::to_string(lead)
        .and_then(|json| serde_json::from_str::<Lead>(&json).map(|_| json))
        .map_err(|source| StoreError::Unwritable { what: format!("lead {}", lead.id), source })?;
    connection
        .prepare_cached(
            "INSERT INTO lead (id, revision, state, open, tier, made_at, state_since, stored_at, json) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, state = excluded.state, open = excluded.open, tier = excluded.tier,
                 made_at = excluded.made_at, state_since = excluded.state_since, stored_at = excluded.stored_at, json = excluded.json",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                lead.id.0,
                lead.revision,
                lead.state.name(),
                lead.state.is_open(),
                outbox::tier_name(lead.tier),
                lead.made_at.0,
                lead.state_since.0,
                now.0,
                json
            ])
        })
        .map(drop)
        .doing("store a lead")
}

fn write_note(connection: &Connection, key: &str, value: &str) -> Result<(), StoreError> {
    connection
        .prepare_cached("INSERT INTO note (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
        .and_then(|mut statement| statement.execute([key, value]))
        .map(drop)
        .doing("store a note")
}
