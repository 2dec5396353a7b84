//! The log of viewings: who looked at what, when, why, for which unit. It only grows, and each row's hash covers the row before.

use crate::error::{Doing, StoreError};
use crate::store::Store;
use patrol_core::{LeadId, WallTime};
use rusqlite::{Connection, Row, params};
use sha2::{Digest, Sha256};

/// One look of a person at a lead or a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewing {
    /// The person, as the console knows them.
    pub by: String,
    /// Why: never blank.
    pub reason: String,
    /// What was seen, e.g. `lead XL-20260105-000317` or `evidence <sha256>`.
    pub what: String,
    pub lead: Option<LeadId>,
    /// The unit the person acts for.
    pub unit: String,
    pub at: WallTime,
}

/// A row of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedViewing {
    /// From 1, without gaps.
    pub sequence: i64,
    pub viewing: Viewing,
    /// Over this row and the hash before it, hexadecimal.
    pub sha256: String,
}

impl Store {
    /// Logs a viewing, on the disk before this returns: show the picture only after.
    pub fn log_viewing(&mut self, viewing: &Viewing) -> Result<(), StoreError> {
        for (name, value) in [("by", &viewing.by), ("reason", &viewing.reason), ("what", &viewing.what)] {
            if value.trim().is_empty() {
                return Err(StoreError::Invalid {
                    what: "a viewing".into(),
                    why: format!("`{name}` is blank: every viewing names its person, reason and object"),
                });
            }
        }
        let doing = "log a viewing";
        self.write(doing, |transaction| {
            let (rows, before) = head(transaction)?;
            let sequence = rows + 1;
            let sha256 = chain(&before, sequence, viewing);
            let Viewing { by, reason, what, lead, unit, at } = viewing;
            transaction
                .execute(
                    "INSERT INTO viewing (sequence, at, by, unit, reason, what, lead, sha256) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                    params![sequence, at.0, by, unit, reason, what, lead.as_ref().map(|lead| &lead.0), sha256],
                )
                .doing(doing)?;
            transaction.execute("UPDATE viewing_head SET rows = ?1, sha256 = ?2", params![sequence, sha256]).map(drop).doing(doing)
        })
    }

    /// Rows of an intact log; an error names the first row that was changed, removed or put in.
    pub fn verify_viewings(&self) -> Result<u64, StoreError> {
        let doing = "verify the log of viewings";
        let mut statement = self
            .connection
            .prepare("SELECT sequence, at, by, unit, reason, what, lead, sha256 FROM viewing ORDER BY sequence")
            .doing(doing)?;
        let mut rows = statement.query([]).doing(doing)?;
        let (mut count, mut before) = (0_i64, String::new());
        while let Some(row) = rows.next().doing(doing)? {
            let logged = logged_viewing(row).doing(doing)?;
            count += 1;
            if logged.sequence != count {
                return Err(broken(count, &format!("it is missing: the next row has number {}", logged.sequence)));
            }
            before = chain(&before, count, &logged.viewing);
            if before != logged.sha256 {
                return Err(broken(count, &format!("its hash is {}, its words and the row before give {before}", logged.sha256)));
            }
        }
        let (rows, last) = head(&self.connection)?;
        if rows != count || last != before {
            return Err(broken(count + 1, &format!("the log ends after {count} rows, {rows} were written")));
        }
        Ok(count as u64)
    }
}

fn broken(sequence: i64, why: &str) -> StoreError {
    StoreError::corrupt(format!("row {sequence} of the log of viewings"), why)
}

fn head(connection: &Connection) -> Result<(i64, String), StoreError> {
    connection
        .query_row("SELECT rows, sha256 FROM viewing_head", [], |row| Ok((row.get(0)?, row.get(1)?)))
        .doing("read the log of viewings")
}

/// A viewing out of a row `sequence, at, by, unit, reason, what, lead, sha256`.
pub(crate) fn logged_viewing(row: &Row<'_>) -> rusqlite::Result<LoggedViewing> {
    let viewing = Viewing {
        at: WallTime(row.get(1)?),
        by: row.get(2)?,
        unit: row.get(3)?,
        reason: row.get(4)?,
        what: row.get(5)?,
        lead: row.get::<_, Option<String>>(6)?.map(LeadId),
    };
    Ok(LoggedViewing { sequence: row.get(0)?, viewing, sha256: row.get(7)? })
}

/// SHA-256 over the hash before, the number, the time and each text with its length, so that no text can pass for two.
fn chain(before: &str, sequence: i64, viewing: &Viewing) -> String {
    let mut hash = Sha256::new();
    let lead = viewing.lead.as_ref().map_or("", |lead| lead.0.as_str());
    hash.update(sequence.to_le_bytes());
    hash.update(viewing.at.0.to_le_bytes());
    hash.update([u8::from(viewing.lead.is_some())]);
    for text in [before, &viewing.by, &viewing.unit, &viewing.reason, &viewing.what, lead] {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    }
    hex::encode(hash.finalize())
}
