//! A clip plays: ffmpeg decodes every picture of it, its length is right, and it begins with its index.

use crate::camera::{Camera, encode};
use patrol_core::{CameraId, SystemClock};
use patrol_ingest::{Decoders, Feed, FeedEvent, RtspCamera, RtspNet, RtspOptions, RtspTransport};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

fn check(encoder: &str) {
    let pictures = encode(100, (320, 240), encoder);
    let h265 = encoder.contains("h265");
    let server = Camera::start(move |_, peer| {
        peer.h265 = h265;
        peer.play()?;
        peer.send(&pictures, 0, |_| false)
    });
    let net = RtspNet::start(Arc::new(SystemClock::new()), 64 << 20).expect("the network thread starts");
    let options = RtspOptions {
        camera: CameraId::new("cam"),
        url: server.url(),
        credentials: None,
        transport: RtspTransport::Tcp,
        decoders: Decoders::default(),
    };
    let camera = RtspCamera::new(&net, options).expect("a camera");
    let mut feed = camera.open();
    let mut newest = None;
    while let Ok(event) = feed.next() {
        if let FeedEvent::Picture { picture, .. } = event {
            newest = Some(picture.captured.at);
        }
    }
    let newest = newest.expect("pictures");
    // Key frames every second: 2.1 s before the end falls into the second that began 3 s before.
    let clip = camera.cut(newest - Duration::from_millis(2_100), newest + Duration::from_millis(5)).expect("a clip").expect("kept");
    let kinds: Vec<&[u8]> = [4, index_of(&clip, b"moov"), index_of(&clip, b"mdat")].iter().map(|at| &clip[*at..at + 4]).collect();
    assert_eq!(kinds, [b"ftyp", b"moov", b"mdat"], "{encoder}");
    assert!(index_of(&clip, b"moov") < index_of(&clip, b"mdat"), "the index comes first");

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("clip.mp4");
    std::fs::write(&path, &clip).expect("a file");
    let probe = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-select_streams", "v", "-of", "csv=p=0"])
        .args(["-show_entries", "stream=nb_read_frames,duration,has_b_frames:packet=pts,dts"])
        .arg(&path)
        .output();
    let Ok(probe) = probe else {
        println!("skipped: ffprobe is not installed");
        return;
    };
    let (out, errors) = (String::from_utf8_lossy(&probe.stdout), String::from_utf8_lossy(&probe.stderr));
    assert!(errors.is_empty(), "{encoder}: {errors}");
    let (packets, stream): (Vec<&str>, Vec<&str>) =
        out.lines().filter(|line| !line.is_empty()).partition(|line| line.matches(',').count() < 2);
    let dts: Vec<(i64, i64)> = packets
        .iter()
        .filter_map(|line| line.trim_end_matches(',').split_once(','))
        .filter_map(|(pts, dts)| Some((pts.parse().ok()?, dts.parse().ok()?)))
        .collect();
    assert!(dts.windows(2).all(|pair| pair[0].1 < pair[1].1) && dts.iter().all(|(pts, dts)| dts <= pts), "{encoder}: {dts:?}");
    assert_eq!((packets.len(), dts.len()), (75, 75), "{encoder}: {out}");
    let fields: Vec<&str> = stream.first().expect("a stream").split(',').collect();
    assert_eq!(fields.last(), Some(&"75"), "{encoder}: {out}");
    let seconds: f64 = fields.iter().find_map(|field| field.contains('.').then(|| field.parse().ok())?).expect("a duration");
    assert!((seconds - 3.0).abs() < 0.1, "{encoder}: {seconds} s");
}

fn index_of(bytes: &[u8], kind: &[u8]) -> usize {
    bytes.windows(kind.len()).position(|window| window == kind).expect("a box")
}

#[test]
fn h264_clips_play() {
    check("x264enc bframes=0 key-int-max=25 threads=1 ! h264parse");
    check("x264enc bframes=3 b-adapt=false key-int-max=25 threads=1 ! h264parse");
}

#[test]
fn h265_clips_play() {
    check("x265enc key-int-max=25 option-string=bframes=0:pools=1:frame-threads=1:log-level=none ! h265parse");
    check("x265enc key-int-max=25 option-string=bframes=3:pools=1:frame-threads=1:log-level=none ! h265parse");
}
