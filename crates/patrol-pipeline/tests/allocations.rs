//! The allocation rule (design §8): in the steady state a look makes no Rust allocation of 4 KiB or more and at most 20 small ones, and memory is
//! flat over 10⁵ looks.
//!
//! Looks that take evidence or encode a small picture are not the steady state: each of them makes JPEGs that are kept. What ONNX Runtime allocates
//! in its own library is not counted; what the `ort` crate does is.
//!
//! A counting allocator stands for the whole process and counts for each thread, so that tests beside one another do not meddle.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "helpers of tests")]

use patrol_core::{
    AlertLevel, Camera, CameraId, CameraView, Detection, DetectionSource, MediaTime, Modality, Outcome, Picture, PictureSize, PixelBox,
    PixelFormat, Promise, WallEstimate, WallTime, Weather,
};
use patrol_leads::DeskEvent;
use patrol_pipeline::look::{WeatherNow, look};
use patrol_pipeline::slot::Waiting;
use patrol_pipeline::{CameraWatch, Eyes};
use patrol_vision::thermal::{Polarity, ThermalConfig};
use patrol_vision::{DetectContext, Detector, Device, HotSpot, HotSpotConfig, ModelCard, OnnxDetector, OnnxRuntime, VisionError};
use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::path::Path;
use std::time::Duration;

/// Bytes from which an allocation is a large one, and small ones that a look may make (design §8).
const LARGE: usize = 4096;
const SMALL_MAX: u32 = 20;
/// Where allocations come from is told of so many.
const TRACES_MAX: usize = 40;

thread_local! {
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { large: 0, small: 0, live: 0, traced_from: usize::MAX }) };
    static TRACES: RefCell<Vec<(usize, Backtrace)>> = const { RefCell::new(Vec::new()) };
}

#[derive(Debug, Clone, Copy)]
struct Counts {
    large: u32,
    small: u32,
    /// Bytes that this thread has taken and not given back.
    live: i64,
    /// Allocations of so many bytes are traced.
    traced_from: usize,
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

// SAFETY: every call is handed on to the system's allocator unchanged; counting allocates nothing, and tracing does so with tracing off.
#[allow(unsafe_code, reason = "an allocator cannot be written without; it stands in this test alone")]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), layout.size() as i64);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), layout.size() as i64);
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, size as i64 - layout.size() as i64);
        // SAFETY: the caller keeps the contract of `realloc`.
        unsafe { System.realloc(block, layout, size) }
    }
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // A thread that ends has no counts any more, and nobody asks for them.
        let _gone = COUNTS.try_with(|counts| counts.set(Counts { live: counts.get().live - layout.size() as i64, ..counts.get() }));
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(block, layout) }
    }
}

fn count(size: usize, more: i64) {
    let _gone = COUNTS.try_with(|counts| {
        let mut now = counts.get();
        now.live += more;
        now.large += u32::from(size >= LARGE);
        now.small += u32::from(size < LARGE);
        let traced_from = std::mem::replace(&mut now.traced_from, usize::MAX);
        counts.set(now);
        if size >= traced_from {
            TRACES.with_borrow_mut(|traces| {
                if traces.len() < TRACES_MAX {
                    traces.push((size, Backtrace::force_capture()));
                }
            });
            // What the trace itself took does not count.
            counts.set(Counts { traced_from, ..now });
        } else {
            counts.set(Counts { traced_from, ..now });
        }
    });
}

/// What `work` allocates: large ones, small ones.
fn counted(traced_from: usize, work: impl FnOnce()) -> (u32, u32) {
    let before = COUNTS.get();
    COUNTS.set(Counts { traced_from, ..before });
    work();
    let after = COUNTS.get();
    COUNTS.set(Counts { traced_from: usize::MAX, ..after });
    (after.large - before.large, after.small - before.small)
}

/// A camera, its detectors, and its pictures, which take turns.
struct Street {
    watch: CameraWatch,
    eyes: Eyes,
    pictures: Vec<Picture>,
    events: Vec<DeskEvent>,
    number: u64,
    step: Duration,
    /// Every look is asked for, and so examined in full.
    asked: bool,
}

impl Street {
    fn new(watch: CameraWatch, detector: Box<dyn Detector>, pictures: Vec<Picture>) -> Self {
        let eyes = Eyes::new(vec![detector]);
        Self { watch, eyes, pictures, events: Vec::with_capacity(64), number: 0, step: Duration::from_secs(1), asked: false }
    }

    fn asked(self) -> Self {
        Self { asked: true, ..self }
    }

    /// One look, and what it allocated.
    fn look(&mut self, traced_from: usize) -> Looked {
        let at = MediaTime::ZERO + self.step * self.number as u32;
        let mut picture = self.pictures[self.number as usize % self.pictures.len()].clone();
        (picture.sequence, picture.media_time) = (self.number, at);
        picture.captured.at = START + self.step * self.number as u32;
        self.number += 1;
        let waiting = Waiting { picture, discontinuity: false, asked: self.asked };
        self.events.clear();
        let before = self.watch.last_preview();
        let mut outcome = Outcome::Stale;
        let (large, small) =
            counted(traced_from, || outcome = look(&waiting, &mut self.watch, &mut self.eyes, &cold_night(), &mut self.events));
        let evidence = self.events.iter().any(|event| matches!(event, DeskEvent::Sighting(sighting) if sighting.evidence.is_some()));
        Looked { outcome, large, small, is_steady: !evidence && before == self.watch.last_preview() }
    }

    /// Keeps the rule for `looks` looks after `before` looks by which everything is learnt; all of them end as `wanted`.
    fn keeps_the_rule(mut self, name: &str, before: u32, looks: u32, wanted: Outcome) -> Self {
        for _ in 0..before {
            self.look(usize::MAX);
        }
        let (mut steady, mut as_wanted, mut large, mut small_most) = (0, 0, 0, 0);
        for _ in 0..looks {
            let looked = self.look(usize::MAX);
            as_wanted += u32::from(looked.outcome == wanted);
            if !looked.is_steady {
                continue;
            }
            steady += 1;
            large += looked.large;
            small_most = small_most.max(looked.small);
        }
        println!("{name}: {steady} steady looks of {looks}, {as_wanted} {wanted:?}; {large} large allocations, at most {small_most} small");
        if large > 0 || small_most > SMALL_MAX {
            self.tell_where(if large > 0 { LARGE } else { 1 });
        }
        assert!(steady >= looks / 2, "{name}: {steady} steady looks");
        // A camera whose pictures do not change is examined in full once a minute all the same.
        assert!(as_wanted >= looks * 9 / 10, "{name}: {as_wanted} looks ended as {wanted:?}");
        assert_eq!(large, 0, "{name}: allocations of {LARGE} bytes and more in {steady} looks");
        assert!(small_most <= SMALL_MAX, "{name}: {small_most} small allocations in one look");
        self
    }

    /// Prints where a steady look that breaks the rule allocates `from` bytes and more.
    fn tell_where(&mut self, from: usize) {
        for _ in 0..300 {
            TRACES.with_borrow_mut(Vec::clear);
            let looked = self.look(from);
            let found = TRACES.take();
            if looked.is_steady && (looked.large > 0 || looked.small > SMALL_MAX) {
                for (size, trace) in found {
                    let trace = trace.to_string();
                    let ours = trace.lines().filter(|line| line.contains("/src/") && line.contains("crates/patrol-"));
                    println!("{size} bytes:\n{}", ours.collect::<Vec<_>>().join("\n"));
                }
                return;
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Looked {
    outcome: Outcome,
    large: u32,
    small: u32,
    /// Neither evidence nor a small picture was made.
    is_steady: bool,
}

const START: WallTime = WallTime(1_767_542_400_000_000_000);
const THERMAL: PictureSize = PictureSize::new(640, 512);
const FULL_HD: PictureSize = PictureSize::new(1920, 1080);

fn cold_night() -> WeatherNow {
    let weather =
        Weather { air_c: -6.0, wind_kmh: Some(10.0), precip_mm_h: 0.0, wet_ground: false, alert: AlertLevel::None, observed_at: START };
    WeatherNow { weather, assumed: false }
}

fn watch(modality: Modality) -> CameraWatch {
    let promise = Promise { look_every: Duration::from_secs(1), look_limit: Duration::from_secs(10), rescan_every: Duration::from_mins(1) };
    let view = CameraView { height_m: 7.0, tilt_deg: 30.0, heading_deg: 0.0, hfov_deg: 55.0 };
    let camera = Camera {
        id: CameraId::new("a"),
        name: "a".to_owned(),
        code: None,
        modality,
        promise,
        position: None,
        view: Some(view),
        address: None,
        street: None,
        grid: None,
        site_prior: 0.3,
    };
    CameraWatch::new(camera, vec![0], 1)
}

/// House fronts and kerbs under sensor noise, six pictures of them; `lying`: a body brighter than the ground.
fn pictures(size: PictureSize, format: PixelFormat, lying: Option<PixelBox>) -> Vec<Picture> {
    let (w, h) = (size.width as usize, size.height as usize);
    let mut dice = 0x9E37_79B9_7F4A_7C15_u64;
    let mut roll = |most: usize| {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        (dice >> 20) as usize % most
    };
    let mut scene: Vec<u8> = (0..w * h).map(|at| 70 + (at / w * 30 / h) as u8).collect();
    for _ in 0..40 {
        let (x, y, bar_w, bar_h, level) = (roll(w), roll(h), w / 60 + roll(w / 6), h / 60 + roll(h / 8), 50 + roll(60) as u8);
        for row in y..(y + bar_h).min(h) {
            scene[row * w + x..row * w + (x + bar_w).min(w)].fill(level);
        }
    }
    if let Some(bbox) = lying {
        // Even ground around, and a warm ellipse with a blurred edge.
        let around = bbox.grown(bbox.w);
        for y in around.y.max(0.0) as usize..(around.bottom() as usize).min(h) {
            for x in around.x.max(0.0) as usize..(around.right() as usize).min(w) {
                let (dx, dy) = ((x as f32 - bbox.centre().x) / bbox.w * 2.0, (y as f32 - bbox.centre().y) / bbox.h * 2.0);
                let inside = ((1.15 - dx.hypot(dy)) / 0.3).clamp(0.0, 1.0);
                scene[y * w + x] = (80.0 + 90.0 * inside) as u8;
            }
        }
    }
    let captured = WallEstimate { at: START, error_ms: 0 };
    (0..6)
        .map(|_| {
            let luma = scene.iter().map(|level| level + roll(5) as u8).collect();
            let chroma = vec![128; w.div_ceil(2) * h.div_ceil(2)];
            let planes = if format == PixelFormat::I420 { vec![luma, chroma.clone(), chroma] } else { vec![luma] };
            Picture::from_planes(size, format, planes, 0, MediaTime::ZERO, captured).expect("a picture")
        })
        .collect()
}

/// The same in a green tint, as a camera colours them.
fn tinted(picture: &Picture) -> Picture {
    let (w, h) = (picture.size().width as usize, picture.size().height as usize);
    let luma = picture.plane(0).to_vec();
    let of_mean = |x: usize, y: usize| {
        let row = |y: usize| &luma[y * w + 2 * x..][..2];
        let sum: u32 = row(2 * y).iter().chain(row(2 * y + 1)).map(|level| u32::from(*level)).sum();
        // Between black, green, and a pale green at the hot end.
        let heat = (sum as f32 / 4.0 - 16.0) / 219.0;
        [128.0 - 85.0 * heat * (1.3 - heat), 128.0 - 95.0 * heat * (1.3 - heat)]
    };
    let places = || (0..h / 2).flat_map(|y| (0..w / 2).map(move |x| (x, y)));
    let [u, v] = [0, 1].map(|channel| places().map(|(x, y)| of_mean(x, y)[channel] as u8).collect());
    Picture::from_planes(picture.size(), PixelFormat::I420, vec![luma, u, v], 0, MediaTime::ZERO, picture.captured).expect("a picture")
}

/// Finds the same person at every look, as cheaply as can be.
struct Known(Option<PixelBox>);

impl Detector for Known {
    fn detect(&mut self, _: &Picture, _: &DetectContext<'_>, out: &mut Vec<Detection>) -> Result<(), VisionError> {
        out.extend(self.0.map(|bbox| Detection { bbox, score: 0.8, source: DetectionSource::Network, resolved: true, blob: None }));
        Ok(())
    }
    fn name(&self) -> &'static str {
        "known"
    }
    fn model_sha256(&self) -> &'static str {
        "0"
    }
}

const LIES: PixelBox = PixelBox::new(300.0, 300.0, 60.0, 22.0);
/// As long as those whom the thermal network knows best: it finds him in every look, and none looks closer at his place.
const LIES_CLEARLY: PixelBox = PixelBox::new(300.0, 300.0, 44.0, 16.0);
const LIES_IN_FULL_HD: PixelBox = PixelBox::new(900.0, 640.0, 150.0, 56.0);

#[test]
fn an_unchanged_look_at_a_visible_camera() {
    let empty = Street::new(watch(Modality::Visible), Box::new(Known(None)), pictures(FULL_HD, PixelFormat::I420, None));
    empty.keeps_the_rule("unchanged 1080p, nobody", 30, 90, Outcome::Unchanged);
    let pictures = pictures(FULL_HD, PixelFormat::I420, Some(LIES_IN_FULL_HD));
    let occupied = Street::new(watch(Modality::Visible), Box::new(Known(Some(LIES_IN_FULL_HD))), pictures);
    occupied.keeps_the_rule("unchanged 1080p, somebody lies there", 60, 90, Outcome::Unchanged);
}

#[test]
fn an_examined_look_at_a_visible_camera() {
    let pictures = pictures(FULL_HD, PixelFormat::I420, Some(LIES_IN_FULL_HD));
    let street = Street::new(watch(Modality::Visible), Box::new(Known(Some(LIES_IN_FULL_HD))), pictures).asked();
    street.keeps_the_rule("examined 1080p", 40, 60, Outcome::Examined);
}

#[test]
fn an_examined_look_at_a_thermal_camera() {
    let hot_spot = || Box::new(HotSpot::new(HotSpotConfig::default()));
    for format in [PixelFormat::Gray8, PixelFormat::I420] {
        let street = Street::new(watch(Modality::Thermal), hot_spot(), pictures(THERMAL, format, Some(LIES))).asked();
        let street = street.keeps_the_rule(&format!("examined thermal {format:?}"), 150, 300, Outcome::Examined);
        assert_eq!(street.watch.cells().open, 1, "the one who lies there is watched");
    }
    let green = pictures(THERMAL, PixelFormat::Gray8, Some(LIES)).iter().map(tinted).collect();
    let street = Street::new(watch(Modality::Thermal), hot_spot(), green).asked();
    let street = street.keeps_the_rule("examined thermal, in colour", 150, 300, Outcome::Examined);
    assert_ne!(street.watch.thermal_reading().expect("it is thermal").palette, "grey");
    // Dark is warm: every picture is written anew.
    let negative: Vec<Picture> = pictures(THERMAL, PixelFormat::Gray8, Some(LIES))
        .into_iter()
        .map(|picture| {
            let plane = picture.plane(0).iter().map(|level| 255 - level).collect();
            Picture::from_planes(THERMAL, PixelFormat::Gray8, vec![plane], 0, MediaTime::ZERO, picture.captured).expect("a picture")
        })
        .collect();
    let black_hot = ThermalConfig { polarity: Polarity::BlackHot, ..ThermalConfig::default() };
    let street = Street::new(watch(Modality::Thermal).with_thermal(black_hot), hot_spot(), negative).asked();
    street.keeps_the_rule("examined thermal, black-hot", 150, 300, Outcome::Examined);
}

#[test]
fn an_examined_look_with_a_network() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(library) = OnnxRuntime::find(home) else {
        println!("skipped: ONNX Runtime is not in .runtime/ and PATROL_ONNXRUNTIME is not set");
        return;
    };
    let runtime = OnnxRuntime::load(&library).expect("ONNX Runtime loads");
    let scenes =
        [("thermal-person-n", Modality::Thermal, THERMAL, LIES_CLEARLY), ("yolox-nano", Modality::Visible, FULL_HD, LIES_IN_FULL_HD)];
    for (model, modality, size, lies) in scenes {
        let card = ModelCard::load(&home.join("../../models").join(model)).expect("a card");
        if !card.file.is_file() {
            println!("skipped: {} is not there: run scripts/setup", card.file.display());
            continue;
        }
        let detector = OnnxDetector::open(&runtime, &card, Device::Cpu, None, 1).expect("the model opens");
        let street = Street::new(watch(modality), Box::new(detector), pictures(size, PixelFormat::I420, Some(lies))).asked();
        street.keeps_the_rule(&format!("examined by {model}"), 20, 20, Outcome::Examined);
    }
}

#[test]
fn memory_is_flat_over_a_hundred_thousand_looks() {
    let size = PictureSize::new(112, 96);
    let lies = PixelBox::new(46.0, 52.0, 24.0, 12.0);
    let plain = ThermalConfig { polarity: Polarity::WhiteHot, ..ThermalConfig::default() };
    let watch = watch(Modality::Thermal).with_thermal(plain);
    let mut street = Street::new(watch, Box::new(HotSpot::new(HotSpotConfig::default())), pictures(size, PixelFormat::Gray8, Some(lies)));
    street.step = Duration::from_millis(200);
    let mut live_max = [0_i64; 2];
    for look in 0..100_000 {
        street.look(usize::MAX);
        // Previews and evidence come and go in between.
        let half = &mut live_max[usize::from(look >= 50_000)];
        if look >= 5_000 {
            *half = (*half).max(COUNTS.get().live);
        }
    }
    println!("most bytes held: {} in the first half, {} in the second", live_max[0], live_max[1]);
    assert!(street.watch.cells().open == 1, "the one who lies there is watched");
    assert!(live_max[1] - live_max[0] < 8192, "{live_max:?}");
}
