//! What a live camera asks of the running system: silence is noticed, people may look at once and watch, cameras come and go.

use crate::world::{BrightBoxes, SIZE, START, camera, picture};
use patrol_core::desk::CameraCondition;
use patrol_core::sighting::EvidenceRef;
use patrol_core::{
    CameraId, Clock, Evidence, LinkStatus, MediaTime, Outcome, Picture, PictureSize, PixelBox, PixelFormat, ScaledClock, WallEstimate,
    WallTime,
};
use patrol_leads::{Desk, DeskConfig};
use patrol_pipeline::live::{AskError, Live, LiveCamera, LiveConfig, LiveFeed, MakeEyes, OpenSource, Told};
use patrol_pipeline::{DeskRoom, Eyes, KeyFrame, Link, MainCounts, MemoryArchive, Offer, PictureSource};
use patrol_vision::Detector;
use patrol_vision::thermal::ThermalConfig;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

const SPEED: f64 = 10.0;
/// Real time within which everything below must have happened; scene time runs ten times as fast.
const PATIENCE: Duration = Duration::from_secs(20);

/// A camera that sends four pictures a second while its switch is on, and keeps its link all the time.
struct Camera {
    clock: Arc<dyn Clock>,
    sends: Arc<AtomicBool>,
    people: Vec<PixelBox>,
    begun: WallTime,
    number: u64,
    newest: Arc<AtomicI64>,
}

impl PictureSource for Camera {
    fn next(&mut self) -> Result<Offer, String> {
        std::thread::park_timeout(self.clock.real_wait(Duration::from_millis(250)));
        if !self.sends.load(Ordering::SeqCst) {
            return Ok(Offer::Idle);
        }
        self.number += 1;
        let now = self.clock.now();
        let mut picture = picture(self.number, now.since(self.begun).as_secs_f64(), &self.people);
        picture.captured.at = now;
        self.newest.store(now.0, Ordering::SeqCst);
        Ok(Offer::Picture { picture, discontinuity: false })
    }
}

struct Street {
    clock: Arc<dyn Clock>,
    live: Option<Live>,
    newest: Arc<AtomicI64>,
}

impl Street {
    fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(ScaledClock::new(START, SPEED));
        Self { clock, live: None, newest: Arc::default() }
    }

    fn camera(&self, id: &str, sends: &Arc<AtomicBool>, link: Option<Arc<dyn Link>>, people: Vec<PixelBox>) -> LiveCamera {
        let (clock, sends, newest) = (self.clock.clone(), sends.clone(), self.newest.clone());
        let open: OpenSource = Box::new(move || {
            Ok(Box::new(Camera {
                begun: clock.now(),
                clock: clock.clone(),
                sends: sends.clone(),
                people: people.clone(),
                number: 0,
                newest: newest.clone(),
            }))
        });
        LiveCamera {
            camera: camera(id, 1.0),
            detectors: vec![0],
            thermal: ThermalConfig::default(),
            feed: LiveFeed::Source(open),
            link,
            first_track_id: 1,
        }
    }

    fn start(&mut self, cameras: Vec<LiveCamera>, on_told: impl FnMut(&Told<'_>) + Send + 'static) -> &Live {
        let desk = Desk::new(DeskConfig::default(), cameras.iter().map(|live| live.camera.clone()).collect());
        let room = DeskRoom::new(desk, Box::new(MemoryArchive));
        let eyes: MakeEyes = Arc::new(|| Ok(Eyes::new(vec![Box::new(BrightBoxes) as Box<dyn Detector>])));
        let config = LiveConfig { workers: 1, ..LiveConfig::default() };
        self.live.insert(Live::start(&config, self.clock.clone(), cameras, &eyes, room, Box::new(on_told), None).expect("started"))
    }

    /// Starts with one camera; gives the evidence of its leads as it is written.
    fn start_and_tell_evidence(&mut self, camera: LiveCamera) -> mpsc::Receiver<Arc<Evidence>> {
        let (tell, told) = mpsc::sync_channel(1000);
        self.start(vec![camera], move |told| {
            for evidence in &told.output.evidence {
                tell.try_send(evidence.clone()).unwrap_or(());
            }
        });
        told
    }

    fn condition(&self, id: &str) -> Option<CameraCondition> {
        let cameras = self.live.as_ref().expect("started").gauge().cameras();
        cameras.into_iter().find(|reading| reading.camera.id.as_str() == id).map(|reading| reading.condition)
    }

    fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = self.clock.monotonic() + PATIENCE.mul_f64(SPEED);
        while !holds() {
            assert!(self.clock.monotonic() < deadline, "never came: {what}");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }
}

fn on() -> Arc<AtomicBool> {
    Arc::new(AtomicBool::new(true))
}

#[test]
fn a_camera_that_falls_silent_is_said_to_be_blind_within_three_looks_and_the_others_see_on() {
    let mut street = Street::new();
    let (stalls, other) = (on(), on());
    let cameras = vec![street.camera("stalls", &stalls, None, vec![]), street.camera("other", &other, None, vec![])];
    street.start(cameras, |_| {});
    street.wait_until("both see", || ["stalls", "other"].iter().all(|id| street.condition(id) == Some(CameraCondition::Seeing)));
    stalls.store(false, Ordering::SeqCst);
    let since = street.clock.monotonic();
    let blind = CameraCondition::CannotSee { why: "stalled".into() };
    street.wait_until("the silence is noticed", || street.condition("stalls") == Some(blind.clone()));
    let noticed = street.clock.monotonic().saturating_sub(since);
    // Three looks of 1 s, and some for a busy machine: a real tenth of a second is a scene second here.
    assert!(noticed >= Duration::from_millis(2500) && noticed < Duration::from_secs(8), "{noticed:?}");
    assert_eq!(street.condition("other"), Some(CameraCondition::Seeing));
    stalls.store(true, Ordering::SeqCst);
    street.wait_until("it sees again", || street.condition("stalls") == Some(CameraCondition::Seeing));
    street.live.take().expect("started").stop().expect("written");
}

#[test]
fn a_person_may_look_at_once_and_watch() {
    let mut street = Street::new();
    let person = PixelBox::new(100.0, 100.0, 20.0, 60.0);
    let mut slow = street.camera("slow", &on(), None, vec![person]);
    slow.camera.promise.look_every = Duration::from_mins(1);
    street.start(vec![slow], |_| {});
    let gauge = street.live.as_ref().expect("started").gauge();
    street.wait_until("it sees", || street.condition("slow") == Some(CameraCondition::Seeing));

    let slow = CameraId::new("slow");
    for expected_people in [None, None, Some(1)] {
        let (tell, told) = mpsc::sync_channel(1);
        let asked = street.clock.now();
        gauge.look_now(&slow, Box::new(move |fresh| tell.send(fresh).expect("waits"))).expect("may ask");
        let fresh = told.recv_timeout(PATIENCE).expect("a fresh look");
        assert_eq!(fresh.outcome, Outcome::Examined);
        let age = street.clock.now().since(fresh.picture.captured.at);
        assert!(age < Duration::from_secs(10), "not the picture of a minute ago: {age:?}, asked at {asked:?}");
        if let Some(people) = expected_people {
            assert_eq!(fresh.people.len(), people);
            assert!(fresh.people[0].bbox.iou(&person) > 0.5);
        }
    }
    assert_eq!(gauge.look_now(&CameraId::new("nowhere"), Box::new(|_| {})), Err(AskError::UnknownCamera));

    let shown = Arc::new(AtomicU32::new(0));
    let count = shown.clone();
    gauge.view(&slow, Box::new(move |_| count.fetch_add(1, Ordering::SeqCst) < 2)).expect("may watch");
    street.wait_until("three pictures", || shown.load(Ordering::SeqCst) == 3);
    for _ in 0..4 {
        gauge.view(&slow, Box::new(|_| true)).expect("may watch: the view that ended has made room");
    }
    assert_eq!(gauge.view(&slow, Box::new(|_| true)), Err(AskError::TooMany { limit: 4 }));
    assert_eq!(shown.load(Ordering::SeqCst), 3, "a view that said enough is shown nothing more");
    street.live.take().expect("started").stop().expect("written");
}

#[test]
fn who_lies_still_keeps_his_clock_when_the_session_breaks() {
    let mut street = Street::new();
    let lies = PixelBox::new(100.0, 150.0, 60.0, 20.0);
    let (clock, broken) = (street.clock.clone(), Arc::new(AtomicU32::new(0)));
    let mut camera = street.camera("breaks", &on(), None, vec![]);
    let breaks = broken.clone();
    camera.feed = LiveFeed::Source(Box::new(move || {
        let sends = on();
        let source = Camera { begun: clock.now(), clock: clock.clone(), sends, people: vec![lies], number: 0, newest: Arc::default() };
        Ok(Box::new(Breaks { source, left: 80, broken: breaks.clone() }))
    }));
    street.start(vec![camera], |_| {});
    street.wait_until("two sessions have ended", || broken.load(Ordering::SeqCst) >= 2);
    street.wait_until("it sees again", || street.condition("breaks") == Some(CameraCondition::Seeing));
    let (tell, told) = mpsc::sync_channel(1);
    let gauge = street.live.as_ref().expect("started").gauge();
    gauge.look_now(&CameraId::new("breaks"), Box::new(move |fresh| tell.send(fresh).expect("waits"))).expect("may ask");
    let fresh = told.recv_timeout(PATIENCE).expect("a fresh look");
    assert_eq!(fresh.outcome, Outcome::Examined, "who asks is not told of a look that was under way");
    // Two sessions of 20 s and more lie behind him.
    let still = fresh.people[0].still.expect("he has not moved");
    assert!(still >= Duration::from_secs(38), "{still:?}");
    street.live.take().expect("started").stop().expect("written");
}

/// Breaks off after so many pictures.
struct Breaks {
    source: Camera,
    left: u32,
    broken: Arc<AtomicU32>,
}

impl PictureSource for Breaks {
    fn next(&mut self) -> Result<Offer, String> {
        if self.left == 0 {
            self.broken.fetch_add(1, Ordering::SeqCst);
            return Err("the session ended".to_owned());
        }
        self.left -= 1;
        self.source.next()
    }
}

#[test]
fn cameras_come_and_go_while_the_others_are_watched() {
    let mut street = Street::new();
    let (tell, told) = mpsc::sync_channel(1000);
    let cameras = vec![street.camera("stays", &on(), None, vec![]), street.camera("goes", &on(), None, vec![])];
    let late = street.camera("comes", &on(), None, vec![]);
    let changed = street.camera("comes", &on(), None, vec![]);
    street.start(cameras, move |told| {
        for ring in &told.output.rings {
            tell.try_send(ring.kind.clone()).unwrap_or(());
        }
    });
    let live = street.live.as_ref().expect("started");
    street.wait_until("both see", || ["stays", "goes"].iter().all(|id| street.condition(id) == Some(CameraCondition::Seeing)));
    assert!(live.retire(&CameraId::new("goes"), true));
    assert!(!live.retire(&CameraId::new("goes"), true), "it is gone");
    assert_eq!(street.condition("goes"), None);
    live.admit(late).expect("admitted");
    street.wait_until("the new one sees", || street.condition("comes") == Some(CameraCondition::Seeing));
    assert!(live.retire(&CameraId::new("comes"), false));
    live.admit(changed).expect("admitted");
    street.wait_until("changed, it sees again", || street.condition("comes") == Some(CameraCondition::Seeing));
    let stays = live.gauge().cameras().into_iter().find(|reading| reading.camera.id.as_str() == "stays").expect("stays");
    assert!(stays.max_blind < Duration::from_secs(6), "{:?}", stays.max_blind);
    assert!(told.try_iter().all(|ring: String| ring == "weather-assumed"), "no lead was open: nobody is rung for");
    street.live.take().expect("started").stop().expect("written");
}

/// Keeps packets that are always the same film.
#[derive(Default)]
struct Film {
    watched: Mutex<Vec<bool>>,
    asked: Mutex<Vec<Duration>>,
}

impl Link for Film {
    fn status(&self) -> LinkStatus {
        LinkStatus { codec: "H.264".into(), ..LinkStatus::default() }
    }
    fn set_watched(&self, watched: bool) {
        self.watched.lock().expect("watched").push(watched);
    }
    fn cut(&self, from: WallTime, to: WallTime) -> Result<Option<Vec<u8>>, String> {
        self.asked.lock().expect("asked").push(to.since(from));
        Ok(Some(b"film".to_vec()))
    }
}

/// A link whose main stream shows the street on twice as many pixels, with `people` in it.
struct Large {
    /// Capture of the newest picture that the looks' stream has sent.
    newest: Arc<AtomicI64>,
    people: Vec<PixelBox>,
    has_come: AtomicBool,
    wanted: Mutex<Vec<bool>>,
}

impl Link for Large {
    fn status(&self) -> LinkStatus {
        LinkStatus::default()
    }
    fn set_watched(&self, _: bool) {}
    fn cut(&self, _: WallTime, _: WallTime) -> Result<Option<Vec<u8>>, String> {
        Ok(Some(b"small".to_vec()))
    }
    fn cut_main(&self, _: WallTime, _: WallTime) -> Option<Vec<u8>> {
        Some(b"large".to_vec())
    }
    fn has_main(&self) -> bool {
        true
    }
    fn want_main(&self, wanted: bool) {
        self.wanted.lock().expect("wanted").push(wanted);
    }
    fn main_key(&self) -> Option<KeyFrame> {
        if !self.has_come.load(Ordering::SeqCst) {
            return None;
        }
        let (at, people) = (WallTime(self.newest.load(Ordering::SeqCst)), self.people.clone());
        let captured = WallEstimate { at, error_ms: 50 };
        // Numbers that no picture of the looks has: its noise is its own.
        let decode = Box::new(move |_| Ok(enlarged(&picture(1_000_000 + at.0 as u64 % 1000, 0.0, &people), captured)));
        Some(KeyFrame { media_time: MediaTime::ZERO, captured, decode })
    }
}

/// Each pixel four times.
fn enlarged(picture: &Picture, captured: WallEstimate) -> Picture {
    let size = PictureSize::new(2 * SIZE.width, 2 * SIZE.height);
    let row = |y: usize| picture.row(0, y / 2).iter().flat_map(|level| [*level; 2]);
    let levels = (0..size.height as usize).flat_map(row).collect();
    Picture::from_planes(size, PixelFormat::Gray8, vec![levels], picture.sequence, MediaTime::ZERO, captured).expect("a picture")
}

/// The first evidence of somebody who lies there, and how often the main stream was wanted and served.
fn evidence_with(people_of_main: impl FnOnce(PixelBox) -> Vec<PixelBox>) -> (Arc<Evidence>, PixelBox, MainCounts) {
    let mut street = Street::new();
    let lies = PixelBox::new(100.0, 150.0, 60.0, 20.0);
    let large = Arc::new(Large {
        newest: street.newest.clone(),
        people: people_of_main(lies),
        has_come: AtomicBool::new(true),
        wanted: Mutex::default(),
    });
    let camera = street.camera("lies", &on(), Some(large.clone()), vec![lies]);
    let told = street.start_and_tell_evidence(camera);
    let evidence = told.recv_timeout(Duration::from_mins(1)).expect("two scene minutes make a lead");
    let gauge = street.live.as_ref().expect("started").gauge();
    let counts = || gauge.cameras()[0].main_stream;
    street.wait_until("the look is accounted for", || counts() != MainCounts::default());
    assert!(large.wanted.lock().expect("wanted").contains(&true), "somebody rests there");
    street.live.take().expect("started").stop().expect("written");
    (evidence, lies, counts())
}

#[test]
fn evidence_is_the_main_streams_where_looks_read_a_smaller_one() {
    let (evidence, lies, counts) = evidence_with(|lies| vec![lies]);
    let about = &evidence.about;
    assert!(about.main_stream && counts.shown > 0 && counts.missed == 0, "{about:?} {counts:?}");
    assert_eq!(about.size, PictureSize::new(SIZE.width * 2, SIZE.height * 2));
    let there = PixelBox::new(2.0 * lies.x, 2.0 * lies.y, 2.0 * lies.w, 2.0 * lies.h);
    assert!(about.bbox.iou(&there) > 0.7, "{:?}", about.bbox);
    assert_eq!(evidence.clip.as_ref().map(|clip| &*clip.bytes), Some(&b"large"[..]));
    // Start of frame (ITU-T T.81 §B.2.2): marker, length, precision, lines, samples a line.
    let jpeg = &evidence.whole.bytes;
    let frame = jpeg.windows(2).position(|marker| marker == [0xFF, 0xC0]).expect("a baseline picture");
    assert_eq!(jpeg[frame + 5..frame + 9], [1, 0xE0, 2, 0x80], "the picture itself is the large one: 480 lines of 640");
}

#[test]
fn evidence_shows_what_was_looked_at_when_the_main_stream_shows_something_else() {
    let (evidence, lies, counts) = evidence_with(|_| vec![]);
    assert!(!evidence.about.main_stream && counts.shown == 0 && counts.missed > 0, "{counts:?}");
    assert_eq!(evidence.about.size, SIZE);
    assert!(evidence.about.bbox.iou(&lies) > 0.7);
    assert_eq!(evidence.clip.as_ref().map(|clip| &*clip.bytes), Some(&b"small"[..]), "nor is its film shown");
}

#[test]
fn where_a_decision_falls_before_the_main_stream_has_come_evidence_is_taken_once_more() {
    let mut street = Street::new();
    let lies = PixelBox::new(100.0, 150.0, 60.0, 20.0);
    let (people, has_come) = (vec![lies], AtomicBool::new(false));
    let large = Arc::new(Large { newest: street.newest.clone(), people, has_come, wanted: Mutex::default() });
    let camera = street.camera("lies", &on(), Some(large.clone()), vec![lies]);
    let told = street.start_and_tell_evidence(camera);
    let next = || told.recv_timeout(Duration::from_mins(1)).expect("two scene minutes make a lead").about.clone();
    let first = next();
    large.has_come.store(true, Ordering::SeqCst);
    let (second, third) = (next(), next());
    street.live.take().expect("started").stop().expect("written");
    assert_eq!([first.main_stream, second.main_stream, third.main_stream], [false, true, true]);
    let since = |a: &EvidenceRef, b: &EvidenceRef| b.captured.at.since(a.captured.at);
    // Otherwise evidence is taken every minute, or up to three tenths sooner.
    assert!(since(&first, &second) < Duration::from_secs(40), "{:?}", since(&first, &second));
    assert!(since(&second, &third) > Duration::from_secs(40), "once: {:?}", since(&second, &third));
}

#[test]
fn the_evidence_of_a_lead_has_the_clip_that_was_cut_when_the_decision_fell() {
    let mut street = Street::new();
    let film = Arc::new(Film::default());
    let lies = PixelBox::new(100.0, 150.0, 60.0, 20.0);
    let camera = street.camera("lies", &on(), Some(film.clone()), vec![lies]);
    let told = street.start_and_tell_evidence(camera);
    let evidence = told.recv_timeout(Duration::from_mins(1)).expect("two scene minutes make a lead");
    let clip = evidence.clip.as_ref().expect("a clip");
    assert_eq!(&*clip.bytes, b"film");
    assert_eq!(evidence.about.clip_sha256.as_deref(), Some(clip.sha256.as_str()));
    assert_eq!(film.watched.lock().expect("watched").first(), Some(&true), "its packets are kept first");
    assert_eq!(film.asked.lock().expect("asked")[0], Duration::from_secs(20));
    let status = street.live.as_ref().expect("started").gauge().cameras()[0].link.clone();
    assert_eq!(status.map(|status| status.codec).as_deref(), Some("H.264"));
    street.live.take().expect("started").stop().expect("written");
}
