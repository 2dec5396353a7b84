//! The log of viewings only grows, and whoever changes it is found.

use crate::fixture::{NIGHT, clock, lead};
use patrol_store::{ErrorKind, Store, Viewing};
use rusqlite::Connection;
use std::path::Path;

fn viewing(reason: &str) -> Viewing {
    Viewing {
        by: "王丽".into(),
        reason: reason.into(),
        what: "lead XL-20260105-000001".into(),
        lead: Some(lead(1, 1).id),
        unit: "救助管理站".into(),
        at: NIGHT,
    }
}

fn store_with_three(dir: &Path) -> Store {
    let mut store = Store::open(dir, clock()).unwrap();
    for reason in ["线索复核", "回访", "审计"] {
        store.log_viewing(&viewing(reason)).unwrap();
    }
    store
}

#[test]
fn viewings_are_kept_in_order_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with_three(dir.path());
    assert_eq!(store.verify_viewings().unwrap(), 3);
    let listed = store.reader().unwrap().viewings(2).unwrap();
    assert_eq!(listed.iter().map(|row| (row.sequence, row.viewing.reason.as_str())).collect::<Vec<_>>(), [(3, "审计"), (2, "回访")]);
    assert_eq!(listed[1].viewing, viewing("回访"));
}

#[test]
fn a_viewing_without_person_reason_or_object_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), clock()).unwrap();
    for blank in [
        Viewing { reason: " ".into(), ..viewing("x") },
        Viewing { by: String::new(), ..viewing("x") },
        Viewing { what: "\t".into(), ..viewing("x") },
    ] {
        assert_eq!(store.log_viewing(&blank).unwrap_err().kind(), ErrorKind::Invalid);
    }
    assert_eq!(store.verify_viewings().unwrap(), 0);
}

#[test]
fn whoever_changes_the_log_is_found() {
    const UNLOCK: &str = "DROP TRIGGER viewing_is_not_changed; DROP TRIGGER viewing_is_not_deleted;";
    let check = |tampering: &str, row: &str| {
        let dir = tempfile::tempdir().unwrap();
        let store = store_with_three(dir.path());
        let other = Connection::open(dir.path().join("patrol.sqlite")).unwrap();
        other.execute_batch(tampering).expect_err("the log is append-only");
        other.execute_batch(UNLOCK).unwrap();
        other.execute_batch(tampering).unwrap();
        let error = store.verify_viewings().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().starts_with(&format!("row {row} of the log of viewings")), "{tampering}: {error}");
    };
    check("UPDATE viewing SET reason = '例行' WHERE sequence = 2", "2");
    check("UPDATE viewing SET at = at + 1 WHERE sequence = 1", "1");
    check("UPDATE viewing SET lead = NULL WHERE sequence = 3", "3");
    check("UPDATE viewing SET by = by || unit, unit = '' WHERE sequence = 1", "1");
    check("DELETE FROM viewing WHERE sequence = 1", "1");
    check("DELETE FROM viewing WHERE sequence = 2", "2");
    check("DELETE FROM viewing WHERE sequence = 3", "3");
}
