//! Cameras whose promise is longer than their key frames are apart: nothing else of them is decoded, and yet they are seen in time, by one worker
//! and its one decoder, each camera under its own name.

use super::process::{Patrol, now_s, wait_for};
use super::record::{Record, name_of};
use super::script::{config, written};
use patrol_core::PictureSize;
use patrol_sim::street::{Street, StreetConfig};
use std::path::Path;

const LOOK_EVERY_S: f64 = 3.0;
const GOP_S: f64 = 0.9;
const CAMERAS: usize = 6;
/// Streams of different size follow one another through the decoder.
const OTHER_SIZE: PictureSize = PictureSize { width: 640, height: 512 };
const WATCHED_S: f64 = 14.0;
const WELL_MAX_S: f64 = 60.0;
/// Other tests may have the machine to themselves for so long.
const BUSY_MAX_S: f64 = 2.0;

/// Two streets with B-frames, whose decoder would hold a picture back until the next camera's comes.
fn watch(folder: &Path) -> (f64, Vec<(String, u16)>, Record) {
    let config = StreetConfig { gop_s: GOP_S, clip_s: GOP_S * 6.0, b_frames: true, ..config(CAMERAS, None) };
    let configs = [config.clone(), StreetConfig { size: OTHER_SIZE, cameras: 2 * CAMERAS, ..config }];
    let streets: Vec<Street> = configs.iter().map(|config| Street::start(config.clone()).expect("a street")).collect();
    let mut file = written(&streets[0], &configs[0]);
    let mut cameras = Vec::new();
    for (street, config) in streets.iter().zip(&configs) {
        // The second street's cameras have numbers that the first street's have not.
        cameras.extend(written(street, config)["camera"].as_array().expect("cameras").iter().skip(cameras.len()).cloned());
    }
    let mut known = Vec::new();
    for (number, camera) in cameras.iter_mut().enumerate() {
        let id = format!("seldom-{number:02}");
        known.push((id.clone(), number as u16));
        let table = camera.as_table_mut().expect("a table");
        table.insert("name".into(), name_of(&id).into());
        table.insert("id".into(), id.into());
        table.insert("look_every_s".into(), LOOK_EVERY_S.into());
        table.insert("look_limit_s".into(), LOOK_EVERY_S.into());
        table.insert("latitude".into(), (31.0 + number as f64 / 200.0).into());
    }
    file.insert("camera".into(), cameras.into());
    file.insert("run".into(), toml::Table::from_iter([("workers".to_owned(), 1.into())]).into());
    let patrol = Patrol::start(folder, &toml::to_string(&file).expect("TOML"), &[]);
    wait_for("all see", WELL_MAX_S, || known.iter().all(|(id, _)| patrol.sees(id)));
    // Whoever lies there is watched closely for a moment first.
    wait_for("key frames are all that is decoded", WELL_MAX_S, || {
        known.iter().all(|(id, _)| patrol.camera(id).is_some_and(|camera| camera["lane"] == "on-demand"))
    });
    let since_s = now_s();
    wait_for("some promises' time", 4.0 * WATCHED_S, || now_s() - since_s > WATCHED_S);
    (since_s, known, patrol.stop(folder))
}

#[test]
fn cameras_are_seen_in_time_by_their_key_frames_alone_each_under_its_own_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let (since_s, cameras, record) = watch(folder.path());
    for (camera, number) in &cameras {
        record.check_pictures(camera, *number);
        let looks: Vec<_> = record.looks(camera).iter().filter(|look| look.end_s > since_s).collect();
        assert!(looks.len() as f64 >= WATCHED_S / LOOK_EVERY_S - 2.0, "{camera}: {} looks", looks.len());
        assert!(looks.iter().all(|look| look.keeps_promise() && look.code.is_some()), "{camera}: {looks:?}");
        let blind_s = record.max_blind_s(camera, since_s, record.stopped_s);
        println!("{camera}: {} looks, blind for {blind_s:.2} s at most", looks.len());
        assert!(blind_s <= LOOK_EVERY_S + BUSY_MAX_S, "{camera}: blind for {blind_s:.1} s");
    }
}
