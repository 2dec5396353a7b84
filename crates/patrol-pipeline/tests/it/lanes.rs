//! Network cameras: nothing is decoded that nobody looks at, every promise is kept or stretched in order, and nobody loses his place over
//! a change of lane.

use crate::world::{BrightBoxes, START, camera, picture};
use patrol_core::desk::CameraCondition;
use patrol_core::{CameraId, Clock, Detection, LinkStatus, Outcome, Picture, PixelBox, ScaledClock, WallTime};
use patrol_leads::{Desk, DeskConfig};
use patrol_pipeline::lane::Lane;
use patrol_pipeline::live::{Live, LiveCamera, LiveConfig, LiveFeed, MakeEyes, OnLook};
use patrol_pipeline::{
    CameraReading, DeskRoom, Eyes, KeyFrame, Link, LookRecord, MemoryArchive, Offer, OnNews, PictureSource, SessionNews, Sessions,
};
use patrol_vision::thermal::ThermalConfig;
use patrol_vision::{DetectContext, Detector, VisionError};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// Slow enough that a machine busy with other tests for a tenth of a second does not look like a late camera.
const SPEED: f64 = 5.0;
/// Scene seconds for which the machine may have been busy with others.
const BUSY_S: f64 = 1.5;
/// Real time within which everything below must have happened.
const PATIENCE: Duration = Duration::from_secs(30);

/// A camera that sends a key frame every so many seconds and four pictures a second between.
struct Wire {
    clock: Arc<dyn Clock>,
    keys_apart: Duration,
    people: Vec<PixelBox>,
    /// It sends no key frames at all.
    keyless: AtomicBool,
    /// Its key frames give no picture while this is set, and none comes while `stalls`.
    broken: AtomicBool,
    stalls: AtomicBool,
    session: Arc<AtomicU64>,
    /// When the present session began: the media time of both lanes counts from there.
    begun: Mutex<WallTime>,
    sessions: AtomicUsize,
    on_news: Mutex<Option<OnNews>>,
    /// Key frames decoded on demand, and pictures read one after another.
    decoded: Arc<AtomicUsize>,
    /// Of those decoded, without the loop filter.
    rough: Arc<AtomicUsize>,
    read: Arc<AtomicUsize>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Wire {
    fn new(clock: &Arc<dyn Clock>, keys_apart_s: f64, people: Vec<PixelBox>) -> Arc<Self> {
        Arc::new(Self {
            clock: clock.clone(),
            keys_apart: Duration::from_secs_f64(keys_apart_s),
            people,
            keyless: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            stalls: AtomicBool::new(false),
            session: Arc::default(),
            begun: Mutex::new(START),
            sessions: AtomicUsize::new(0),
            on_news: Mutex::default(),
            decoded: Arc::default(),
            rough: Arc::default(),
            read: Arc::default(),
            threads: Mutex::default(),
        })
    }

    fn ends(&self, why: &str) {
        self.session.fetch_add(1, Ordering::SeqCst);
        let on_news = self.on_news.lock().expect("news").clone().expect("a session");
        on_news(SessionNews::Ended(why.to_owned()));
    }
}

/// The handle that the pipeline gets.
struct Handle(Arc<Wire>);

/// One session's time line begins here.
fn shot(wire: &Wire, begun: WallTime) -> Picture {
    let now = wire.clock.now();
    let mut picture = picture(now.0 as u64 / 1_000_000, now.since(begun).as_secs_f64(), &wire.people);
    picture.captured.at = now;
    picture
}

impl Sessions for Handle {
    fn connect(&self, on_news: OnNews) {
        let wire = self.0.clone();
        *wire.on_news.lock().expect("news") = Some(on_news.clone());
        wire.sessions.fetch_add(1, Ordering::SeqCst);
        let number = wire.session.fetch_add(1, Ordering::SeqCst) + 1;
        let thread = std::thread::Builder::new().name("camera".to_owned()).spawn(move || {
            let begun = wire.clock.now();
            *wire.begun.lock().expect("begun") = begun;
            while wire.session.load(Ordering::SeqCst) == number {
                if !wire.stalls.load(Ordering::SeqCst) && !wire.keyless.load(Ordering::SeqCst) {
                    let picture = shot(&wire, begun);
                    let (decoded, rough, broken) = (wire.decoded.clone(), wire.rough.clone(), wire.broken.load(Ordering::SeqCst));
                    let (media_time, captured) = (picture.media_time, picture.captured);
                    let decode = Box::new(move |deblock: bool| {
                        decoded.fetch_add(1, Ordering::SeqCst);
                        rough.fetch_add(usize::from(!deblock), Ordering::SeqCst);
                        if broken { Err("torn".to_owned()) } else { Ok(picture) }
                    });
                    on_news(SessionNews::Key(KeyFrame { media_time, captured, decode }));
                }
                std::thread::park_timeout(wire.clock.real_wait(wire.keys_apart));
            }
        });
        let thread = thread.expect("a thread");
        self.0.threads.lock().expect("threads").push(thread);
    }

    fn hang_up(&self) {
        self.0.session.fetch_add(1, Ordering::SeqCst);
        self.0.on_news.lock().expect("news").take();
    }

    fn pictures(&self) -> Box<dyn PictureSource> {
        Box::new(Reader(self.0.clone()))
    }
}

struct Reader(Arc<Wire>);

impl PictureSource for Reader {
    fn next(&mut self) -> Result<Offer, String> {
        let wire = &self.0;
        std::thread::park_timeout(wire.clock.real_wait(Duration::from_millis(250)));
        if wire.stalls.load(Ordering::SeqCst) {
            return Ok(Offer::Idle);
        }
        wire.read.fetch_add(1, Ordering::SeqCst);
        let begun = *wire.begun.lock().expect("begun");
        Ok(Offer::Picture { picture: shot(wire, begun), discontinuity: false })
    }
}

impl Link for Wire {
    fn status(&self) -> LinkStatus {
        let known = !self.keyless.load(Ordering::SeqCst);
        LinkStatus { key_interval_s: known.then_some(self.keys_apart.as_secs_f64()), ..LinkStatus::default() }
    }
    fn set_watched(&self, _: bool) {}
    fn cut(&self, _: WallTime, _: WallTime) -> Result<Option<Vec<u8>>, String> {
        Ok(None)
    }
}

/// Finds bright rectangles, and takes its time for it.
struct Slow(Arc<AtomicU64>, Arc<dyn Clock>);

impl Detector for Slow {
    fn detect(&mut self, picture: &Picture, context: &DetectContext<'_>, out: &mut Vec<Detection>) -> Result<(), VisionError> {
        std::thread::park_timeout(self.1.real_wait(Duration::from_millis(self.0.load(Ordering::SeqCst))));
        BrightBoxes.detect(picture, context, out)
    }
    fn name(&self) -> &'static str {
        "slow"
    }
    fn model_sha256(&self) -> &'static str {
        ""
    }
}

struct Street {
    clock: Arc<dyn Clock>,
    wires: Vec<Arc<Wire>>,
    cameras: Vec<LiveCamera>,
    /// How long a detector takes, milliseconds of the scene.
    takes_ms: Arc<AtomicU64>,
    looks: Arc<Mutex<Vec<LookRecord>>>,
    live: Option<Live>,
}

impl Street {
    fn new() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(ScaledClock::new(START, SPEED));
        Self { clock, wires: Vec::new(), cameras: Vec::new(), takes_ms: Arc::default(), looks: Arc::default(), live: None }
    }

    fn add(&mut self, id: &str, look_every_s: f64, keys_apart_s: f64, people: Vec<PixelBox>) -> Arc<Wire> {
        let wire = Wire::new(&self.clock, keys_apart_s, people);
        self.wires.push(wire.clone());
        self.cameras.push(LiveCamera {
            camera: camera(id, look_every_s),
            detectors: vec![0],
            thermal: ThermalConfig::default(),
            feed: LiveFeed::Sessions(Arc::new(Handle(wire.clone()))),
            link: Some(wire.clone()),
            first_track_id: 1,
        });
        wire
    }

    fn start(&mut self) {
        let cameras = std::mem::take(&mut self.cameras);
        let desk = Desk::new(DeskConfig::default(), cameras.iter().map(|live| live.camera.clone()).collect());
        let room = DeskRoom::new(desk, Box::new(MemoryArchive));
        let (takes, clock, looks) = (self.takes_ms.clone(), self.clock.clone(), self.looks.clone());
        let eyes: MakeEyes = Arc::new(move || Ok(Eyes::new(vec![Box::new(Slow(takes.clone(), clock.clone())) as Box<dyn Detector>])));
        let on_look: OnLook = Arc::new(move |look, _| looks.lock().expect("looks").push(look.clone()));
        let config = LiveConfig { workers: 1, ..LiveConfig::default() };
        let live = Live::start(&config, self.clock.clone(), cameras, &eyes, room, Box::new(|_| {}), Some(&on_look)).expect("started");
        self.live = Some(live);
    }

    fn reading(&self, id: &str) -> CameraReading {
        let cameras = self.live.as_ref().expect("started").gauge().cameras();
        cameras.into_iter().find(|reading| reading.camera.id.as_str() == id).expect("the camera")
    }

    fn looks(&self, id: &str) -> Vec<LookRecord> {
        self.looks.lock().expect("looks").iter().filter(|look| look.camera.as_str() == id).cloned().collect()
    }

    fn wait(&self, scene_s: f64) {
        let until = self.clock.monotonic() + Duration::from_secs_f64(scene_s);
        while self.clock.monotonic() < until {
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = self.clock.monotonic() + PATIENCE.mul_f64(SPEED);
        while !holds() {
            assert!(self.clock.monotonic() < deadline, "never came: {what}");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn stop(mut self) {
        self.live.take().expect("started").stop().expect("written");
        for wire in &self.wires {
            for thread in wire.threads.lock().expect("threads").drain(..) {
                thread.thread().unpark();
                thread.join().expect("a camera ends");
            }
        }
    }
}

/// Longest time between two captures that were looked at, seconds.
fn longest_gap_s(looks: &[LookRecord]) -> f64 {
    looks.windows(2).map(|pair| pair[1].captured.since(pair[0].captured).as_secs_f64()).fold(0.0, f64::max)
}

#[test]
fn nothing_is_decoded_but_what_is_looked_at_and_the_promise_is_kept() {
    let mut street = Street::new();
    let (seldom, often) = (street.add("seldom", 10.0, 2.0, vec![]), street.add("often", 1.0, 2.0, vec![]));
    street.start();
    street.wait(75.0);
    let (on_demand, continuous) = (street.reading("seldom"), street.reading("often"));
    assert_eq!((on_demand.lane, continuous.lane), (Lane::OnDemand, Lane::Continuous));
    let looks = street.looks("seldom");
    let decoded = seldom.decoded.load(Ordering::SeqCst);
    assert!((looks.len()..=looks.len() + 1).contains(&decoded), "{decoded} decoded, {} looked at: one may be under way", looks.len());
    assert_eq!(seldom.read.load(Ordering::SeqCst), 0, "nobody read what lies between");
    assert_eq!(seldom.rough.load(Ordering::SeqCst), 0, "there is time for the best picture");
    assert!(looks.len() >= 7 && longest_gap_s(&looks) <= 10.0 + BUSY_S, "{} looks, {} s", looks.len(), longest_gap_s(&looks));
    assert!(on_demand.max_blind <= Duration::from_secs_f64(10.0 + BUSY_S), "{:?}", on_demand.max_blind);
    assert_eq!(on_demand.tally.total(), on_demand.tally.iter().map(|(_, count)| count).sum::<u64>());
    // Key frames every 2 s cannot keep a promise of 1 s: everything is decoded.
    assert!(often.read.load(Ordering::SeqCst) > 100 && street.looks("often").len() > 50);
    street.stop();
}

#[test]
fn somebody_new_is_watched_closely_for_a_moment_and_only_then() {
    let mut street = Street::new();
    let wire = street.add("newcomer", 10.0, 2.0, vec![PixelBox::new(100.0, 100.0, 20.0, 60.0)]);
    street.start();
    street.wait_until("a burst", || street.reading("newcomer").bursts == 1 && wire.read.load(Ordering::SeqCst) > 0);
    street.wait_until("its end", || street.reading("newcomer").lane == Lane::OnDemand);
    let read = wire.read.load(Ordering::SeqCst);
    assert!(read >= 5, "{read} pictures: enough to tell walking from still");
    street.wait(25.0);
    assert_eq!(street.reading("newcomer").bursts, 1, "he is understood");
    assert!(wire.read.load(Ordering::SeqCst) <= read + 2, "what lies between is no longer decoded");
    street.stop();
}

#[test]
fn who_lies_still_keeps_his_clock_over_sessions_and_lanes() {
    let mut street = Street::new();
    let wire = street.add("lies", 5.0, 2.0, vec![PixelBox::new(100.0, 150.0, 60.0, 20.0)]);
    street.start();
    street.wait_until("a burst", || street.reading("lies").bursts == 1);
    street.wait(15.0);
    wire.ends("the cable was cut");
    street.wait_until("another session", || wire.sessions.load(Ordering::SeqCst) == 2);
    street.wait(20.0);
    let (tell, told) = mpsc::sync_channel(1);
    let gauge = street.live.as_ref().expect("started").gauge();
    gauge.look_now(&CameraId::new("lies"), Box::new(move |fresh| tell.send(fresh).expect("waits"))).expect("may ask");
    let fresh = told.recv_timeout(PATIENCE).expect("a fresh look");
    assert_eq!(fresh.people.len(), 1);
    let still = fresh.people[0].still.expect("he has not moved");
    assert!(still >= Duration::from_secs(30), "{still:?}");
    street.stop();
}

#[test]
fn a_session_that_ends_is_begun_anew_and_a_camera_that_stalls_is_said_to_be_blind() {
    let mut street = Street::new();
    let (ends, stalls) = (street.add("ends", 5.0, 2.0, vec![]), street.add("stalls", 5.0, 2.0, vec![]));
    street.start();
    street.wait_until("both see", || ["ends", "stalls"].iter().all(|id| street.reading(id).condition == CameraCondition::Seeing));
    ends.ends("the camera hung up");
    street.wait_until("it is lost", || street.reading("ends").condition == CameraCondition::Lost);
    assert_eq!(street.reading("ends").last_error.as_deref(), Some("the camera hung up"));
    street.wait_until("it sees again", || street.reading("ends").condition == CameraCondition::Seeing);
    stalls.stalls.store(true, Ordering::SeqCst);
    let blind = CameraCondition::CannotSee { why: "stalled".into() };
    street.wait_until("the silence is noticed", || street.reading("stalls").condition == blind);
    stalls.stalls.store(false, Ordering::SeqCst);
    street.wait_until("it sees again", || street.reading("stalls").condition == CameraCondition::Seeing);
    assert!(longest_gap_s(&street.looks("ends")) < 12.0, "an outage of a moment");
    street.stop();
}

/// Intra refresh: the stream never sends a key frame. It is read throughout, and not begun anew every few seconds.
#[test]
fn a_camera_without_key_frames_is_read_throughout() {
    let mut street = Street::new();
    let wire = street.add("keyless", 3.0, 2.0, vec![]);
    wire.keyless.store(true, Ordering::SeqCst);
    street.start();
    street.wait_until("it is read", || street.reading("keyless").lane == Lane::Continuous && !street.looks("keyless").is_empty());
    let first = street.looks("keyless").len();
    for _ in 0..20 {
        street.wait(1.0);
        assert_eq!(street.reading("keyless").lane, Lane::Continuous);
    }
    let looks = street.looks("keyless");
    assert!(looks.len() >= first + 5 && longest_gap_s(&looks) <= 3.0 + BUSY_S, "{} s", longest_gap_s(&looks));
    street.stop();
}

/// A key frame that cannot be decoded keeps no promise, and the next one is taken at once.
#[test]
fn a_torn_key_frame_is_counted_and_the_next_one_is_looked_at() {
    let mut street = Street::new();
    let wire = street.add("torn", 10.0, 2.0, vec![]);
    street.start();
    street.wait_until("a look", || !street.looks("torn").is_empty());
    wire.broken.store(true, Ordering::SeqCst);
    street.wait_until("torn", || street.reading("torn").tally.of(Outcome::Undecodable) >= 2);
    let torn = street.clock.now();
    wire.broken.store(false, Ordering::SeqCst);
    street.wait_until("a look again", || street.looks("torn").last().is_some_and(|look| look.captured > torn));
    let late = street.looks("torn").last().expect("a look").captured.since(torn);
    assert!(late < Duration::from_secs(6), "{late:?}: the next key frame, not the next promise");
    assert_eq!(street.reading("torn").last_error.as_deref(), Some("torn"));
    street.stop();
}

/// Of whoever lies there evidence may be wanted: his picture keeps its filter, however short time is.
#[test]
fn where_somebody_lies_the_picture_is_decoded_as_well_as_it_can_be() {
    let mut street = Street::new();
    for number in 0..20 {
        let lies = (number == 19).then_some(PixelBox::new(100.0, 150.0, 60.0, 20.0));
        street.add(&format!("cam-{number:02}"), 5.0, 1.0, lies.into_iter().collect());
        street.cameras[number].camera.promise.rescan_every = Duration::ZERO;
    }
    street.takes_ms.store(260, Ordering::SeqCst);
    street.start();
    street.wait_until("he is known", || street.reading("cam-19").cells.open > 0);
    let rough = |street: &Street, number: usize| street.wires[number].rough.load(Ordering::SeqCst);
    let before = (rough(&street, 0), rough(&street, 19), street.looks("cam-19").len());
    street.wait_until("time is short", || rough(&street, 0) >= before.0 + 3 && street.looks("cam-19").len() >= before.2 + 3);
    assert_eq!(rough(&street, 19), before.1);
    street.stop();
}

/// A load that is 30 % too high: pictures of the empty street are decoded roughly, the least important wait longer, nobody longer than his limit, and when the
/// load falls promises and pictures return.
#[test]
fn too_much_to_do_stretches_the_least_important_and_gives_back() {
    let mut street = Street::new();
    for number in 0..20 {
        street.add(&format!("cam-{number:02}"), 5.0, 1.0, vec![]);
        street.cameras[number].camera.site_prior = number as f32 / 20.0;
        // Every look is examined: what a look takes is what the detector takes.
        street.cameras[number].camera.promise.rescan_every = Duration::ZERO;
    }
    // 20 cameras every 4 s of 260 ms are 1.3 workers.
    street.takes_ms.store(260, Ordering::SeqCst);
    street.start();
    street.wait_until("promises are stretched", || street.reading("cam-00").look_every > Duration::from_secs(12));
    street.wait(30.0);
    let rough = |street: &Street, number: usize| street.wires[number].rough.load(Ordering::SeqCst);
    assert!(rough(&street, 0) > 0, "nobody is there, and time is short");
    let every: BTreeMap<String, f64> =
        (0..20).map(|number| format!("cam-{number:02}")).map(|id| (id.clone(), street.reading(&id).look_every.as_secs_f64())).collect();
    assert!(every.values().all(|every_s| *every_s <= 15.0 + 1e-6), "within their limits: {every:?}");
    assert!(every["cam-19"] <= 5.0 + 1e-6, "the most important: {every:?}");
    let load = street.live.as_ref().expect("started").gauge().load();
    assert!(load.load > 1.1 && load.refused.is_empty(), "{load:?}");
    street.takes_ms.store(5, Ordering::SeqCst);
    street.wait_until("promises return", || (0..20).all(|number| street.reading(&format!("cam-{number:02}")).look_every.as_secs() == 5));
    // Promises return before there is time to spare.
    street.wait_until("time is short no more", || street.live.as_ref().expect("started").gauge().load().load < 0.6);
    let before = rough(&street, 0);
    street.wait(15.0);
    assert_eq!(rough(&street, 0), before, "there is time again");
    street.takes_ms.store(1500, Ordering::SeqCst);
    let gauge = street.live.as_ref().expect("started").gauge();
    street.wait_until("the refusal says how much is missing", || gauge.load().missing > 0.3);
    let refused = gauge.load().refused;
    assert_eq!(refused.first(), Some(&CameraId::new("cam-00")), "the least important are named first");
    assert!(!refused.contains(&CameraId::new("cam-19")), "{refused:?}");
    street.stop();
}
