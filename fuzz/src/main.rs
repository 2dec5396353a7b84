//! Whatever bytes come from outside, every parser of them comes back. The target is named by `PATROL_FUZZ`; `fuzz/run` builds and runs them.

#![no_main]

mod memory;
mod on_disk;

use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

const TARGETS: [(&str, fn(&[u8])); 16] = [
    // Of cameras.
    ("key-frame", patrol_ingest::fuzzing::key_frame),
    ("unit", patrol_ingest::fuzzing::unit),
    ("address", patrol_ingest::fuzzing::address),
    // Of the city.
    ("answer", patrol_city::fuzzing::answer),
    ("callback", on_disk::callback),
    ("mapping", on_disk::mapping),
    // Of whoever sets the patrol up.
    ("pipeline", patrol::fuzzing::pipeline),
    ("register", patrol::fuzzing::register),
    ("card", on_disk::card),
    ("spec", patrol_sim::spec::fuzz),
    // Of whoever measures it.
    ("coco", patrol::fuzzing::coco),
    ("mot", patrol::fuzzing::mot),
    ("leads", patrol::fuzzing::leads),
    ("events", patrol::fuzzing::events),
    // Of its own store, and pictures.
    ("memory", memory::recalled),
    ("still", on_disk::still),
];

fuzz_target!(|bytes: &[u8]| {
    static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();
    let target = TARGET.get_or_init(|| {
        let name = std::env::var("PATROL_FUZZ").unwrap_or_default();
        let known = TARGETS.iter().find(|(known, _)| *known == name);
        known.unwrap_or_else(|| panic!("PATROL_FUZZ: found {name:?}, wanted one of {:?}", TARGETS.map(|(name, _)| name))).1
    });
    target(bytes);
});
