//! What is not kept: pictures after 30 days, among them those in a camera's memory; delivered messages after 30 days. Leads stay as text; viewings stay.

use crate::error::{Doing, StoreError};
use crate::outbox::{REMOVED_DELIVERED, REMOVED_SUPERSEDED};
use crate::store::Store;
use patrol_core::WallTime;
use rusqlite::{Transaction, params};
use std::collections::HashSet;
use std::time::Duration;

/// How long a picture is kept after it was stored (design §6, `integration.md` §4.1 article 17).
pub const EVIDENCE_KEPT: Duration = Duration::from_hours(30 * 24);
/// How long a delivered or superseded row stays to be looked up.
const SETTLED_KEPT: Duration = Duration::from_hours(30 * 24);
/// Name of the count of pictures ever deleted by age, in the table `tally`.
const EVIDENCE_EXPIRED: &str = "evidence-expired";

/// What one round of [`Store::expire`] removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExpiryReport {
    /// Pictures past their 30 days, and the bytes of all removed files.
    pub evidence_deleted: u64,
    pub bytes_freed: u64,
    /// Files that no committed change names: left by a process killed between writing and committing.
    pub orphans_deleted: u64,
    /// Files that should be gone and could not be removed; the next round tries again. Ring when above 0.
    pub not_deleted: u64,
    /// The first of them, and why.
    pub error: Option<String>,
    /// Delivered and superseded outbox rows removed.
    pub outbox_removed: u64,
    /// Memories of cameras that have not been looked at for 30 days.
    pub camera_memories_removed: u64,
    /// Pictures deleted by age since the store was made.
    pub evidence_deleted_ever: u64,
}

impl Store {
    /// Removes what is past its time at `now`. Walks the evidence folder: meant for once an hour or a day.
    pub fn expire(&mut self, now: WallTime) -> Result<ExpiryReport, StoreError> {
        let (expired, mut report) = self.write("expire old rows", |transaction| expire_rows(transaction, now))?;
        // Rows first, files after: killed in between, the files have no row, and the next round takes them as orphans. Nobody
        // commits meanwhile (`&mut self`). What was written ahead and has no row yet goes as an orphan too: its commit finds it missing and writes it.
        let doing = "expire old evidence";
        let mut known = self.connection.prepare("SELECT 1 FROM evidence WHERE sha256 = ?1").doing(doing)?;
        self.evidence.sweep(
            |name| known.exists([name]).doing(doing),
            |name, removed| match removed {
                Ok(size) => {
                    report.bytes_freed += size;
                    if expired.contains(name) { report.evidence_deleted += 1 } else { report.orphans_deleted += 1 }
                }
                Err(error) => {
                    report.not_deleted += 1;
                    report.error.get_or_insert_with(|| format!("evidence {name}: {error}"));
                }
            },
        )?;
        self.reserve.keep(&*self.disk, &self.dir);
        Ok(report)
    }
}

/// Removes the rows; gives the names of the pictures whose files must follow.
fn expire_rows(transaction: &Transaction<'_>, now: WallTime) -> Result<(HashSet<String>, ExpiryReport), StoreError> {
    let doing = "expire old rows";
    let expired: HashSet<String> = transaction
        .prepare("DELETE FROM evidence WHERE stored_at < ?1 RETURNING sha256")
        .and_then(|mut statement| statement.query_map([(now - EVIDENCE_KEPT).0], |row| row.get(0))?.collect())
        .doing(doing)?;
    let mut report = ExpiryReport::default();
    let forgotten = transaction.execute("DELETE FROM camera_memory WHERE written_at < ?1", [(now - EVIDENCE_KEPT).0]).doing(doing)?;
    report.camera_memories_removed = forgotten as u64;
    let mut tally = vec![(EVIDENCE_EXPIRED, expired.len())];
    for (state, name) in [("delivered", REMOVED_DELIVERED), ("superseded", REMOVED_SUPERSEDED)] {
        // A superseded row stays while its successor is unsent: a late report may still come for it.
        let removed = transaction
            .execute(
                "DELETE FROM outbox AS o WHERE state = ?1 AND settled_at < ?2 AND NOT EXISTS
                    (SELECT 1 FROM outbox AS s WHERE s.sequence = o.superseded_by AND s.state IN ('waiting', 'parked'))",
                params![state, (now - SETTLED_KEPT).0],
            )
            .doing(doing)?;
        report.outbox_removed += removed as u64;
        tally.push((name, removed));
    }
    for (name, n) in tally {
        transaction
            .execute(
                "INSERT INTO tally (name, n) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET n = n + excluded.n",
                params![name, n as i64],
            )
            .doing(doing)?;
    }
    report.evidence_deleted_ever =
        transaction.query_row("SELECT n FROM tally WHERE name = ?1", [EVIDENCE_EXPIRED], |row| row.get(0)).doing(doing)?;
    Ok((expired, report))
}
