use crate::error::{Doing, StoreError};
use crate::evidence::{EvidenceFolder, is_sha256};
use crate::schema;
use crate::store::{database_path, lead_from_row};
use crate::viewing::{LoggedViewing, logged_viewing};
use patrol_core::{Lead, LeadId, WallTime};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Which leads to list: the newest `limit` of those that fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeadFilter {
    pub open_only: bool,
    /// Made at or after.
    pub since: Option<WallTime>,
    pub limit: usize,
}

/// Reads a store beside its writer. Sees what was committed when each call began.
pub struct StoreReader {
    connection: Connection,
    evidence: EvidenceFolder,
    damaged: Arc<AtomicU64>,
}

impl StoreReader {
    /// Opens the store in `dir` for reading, whether or not a process is writing to it.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        Self::open_counting(dir, Arc::default())
    }

    pub(crate) fn open_counting(dir: &Path, damaged: Arc<AtomicU64>) -> Result<Self, StoreError> {
        Ok(Self { connection: schema::open_reader(&database_path(dir))?, evidence: EvidenceFolder::at(dir), damaged })
    }

    pub fn lead(&self, id: &LeadId) -> Result<Option<Lead>, StoreError> {
        let mut statement = self.connection.prepare_cached("SELECT id, json FROM lead WHERE id = ?1").doing("read a lead")?;
        let mut rows = statement.query([&id.0]).doing("read a lead")?;
        rows.next().doing("read a lead")?.map(lead_from_row).transpose()
    }

    /// Newest first.
    pub fn leads(&self, filter: &LeadFilter) -> Result<Vec<Lead>, StoreError> {
        let sql = if filter.open_only {
            "SELECT id, json FROM lead WHERE open = 1 AND made_at >= ?1 ORDER BY made_at DESC, id DESC LIMIT ?2"
        } else {
            "SELECT id, json FROM lead WHERE made_at >= ?1 ORDER BY made_at DESC, id DESC LIMIT ?2"
        };
        let since = filter.since.map_or(i64::MIN, |since| since.0);
        let mut statement = self.connection.prepare_cached(sql).doing("list leads")?;
        let mut rows = statement.query(params![since, limit_sql(filter.limit)]).doing("list leads")?;
        let mut leads = Vec::new();
        while let Some(row) = rows.next().doing("list leads")? {
            leads.push(lead_from_row(row)?);
        }
        Ok(leads)
    }

    /// A picture by its SHA-256 (64 lower-case hexadecimal digits), checked against it. `None`: never stored, or expired.
    ///
    /// Log the viewing first.
    pub fn evidence(&self, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if !is_sha256(sha256) {
            let why = "not a SHA-256: 64 lower-case hexadecimal digits wanted".into();
            return Err(StoreError::Invalid { what: format!("evidence {:?}", sha256.chars().take(80).collect::<String>()), why });
        }
        if !self.is_kept(sha256)? {
            return Ok(None);
        }
        let found = match self.evidence.read(sha256) {
            // It may have expired since we asked.
            Ok(None) if self.is_kept(sha256)? => Err(StoreError::corrupt(format!("evidence {sha256}"), "its file is gone")),
            other => other,
        };
        if matches!(found, Err(StoreError::Corrupt { .. })) {
            self.damaged.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    fn is_kept(&self, sha256: &str) -> Result<bool, StoreError> {
        self.connection
            .prepare_cached("SELECT 1 FROM evidence WHERE sha256 = ?1")
            .and_then(|mut statement| statement.query_row([sha256], |_| Ok(())).optional())
            .map(|row| row.is_some())
            .doing("look up a picture")
    }

    /// The newest `limit` rows of the log of viewings, newest first.
    pub fn viewings(&self, limit: usize) -> Result<Vec<LoggedViewing>, StoreError> {
        self.connection
            .prepare_cached("SELECT sequence, at, by, unit, reason, what, lead, sha256 FROM viewing ORDER BY sequence DESC LIMIT ?1")
            .and_then(|mut statement| statement.query_map([limit_sql(limit)], logged_viewing)?.collect())
            .doing("read the log of viewings")
    }
}

fn limit_sql(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
