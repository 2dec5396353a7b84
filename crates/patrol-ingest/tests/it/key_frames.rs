//! Key frames decoded alone, in turn with those of other cameras, by the one decoder of a thread.

use crate::camera::{Camera, Encoded, encode};
use crate::live::{net, options, read_all};
use patrol_core::{Picture, PictureSize, PixelFormat};
use patrol_ingest::{KeyFrame, RtspCamera, RtspNet, SessionNews};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
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
        // Later key frames are no IDR but CRA, of which the client takes the parameter sets away: the decoder has another camera's by then.
        encode(48, (320, 240), "x265enc key-int-max=12 option-string=bframes=3 ! h265parse"),
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
            let picture = key.decode(true).expect("a picture");
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
    let error = bad[0].decode(true).expect_err("damaged").to_string();
    assert!(error.contains("a key frame gave no picture"), "{error}");
    good[0].decode(true).expect("the other camera's");
    bad[1].decode(true).expect("its next one");
}

/// Without the loop filter a picture is a little blocky, and no worse than that; the filter is back with the next unit.
#[test]
fn a_key_frame_without_the_loop_filter_shows_the_same() {
    for (line, h265) in [
        ("x264enc bframes=0 key-int-max=5 threads=1 quantizer=32 pass=quant ! h264parse", false),
        ("x265enc key-int-max=5 qp=32 option-string=bframes=0 ! h265parse", true),
    ] {
        let (keys, _) = keys(&net(), &serve_as(encode(20, (320, 180), line), h265));
        for key in &keys {
            let (smooth, rough, again) = (key.decode(true), key.decode(false), key.decode(true));
            let [smooth, rough, again] = [smooth, rough, again].map(|picture| luma(&picture.expect("a picture")));
            assert!(smooth == again, "{line}");
            let squares: f64 = smooth.iter().zip(&rough).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
            let error = (squares / smooth.len() as f64).sqrt();
            assert!(error > 0.0 && error < 3.0, "{line}: {error} grey levels");
        }
    }
}

/// Cameras send 4:2:2 and ten bits too; looks read I420.
#[test]
fn planes_of_other_kinds_become_readable() {
    let plain = keys(&net(), &serve(encode(3, (320, 180), "x264enc bframes=0 threads=1 quantizer=10 pass=quant ! h264parse"))).0;
    let plain = luma(&plain[0].decode(true).expect("a picture"));
    for (line, h265) in [
        ("videoconvert ! video/x-raw,format=Y42B ! x264enc bframes=0 threads=1 quantizer=10 pass=quant ! h264parse", false),
        ("videoconvert ! video/x-raw,format=I420_10LE ! x265enc qp=10 option-string=bframes=0 ! h265parse", true),
    ] {
        let (keys, _) = keys(&net(), &serve_as(encode(3, (320, 180), line), h265));
        let picture = keys[0].decode(true).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!((picture.format(), picture.size()), (PixelFormat::I420, PictureSize::new(320, 180)), "{line}");
        let error: f64 = luma(&picture).iter().zip(&plain).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>() / plain.len() as f64;
        assert!(error < 2.0, "{line}: {error} grey levels on average");
    }
}

/// Whatever is sent, there is an answer, and the next camera's key frame is as good as ever.
#[test]
fn no_damage_breaks_the_decoder_or_touches_the_next_camera() {
    for (line, h265) in [
        ("x264enc bframes=0 key-int-max=1 threads=1 bitrate=1500 ! h264parse", false),
        ("x265enc key-int-max=1 bitrate=1500 ! h265parse", true),
    ] {
        let units = encode(60, (192, 108), line);
        let good = keys(&net(), &serve_as(units[..1].to_vec(), h265)).0.remove(0);
        let wanted = luma(&good.decode(true).expect("a picture"));
        let mut rng = ChaCha8Rng::seed_from_u64(20_261_129);
        let mut bad = units;
        for unit in &mut bad {
            for nal in &mut unit.nals {
                // The first bytes stay: they say that it is a key frame, or it is never told.
                for _ in 0..rng.random_range(0..4) {
                    let at = rng.random_range(0..nal.len());
                    if at >= 2 {
                        nal[at] = rng.random();
                    }
                }
                if rng.random_bool(0.1) {
                    nal.truncate(rng.random_range(3..=nal.len().max(3)));
                }
            }
        }
        let (keys, _) = keys(&net(), &serve_as(bad, h265));
        let mut answers = (0, 0);
        for key in keys {
            match key.decode(rng.random()) {
                Ok(picture) => {
                    answers.0 += 1;
                    assert!(picture.size().width > 0);
                }
                Err(error) => {
                    answers.1 += 1;
                    assert!(error.to_string().starts_with("a key frame gave no picture: "), "{error}");
                }
            }
            assert!(luma(&good.decode(true).expect("a picture")) == wanted, "{line}: the next camera's picture");
        }
        // Few of the bits of H.265 can be read as nothing at all.
        assert!(answers.1 >= if h265 { 1 } else { 10 }, "{line}: {answers:?}");
    }
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
            keys[round % keys.len()].decode(true).expect("a picture");
        }
        std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
    };
    let before = decode(30);
    let after = decode(900);
    // Other tests of this process have some hundred open at most; a pool a picture would be as many as there were pictures.
    assert!(after < before + 200, "descriptors: {before}, then {after}");
}
