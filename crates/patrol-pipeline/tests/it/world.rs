//! A camera that shows bright rectangles, and a detector that finds them.

use patrol_core::Outcome;
use patrol_core::{
    Blob, Camera, CameraId, Detection, DetectionSource, MediaTime, Modality, Picture, PictureSize, PixelBox, PixelFormat, Promise,
    WallEstimate, WallTime, Weather,
};
use patrol_leads::{Desk, DeskConfig, DeskEvent, DeskOutput};
use patrol_pipeline::{CameraWatch, DeskRoom, Eyes, MemoryArchive, Offer, PictureSource, ReplayCamera, ReplaySummary, TimedEvent};
use patrol_vision::{DetectContext, Detector, ThermalConfig, VisionError};
use std::collections::VecDeque;
use std::time::Duration;

pub(crate) const SIZE: PictureSize = PictureSize::new(320, 240);
pub(crate) const BRIGHT: u8 = 230;
pub(crate) const START: WallTime = WallTime(1_767_542_400_000_000_000);

pub(crate) fn camera(id: &str, look_every_s: f64) -> Camera {
    let look_every = Duration::from_secs_f64(look_every_s);
    Camera {
        id: CameraId::new(id),
        name: id.to_owned(),
        code: None,
        modality: Modality::Thermal,
        promise: Promise { look_every, look_limit: look_every * 3, rescan_every: Duration::from_mins(1) },
        position: None,
        view: None,
        address: None,
        street: None,
        grid: None,
        site_prior: 0.3,
    }
}

/// A picture with noise, so that no two are bit-equal, and bright boxes.
pub(crate) fn picture(number: u64, t_s: f64, boxes: &[PixelBox]) -> Picture {
    picture_with(number, t_s, boxes.iter().map(|bbox| (*bbox, BRIGHT)))
}

/// The same with boxes of other levels, the later ones before the earlier. The ground has 60 to 83.
fn picture_with(number: u64, t_s: f64, boxes: impl Iterator<Item = (PixelBox, u8)>) -> Picture {
    let (w, h) = (SIZE.width as usize, SIZE.height as usize);
    let mut noise = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut pixels: Vec<u8> = (0..w * h)
        .map(|_| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            60 + (noise % 24) as u8
        })
        .collect();
    for (bbox, level) in boxes {
        for y in bbox.y as usize..bbox.bottom() as usize {
            pixels[y * w + bbox.x as usize..y * w + bbox.right() as usize].fill(level);
        }
    }
    let media_time = MediaTime::from_secs_f64(t_s);
    let captured = WallEstimate { at: START + Duration::from_secs_f64(t_s), error_ms: 0 };
    Picture::from_planes(SIZE, PixelFormat::Gray8, vec![pixels], number, media_time, captured).expect("a picture")
}

/// Plays what it was given.
pub(crate) struct Tape(pub(crate) VecDeque<Result<Offer, String>>);

impl Tape {
    /// `seconds` of pictures at `fps`; `boxes` says what is seen at each time.
    pub(crate) fn of(seconds: f64, fps: f64, boxes: impl Fn(f64) -> Vec<PixelBox>) -> Self {
        Self::with(|_| BRIGHT, seconds, fps, boxes)
    }

    /// The same with boxes of another level.
    pub(crate) fn with(level: impl Fn(f64) -> u8, seconds: f64, fps: f64, boxes: impl Fn(f64) -> Vec<PixelBox>) -> Self {
        Self::of_levels(seconds, fps, |t| boxes(t).into_iter().map(|bbox| (bbox, level(t))).collect())
    }

    /// The same with boxes of a level each.
    pub(crate) fn of_levels(seconds: f64, fps: f64, boxes: impl Fn(f64) -> Vec<(PixelBox, u8)>) -> Self {
        let count = (seconds * fps) as u64;
        let offer = |number: u64| {
            let t_s = number as f64 / fps;
            Ok(Offer::Picture { picture: picture_with(number, t_s, boxes(t_s).into_iter()), discontinuity: false })
        };
        Self((0..count).map(offer).collect())
    }
}

impl PictureSource for Tape {
    fn next(&mut self) -> Result<Offer, String> {
        self.0.pop_front().unwrap_or(Ok(Offer::End))
    }
}

/// Finds the bright rectangles of one picture: each run of bright columns is one.
pub(crate) struct BrightBoxes;

impl Detector for BrightBoxes {
    fn detect(&mut self, picture: &Picture, _: &DetectContext<'_>, out: &mut Vec<Detection>) -> Result<(), VisionError> {
        let rows: Vec<&[u8]> = (0..picture.size().height as usize).map(|y| picture.row(0, y)).collect();
        let bright = |x: usize| rows.iter().enumerate().filter(move |(_, row)| row[x] > 200).map(|(y, _)| y);
        let mut x = 0;
        while x < picture.size().width as usize {
            let (Some(mut top), Some(mut bottom)) = (bright(x).min(), bright(x).max()) else {
                x += 1;
                continue;
            };
            let left = x;
            while x < picture.size().width as usize && bright(x).next().is_some() {
                top = top.min(bright(x).min().unwrap_or(top));
                bottom = bottom.max(bright(x).max().unwrap_or(bottom));
                x += 1;
            }
            let bbox = PixelBox::from_corners(left as f32, top as f32, x as f32, bottom as f32 + 1.0);
            let blob = Blob {
                area_px: bbox.area(),
                centroid: bbox.centre(),
                major_px: bbox.w.max(bbox.h),
                minor_px: bbox.w.min(bbox.h),
                angle_rad: if bbox.w < bbox.h { std::f32::consts::FRAC_PI_2 } else { 0.0 },
                contrast_sigma: 20.0,
                score: 0.9,
                body_like: true,
            };
            out.push(Detection { bbox, score: 0.9, source: DetectionSource::HotSpot, resolved: true, blob: Some(blob) });
        }
        Ok(())
    }
    fn name(&self) -> &'static str {
        "bright-boxes"
    }
    fn model_sha256(&self) -> &'static str {
        ""
    }
}

/// What a replay told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) outcomes: Vec<(String, f64, Outcome)>,
    pub(crate) evidence: usize,
}

impl ReplaySummary for Told {
    fn looked(&mut self, watch: &CameraWatch, picture: &Picture, outcome: Outcome) {
        self.outcomes.push((watch.camera.id.to_string(), picture.media_time.as_secs_f64(), outcome));
    }
    fn considered(&mut self, _: WallTime, output: &DeskOutput) {
        self.evidence += output.evidence.len();
    }
}

pub(crate) fn cold_night() -> TimedEvent {
    let weather = Weather {
        air_c: -6.0,
        wind_kmh: Some(10.0),
        precip_mm_h: 0.0,
        wet_ground: false,
        alert: patrol_core::AlertLevel::None,
        observed_at: START,
    };
    TimedEvent { at: START, event: DeskEvent::Weather(weather) }
}

/// Finds the same, and makes something else of each.
pub(crate) struct Otherwise(pub(crate) fn(&mut Detection));

impl Detector for Otherwise {
    fn detect(&mut self, picture: &Picture, context: &DetectContext<'_>, out: &mut Vec<Detection>) -> Result<(), VisionError> {
        BrightBoxes.detect(picture, context, out)?;
        for found in out.iter_mut() {
            (self.0)(found);
        }
        Ok(())
    }
    fn name(&self) -> &'static str {
        "otherwise"
    }
    fn model_sha256(&self) -> &'static str {
        ""
    }
}

/// Only a person could tell: a lamp, a bonnet, or somebody whom the camera shows clipped.
pub(crate) fn doubtful(found: &mut Detection) {
    found.resolved = false;
    found.blob = found.blob.map(|blob| Blob { body_like: false, ..blob });
}

/// Of the shape of a body, and hardly warmer than around it.
pub(crate) fn faint(found: &mut Detection) {
    found.score = 0.35;
    found.blob = found.blob.map(|blob| Blob { score: 0.35, ..blob });
}

/// A network that takes what is at a place at each time for a person, warm or not, or nothing.
pub(crate) struct Takes<F>(pub(crate) F);

impl<F: Fn(f64) -> Option<PixelBox> + Send> Detector for Takes<F> {
    fn detect(&mut self, picture: &Picture, _: &DetectContext<'_>, out: &mut Vec<Detection>) -> Result<(), VisionError> {
        let found = (self.0)(picture.media_time.as_secs_f64());
        out.extend(found.map(|bbox| Detection { bbox, score: 0.6, source: DetectionSource::Network, resolved: true, blob: None }));
        Ok(())
    }
    fn name(&self) -> &'static str {
        "takes"
    }
    fn model_sha256(&self) -> &'static str {
        "hash"
    }
}

/// Replays tapes with the bright-box detector.
pub(crate) fn replay(tapes: Vec<(Camera, Tape)>) -> (Vec<ReplayCamera>, DeskRoom, Told) {
    replay_with(Box::new(BrightBoxes), tapes)
}

pub(crate) fn replay_with(detector: Box<dyn Detector>, tapes: Vec<(Camera, Tape)>) -> (Vec<ReplayCamera>, DeskRoom, Told) {
    replay_read(&ThermalConfig::default(), vec![detector], tapes)
}

/// The same with what is known of the cameras' pictures.
pub(crate) fn replay_read(
    thermal: &ThermalConfig,
    detectors: Vec<Box<dyn Detector>>,
    tapes: Vec<(Camera, Tape)>,
) -> (Vec<ReplayCamera>, DeskRoom, Told) {
    let desk = Desk::new(DeskConfig::default(), tapes.iter().map(|(camera, _)| camera.clone()).collect());
    let mut room = DeskRoom::new(desk, Box::new(MemoryArchive));
    let watch = |camera| CameraWatch::new(camera, (0..detectors.len()).collect(), 1).with_thermal(thermal.clone());
    let mut cameras: Vec<ReplayCamera> =
        tapes.into_iter().map(|(camera, tape)| ReplayCamera::new(watch(camera), Box::new(tape), START)).collect();
    let mut told = Told::default();
    let mut eyes = Eyes::new(detectors);
    patrol_pipeline::replay::replay(START, &mut cameras, &mut eyes, &mut room, vec![cold_night()], &mut told).expect("replayed");
    (cameras, room, told)
}
