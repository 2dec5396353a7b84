//! A street of RTSP cameras as its clients meet it: the conversation, the pictures, and each fault on the wire.

use crate::street_client::{Client, Seen, Unit, decoded};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest as _, Md5};
use patrol_core::{Clock, SystemClock};
use patrol_sim::street::{AuthScheme, Fault, Street, StreetAuth, StreetConfig};
use std::sync::OnceLock;
use std::time::Duration;

/// Short groups: half a second from key frame to key frame.
fn config() -> StreetConfig {
    StreetConfig { gop_s: 0.5, clip_s: 2.0, ..StreetConfig::default() }
}

fn start(config: StreetConfig) -> Street {
    Street::start(config).expect("a street")
}

/// One street for all tests that need no setting of their own; each has its own camera.
fn shared() -> &'static Street {
    static STREET: OnceLock<Street> = OnceLock::new();
    STREET.get_or_init(|| start(StreetConfig { cameras: 32, ..config() }))
}

fn now_ms() -> i64 {
    SystemClock::new().now().0 / 1_000_000
}

fn sprop(sdp: &str) -> Vec<u8> {
    let sets = sdp.split("sprop-parameter-sets=").nth(1).and_then(|rest| rest.split([',', '\r']).next()).expect("parameter sets");
    STANDARD.decode(sets).expect("base64")
}

#[test]
fn a_conversation_over_tcp() {
    let dir = tempfile::tempdir().expect("a folder");
    let log = dir.path().join("sent.csv");
    let street = start(StreetConfig { cameras: 3, sent: Some(log.clone()), clock_offset_ms: 2500, ..config() });
    let mut client = Client::new(&street.url(2));
    assert!(client.ask("OPTIONS", "", "").header("Public").is_some_and(|methods| methods.contains("GET_PARAMETER")));
    let (sdp, play) = client.watch();
    assert!(sdp.contains("a=rtpmap:96 H264/90000") && sdp.contains("packetization-mode=1"), "{sdp}");
    assert!(play.header("Session").is_some_and(|session| session.ends_with(";timeout=60")), "{play:?}");
    let info = play.header("RTP-Info").expect("RTP-Info");
    let told = |name: &str| info.split(';').find_map(|part| part.strip_prefix(name)).expect(name).parse::<u32>().expect(name);
    let (ntp, rtp_of_report) = client.report();
    assert!((ntp - now_ms() as f64 / 1e3 - 2.5).abs() < 0.5, "the sender report says {ntp}");
    let first = client.packet().expect("a packet");
    assert_eq!((u32::from(first.sequence()), first.timestamp()), (told("seq="), told("rtptime=")));
    assert_eq!(rtp_of_report, first.timestamp(), "a picture is taken when it is sent");
    let mut units = client.units(12);
    assert_eq!(street.clients(2), 1);
    assert_eq!(client.ask("GET_PARAMETER", "", "").status, 200);
    assert_eq!(client.ask("TEARDOWN", "", "").status, 200);
    assert_eq!(street.clients(2), 0);
    // The first unit lacks the packet taken above.
    while !units[0].is_key() || units[0].nal_types[0] != 7 {
        units.remove(0);
    }
    let pictures = decoded(&units);
    assert_eq!(pictures.len(), units.len());
    let codes: Vec<_> = pictures.iter().map(|picture| picture.code().expect("a code")).collect();
    assert!(
        codes.windows(2).all(|two| two[1].frame == two[0].frame + 1 && (60..200).contains(&(two[1].unix_ms - two[0].unix_ms))),
        "{codes:?}"
    );
    assert!(units.windows(2).all(|two| two[1].timestamp.wrapping_sub(two[0].timestamp) == 9000));
    assert!(codes.iter().all(|code| code.camera == 2 && (now_ms() - code.unix_ms as i64).abs() < 5000), "{codes:?}");
    assert!(street.stats().pictures >= 12);
    let sent = std::fs::read_to_string(&log).expect("the log");
    for code in codes {
        let row = format!("2,{},{},", code.frame, code.unix_ms);
        assert!(sent.lines().any(|line| line.starts_with(&row)), "{row} is not in the log");
    }
}

#[test]
fn pictures_over_udp() {
    let street = shared();
    let mut client = Client::new(&street.url(0));
    client.watch_udp();
    let units = client.units(8);
    assert!(units[0].is_key() && units.iter().all(|unit| unit.lost == 0));
    assert!(decoded(&units).iter().all(|picture| picture.code().is_some_and(|code| code.camera == 0)));
    client.report();
}

#[test]
fn two_clients_of_a_camera_see_the_same() {
    let street = shared();
    let (mut one, mut other) = (Client::watching(&street.url(1)), Client::watching(&street.url(1)));
    let (one, other) = (one.units(12), other.units(10));
    let codes = |units: &[Unit]| -> Vec<_> {
        let from = units.iter().position(Unit::is_key).expect("a key frame");
        decoded(&units[from..]).iter().map(|picture| picture.code().expect("a code")).collect()
    };
    let (one, other) = (codes(&one), codes(&other));
    assert!(other.iter().filter(|code| one.contains(code)).count() >= 4, "{one:?} {other:?}");
}

#[test]
fn what_is_asked_wrongly_is_refused() {
    let street = shared();
    assert_eq!(Client::new(&format!("{}x", street.url(2))).ask("DESCRIBE", "", "").status, 404);
    assert_eq!(Client::new(&street.url(2).replace("002", "777")).ask("DESCRIBE", "", "").status, 404);
    let mut client = Client::new(&street.url(2));
    assert_eq!(client.ask("PLAY", "", "").status, 454);
    assert_eq!(client.ask("RECORD", "", "").status, 405);
    assert_eq!(client.setup("RTP/AVP;multicast").status, 461);
    for (wrong, what) in [
        (StreetConfig { cameras: 0, ..config() }, "0 cameras"),
        (StreetConfig { size: patrol_core::PictureSize::new(320, 240), ..config() }, "464 to 4096 wide"),
        (StreetConfig { faults: vec!["3:down@1".parse().expect("a plan")], ..config() }, "there are 1"),
        (StreetConfig { listen: street.address(), ..config() }, "cannot listen"),
    ] {
        let error = Street::start(wrong).err().expect("an error").to_string();
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn credentials_are_asked_for() {
    let md5 = |text: &str| hex::encode(Md5::digest(text));
    for scheme in [AuthScheme::Basic, AuthScheme::Digest] {
        let auth = StreetAuth { user: "admin".into(), password: "geheim".into(), scheme };
        let street = start(StreetConfig { auth: Some(auth), ..config() });
        let mut client = Client::new(&street.url(0));
        let refused = client.ask("DESCRIBE", "", "");
        assert_eq!(refused.status, 401);
        let challenge = refused.header("WWW-Authenticate").expect("a challenge").to_owned();
        let answer = |password: &str, method: &str| match scheme {
            AuthScheme::Basic => format!("Basic {}", STANDARD.encode(format!("admin:{password}"))),
            AuthScheme::Digest => {
                let part = |name: &str| challenge.split(name).nth(1).and_then(|rest| rest.split('"').nth(1)).expect(name);
                let (realm, nonce, uri) = (part("realm="), part("nonce="), street.url(0));
                let response = md5(&format!("{}:{nonce}:{}", md5(&format!("admin:{realm}:{password}")), md5(&format!("{method}:{uri}"))));
                format!("Digest username=\"admin\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", response=\"{response}\"")
            }
        };
        client.authorization = Some(answer("falsch", "DESCRIBE"));
        assert_eq!(client.ask("DESCRIBE", "", "").status, 401);
        client.authorization = Some(answer("geheim", "DESCRIBE"));
        assert_eq!(client.ask("DESCRIBE", "", "").status, 200);
        street.fault(0, Some(Fault::Unauthorised)).expect("set");
        assert_eq!(client.ask("DESCRIBE", "", "").status, 401);
    }
}

#[test]
fn a_client_that_does_not_read_is_cut_and_holds_nobody() {
    let street = start(StreetConfig { cameras: 2, kbps: 8000, fps: 30.0, size: patrol_core::PictureSize::new(1280, 720), ..config() });
    let dull = Client::watching(&street.url(0));
    let mut keen = Client::watching(&street.url(0));
    let mut longest_ms = 0;
    let mut before = now_ms();
    let from = before;
    while street.stats().clients_dropped == 0 {
        assert!(keen.unit().is_some());
        longest_ms = longest_ms.max(now_ms() - before);
        before = now_ms();
        assert!(before - from < 90_000, "the client that does not read is still served");
    }
    assert_eq!(street.clients(0), 1);
    assert!(longest_ms < 1500, "the other client waited {longest_ms} ms");
    drop(dull);
}

#[test]
fn a_silent_client_loses_its_session() {
    let street = start(StreetConfig { session_timeout_s: 1, ..config() });
    let mut client = Client::watching(&street.url(0));
    assert!(client.is_closed());
    assert_eq!(street.clients(0), 0);
    let mut polite = Client::watching(&street.url(0));
    for _ in 0..6 {
        polite.units(5);
        assert_eq!(polite.ask("GET_PARAMETER", "", "").status, 200);
    }
}

#[test]
fn faults_come_by_the_clock() {
    let street = start(StreetConfig { cameras: 2, faults: vec!["1:down@0.5+1/30".parse().expect("a plan")], ..config() });
    let mut client = Client::watching(&street.url(1));
    assert!(client.is_closed());
    assert_eq!(street.clients(1), 0);
    let from = now_ms();
    while Client::new(&street.url(1)).try_ask("DESCRIBE", "", "").is_none() {
        assert!(now_ms() - from < 5000, "the camera does not come back");
        std::thread::yield_now();
    }
    assert!(now_ms() - from > 300);
}

/// Long enough to be a fault, short enough for a test.
const STALL: Duration = Duration::from_millis(700);

#[test]
fn down() {
    let street = shared();
    let mut client = Client::watching(&street.url(3));
    client.units(2);
    street.fault(3, Some(Fault::Down)).expect("set");
    assert!(client.is_closed() && street.clients(3) == 0);
    assert!(Client::new(&street.url(3)).try_ask("DESCRIBE", "", "").is_none());
    street.fault(3, None).expect("ended");
    assert!(Client::watching(&street.url(3)).unit().is_some_and(|unit| unit.is_key()));
}

#[test]
fn stall() {
    let street = shared();
    let mut client = Client::watching(&street.url(4));
    let before = client.units(3);
    street.fault(4, Some(Fault::Stall)).expect("set");
    while !client.is_silent_for(STALL) {
        assert!(client.packet().is_some());
    }
    assert_eq!(street.clients(4), 1);
    street.fault(4, None).expect("ended");
    let after = client.unit().expect("a picture");
    assert!(after.is_key());
    assert!(after.timestamp.wrapping_sub(before[2].timestamp) > 9000 * 6, "time does not stand still");
}

#[test]
fn freeze() {
    let street = shared();
    let mut client = Client::watching(&street.url(5));
    client.units(3);
    street.fault(5, Some(Fault::Freeze)).expect("set");
    while !client.unit().expect("a picture").is_key() {}
    while !client.unit().expect("a picture").is_key() {}
    let mut units = client.units(12);
    while !units[0].is_key() {
        units.remove(0);
    }
    let pictures = decoded(&units);
    assert!(pictures.len() >= 6 && pictures[0].code().is_some());
    assert!(pictures.iter().all(|picture| *picture == pictures[0]), "bit-equal");
    assert!(units.windows(2).all(|two| two[0].timestamp != two[1].timestamp));
}

fn blind(camera: usize, fault: Fault) -> Vec<Seen> {
    let street = shared();
    let mut client = Client::watching(&street.url(camera));
    client.units(2);
    street.fault(camera, Some(fault)).expect("set");
    let mut units = client.units(22);
    // At once: at most one picture of the street is still on its way, and the next key frame is not waited for.
    let from = units.iter().skip(2).position(Unit::is_key).expect("a key frame");
    let pictures = decoded(&units.split_off(from + 2));
    assert!(pictures.len() >= 15 && pictures.iter().all(|picture| picture.code().is_none()));
    // Its noise tells it from a frozen one.
    assert!(pictures[0].luma != pictures[5].luma && pictures[5].luma != pictures[10].luma);
    pictures
}

#[test]
fn black() {
    for picture in blind(6, Fault::Black) {
        assert!(picture.mean() < 20.0 && (0.1..4.0).contains(&picture.spread()), "{} ± {}", picture.mean(), picture.spread());
    }
}

#[test]
fn covered() {
    for picture in blind(7, Fault::Covered) {
        assert!(
            (80.0..110.0).contains(&picture.mean()) && (0.1..4.0).contains(&picture.spread()),
            "{} ± {}",
            picture.mean(),
            picture.spread()
        );
    }
}

#[test]
fn non_idr_start() {
    let street = shared();
    street.fault(8, Some(Fault::NonIdrStart)).expect("set");
    let units = Client::watching(&street.url(8)).units(6);
    let keys: Vec<_> = units.iter().map(Unit::is_key).collect();
    assert_eq!(keys, [false, false, false, false, true, false]);
}

#[test]
fn loss() {
    let street = shared();
    street.fault(9, Some(Fault::Loss { per_mille: 200 })).expect("set");
    let mut client = Client::watching(&street.url(9));
    let sequences: Vec<_> = std::iter::repeat_with(|| client.packet().expect("a packet"))
        .filter(|packet| !packet.is_rtcp)
        .take(150)
        .map(|packet| packet.sequence())
        .collect();
    let sent = sequences[149].wrapping_sub(sequences[0]) + 1;
    assert!((165..230).contains(&sent), "150 of {sent} arrived");
    assert!(street.stats().packets_lost >= u64::from(sent) - 150);
}

#[test]
fn wrong_sps_and_stale_sdp() {
    let street = shared();
    let (right, _) = Client::new(&street.url(10)).watch();
    for (fault, in_stream) in [(Fault::WrongSps, true), (Fault::StaleSdp, false)] {
        street.fault(10, Some(fault)).expect("set");
        let mut client = Client::new(&street.url(10));
        let (wrong, _) = client.watch();
        assert_ne!(sprop(&wrong), sprop(&right));
        let key = client.unit().expect("a picture");
        let told = key.bytes.windows(sprop(&wrong).len()).any(|bytes| bytes == sprop(&wrong));
        assert!(key.is_key() && told == in_stream, "{fault:?}");
        let truth = key.bytes.windows(sprop(&right).len()).any(|bytes| bytes == sprop(&right));
        assert_ne!(truth, in_stream, "{fault:?}");
    }
}

#[test]
fn resize() {
    let street = shared();
    let mut client = Client::watching(&street.url(11));
    client.units(2);
    street.fault(11, Some(Fault::Resize)).expect("set");
    let mut units = client.units(16);
    while !units[0].is_key() {
        units.remove(0);
    }
    let pictures = decoded(&units);
    let last = pictures.last().expect("a picture");
    assert_eq!((last.width, last.height), (480, 384));
    assert!(pictures.iter().all(|picture| picture.code().is_some()));
}

#[test]
fn replay_burst() {
    let street = shared();
    let mut client = Client::watching(&street.url(12));
    client.units(2);
    street.fault(12, Some(Fault::ReplayBurst { seconds: 1 })).expect("set");
    while !client.is_silent_for(Duration::from_millis(400)) {
        assert!(client.packet().is_some());
    }
    let first = client.unit().expect("a picture");
    let from = now_ms();
    let rest = client.units(9);
    assert!(now_ms() - from < 300, "ten pictures at once");
    assert_eq!(rest[8].timestamp.wrapping_sub(first.timestamp), 9 * 9000, "each with the time when it was taken");
}

#[test]
fn clock_step() {
    let street = shared();
    let mut client = Client::watching(&street.url(13));
    let (before_s, rtp_before) = client.report();
    street.fault(13, Some(Fault::ClockStep { seconds: 3600, media: false })).expect("set");
    let (after_s, rtp_after) = client.report();
    assert!((3600.0..3610.0).contains(&(after_s - before_s)), "{before_s} {after_s}");
    assert!(rtp_after.wrapping_sub(rtp_before) < 10 * 90_000);
    street.fault(13, Some(Fault::ClockStep { seconds: -60, media: true })).expect("set");
    let (back_s, rtp_back) = client.report();
    assert!((-60.0..-40.0).contains(&(back_s - before_s)), "{before_s} {back_s}");
    assert!(rtp_before.wrapping_sub(rtp_back) > 40 * 90_000);
}

#[test]
fn slow_setup() {
    let street = shared();
    street.fault(14, Some(Fault::SlowSetup { seconds: 1 })).expect("set");
    let mut client = Client::new(&street.url(14));
    let from = now_ms();
    client.ask("DESCRIBE", "", "");
    assert!(now_ms() - from < 800);
    assert_eq!(client.setup("RTP/AVP/TCP;unicast;interleaved=0-1").status, 200);
    assert!(now_ms() - from >= 1000);
}

#[test]
fn unauthorised_and_udp_only() {
    let street = shared();
    street.fault(15, Some(Fault::Unauthorised)).expect("set");
    let mut client = Client::new(&street.url(15));
    let refused = client.ask("DESCRIBE", "", "");
    assert_eq!((refused.status, refused.header("WWW-Authenticate").is_some()), (401, true));
    street.fault(15, Some(Fault::UdpOnly)).expect("set");
    assert_eq!(client.setup("RTP/AVP/TCP;unicast;interleaved=0-1").status, 461);
    client.watch_udp();
    assert!(client.unit().is_some());
}

#[test]
fn sparse_keys() {
    let street = shared();
    let mut client = Client::watching(&street.url(16));
    street.fault(16, Some(Fault::SparseKeys { gop_s: 2 })).expect("set");
    let keys: Vec<_> = client.units(50).iter().map(Unit::is_key).collect();
    let places: Vec<_> = (10..50).filter(|place| keys[*place]).collect();
    assert!(places.windows(2).all(|two| two[1] - two[0] == 20), "{places:?}");
    assert_eq!(places.len(), 2);
}

#[test]
fn b_frames_come_in_decoding_order() {
    let street = start(StreetConfig { b_frames: true, gop_s: 1.0, ..config() });
    let units = Client::watching(&street.url(0)).units(20);
    let steps: Vec<_> = units.windows(2).map(|two| two[1].timestamp.wrapping_sub(two[0].timestamp) as i32 / 9000).collect();
    assert!(steps.iter().any(|step| *step < 0) && steps.iter().any(|step| *step > 1), "{steps:?}");
    let codes: Vec<_> = decoded(&units).iter().map(|picture| picture.code().expect("a code")).collect();
    assert!(codes.windows(2).all(|two| two[1].frame == two[0].frame + 1 && two[1].unix_ms > two[0].unix_ms), "{codes:?}");
}
