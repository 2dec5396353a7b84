//! Pictures: found by their hash, checked on the way out, gone after 30 days.

use crate::fixture::{DAY_S, clock, evidence, item, jpeg, lead};
use patrol_core::desk::PushOp;
use patrol_core::{CameraId, Clock, ManualClock};
use patrol_store::{Change, ErrorKind, Store};
use std::path::{Path, PathBuf};
use std::time::Duration;

fn path(dir: &Path, sha256: &str) -> PathBuf {
    dir.join("evidence").join(&sha256[..2]).join(format!("{sha256}.jpg"))
}

#[test]
fn a_damaged_or_missing_picture_is_named_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), clock()).unwrap();
    let picture = evidence(1);
    store.commit(&Change { evidence: std::slice::from_ref(&picture), ..Change::default() }).unwrap();
    let reader = store.reader().unwrap();

    std::fs::write(path(dir.path(), &picture.whole.sha256), b"other bytes").unwrap();
    std::fs::remove_file(path(dir.path(), &picture.crop.sha256)).unwrap();
    for sha256 in [&picture.whole.sha256, &picture.crop.sha256] {
        let error = reader.evidence(sha256).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert!(error.to_string().contains(sha256.as_str()), "{error}");
    }
    assert_eq!(store.damaged_evidence(), 2);
    assert_eq!(reader.evidence(&jpeg(99, 10).sha256).unwrap(), None);

    // Handed over again, it is whole again.
    store.commit(&Change { evidence: std::slice::from_ref(&picture), ..Change::default() }).unwrap();
    assert_eq!(reader.evidence(&picture.whole.sha256).unwrap().as_deref(), Some(&*picture.whole.bytes));
}

#[test]
fn only_a_hash_is_ever_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), clock()).unwrap();
    let reader = store.reader().unwrap();
    let upper = jpeg(1, 10).sha256.to_uppercase();
    let long = "a".repeat(65);
    for name in [
        "",
        "../../patrol.sqlite",
        "ab",
        "é",
        upper.as_str(),
        long.as_str(),
        "../../../../../../../../../../../../../../../../../../etc/passwd",
    ] {
        assert_eq!(reader.evidence(name).unwrap_err().kind(), ErrorKind::Invalid, "{name}");
    }
}

#[test]
fn a_picture_whose_hash_is_wrong_is_left_out_and_the_lead_is_stored() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), clock()).unwrap();
    let mut picture = (*evidence(1)).clone();
    picture.crop.sha256 = "../../../x".into();
    picture.preview[0].sha256 = jpeg(77, 10).sha256;
    let report = store.commit(&Change { leads: &[lead(1, 1)], evidence: &[picture.into()], ..Change::default() }).unwrap();
    assert_eq!((report.evidence_written, report.evidence_left_out, report.shrunk), (1, 2, false), "{report:?}");
    assert!(report.evidence_error.is_some_and(|error| error.contains("another SHA-256")));
    assert_eq!(store.load_leads().unwrap().len(), 1);
}

#[test]
fn pictures_go_after_30_days_and_leads_and_viewings_stay() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let mut store = Store::open(dir.path(), clock.clone()).unwrap();
    let (old, new, lead) = (evidence(1), evidence(2), lead(1, 1));
    let items = [item(PushOp::Create, &lead)];
    let report =
        store.commit(&Change { leads: &[lead], outbox: &items, evidence: std::slice::from_ref(&old), ..Change::default() }).unwrap();
    store.outbox_delivered(report.sequences[0], clock.now(), None).unwrap();
    // The whole picture of `old` is evidence a second time later, as on a frozen camera: it stays with the later one.
    clock.advance(Duration::from_secs(20 * DAY_S));
    let mut shared = (*new).clone();
    shared.preview = vec![old.whole.clone()];
    store.commit(&Change { evidence: &[shared.into()], ..Change::default() }).unwrap();
    // A process killed between writing a picture and its commit leaves a file that nobody names.
    let orphan = jpeg(50, 500);
    std::fs::write(path(dir.path(), &orphan.sha256), &orphan.bytes).unwrap();

    let expire = |store: &mut Store, clock: &ManualClock| store.expire(clock.now()).unwrap();
    let first = expire(&mut store, &clock);
    assert_eq!((first.evidence_deleted, first.orphans_deleted, first.bytes_freed, first.outbox_removed), (0, 1, 500, 0));
    clock.advance(Duration::from_secs(11 * DAY_S));
    let second = expire(&mut store, &clock);
    assert_eq!((second.evidence_deleted, second.bytes_freed, second.outbox_removed, second.not_deleted), (2, 28_000, 1, 0), "{second:?}");
    assert_eq!(second.evidence_deleted_ever, 2);
    assert_eq!(expire(&mut store, &clock).evidence_deleted, 0);

    let reader = store.reader().unwrap();
    assert_eq!(reader.evidence(&old.crop.sha256).unwrap(), None);
    assert!(std::fs::symlink_metadata(path(dir.path(), &old.crop.sha256)).is_err());
    assert!(reader.evidence(&old.whole.sha256).unwrap().is_some());
    assert!(reader.evidence(&new.whole.sha256).unwrap().is_some());
    assert_eq!(store.load_leads().unwrap().len(), 1);
    assert_eq!(store.outbox_counts().unwrap().delivered, 1, "what was removed stays counted");
}

#[test]
fn what_is_kept_of_a_camera_goes_thirty_days_after_it_was_looked_at_last() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let mut store = Store::open(dir.path(), clock.clone()).unwrap();
    let (gone, there) = (CameraId::new("taken-off"), CameraId::new("runs"));
    let memory = |camera: &CameraId, json: &str| (camera.clone(), json.to_owned());
    store.put_camera_memories(&[memory(&gone, "{\"old\":1}"), memory(&there, "{\"old\":1}")].into()).unwrap();
    clock.advance(Duration::from_secs(29 * DAY_S));
    store.put_camera_memories(&[memory(&there, "{\"new\":1}")].into()).unwrap();
    assert_eq!(store.expire(clock.now()).unwrap().camera_memories_removed, 0);
    clock.advance(Duration::from_secs(2 * DAY_S));
    assert_eq!(store.expire(clock.now()).unwrap().camera_memories_removed, 1);
    assert_eq!(store.camera_memory(&gone).unwrap(), None);
    assert_eq!(store.camera_memory(&there).unwrap().as_deref(), Some("{\"new\":1}"));
}

#[test]
fn a_clip_is_kept_and_expires_with_its_pictures() {
    let dir = tempfile::tempdir().unwrap();
    let clock = clock();
    let mut store = Store::open(dir.path(), clock.clone()).unwrap();
    let film = jpeg(90, 300_000);
    let mut one = (*evidence(1)).clone();
    one.clip = Some(patrol_core::Clip { sha256: film.sha256.clone(), bytes: film.bytes.clone() });
    one.about.clip_sha256 = Some(film.sha256.clone());
    let report = store.commit(&Change { evidence: &[one.into()], ..Change::default() }).unwrap();
    assert_eq!((report.evidence_written, report.evidence_left_out), (4, 0));
    let reader = store.reader().unwrap();
    assert_eq!(reader.evidence(&film.sha256).unwrap().as_deref(), Some(&*film.bytes));
    clock.advance(Duration::from_secs(31 * DAY_S));
    assert_eq!(store.expire(clock.now()).unwrap().evidence_deleted, 4);
    assert_eq!(reader.evidence(&film.sha256).unwrap(), None);
}

/// What waits for its change is written beside the store; the change finds it, an hourly round takes what no change named, and both together lose nothing.
#[test]
fn evidence_written_ahead_is_there_when_its_change_comes() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::open(dir.path(), clock()).unwrap();
    let (ahead, reader) = (store.evidence_ahead(), store.reader().unwrap());
    let [named, never] = [evidence(1), evidence(2)];
    let commit = |store: &mut Store| store.commit(&Change { evidence: std::slice::from_ref(&named), ..Change::default() }).unwrap();
    ahead.write(&named);
    ahead.write(&named);
    ahead.write(&never);
    let report = commit(&mut store);
    assert_eq!((report.evidence_written, report.evidence_present, report.evidence_left_out), (0, 3, 0));
    assert_eq!(store.expire(clock().now()).unwrap().orphans_deleted, 3);
    for jpeg in [&named.whole, &named.crop, &named.preview[0]] {
        assert_eq!(reader.evidence(&jpeg.sha256).unwrap().as_deref(), Some(&*jpeg.bytes));
    }
    // A round of expiry may come between the two.
    ahead.write(&never);
    store.expire(clock().now()).unwrap();
    let report = store.commit(&Change { evidence: std::slice::from_ref(&never), ..Change::default() }).unwrap();
    assert_eq!((report.evidence_written, report.evidence_present), (3, 0));
    assert_eq!(std::fs::read_dir(dir.path().join("evidence/incoming")).unwrap().count(), 0);
}

#[test]
fn nothing_damaged_is_written_ahead() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), clock()).unwrap();
    let mut picture = (*evidence(1)).clone();
    picture.whole.bytes = std::sync::Arc::from([1, 2, 3]);
    store.evidence_ahead().write(&picture);
    assert!(!path(dir.path(), &picture.whole.sha256).try_exists().unwrap());
}
