//! Broken input: an error that names the file, or an end with everything accounted for. Never a panic, never a hang.

use crate::clips::{self, Clip, H264, H265, MJPEG, SHORT};
use crate::{open_error, options, run, run_path};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::path::Path;

/// What was found and wanted, for files that are no videos.
fn check_refused(name: &str, bytes: &[u8], says: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("a writable folder");
    let error = open_error(&path);
    assert!(error.contains(name) && error.contains("wanted") && error.contains(says), "{error}");
}

#[test]
fn what_is_no_video_is_refused_by_name() {
    check_refused("empty.mp4", b"", "empty");
    check_refused("letter.mp4", "这不是视频。\n".repeat(100).as_bytes(), "found");
    check_refused("noise.ts", &[0x5a; 5000], "found");
    let missing = open_error(Path::new("nowhere/at/all.mp4"));
    assert!(missing.contains("nowhere/at/all.mp4") && missing.contains("No such file"), "{missing}");
}

#[test]
fn sound_alone_is_refused_as_such() {
    let folder = tempfile::tempdir().expect("a folder");
    let clip = "fakesink audiotestsrc num-buffers=50 ! avenc_aac ! aacparse ! mpegtsmux";
    let path = clips::write(folder.path(), "sound.ts", &SHORT, clip, "identity");
    let error = open_error(&path);
    assert!(error.contains("audio/mpeg") && error.contains("wanted a video stream"), "{error}");
}

#[test]
fn a_foreign_codec_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = clips::write(folder.path(), "a.mkv", &SHORT, "vp8enc", "matroskamux");
    let error = open_error(&path);
    assert!(error.contains("video/x-vp8") && error.contains("H.264"), "{error}");
}

#[test]
fn a_file_cut_off_before_its_index_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = clips::write(folder.path(), "a.mp4", &SHORT, H264, "mp4mux");
    let bytes = std::fs::read(&path).expect("a clip");
    std::fs::write(&path, &bytes[..bytes.len() / 2]).expect("a writable folder");
    assert!(open_error(&path).contains("a.mp4"));
}

#[test]
fn a_file_cut_off_in_the_middle_ends_there() {
    for (name, mux) in [("a.mp4", "mp4mux faststart=true"), ("a.mkv", "matroskamux"), ("a.ts", "mpegtsmux")] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = clips::write(folder.path(), name, &SHORT, H264, mux);
        let bytes = std::fs::read(&path).expect("a clip");
        std::fs::write(&path, &bytes[..bytes.len() * 7 / 10]).expect("a writable folder");
        let seen = run_path(&path);
        assert!((10..50).contains(&seen.pictures.len()), "{name}: {} pictures", seen.pictures.len());
        assert!(seen.undecodable.len() <= 3, "{name}: {:?}", seen.undecodable);
    }
}

#[test]
fn a_hole_costs_the_pictures_in_it() {
    for (name, encode, mux) in [
        ("a.ts", H264, "mpegtsmux"),
        ("a.mkv", H264, "matroskamux"),
        ("b.ts", H265, "mpegtsmux"),
        ("b.mkv", H265, "matroskamux"),
        ("c.avi", MJPEG, "avimux"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = clips::write(folder.path(), name, &Clip { pictures: 100, ..SHORT }, encode, mux);
        let mut bytes = std::fs::read(&path).expect("a clip");
        let (from, to) = (bytes.len() * 45 / 100, bytes.len() * 55 / 100);
        bytes[from..to].fill(0);
        std::fs::write(&path, &bytes).expect("a writable folder");
        let seen = run_path(&path);
        // A tenth of the bytes; a group of pictures is ten, and a demuxer may need another to find its feet.
        assert!(seen.pictures.len() >= 60 && seen.total() <= 101, "{name}: {} + {}", seen.pictures.len(), seen.undecodable.len());
        let last = seen.pictures.last().expect("pictures").media_time.as_secs_f64();
        assert!(last > 3.0, "{name}: the pictures after the hole are missing, the last is at {last} s");
    }
}

#[test]
fn units_that_give_no_picture_are_told_one_by_one() {
    // Every JPEG is a unit of its own; one whose data is gone after the first marker gives no picture.
    let folder = tempfile::tempdir().expect("a folder");
    let path = clips::write(folder.path(), "a.mkv", &SHORT, MJPEG, "matroskamux");
    let mut bytes = std::fs::read(&path).expect("a clip");
    let starts: Vec<usize> = bytes.windows(4).enumerate().filter(|(_, w)| *w == [0xff, 0xd8, 0xff, 0xe0]).map(|(at, _)| at).collect();
    assert_eq!(starts.len(), 50);
    for unit in [20, 21, 35] {
        // Keeps both ends, so that the parser sees a unit, and destroys the headers that a decoder cannot do without.
        let (from, to) = (starts[unit], starts[unit + 1]);
        for pair in (from + 2..to - 64).step_by(2) {
            if bytes[pair] == 0xff && bytes[pair + 1] != 0 {
                bytes[pair + 1] = 0xfe;
            }
        }
    }
    std::fs::write(&path, &bytes).expect("a writable folder");
    let seen = run_path(&path);
    assert_eq!((seen.pictures.len(), seen.undecodable.len()), (47, 3));
    let times: Vec<f64> = seen.undecodable.iter().map(|time| time.expect("matroska tells the time").as_secs_f64()).collect();
    assert_eq!(times, [0.8, 0.84, 1.4]);
}

#[test]
fn random_damage_never_hangs_or_panics() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let clip = Clip { pictures: 30, size: (96, 64), fps: 25 };
    for (name, encode, mux) in [
        ("a.mp4", H264, "mp4mux faststart=true"),
        ("a.mkv", H264, "matroskamux"),
        ("a.ts", H264, "mpegtsmux"),
        ("b.ts", H265, "mpegtsmux"),
        ("b.mp4", H265, "mp4mux"),
        ("c.avi", MJPEG, "avimux"),
    ] {
        let path = clips::write(folder.path(), name, &clip, encode, mux);
        let whole = std::fs::read(&path).expect("a clip");
        for _ in 0..12 {
            let mut bytes = whole.clone();
            for _ in 0..rng.random_range(1..20) {
                let at = rng.random_range(0..bytes.len());
                let until = (at + rng.random_range(1..300)).min(bytes.len());
                match rng.random_range(0..4) {
                    0 => bytes[at] ^= 1 << rng.random_range(0..8),
                    1 => bytes[at..until].fill(0),
                    2 => rng.fill(&mut bytes[at..until]),
                    _ => drop(bytes.drain(at..until)),
                }
                if bytes.is_empty() {
                    break;
                }
            }
            std::fs::write(&path, &bytes).expect("a writable folder");
            if let Ok(feed) = patrol_ingest::open(&path, &options()) {
                let seen = run(feed);
                assert!(seen.total() <= 200, "{name}: {} events from 30 pictures", seen.total());
            }
        }
    }
}
