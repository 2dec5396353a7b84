//! Containers and codecs: every picture arrives, in the decoder's format, with the right size and time.

use crate::clips::{self, FFV1_GREY16, H264, H265, MJPEG, RAW_GREY8, SHORT};
use crate::{options, run, run_path};
use patrol_core::{PictureSize, PixelFormat};

fn check(name: &str, encode: &str, mux: &str, format: PixelFormat) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = clips::write(folder.path(), name, &SHORT, encode, mux);
    let seen = run_path(&path);
    assert_eq!((seen.pictures.len(), seen.undecodable.len()), (50, 0), "{name}");
    assert!(seen.discontinuities.is_empty(), "{name}: {:?}", seen.discontinuities);
    for (index, picture) in seen.pictures.iter().enumerate() {
        assert_eq!((picture.size(), picture.format()), (PictureSize::new(192, 108), format), "{name}");
        // Containers round to milliseconds or to 90 kHz.
        let off_s = picture.media_time.as_secs_f64() - index as f64 / 25.0;
        assert!(off_s.abs() < 0.0015, "{name}: picture {index} is {off_s} s off");
        assert_eq!(picture.captured.error_ms, 20, "{name}");
    }
    // The ball moves: equal pictures would mean that one buffer was shown for all.
    let sums: Vec<u64> = seen.pictures.iter().map(|picture| weighted_sum(picture.plane(0))).collect();
    assert!(sums.windows(2).all(|pair| pair[0] != pair[1]), "{name}");
}

fn weighted_sum(bytes: &[u8]) -> u64 {
    bytes.iter().zip(1_u64..).map(|(byte, place)| u64::from(*byte) * place).sum()
}

#[test]
fn h264_in_every_container() {
    check("a.mp4", H264, "mp4mux", PixelFormat::I420);
    check("a.mkv", H264, "matroskamux", PixelFormat::I420);
    check("a.ts", H264, "mpegtsmux", PixelFormat::I420);
    check("a.avi", "videoconvert ! video/x-raw,format=I420 ! x264enc bframes=0 key-int-max=10 ! h264parse", "avimux", PixelFormat::I420);
}

#[test]
fn h265_in_every_container_that_takes_it() {
    check("a.mp4", H265, "mp4mux", PixelFormat::I420);
    check("a.mkv", H265, "matroskamux", PixelFormat::I420);
    check("a.ts", H265, "mpegtsmux", PixelFormat::I420);
}

#[test]
fn mjpeg() {
    check("a.avi", MJPEG, "avimux", PixelFormat::I420);
    check("a.mkv", MJPEG, "matroskamux", PixelFormat::I420);
    check("a.mp4", MJPEG, "qtmux", PixelFormat::I420);
    check("grey.avi", "videoconvert ! video/x-raw,format=GRAY8 ! jpegenc", "avimux", PixelFormat::Gray8);
}

#[test]
fn thermal_counts_and_raw_grey_keep_their_format() {
    check("a.mkv", FFV1_GREY16, "matroskamux", PixelFormat::Gray16Le);
    check("b.mkv", RAW_GREY8, "matroskamux", PixelFormat::Gray8);
}

#[test]
fn ten_bit_video_is_converted() {
    check("a.mkv", "videoconvert ! video/x-raw,format=I420_10LE ! x264enc key-int-max=10 ! h264parse", "matroskamux", PixelFormat::I420);
}

#[test]
fn sound_beside_the_picture_is_ignored() {
    let mux = "mpegtsmux name=m audiotestsrc num-buffers=100 ! avenc_aac ! aacparse ! m. m.";
    check("a.ts", H264, mux, PixelFormat::I420);
    check("a.mkv", H264, &mux.replace("mpegtsmux", "matroskamux"), PixelFormat::I420);
}

#[test]
fn a_feed_gives_the_same_pictures_every_time_and_they_outlive_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = clips::write(folder.path(), "a.mkv", &SHORT, H264, "matroskamux");
    let (one, two) = (run_path(&path), run_path(&path));
    for (a, b) in one.pictures.iter().zip(&two.pictures) {
        assert_eq!(a.media_time, b.media_time);
        for plane in 0..3 {
            let rows = a.format().plane_extent(plane, a.size()).1;
            assert!((0..rows).all(|y| a.row(plane, y) == b.row(plane, y)));
        }
    }
}

#[test]
fn a_feed_dropped_half_way_stops() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = clips::write(folder.path(), "a.mp4", &SHORT, H264, "mp4mux");
    for taken in [0, 1, 7] {
        let mut feed = patrol_ingest::open(&path, &options()).expect("a video");
        for _ in 0..taken {
            feed.next().expect("a picture");
        }
    }
    assert_eq!(run(patrol_ingest::open(&path, &options()).expect("a video")).pictures.len(), 50);
}

#[test]
fn the_content_decides_not_the_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = clips::write(folder.path(), "a.dat", &SHORT, H264, "matroskamux");
    assert_eq!(run_path(&path).pictures.len(), 50);
}
