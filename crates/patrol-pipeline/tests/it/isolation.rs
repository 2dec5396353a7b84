//! The running system: one camera's trouble is its own.

use crate::world::{BrightBoxes, START, Tape, camera, picture};
use patrol_core::outcome::FailureKind;
use patrol_core::{Clock, Detection, Outcome, Picture, ScaledClock, WallTime};
use patrol_leads::{Desk, DeskConfig};
use patrol_pipeline::live::{Live, LiveCamera, LiveConfig, LiveFeed, MakeEyes, Memories, OnLook, OpenSource};
use patrol_pipeline::{DeskRoom, Eyes, MemoryArchive, Offer, PictureSource};
use patrol_vision::thermal::ThermalConfig;
use patrol_vision::{DetectContext, Detector, VisionError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Breaks off on pictures of camera number 1, which are marked in their first pixel.
struct Fragile;

impl Detector for Fragile {
    fn detect(&mut self, picture: &Picture, context: &DetectContext<'_>, out: &mut Vec<Detection>) -> Result<(), VisionError> {
        assert!(picture.row(0, 0)[0] < 200, "a detector that breaks off, on purpose");
        BrightBoxes.detect(picture, context, out)
    }
    fn name(&self) -> &'static str {
        "fragile"
    }
    fn model_sha256(&self) -> &'static str {
        ""
    }
}

/// Slow enough that a machine busy with other tests for a second does not look like a blind camera.
const SPEED: f64 = 5.0;

fn live_camera(id: &str, open: OpenSource) -> LiveCamera {
    LiveCamera {
        camera: camera(id, 0.5),
        detectors: vec![0],
        thermal: ThermalConfig::default(),
        feed: LiveFeed::Source(open),
        link: None,
        first_track_id: 1,
    }
}

fn marked(seconds: f64) -> Tape {
    let corner = patrol_core::PixelBox::new(0.0, 0.0, 4.0, 4.0);
    Tape(
        (0..(seconds * 4.0) as u64)
            .map(|n| Ok(Offer::Picture { picture: picture(n, n as f64 / 4.0, &[corner]), discontinuity: false }))
            .collect(),
    )
}

/// A source that breaks after ten seconds begins again at media time zero; its looks go on at once.
#[test]
fn a_source_that_breaks_and_comes_back_is_looked_at_again() {
    let clock: Arc<dyn Clock> = Arc::new(ScaledClock::new(START, SPEED));
    let times = Arc::new(Mutex::new(Vec::new()));
    let mut opened = 0;
    let now = clock.clone();
    let open = move || -> Result<Box<dyn PictureSource>, String> {
        opened += 1;
        let start = now.now();
        let mut tape = Tape((0..40).map(|n| Ok(offered(n, start))).collect());
        if opened == 1 {
            tape.0.push_back(Err("the cable was cut".into()));
        }
        Ok(Box::new(tape))
    };
    let cameras = vec![live_camera("back", Box::new(open))];
    let desk = Desk::new(DeskConfig::default(), cameras.iter().map(|live| live.camera.clone()).collect());
    let room = DeskRoom::new(desk, Box::new(MemoryArchive));
    let make_eyes: MakeEyes = Arc::new(|| Ok(Eyes::new(vec![Box::new(BrightBoxes) as Box<dyn Detector>])));
    let on_look: OnLook = {
        let times = times.clone();
        Arc::new(move |look, _| times.lock().expect("times").push(look.captured))
    };
    let live = Live::start(
        &LiveConfig { workers: 1, ..LiveConfig::default() },
        clock,
        cameras,
        &make_eyes,
        room,
        Box::new(|_| {}),
        Some(&on_look),
    )
    .expect("started");
    let gauge = live.gauge();
    for _ in 0..2000 {
        if gauge.all_ended() {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(20));
    }
    live.stop().expect("written");
    let times = times.lock().expect("times");
    assert!(times.len() >= 30, "both openings were looked at: {}", times.len());
    let longest = times.windows(2).map(|pair| pair[1].since(pair[0])).max().expect("looks");
    assert!(longest < Duration::from_secs(8), "{longest:?}");
}

fn offered(number: u64, start: WallTime) -> Offer {
    let t_s = number as f64 / 4.0;
    let mut picture = picture(number, t_s, &[]);
    picture.captured.at = start + Duration::from_secs_f64(t_s);
    Offer::Picture { picture, discontinuity: false }
}

#[test]
fn a_detector_that_breaks_and_a_source_that_never_opens_disturb_nobody() {
    let clock: Arc<dyn Clock> = Arc::new(ScaledClock::new(START, SPEED));
    let boxed = |tape: Tape| -> Result<Box<dyn PictureSource>, String> { Ok(Box::new(tape)) };
    let cameras = vec![
        live_camera("well", Box::new(move || boxed(Tape::of(20.0, 4.0, |_| vec![])))),
        live_camera("breaks", Box::new(move || boxed(marked(20.0)))),
        live_camera("absent", Box::new(|| Err("no route to host".into()))),
    ];
    let desk = Desk::new(DeskConfig::default(), cameras.iter().map(|live| live.camera.clone()).collect());
    let room = DeskRoom::new(desk, Box::new(MemoryArchive));
    let make_eyes: MakeEyes = Arc::new(|| Ok(Eyes::new(vec![Box::new(Fragile) as Box<dyn Detector>])));
    let recalled = Arc::new(Mutex::new(Vec::new()));
    let read = recalled.clone();
    let memories = Memories {
        read: Arc::new(move |camera| {
            read.lock().expect("read").push(camera.as_str().to_owned());
            None
        }),
        write: Arc::new(|_, _| {}),
    };
    let config = LiveConfig { workers: 2, memories: Some(memories) };
    let live = Live::start(&config, clock, cameras, &make_eyes, room, Box::new(|_| {}), None).expect("started");
    let gauge = live.gauge();
    // Twenty scene seconds at five times real time; the bound is twenty-five times that.
    for _ in 0..2000 {
        if gauge.cameras().iter().take(2).all(|reading| reading.ended) {
            break;
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    live.stop().expect("written");
    let readings = gauge.cameras();
    let [well, breaks, absent] = readings.as_slice() else { panic!("three cameras") };
    assert_eq!(well.tally.total(), 80);
    assert!(well.tally.of(Outcome::Examined) + well.tally.of(Outcome::Unchanged) >= 30, "{:?}", well.tally);
    assert!(well.max_blind < Duration::from_secs(8), "{:?}", well.max_blind);
    assert!(breaks.tally.of(Outcome::Failed(FailureKind::Panicked)) >= 20, "{:?}", breaks.tally);
    assert_eq!(breaks.tally.of(Outcome::Examined), 0);
    let recalled = recalled.lock().expect("read").iter().filter(|camera| *camera == "breaks").count();
    assert_eq!(recalled, 2, "at the start and once more: what was kept may be what it breaks off over");
    assert_eq!(absent.tally.total(), 0);
    assert_eq!(absent.last_error.as_deref(), Some("no route to host"));
}
