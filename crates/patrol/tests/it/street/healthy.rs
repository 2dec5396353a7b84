//! Those beside whom all breaks: nothing of it reaches them.

use super::run::faulty_street;
use super::script::LOOK_LIMIT_S;
use patrol_core::{CameraId, SystemClock};
use patrol_store::Store;
use std::sync::Arc;

#[test]
fn healthy_cameras_never_leave_their_promise() {
    let street = faulty_street();
    for camera in ["healthy-a", "healthy-b", "b-frames-a", "b-frames-b", "digest"] {
        street.check_pictures(camera);
        street.check_all_readable(camera);
        let blind_s = street.max_blind_s(camera, street.started_s, street.stopped_s);
        println!("{camera}: {} looks, blind for {blind_s:.2} s at most", street.looks(camera).len());
        assert!(blind_s <= LOOK_LIMIT_S, "{camera}: blind for {blind_s:.1} s");
        for (at, shown) in street.shown(camera).filter(|(at, _)| *at > street.well_s) {
            assert_eq!(shown["condition"]["state"], "seeing", "{camera} at {at}");
            assert_eq!(shown["promise_broken"], false, "{camera} at {at}");
        }
        assert_eq!(street.last_shown(camera)["link"]["sessions"], 1, "{camera}");
        let rang = street.rings.iter().find(|ring| ring.kind != "new-lead" && ring.text.contains(&super::record::name_of(camera)));
        assert!(rang.is_none(), "{rang:?}");
    }
}

/// Somebody lies before each of them: after the run the store knows whom they watched.
#[test]
fn what_is_learnt_of_cameras_is_kept() {
    let street = faulty_street();
    let store = Store::open(&street.folder.join("store"), Arc::new(SystemClock::new())).expect("a store");
    for camera in ["healthy-a", "healthy-b"] {
        let memory = store.camera_memory(&CameraId::new(camera)).expect("read");
        assert!(memory.is_some_and(|memory| !memory.is_empty()), "{camera}");
    }
}

#[test]
fn every_picture_has_one_outcome_and_the_run_ends_well() {
    let street = faulty_street();
    assert!(street.ended_well, "SIGTERM ends with 0\n{}", street.log);
    for (id, _, _) in street.town.cameras() {
        let shown = street.last_shown(id);
        let outcomes = shown["outcomes"].as_array().expect("outcomes");
        let sum: u64 = outcomes.iter().filter_map(|pair| pair[1].as_u64()).sum();
        assert_eq!(shown["pictures"].as_u64(), Some(sum), "{id}: {shown}");
    }
    assert!(!street.log.contains("panicked"), "{}", street.log);
}
