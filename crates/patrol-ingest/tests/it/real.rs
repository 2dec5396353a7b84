//! Real recordings, where the data folder is at hand.

use crate::options;
use patrol_core::PictureSize;
use patrol_ingest::{FeedEvent, open};
use std::path::PathBuf;

fn data(path: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("PATROL_DATA") else {
        println!("skipped: PATROL_DATA is not set");
        return None;
    };
    Some(PathBuf::from(folder).join(path))
}

#[test]
fn a_street_recording_gives_all_its_pictures() {
    let Some(path) = data("video/one-by-one-person-detection.mp4") else { return };
    let mut feed = open(&path, &options()).expect("a video");
    let mut last_s = 0.0;
    loop {
        match feed.next().expect("a sound file") {
            FeedEvent::Picture { picture, discontinuity } => {
                assert_eq!(picture.size(), PictureSize::new(768, 432));
                assert!(!discontinuity);
                last_s = picture.media_time.as_secs_f64();
            }
            FeedEvent::Undecodable { media_time, why } => panic!("{why} at {media_time:?}"),
            FeedEvent::Skipped { .. } | FeedEvent::Idle => panic!("a file gives every picture"),
            FeedEvent::End => break,
        }
    }
    assert_eq!((feed.stats().pictures, feed.stats().repaired_timestamps), (1394, 0));
    assert!((last_s - 139.3).abs() < 0.05, "{last_s}");
}

#[test]
fn odd_thermal_stills_are_pictures_or_named_errors() {
    let Some(folder) = data("radiometric") else { return };
    for name in ["DJI_H20T.jpg", "DJI_M30T.jpg", "DJI_M3T.jpg", "DJI_M4T.jpg", "FLIR_B60.jpg", "IR_2412.jpg"] {
        let picture = patrol_ingest::read_picture(&folder.join(name)).unwrap_or_else(|error| panic!("{error}"));
        assert!(picture.size().width >= 240, "{name}: {:?}", picture.size());
    }
    let error = patrol_ingest::read_picture(&folder.join("SampleSEQ.seq")).expect_err("no picture").to_string();
    assert!(error.contains("SampleSEQ.seq"), "{error}");
}
