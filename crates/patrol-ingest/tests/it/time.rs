//! Splices and resets: media time goes on, jumps are told, nothing is lost.

use crate::clips::{self, Clip, H264, H265, SHORT};
use crate::run_path;
use patrol_core::PictureSize;

/// Media times of a clip whose pictures have these timestamps, in milliseconds, and which of them follow a jump.
fn check(raw_ms: &[u64], expected_ms: &[i64], jumps: &[usize], repaired: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.mkv");
    clips::write_timed(&path, raw_ms);
    let seen = run_path(&path);
    let times: Vec<i64> = seen.pictures.iter().map(|picture| picture.media_time.0 / 1_000_000).collect();
    assert_eq!(times, expected_ms);
    assert_eq!(seen.discontinuities, jumps);
    assert!(seen.undecodable.is_empty());
    for (index, picture) in seen.pictures.iter().enumerate() {
        assert_eq!(picture.plane(0)[0], index as u8, "pictures come in the order of the file");
    }
    assert_eq!(seen.repaired, repaired);
}

#[test]
fn a_clock_that_jumps_goes_on_by_one_interval() {
    check(&[1000, 1040, 3_601_040, 3_601_080], &[0, 40, 80, 120], &[2], 1);
}

#[test]
fn a_gap_of_seconds_is_real_time() {
    check(&[0, 40, 5040, 5080], &[0, 40, 5040, 5080], &[], 0);
}

#[test]
fn repeated_timestamps_go_on_by_one_interval() {
    check(&[0, 40, 40, 80], &[0, 40, 80, 120], &[], 1);
}

#[test]
fn a_clock_set_back_goes_on_by_one_interval() {
    check(&[60_000, 60_040, 20_000, 20_040], &[0, 40, 80, 120], &[2], 1);
}

#[test]
fn a_transport_stream_that_begins_anew_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let clip = clips::write(folder.path(), "a.ts", &SHORT, H264, "mpegtsmux");
    let twice = folder.path().join("twice.ts");
    clips::join(&[&clip, &clip], &twice);
    let seen = run_path(&twice);
    assert_eq!(seen.pictures.len(), 100, "undecodable: {:?}", seen.undecodable);
    for pair in seen.pictures.windows(2) {
        // The demuxer joins the two clocks itself, to within a picture.
        let step = pair[1].media_time.seconds_since(pair[0].media_time);
        assert!((0.03..0.09).contains(&step), "{step} s");
    }
}

#[test]
fn a_change_of_size_is_followed() {
    for (name, encode) in [("h264", H264), ("h265", H265)] {
        let folder = tempfile::tempdir().expect("a folder");
        let small = clips::write(folder.path(), "a.ts", &SHORT, encode, "mpegtsmux");
        let large = clips::write(folder.path(), "b.ts", &Clip { size: (320, 180), ..SHORT }, encode, "mpegtsmux");
        let both = folder.path().join("both.ts");
        clips::join(&[&small, &large], &both);
        let seen = run_path(&both);
        assert_eq!(seen.pictures.len(), 100, "{name}, undecodable: {:?}", seen.undecodable);
        assert_eq!(seen.discontinuities, [50], "{name}");
        assert!(seen.pictures[..50].iter().all(|picture| picture.size() == PictureSize::new(192, 108)), "{name}");
        assert!(seen.pictures[50..].iter().all(|picture| picture.size() == PictureSize::new(320, 180)), "{name}");
    }
}

#[test]
fn other_stream_numbers_after_a_splice_are_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = clips::write(folder.path(), "a.ts", &SHORT, H264, "mpegtsmux");
    let two = clips::write(folder.path(), "b.ts", &SHORT, H264, "m.sink_300 mpegtsmux name=m m.");
    let both = folder.path().join("both.ts");
    clips::join(&[&one, &two], &both);
    let seen = run_path(&both);
    assert_eq!(seen.pictures.len(), 100, "undecodable: {:?}", seen.undecodable);
}

#[test]
fn another_codec_after_a_splice_is_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let one = clips::write(folder.path(), "a.ts", &SHORT, H264, "mpegtsmux");
    let two = clips::write(folder.path(), "b.ts", &SHORT, H265, "m.sink_301 mpegtsmux name=m m.");
    let both = folder.path().join("both.ts");
    clips::join(&[&one, &two], &both);
    let seen = run_path(&both);
    assert_eq!(seen.pictures.len(), 100, "undecodable: {:?}", seen.undecodable);
}
