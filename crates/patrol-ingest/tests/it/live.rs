//! A network camera as a feed: what comes through, what each fault of a camera does, and that faults stay with their camera.

use crate::camera::{Auth, Camera, Encoded, Peer, encode, h264, recorded};
use patrol_core::{CameraId, Clock, Picture, ScaledClock, SystemClock, WallTime};
use patrol_ingest::{
    Credentials, Decoders, Feed, FeedEvent, IngestError, Password, RtspCamera, RtspNet, RtspOptions, RtspTransport, VideoCodec,
    check_decoder,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const RINGS_BYTES_MAX: u64 = 64 << 20;

pub(crate) fn net() -> Arc<RtspNet> {
    RtspNet::start(Arc::new(SystemClock::new()), RINGS_BYTES_MAX).expect("the network thread starts")
}

/// A network whose 20 s pass within a second.
fn hasty_net() -> Arc<RtspNet> {
    let clock = ScaledClock::new(SystemClock::new().now(), 20.0);
    RtspNet::start(Arc::new(clock), RINGS_BYTES_MAX).expect("the network thread starts")
}

pub(crate) fn options(url: String) -> RtspOptions {
    RtspOptions {
        camera: CameraId::new("cam"),
        url,
        credentials: None,
        transport: RtspTransport::TcpThenUdp,
        decoders: Decoders::default(),
    }
}

fn with_password(url: String, password: &str) -> RtspOptions {
    let credentials = Credentials { user: "admin".to_owned(), password: Password::new(password) };
    RtspOptions { credentials: Some(credentials), ..options(url) }
}

#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) pictures: Vec<Picture>,
    discontinuities: Vec<usize>,
    undecodable: Vec<String>,
    skipped: u64,
    error: Option<IngestError>,
}

/// Reads until the feed breaks, or until `enough`.
fn read(feed: &mut dyn Feed, enough: impl Fn(&Seen) -> bool) -> Seen {
    let mut seen = Seen::default();
    let mut idle = 0;
    while !enough(&seen) {
        match feed.next() {
            Ok(FeedEvent::Picture { picture, discontinuity }) => {
                if discontinuity {
                    seen.discontinuities.push(seen.pictures.len());
                }
                assert!(
                    seen.pictures.last().is_none_or(|before| before.media_time < picture.media_time && before.sequence < picture.sequence)
                );
                seen.pictures.push(picture);
                idle = 0;
            }
            Ok(FeedEvent::Undecodable { why, .. }) => seen.undecodable.push(why),
            Ok(FeedEvent::Skipped { pictures }) => seen.skipped += pictures,
            Ok(FeedEvent::Idle) => idle += 1,
            Ok(FeedEvent::End) => return seen,
            Err(error) => {
                seen.error = Some(error);
                assert!(matches!(feed.next(), Ok(FeedEvent::End)), "after an error comes the end");
                return seen;
            }
        }
        assert!(idle < 120, "nothing came for 30 s");
    }
    seen
}

pub(crate) fn read_all(feed: &mut dyn Feed) -> Seen {
    read(feed, |_| false)
}

fn failure(options: RtspOptions) -> String {
    let camera = RtspCamera::new(&net(), options).expect("a camera");
    let error = read_all(&mut camera.open()).error.expect("an error").to_string();
    assert!(!error.contains("geheim") && !error.contains("token"), "{error}");
    error
}

fn play(pictures: Vec<Encoded>) -> impl Fn(u32, &mut Peer) -> std::io::Result<()> {
    move |_, peer| {
        peer.play()?;
        peer.send(&pictures, 0, |_| false)
    }
}

#[test]
fn every_picture_comes_through_with_its_time() {
    let server = Camera::start(play(h264(40)));
    let camera = RtspCamera::new(&net(), options(server.url())).expect("a camera");
    let before = SystemClock::new().now();
    let seen = read_all(&mut camera.open());
    assert_eq!((seen.pictures.len(), seen.undecodable.len(), seen.skipped), (40, 0, 0), "{:?}", seen.undecodable);
    for (index, picture) in seen.pictures.iter().enumerate() {
        assert_eq!(picture.media_time.0, index as i64 * 40_000_000);
    }
    let now = SystemClock::new().now();
    assert!(seen.pictures.iter().all(|picture| picture.captured.at <= now && picture.captured.error_ms >= 500));
    assert!(seen.pictures[39].captured.at >= before);
    assert!(seen.error.expect("an end").to_string().contains("closed the connection"));
    let link = camera.link();
    assert_eq!((link.transport.as_str(), link.codec.as_str(), link.sessions, link.lost_packets), ("TCP", "H.264", 1, 0));
    assert_eq!(link.key_interval_s, Some(0.4));
    assert!(link.ring_bytes > 0 && (1.5..1.6).contains(&link.ring_s), "{link:?}");
}

/// GPUs decode by elements of their own; these two are software that stands in for them.
#[test]
fn another_decoder_gives_the_same_pictures() {
    for (h265, encoder, element) in [
        (false, "x264enc bframes=0 key-int-max=20 threads=1 ! video/x-h264,profile=baseline ! h264parse", "openh264dec"),
        (true, "x265enc key-int-max=20 option-string=bframes=0:pools=1:frame-threads=1:log-level=none ! h265parse", "libde265dec"),
    ] {
        let codec = if h265 { VideoCodec::H265 } else { VideoCodec::H264 };
        if let Err(found) = check_decoder(element, codec) {
            println!("skipped: found {found}");
            continue;
        }
        let pictures = encode(40, (192, 108), encoder);
        let play = move || {
            let pictures = pictures.clone();
            Camera::start(move |_, peer| {
                peer.h265 = h265;
                peer.play()?;
                peer.send(&pictures, 0, |_| false)
            })
        };
        let read = |decoders: Decoders| {
            let server = play();
            let camera = RtspCamera::new(&net(), RtspOptions { decoders, ..options(server.url()) }).expect("a camera");
            let seen = read_all(&mut camera.open());
            assert_eq!((seen.pictures.len(), seen.undecodable.len()), (40, 0), "{element}");
            let rows = |picture: &Picture| (0..108).flat_map(|y| picture.row(0, y)[..192].to_vec()).collect::<Vec<u8>>();
            let told = |picture: &Picture| (picture.media_time.0, rows(picture));
            seen.pictures.iter().map(told).collect::<Vec<_>>()
        };
        let chosen =
            if h265 { Decoders { h264: None, h265: Some(element.into()) } } else { Decoders { h264: Some(element.into()), h265: None } };
        let (ours, theirs) = (read(Decoders::default()), read(chosen));
        let times = |told: &[(i64, Vec<u8>)]| told.iter().map(|(t, _)| t / 1_000_000).collect::<Vec<_>>();
        assert_eq!(times(&ours), times(&theirs), "{element}");
        let differ = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours.1 != theirs.1).count();
        assert_eq!(differ, 0, "{element}");
    }
}

#[test]
fn pictures_that_refer_to_later_ones_come_in_the_order_of_their_times() {
    for (h265, encoder) in [
        (false, "x264enc bframes=3 b-adapt=false key-int-max=20 threads=1 ! h264parse"),
        // x265's later key frames are no IDR but CRA.
        (true, "x265enc key-int-max=20 option-string=bframes=3:pools=1:frame-threads=1:log-level=none ! h265parse"),
    ] {
        let pictures = encode(40, (192, 108), encoder);
        assert!(pictures.windows(2).any(|pair| pair[1].pts_ms < pair[0].pts_ms), "the encoder made no B-frames");
        let server = Camera::start(move |_, peer| {
            peer.h265 = h265;
            peer.play()?;
            peer.send(&pictures, 0, |_| false)
        });
        let camera = RtspCamera::new(&net(), options(server.url())).expect("a camera");
        let seen = read_all(&mut camera.open());
        assert_eq!((seen.pictures.len(), seen.undecodable.len()), (40, 0), "{encoder}");
        let times: Vec<i64> = seen.pictures.iter().map(|picture| picture.media_time.0 / 1_000_000).collect();
        assert_eq!(times, (0..40).map(|index| index * 40).collect::<Vec<_>>(), "{encoder}");
        assert_eq!(camera.link().key_interval_s, Some(0.8), "{encoder}");
    }
}

#[test]
fn pictures_of_real_encoders_are_not_held_back() {
    let Some(folder) = std::env::var_os("PATROL_DATA").map(std::path::PathBuf::from) else {
        println!("skipped: PATROL_DATA is not set");
        return;
    };
    // The second has B-frames. Neither says how far pictures are reordered.
    for (name, held_max, lost_max) in [("car-detection.mp4", 0, 0), ("one-by-one-person-detection.mp4", 2, 3)] {
        let units = recorded(&folder.join("video").join(name))[..18].to_vec();
        let server = Camera::start(move |_, peer| {
            peer.play()?;
            peer.send(&units, 0, |_| false)?;
            peer.hold().map(|_| ())
        });
        let camera = RtspCamera::new(&net(), options(server.url())).expect("a camera");
        // Nothing follows the 18 units that could push a picture out.
        let seen = read(&mut camera.open(), |seen| seen.pictures.len() + seen.undecodable.len() >= 18 - held_max);
        assert!(seen.undecodable.len() <= lost_max, "{name}: {:?}", seen.undecodable);
    }
}

#[test]
fn passwords_are_given_as_asked_for() {
    let pictures = h264(10);
    for auth in [Auth::Basic, Auth::Digest] {
        let pictures = pictures.clone();
        let server = Camera::start(move |_, peer| {
            peer.auth = auth;
            peer.play()?;
            peer.send(&pictures, 0, |_| false)
        });
        let camera = RtspCamera::new(&net(), with_password(server.url(), "geheim")).expect("a camera");
        assert_eq!(read_all(&mut camera.open()).pictures.len(), 10);
        let error = failure(with_password(server.url(), "geheim2"));
        assert!(error.contains("wrong user or password (401)") && error.contains("/live"), "{error}");
        assert!(failure(options(server.url())).contains("none is given"));
    }
    let shown = format!("{:?}", with_password("rtsp://h/live?token=geheim".to_owned(), "geheim"));
    assert!(!shown.contains("geheim"), "{shown}");
}

#[test]
fn refusals_are_named() {
    for (status, expected) in [("404 Not Found", "no such stream (404)"), ("503 Service Unavailable", "DESCRIBE was refused: 503")] {
        let server = Camera::start(move |_, peer| {
            let request = peer.request()?;
            peer.answer(&request, status, "", "")
        });
        let error = failure(options(server.url()));
        assert!(error.contains(expected), "{error}");
    }
    let server = Camera::start(|_, peer| {
        let request = peer.request()?;
        peer.answer(
            &request,
            "200 OK",
            "Content-Type: application/sdp\r\n",
            "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:v\r\n",
        )
    });
    let error = failure(options(server.url()));
    assert!(error.contains("found video jpeg; wanted a video stream in H.264 or H.265"), "{error}");
    let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a port");
    let error = failure(options(format!("rtsp://{free}/live")));
    assert!(error.contains("cannot be reached"), "{error}");
}

#[test]
fn a_camera_that_refuses_tcp_is_asked_for_udp() {
    let pictures = h264(10);
    let refused = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&refused);
    let serve = move |_, peer: &mut Peer| {
        peer.refuses_tcp = true;
        peer.play()?;
        count.fetch_add(peer.refused, Ordering::SeqCst);
        peer.send(&pictures, 0, |_| false)?;
        peer.hold().map(|_| ())
    };
    let server = Camera::start(serve);
    let camera = RtspCamera::new(&net(), options(server.url())).expect("a camera");
    for _ in 0..2 {
        let seen = read(&mut camera.open(), |seen| seen.pictures.len() == 10);
        assert_eq!((seen.undecodable.len(), camera.link().transport.as_str()), (0, "UDP"));
    }
    // The second session knew.
    assert_eq!((server.connections.load(Ordering::SeqCst), refused.load(Ordering::SeqCst)), (2, 1));
    let tcp = RtspOptions { transport: RtspTransport::Tcp, ..options(server.url()) };
    assert!(failure(tcp).contains("SETUP was refused: 461"));
}

#[test]
fn lost_packets_cost_the_pictures_up_to_the_next_key_frame_and_none_is_guessed() {
    let pictures = h264(40);
    let packets = |pictures: &[Encoded]| pictures.iter().flat_map(|one| &one.nals).map(|nal| nal.len().div_ceil(1_400)).sum::<usize>();
    // The last packet of the fifteenth picture.
    let lost = packets(&pictures[..15]) - 1;
    let server = Camera::start({
        let pictures = pictures.clone();
        move |_, peer| {
            peer.play()?;
            peer.send(&pictures, 0, |packet| packet == lost)
        }
    });
    let camera = RtspCamera::new(&net(), options(server.url())).expect("a camera");
    let seen = read_all(&mut camera.open());
    // 14 before, then from 20 on; the lost picture itself never was.
    assert_eq!(seen.pictures.len(), 34, "{:?}", seen.undecodable);
    assert_eq!(seen.undecodable.len(), 5);
    assert!(seen.undecodable[0].contains("1 packets were lost"), "{:?}", seen.undecodable);
    assert_eq!(camera.link().lost_packets, 1);
}

#[test]
fn a_session_that_begins_between_key_frames_waits_for_one() {
    let pictures = h264(40);
    let server = Camera::start(move |_, peer| {
        peer.play()?;
        peer.send(&pictures[3..], 0, |_| false)
    });
    let camera = RtspCamera::new(&net(), options(server.url())).expect("a camera");
    let seen = read_all(&mut camera.open());
    assert_eq!((seen.pictures.len(), seen.undecodable.len()), (30, 7));
    assert!(seen.undecodable[0].contains("no key frame"), "{:?}", seen.undecodable);
}

#[test]
fn a_stream_that_never_sends_key_frames_is_shown_from_its_recovery_point() {
    // One key frame at the start, which the session misses; then a column of intra blocks wanders.
    let pictures = encode(400, (96, 64), "x264enc intra-refresh=true bframes=0 key-int-max=30 threads=1 ! h264parse");
    let is_idr = |one: &&Encoded| one.nals.iter().any(|nal| nal[0] & 0x1f == 5);
    assert_eq!(pictures.iter().filter(is_idr).count(), 1, "the encoder made key frames");
    let server = Camera::start(move |_, peer| {
        peer.play()?;
        // The parameter sets come with the key frame alone; cameras repeat them.
        let sets: Vec<Vec<u8>> = pictures[0].nals.iter().filter(|nal| matches!(nal[0] & 0x1f, 7 | 8)).cloned().collect();
        let mut rest = pictures[1..].to_vec();
        for picture in rest.iter_mut().step_by(30) {
            picture.nals.splice(0..0, sets.clone());
        }
        peer.send(&rest, 0, |_| false)
    });
    let camera = RtspCamera::new(&net(), options(server.url())).expect("a camera");
    let seen = read_all(&mut camera.open());
    assert!(seen.pictures.len() > 80, "{} pictures, {} skipped, {} undecodable", seen.pictures.len(), seen.skipped, seen.undecodable.len());
    assert_eq!(seen.pictures.len() as u64 + seen.skipped + seen.undecodable.len() as u64, 399);
}

#[test]
fn a_change_of_size_is_a_discontinuity() {
    let (small, large) = (h264(20), encode(20, (320, 240), "x264enc bframes=0 key-int-max=10 threads=1 ! h264parse"));
    let server = Camera::start(move |_, peer| {
        peer.play()?;
        peer.send(&small, 0, |_| false)?;
        peer.send(&large, 800, |_| false)
    });
    let camera = RtspCamera::new(&net(), options(server.url())).expect("a camera");
    let seen = read_all(&mut camera.open());
    assert_eq!((seen.pictures.len(), seen.discontinuities), (40, vec![20]));
    assert_eq!(seen.pictures[20].size().width, 320);
}

#[test]
fn senseless_parameter_sets_are_named_and_cost_that_camera_alone() {
    let mut broken = h264(30);
    for nal in broken.iter_mut().flat_map(|picture| &mut picture.nals) {
        if nal[0] & 0x1f == 7 {
            *nal = vec![0x67, 0x64, 0, 0x1f, 0xff, 0xff, 0xff, 0xff];
        }
    }
    let (bad, good) = (Camera::start(play(broken)), Camera::start(play(h264(30))));
    let net = net();
    let open = |server: &Camera| RtspCamera::new(&net, options(server.url())).expect("a camera").open();
    let (mut bad, mut good) = (open(&bad), open(&good));
    let seen = read_all(&mut bad);
    assert!(seen.pictures.is_empty());
    assert!(seen.undecodable.iter().any(|why| why.to_lowercase().contains("sps")), "{:?}", seen.undecodable);
    assert_eq!(read_all(&mut good).pictures.len(), 30);
}

#[test]
fn bytes_that_are_no_rtsp_end_the_session_by_name() {
    let pictures = h264(10);
    let server = Camera::start(move |_, peer| {
        peer.play()?;
        peer.send(&pictures, 0, |_| false)?;
        peer.packet(&[0xff; 40], 0, false)?;
        peer.packet(&[], 0, true)?;
        let request = peer.request();
        drop(request);
        Ok(())
    });
    let camera = RtspCamera::new(&net(), options(server.url())).expect("a camera");
    let mut feed = camera.open();
    let seen = read(&mut feed, |seen| seen.undecodable.len() == 2);
    assert_eq!(seen.pictures.len(), 10, "{:?}", seen.undecodable);
}

#[test]
fn a_client_that_panics_ends_its_session_and_no_other() {
    // Found by reading: two losses of 32768 packets overflow the client's count where overflow is checked.
    let bad = Camera::start(|_, peer| {
        peer.play()?;
        peer.packet(&[0x7c, 0x85, 1, 2, 3], 0, false)?;
        peer.lose(0x8001);
        peer.packet(&[0x7c, 0x45, 1, 2, 3], 0, true)?;
        peer.lose(0x8001);
        peer.packet(&[0x7c, 0x85, 1, 2, 3], 3_600, false)
    });
    let good = Camera::start(play(h264(30)));
    let net = net();
    let open = |server: &Camera| RtspCamera::new(&net, options(server.url())).expect("a camera").open();
    let error = read_all(&mut open(&bad)).error.expect("an error");
    assert!(matches!(error, IngestError::SessionEnded { .. }), "{error}");
    assert_eq!(read_all(&mut open(&good)).pictures.len(), 30);
}

#[test]
fn a_silent_camera_and_one_that_never_answers_are_given_up() {
    let pictures = h264(10);
    let silent = Camera::start(move |_, peer| {
        peer.play()?;
        peer.send(&pictures, 0, |_| false)?;
        peer.hold().map(|_| ())
    });
    let slow = Camera::start(|_, peer| peer.hold().map(|_| ()));
    let net = hasty_net();
    let open = |server: &Camera| RtspCamera::new(&net, options(server.url())).expect("a camera").open();
    let (mut silent, mut slow) = (open(&silent), open(&slow));
    let seen = read_all(&mut silent);
    assert_eq!(seen.pictures.len(), 10);
    assert!(matches!(seen.error, Some(IngestError::NoPicturesArrive { seconds: 20, .. })), "{:?}", seen.error);
    let error = read_all(&mut slow).error.expect("an error");
    assert!(matches!(error, IngestError::SlowSetup { stage: "DESCRIBE", seconds: 10, .. }), "{error}");
}

#[test]
fn a_feed_that_is_dropped_says_goodbye_and_the_next_goes_on() {
    let goodbyes = Arc::new(AtomicU32::new(0));
    let (pictures, heard) = (h264(10), Arc::clone(&goodbyes));
    let server = Camera::start(move |_, peer| {
        peer.play()?;
        peer.send(&pictures, 0, |_| false)?;
        let request = peer.request()?;
        heard.fetch_add(u32::from(request.method == "TEARDOWN"), Ordering::SeqCst);
        peer.answer(&request, "200 OK", "", "")
    });
    let net = net();
    let camera = RtspCamera::new(&net, options(server.url())).expect("a camera");
    let mut last = None;
    for session in 1..=3 {
        let seen = read(&mut camera.open(), |seen| seen.pictures.len() == 10);
        assert_eq!(camera.link().sessions, session);
        let first = seen.pictures[0].sequence;
        assert!(last.is_none_or(|last| last < first), "pictures are counted over all sessions");
        last = seen.pictures.last().map(|picture| picture.sequence);
    }
    drop((camera, net));
    assert_eq!(goodbyes.load(Ordering::SeqCst), 3);
}

#[test]
fn a_second_session_ends_the_first() {
    let pictures = h264(10);
    let server = Camera::start(move |_, peer| {
        peer.play()?;
        peer.send(&pictures, 0, |_| false)?;
        peer.hold().map(|_| ())
    });
    let camera = RtspCamera::new(&net(), options(server.url())).expect("a camera");
    let mut first = camera.open();
    read(&mut first, |seen| seen.pictures.len() == 10);
    let mut second = camera.open();
    assert!(matches!(first.next(), Ok(FeedEvent::End)));
    assert_eq!(read(&mut second, |seen| seen.pictures.len() == 10).pictures.len(), 10);
}

#[test]
fn steps_of_the_cameras_clocks_are_counted_and_nobody_who_lies_still_loses_his_clock() {
    let pictures = h264(20);
    let server = Camera::start(move |_, peer| {
        let now = SystemClock::new().now().0;
        peer.play()?;
        peer.send(&pictures, 0, |_| false)?;
        peer.report(0, now + 2_000_000_000)?;
        // RTP time an hour on.
        peer.send(&pictures, 3_600_000, |_| false)?;
        let at = 3_600_000 * 90;
        peer.report(at, now + 2_000_000_000)?;
        peer.report(at + 9_000, now + 7_202_000_000_000)?;
        peer.send(&pictures, 3_600_800, |_| false)
    });
    let camera = RtspCamera::new(&net(), options(server.url())).expect("a camera");
    let seen = read_all(&mut camera.open());
    assert_eq!((seen.pictures.len(), seen.discontinuities), (60, Vec::new()));
    let link = camera.link();
    assert_eq!(link.clock_steps, 2);
    assert!((7_195.0..7_205.0).contains(&link.clock_skew_s.expect("a report")), "{link:?}");
    let span = seen.pictures[59].captured.at.since(seen.pictures[0].captured.at);
    assert!(span < Duration::from_secs(5), "captured jumped: {span:?}");
}

#[test]
fn a_decoder_that_cannot_keep_up_passes_over_to_the_newest_key_frame() {
    let pictures = h264(200);
    let server = Camera::start(play(pictures));
    let camera = RtspCamera::new(&net(), options(server.url())).expect("a camera");
    let mut feed = camera.open();
    // Everything is in the ring before the first call.
    while camera.link().ring_s < 7.9 {
        std::thread::yield_now();
    }
    let seen = read_all(&mut feed);
    assert_eq!((seen.skipped, seen.pictures.len(), seen.undecodable.len()), (190, 10, 0));
}

#[test]
fn rings_together_stay_within_their_budget_and_the_watched_one_keeps_its_own() {
    let pictures = encode(150, (192, 108), "x264enc bframes=0 key-int-max=25 threads=1 ! h264parse");
    let size: usize = pictures.iter().flat_map(|one| &one.nals).map(Vec::len).sum();
    let budget = size as u64 * 2;
    let net = RtspNet::start(Arc::new(SystemClock::new()), budget).expect("the network thread starts");
    let servers: Vec<Camera> = (0..4).map(|_| Camera::start(play(pictures.clone()))).collect();
    let cameras: Vec<Arc<RtspCamera>> =
        servers.iter().map(|server| RtspCamera::new(&net, options(server.url())).expect("a camera")).collect();
    cameras[0].set_watched(true);
    for camera in &cameras {
        read_all(&mut camera.open());
        assert!(net.rings_bytes() <= budget);
    }
    assert!(cameras[0].link().ring_s > 5.9, "{:?}", cameras[0].link());
    assert!(cameras[1].link().ring_s < 1.1, "{:?}", cameras[1].link());
}

#[test]
fn bad_urls_are_refused() {
    let error = RtspCamera::new(&net(), options("rtsp://admin:geheim@10.0.0.7/live".to_owned())).expect_err("no place for a password");
    assert!(!error.to_string().contains("geheim"), "{error}");
}

#[test]
fn a_clip_of_a_time_that_is_not_kept_is_none() {
    let camera = RtspCamera::new(&net(), options("rtsp://127.0.0.1:1/live".to_owned())).expect("a camera");
    assert!(camera.cut(WallTime(0), WallTime::from_unix_secs(2_000_000_000)).expect("nothing to mux").is_none());
}
