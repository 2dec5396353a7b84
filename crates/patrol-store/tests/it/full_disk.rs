//! A disk that is really full, to the last byte. Needs a file system of its own of about 400 MiB, named by `PATROL_SMALL_DISK`
//! (e.g. a tmpfs of that size), which the test fills.

use crate::fixture::{clock, evidence, item, lead};
use patrol_core::Clock;
use patrol_core::desk::PushOp;
use patrol_store::{Change, ErrorKind, Store};
use std::io::Write;

#[test]
fn leads_go_on_when_the_disk_is_full() {
    let Ok(disk) = std::env::var("PATROL_SMALL_DISK") else {
        println!("skipped: PATROL_SMALL_DISK is not set");
        return;
    };
    let dir = tempfile::tempdir_in(&disk).unwrap();
    let clock = clock();
    let mut store = Store::open(dir.path(), clock.clone()).unwrap();
    let mut number = 0;
    let mut commit = |store: &mut Store| {
        number += 1;
        let lead = lead(number, 1);
        let items = [item(PushOp::Create, &lead)];
        store.commit(&Change { leads: &[lead], outbox: &items, evidence: &[evidence(u64::from(number))], desk_state: None, notes: &[] })
    };
    assert_eq!(commit(&mut store).unwrap().evidence_left_out, 0);

    let filler = dir.path().join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    let full = (0..).find_map(|_| file.write_all(&[1; 4096]).err()).unwrap();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    let mut stored = 1;
    let mut spent = false;
    let error = loop {
        match commit(&mut store) {
            Ok(report) => {
                assert!(report.shrunk && report.evidence_left_out >= 2, "{report:?}");
                stored += 1;
                spent |= report.reserve_spent;
            }
            Err(error) => break error,
        }
        // The reserve is for leads, yet whole pictures use it up too; a hundred leads are enough of a proof.
        if stored == 100 {
            file.write_all(&vec![1; 64 << 20]).unwrap_err();
        }
    };
    assert_eq!(error.kind(), ErrorKind::Exhausted, "{error}");
    assert!(spent && stored >= 100, "{stored} leads stored");
    std::fs::remove_file(&filler).unwrap();
    drop(file);
    assert_eq!(store.load_leads().unwrap().len(), stored);
    commit(&mut store).unwrap();
    store.expire(clock.now()).unwrap();
    let report = commit(&mut store).unwrap();
    assert!(!report.shrunk && !report.reserve_spent, "{report:?}");
}
