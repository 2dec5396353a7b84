//! Key frames decoded alone, in turn with those of other cameras, by the one decoder of a thread.

use crate::camera::{Camera, Encoded, encode};
use crate::live::{net, options, read_all};
use patrol_core::Picture;
use patrol_ingest::{KeyFrame, RtspCamera, RtspNet, SessionNews};
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A session takes a fraction of a second here.
const PATIENCE: Duration = Duration::from_secs(20);

/// Key frames of a whole session, and why it ended.
fn keys(net: &Arc<RtspNet>, server: &Camera) -> (Vec<KeyFrame>, String) {
    let camera = RtspCamera::new(net, options(server.url())).expect("a camera");
    let keys = Arc::new(Mutex::new(Vec::new()));
    let (tell, told) = mpsc::sync_channel(1);
    let came = keys.clone();
    camera.connect(Arc::new(move |news| match news {
        SessionNews::Key(key) => came.lock().expect("keys").push(key),
        SessionNews::Ended(why) => tell.send(why).expect("waits"),
    }));
    let why = told.recv_timeout(PATIENCE).expect("the session ends");
    let keys = std::mem::take(&mut *keys.lock().expect("keys"));
    (keys, why)
}

fn serve(units: Vec<Encoded>) -> Camera {
    serve_as(units, false)
}

fn serve_as(units: Vec<Encoded>, h265: bool) -> Camera {
    Camera::start(move |_, peer| {
        peer.h265 = h265;
        peer.play()?;
        peer.send(&units, 0, |_| false)
    })
}

fn luma(picture: &Picture) -> Vec<u8> {
    (0..picture.size().height as usize).flat_map(|row| picture.row(0, row).to_vec()).collect()
}

/// Streams with B-frames let a decoder hold a picture back until the next unit comes: here that is another camera's.
#[test]
fn a_key_frame_gives_its_own_cameras_picture_whoever_was_decoded_before() {
    let net = net();
    // Less than two seconds, so that whoever reads everything never jumps to a newer key frame.
    let streams = [
        encode(48, (192, 108), "x264enc bframes=0 key-int-max=12 threads=1 bitrate=1500 ! h264parse"),
        encode(48, (320, 180), "x264enc bframes=3 b-adapt=false b-pyramid=true key-int-max=15 threads=1 bitrate=1500 ! h264parse"),
        encode(48, (192, 108), "x264enc bframes=2 b-adapt=false key-int-max=20 threads=1 bitrate=800 ! h264parse"),
        encode(48, (256, 144), "x265enc key-int-max=12 option-string=bframes=3:open-gop=0 ! h265parse"),
        encode(48, (320, 240), "x265enc key-int-max=20 option-string=bframes=3:open-gop=0 ! h265parse"),
    ];
    let cameras: Vec<(Vec<Picture>, Vec<KeyFrame>)> = streams
        .into_iter()
        .enumerate()
        .map(|(number, units)| {
            let server = serve_as(units, number >= 3);
            let (keys, why) = keys(&net, &server);
            assert!(why.contains("the session ended"), "{why}");
            let all = read_all(&mut RtspCamera::new(&net, options(server.url())).expect("a camera").open());
            assert!(keys.len() >= 3, "{} key frames", keys.len());
            (all.pictures, keys)
        })
        .collect();
    let mut compared = vec![0; cameras.len()];
    let rounds = cameras.iter().map(|(_, keys)| keys.len()).max().expect("cameras");
    for round in 0..rounds {
        for (number, (all, keys)) in cameras.iter().enumerate() {
            let Some(key) = keys.get(round) else { continue };
            let picture = key.decode().expect("a picture");
            // A decoder of everything loses a picture or two where it learns how far they are reordered.
            let Some(same) = all.iter().find(|picture| picture.media_time == key.media_time) else { continue };
            compared[number] += 1;
            assert_eq!(picture.size(), same.size(), "camera {number}, round {round}");
            assert!(luma(&picture) == luma(same), "camera {number}, round {round}: another picture");
            assert_eq!(picture.media_time, key.media_time);
        }
    }
    assert!(compared.iter().all(|compared| *compared >= 2), "{compared:?}");
}

#[test]
fn a_damaged_key_frame_gives_no_picture_and_costs_the_next_camera_nothing() {
    let net = net();
    let good = encode(20, (320, 180), "x264enc bframes=0 key-int-max=10 threads=1 bitrate=2000 ! h264parse");
    let mut bad = good.clone();
    let slice = bad[0].nals.iter_mut().find(|nal| nal[0] & 0x1f == 5).expect("a key frame");
    let middle = slice.len() / 2;
    for byte in &mut slice[middle..middle + 40] {
        *byte = 0x55;
    }
    let (bad, _) = keys(&net, &serve(bad));
    let (good, _) = keys(&net, &serve(good));
    let error = bad[0].decode().expect_err("damaged").to_string();
    assert!(error.contains("a key frame gave no picture"), "{error}");
    good[0].decode().expect("the other camera's");
    bad[1].decode().expect("its next one");
}

/// Packets of a key frame that did not arrive: it is not offered at all, for decoders make the missing part up.
#[test]
fn a_key_frame_with_lost_packets_is_never_told() {
    let units = encode(30, (320, 180), "x264enc bframes=0 key-int-max=10 threads=1 bitrate=4000 ! h264parse");
    let before = units[0].nals.iter().position(|nal| nal[0] & 0x1f == 5).expect("a key frame");
    let server = Camera::start(move |_, peer| {
        peer.play()?;
        peer.send(&units, 0, |packet| packet == before)
    });
    let (keys, _) = keys(&net(), &server);
    assert_eq!(keys.len(), 2, "of three");
}

#[test]
fn changing_sizes_leak_nothing() {
    let net = net();
    let streams = [(192, 108), (320, 180), (640, 360)];
    let keys: Vec<KeyFrame> = streams
        .into_iter()
        .map(|size| keys(&net, &serve(encode(3, size, "x264enc bframes=0 threads=1 bitrate=800 ! h264parse"))).0.remove(0))
        .collect();
    let decode = |rounds: usize| {
        for round in 0..rounds {
            keys[round % keys.len()].decode().expect("a picture");
        }
        std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
    };
    let before = decode(30);
    let after = decode(900);
    // Other tests of this process have some hundred open at most; a pool a picture would be as many as there were pictures.
    assert!(after < before + 200, "descriptors: {before}, then {after}");
}
