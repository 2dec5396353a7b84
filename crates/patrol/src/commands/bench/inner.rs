//! P7 and P8: the check for change and the tracker, alone in this process, by the time of this thread.

use super::Context;
use super::proc;
use super::report::{Beside, Figure, Measure};
use patrol_core::{Clock as _, Detection, DetectionSource, MediaTime, Picture, PictureSize, PixelBox, PixelFormat, SystemClock};
use patrol_core::{WallEstimate, WallTime};
use patrol_track::{Tracker, TrackerConfig};
use patrol_vision::UsabilityGuard;
use patrol_vision::change::{Change, ChangeGuard};
use patrol_vision::motion::{CameraMotion, MotionKind};
use serde::Deserialize;
use serde_json::json;
use std::ffi::OsString;
use std::time::Duration;

const SIZE: PictureSize = PictureSize::new(1280, 720);
/// Different pictures, so that no value is predicted from the one before; they differ by noise.
const PICTURES: usize = 8;
/// At least so long is measured: the kernel brings a thread's time up to date some hundred times a second.
const AT_LEAST: Duration = Duration::from_millis(1500);
const PEER_RUNS: &str = "2000";
const TRACK_RUNS: &str = "1000";
const AIM_CHECK_MS: f64 = 0.3;
const FPS: f64 = 25.0;

#[derive(Deserialize)]
struct Stage {
    runs: f64,
    cpu_s: f64,
}

/// Milliseconds of this thread's CPU time that `step` takes, on the mean.
fn mean_ms(mut step: impl FnMut(usize)) -> f64 {
    let clock = SystemClock::new();
    let cpu = || proc::thread_cpu().unwrap_or_else(|| clock.monotonic());
    for warm_up in 0..PICTURES {
        step(warm_up);
    }
    let (from, begun) = (cpu(), clock.monotonic());
    let mut steps = 0;
    while clock.monotonic().saturating_sub(begun) < AT_LEAST {
        for _ in 0..PICTURES {
            step(steps);
            steps += 1;
        }
    }
    cpu().saturating_sub(from).as_secs_f64() * 1e3 / steps as f64
}

/// A street of even blocks, each picture with noise of its own of about σ 4.
fn street(seed: usize) -> Vec<u8> {
    let hash = |a: usize, b: usize, salt: usize| {
        let mixed = (a as u32).wrapping_mul(0x9e37_79b1) ^ (b as u32).wrapping_mul(0x85eb_ca77) ^ (salt as u32).wrapping_mul(0xc2b2_ae3d);
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x2c1b_3c6d);
        (mixed ^ (mixed >> 12)).wrapping_mul(0x297a_2d39) >> 24
    };
    let level = |x: usize, y: usize| 40 + hash(x / 60, y / 60, 1) / 3 + hash(x / 20, y / 20, 2) / 5 + hash(x, y, seed + 3) % 14;
    let (width, height) = (SIZE.width as usize, SIZE.height as usize);
    (0..height).flat_map(|y| (0..width).map(move |x| level(x, y) as u8)).collect()
}

pub(super) fn change(context: &Context) -> anyhow::Result<Measure> {
    eprintln!("P7: the check for change at {}×{}", SIZE.width, SIZE.height);
    let pixels: Vec<Vec<u8>> = (0..PICTURES).map(street).collect();
    let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
    let pictures: Vec<Picture> = pixels
        .iter()
        .map(|pixels| Picture::from_planes(SIZE, PixelFormat::Gray8, vec![pixels.clone()], 0, MediaTime::ZERO, captured))
        .collect::<Result<_, _>>()?;
    let (mut guard, mut changed, mut judged) = (ChangeGuard::new(), 0_u64, 0_u64);
    guard.judge(&pictures[0], &[]);
    guard.examined(&pictures[0]);
    let check_ms = mean_ms(|step| {
        changed += u64::from(guard.judge(&pictures[step % PICTURES], &[]) != Change::Unchanged);
        judged += 1;
    });
    let mut usable = UsabilityGuard::new();
    let (mut unusable, mut moved) = (0_u64, 0_u64);
    let usable_ms = mean_ms(|step| unusable += u64::from(usable.judge(&pictures[step % PICTURES]).is_some()));
    let mut motion = CameraMotion::new();
    let motion_ms = mean_ms(|step| moved += u64::from(motion.estimate(&pictures[step % PICTURES], &[]).kind != MotionKind::Still));
    let frames = context.folder("change")?.join("frames.raw");
    std::fs::write(&frames, pixels.concat())?;
    let peer = context.python(|python| {
        let mut args = vec![OsString::from("motion"), frames.into()];
        args.extend(["--size", "1280x720", "--runs", PEER_RUNS].map(OsString::from));
        python.plain(context.core, &args).map(|(stage, _): (Stage, f64)| 1e3 * stage.cpu_s / stage.runs)
    });
    Ok(Measure {
        id: "P7",
        what: "check whether anything has changed, 1280×720".into(),
        unit: "ms of CPU a picture",
        ours: check_ms.into(),
        beside: vec![Beside { what: "Frigate's motion stage, in OpenCV".into(), figure: peer.into() }],
        aim: "at most 0.3 ms",
        met: Some(check_ms <= AIM_CHECK_MS),
        with: format!(
            "{judged} grey pictures that differ by noise, {changed} called changed; beside it an unchanged look judges whether the picture can be \
             used ({usable_ms:.3} ms) and whether the camera moved ({motion_ms:.3} ms)"
        ),
        details: json!({"usable_ms": usable_ms, "camera_motion_ms": motion_ms, "changed": changed, "judged": judged, "unusable": unusable, "moved": moved}),
        failed: false,
    })
}

/// People who walk to and fro, seen with a pixel of error.
struct Walkers {
    boxes: Vec<([f32; 2], [f32; 2])>,
    noise: u32,
}

const FIELD: PictureSize = PictureSize::new(1920, 1080);
const PERSON_PX: [f32; 2] = [40.0, 100.0];

impl Walkers {
    fn new(count: usize) -> Self {
        let mut walkers = Self { boxes: Vec::new(), noise: 1 };
        for _ in 0..count {
            let at = [100.0 + 1600.0 * walkers.random(), 100.0 + 800.0 * walkers.random()];
            let speed = [4.0 * walkers.random() - 2.0, 4.0 * walkers.random() - 2.0];
            walkers.boxes.push((at, speed));
        }
        walkers
    }

    /// 0 to 1; xorshift, which is random enough to shake boxes.
    fn random(&mut self) -> f32 {
        self.noise ^= self.noise << 13;
        self.noise ^= self.noise >> 17;
        self.noise ^= self.noise << 5;
        self.noise as f32 / u32::MAX as f32
    }

    fn step(&mut self, detections: &mut Vec<Detection>) {
        detections.clear();
        for index in 0..self.boxes.len() {
            let shake = [2.0 * self.random() - 1.0, 2.0 * self.random() - 1.0];
            let (at, speed) = &mut self.boxes[index];
            for axis in 0..2 {
                at[axis] += speed[axis];
                let end = [FIELD.width, FIELD.height][axis] as f32 - PERSON_PX[axis] - 20.0;
                if at[axis] < 20.0 || at[axis] > end {
                    speed[axis] = -speed[axis];
                }
            }
            let bbox = PixelBox::new(at[0] + shake[0], at[1] + shake[1], PERSON_PX[0], PERSON_PX[1]);
            detections.push(Detection { bbox, score: 0.8, source: DetectionSource::Network, resolved: true, blob: None });
        }
    }
}

pub(super) fn tracker(context: &Context) -> Vec<Measure> {
    [(10, 0.05, "at most 0.05 ms"), (50, 0.5, "at most 0.5 ms")]
        .map(|(count, most_ms, aim)| tracker_with(context, count, most_ms, aim))
        .into()
}

fn tracker_with(context: &Context, count: usize, most_ms: f64, aim: &'static str) -> Measure {
    eprintln!("P8: the tracker with {count} people");
    let (mut walkers, mut detections) = (Walkers::new(count), Vec::new());
    let mut tracker = Tracker::new(TrackerConfig::default(), 1);
    let (mut looks, mut followed) = (0_u64, 0);
    let with_walkers_ms = mean_ms(|_| {
        walkers.step(&mut detections);
        followed = tracker.update(MediaTime::from_secs_f64(looks as f64 / FPS), FIELD, &detections, &|_| None).len();
        looks += 1;
    });
    // The walkers' own steps are no part of it.
    let walkers_ms = mean_ms(|_| walkers.step(&mut detections));
    let ours_ms = (with_walkers_ms - walkers_ms).max(0.0);
    let peer = context.python(|python| {
        let args = ["track", "--objects", &count.to_string(), "--runs", TRACK_RUNS].map(OsString::from);
        python.plain(context.core, &args).map(|(stage, _): (Stage, f64)| 1e3 * stage.cpu_s / stage.runs)
    });
    Measure {
        id: "P8",
        what: format!("tracker, {count} people"),
        unit: "ms of CPU a look",
        ours: Figure::Measured(ours_ms),
        beside: vec![Beside { what: "ByteTrack of Python supervision".into(), figure: peer.into() }],
        aim,
        met: Some(ours_ms <= most_ms),
        with: format!("{looks} looks at 25 a second, prediction included, {followed} tracks at the end"),
        details: serde_json::Value::Null,
        failed: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walkers_stay_in_the_picture_and_each_keeps_a_track() {
        let (mut walkers, mut detections) = (Walkers::new(10), Vec::new());
        let mut tracker = Tracker::new(TrackerConfig::default(), 1);
        let mut tracks = 0;
        for look in 0..200 {
            walkers.step(&mut detections);
            assert!(detections.iter().all(|seen| seen.bbox.x > 0.0 && seen.bbox.x + seen.bbox.w < FIELD.width as f32));
            tracks = tracker.update(MediaTime::from_secs_f64(f64::from(look) / FPS), FIELD, &detections, &|_| None).len();
        }
        assert!((8..=12).contains(&tracks), "{tracks} tracks of 10 people");
    }

    #[test]
    fn pictures_of_the_check_differ_by_noise_alone() {
        let (one, other) = (street(0), street(1));
        let apart = one.iter().zip(&other).map(|(one, other)| one.abs_diff(*other)).max();
        assert!(one != other && apart.is_some_and(|apart| apart < 14));
    }
}
