//! Opening the database and bringing it to this build's format.

use crate::error::{Doing, StoreError};
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

/// Applied in order; `PRAGMA user_version` counts those that a database has. Never edit one that was released: add the next.
pub(crate) const MIGRATIONS: &[&str] =
    &[include_str!("../migrations/0001_first.sql"), include_str!("../migrations/0002_camera_memory.sql")];

/// How long a statement waits for a backup or an inspection tool to let go.
const BUSY_WAIT: Duration = Duration::from_secs(5);
/// A WAL that grew during a burst shrinks back to this at the next checkpoint, bytes.
const WAL_KEPT: i64 = 64 << 20;

/// More than this crate has.
const STATEMENTS_KEPT: usize = 64;

pub(crate) fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).doing(&format!("open the database {}", path.display()))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.busy_timeout(BUSY_WAIT).doing("open the database")?;
    check_version(&connection, path, MIGRATIONS.len())?;
    connection.pragma_update(None, "journal_mode", "WAL").doing("switch the database to WAL")?;
    // FULL: a commit is on the disk before it returns, also when the power fails the next moment.
    connection.pragma_update(None, "synchronous", "FULL").doing("set up the database")?;
    connection.pragma_update(None, "journal_size_limit", WAL_KEPT).doing("set up the database")?;
    connection.pragma_update(None, "trusted_schema", false).doing("set up the database")?;
    migrate(&mut connection, MIGRATIONS)?;
    Ok(connection)
}

pub(crate) fn open_reader(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).doing(&format!("open the database {} for reading", path.display()))?;
    connection.busy_timeout(BUSY_WAIT).doing("open the database for reading")?;
    let found = check_version(&connection, path, MIGRATIONS.len())?;
    if found < MIGRATIONS.len() {
        let why = format!("format {found}, this build reads {}: run `patrol run` once to bring it up", MIGRATIONS.len());
        return Err(StoreError::Invalid { what: path.display().to_string(), why });
    }
    Ok(connection)
}

/// The number of migrations a database has; an error if it is not ours or from a newer build.
fn check_version(connection: &Connection, path: &Path, known: usize) -> Result<usize, StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).doing("read the format of the database")?;
    if found > known as i64 {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: known as i64 });
    }
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).doing("read the format of the database")?;
    if found < 0 || (found == 0 && tables > 0) {
        let what = path.display().to_string();
        return Err(StoreError::Invalid { what, why: "a database of another program: give another [store] dir".into() });
    }
    Ok(found as usize)
}

fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), StoreError> {
    let have: usize = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).doing("read the format of the database")?;
    for (index, sql) in migrations.iter().enumerate().skip(have) {
        let doing = format!("bring the database to format {}", index + 1);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).doing(&doing)?;
        transaction.execute_batch(sql).doing(&doing)?;
        transaction.pragma_update(None, "user_version", index as i64 + 1).doing(&doing)?;
        transaction.commit().doing(&doing)?;
        tracing::info!(format = index + 1, "database migrated");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[test]
    fn every_migration_in_the_folder_is_applied() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        assert_eq!(names.len(), MIGRATIONS.len(), "{names:?}");
        for (index, name) in names.iter().enumerate() {
            assert!(name.starts_with(&format!("{:04}_", index + 1)), "{name}");
        }
    }

    #[test]
    fn an_older_database_keeps_its_rows_and_gets_what_is_new() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &["CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (7);"]).unwrap();
        let both = ["CREATE TABLE a (x INTEGER); INSERT INTO a VALUES (7);", "ALTER TABLE a ADD COLUMN y INTEGER NOT NULL DEFAULT 3;"];
        migrate(&mut connection, &both).unwrap();
        migrate(&mut connection, &both).unwrap();
        assert_eq!(connection.query_row("SELECT x, y FROM a", [], |row| Ok((row.get(0)?, row.get(1)?))), Ok((7, 3)));
    }

    #[test]
    fn what_was_kept_of_cameras_before_stays_kept() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &MIGRATIONS[..1]).unwrap();
        connection.execute_batch("INSERT INTO note VALUES ('camera-memory:a:b', '{}'), ('epoch', '3')").unwrap();
        migrate(&mut connection, MIGRATIONS).unwrap();
        let text = |sql| connection.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
        assert_eq!(text("SELECT camera || json FROM camera_memory WHERE written_at > 1700000000000000000"), "a:b{}");
        assert_eq!(text("SELECT group_concat(key) FROM note"), "epoch");
    }

    #[test]
    fn a_migration_that_fails_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &["CREATE TABLE a (x INTEGER);", "CREATE TABLE b (x INTEGER); CREATE TABLE a (x INTEGER);"]).unwrap_err();
        let version: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).unwrap();
        assert_eq!((version, tables), (1, 1));
    }

    #[test]
    fn newer_foreign_and_damaged_databases_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let check = |name: &str, prepare: &dyn Fn(&Path), expected: ErrorKind, words: &str| {
            let path = dir.path().join(name);
            prepare(&path);
            let error = open_writer(&path).unwrap_err();
            assert_eq!(error.kind(), expected, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        };
        let sql = |sql: &'static str| move |path: &Path| Connection::open(path).unwrap().execute_batch(sql).unwrap();
        check("newer", &sql("PRAGMA user_version = 99"), ErrorKind::Newer, "made by a newer build (format 99, this build knows up to 2)");
        check("foreign", &sql("CREATE TABLE a (x)"), ErrorKind::Invalid, "a database of another program");
        check("damaged", &|path| std::fs::write(path, [b'x'; 4096]).unwrap(), ErrorKind::Corrupt, "is damaged");
    }
}
