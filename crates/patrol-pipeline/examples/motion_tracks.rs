//! Tracks the people of a folder of pictures from a camera that may move, with and without taking its motion off.
//!
//! `cargo run -p patrol-pipeline --example motion_tracks -- [--no-compensation] [--hot-spot GSD_M] FPS FOLDER DETECTIONS TRACKS MOTIONS`
//!
//! `FOLDER` holds binary PGM pictures (P5, 8 bit) of one size, taken in the order of their names. `DETECTIONS` has the lines
//! `frame,-1,x,y,w,h,score` of MOTChallenge, frames from 1; with `--hot-spot` warm bodies are found here, and it is not read. Out come `TRACKS`
//! (`frame,id,x,y,w,h,score,seconds still or -1,1 if confirmed,-1`: tracks seen in that frame) and `MOTIONS`
//! (`frame,kind,inliers,milliseconds` and the nine numbers of the transform from the frame before, row by row).
//! `benches/motion/compare.py` judges and draws them.

use patrol_core::{
    Clock as _, Detection, DetectionSource, MediaTime, Modality, Picture, PictureSize, PixelBox, PixelFormat, SystemClock, TrackStage,
    WallEstimate, WallTime,
};
use patrol_track::{Tracker, TrackerConfig};
use patrol_vision::{CameraMotion, DetectContext, Detector as _, HotSpot, HotSpotConfig, Motion, MotionKind};
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Args {
    compensate: bool,
    hot_spot_gsd_m: Option<f32>,
    fps: f64,
    folder: PathBuf,
    detections: PathBuf,
    tracks: PathBuf,
    motions: PathBuf,
}

fn main() -> Result<()> {
    let args = args()?;
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(&args.folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<std::result::Result<_, _>>()?;
    paths.retain(|path| path.extension().is_some_and(|end| end == "pgm"));
    paths.sort();
    let known = if args.hot_spot_gsd_m.is_some() { BTreeMap::new() } else { read_detections(&args.detections)? };
    let clock = SystemClock::new();
    let mut hot_spot = HotSpot::new(HotSpotConfig::default());
    let (mut motion, mut tracker) = (CameraMotion::new(), Tracker::new(TrackerConfig::default(), 1));
    let mut people: Vec<PixelBox> = Vec::new();
    let (mut tracks_text, mut motions_text) = (String::new(), String::new());
    for (index, path) in paths.iter().enumerate() {
        let frame = index as u64 + 1;
        let at = MediaTime::from_secs_f64(index as f64 / args.fps);
        let picture = read_pgm(path, index as u64, at)?;
        let mut detections = known.get(&frame).cloned().unwrap_or_default();
        if let Some(gsd_m) = args.hot_spot_gsd_m {
            hot_spot.detect(
                &picture,
                &DetectContext { modality: Modality::Thermal, view: None, gsd_m: Some(gsd_m), in_full: Some(0) },
                &mut detections,
            )?;
        }
        let before = clock.monotonic();
        let moved = motion.estimate(&picture, &people);
        let spent = clock.monotonic().saturating_sub(before);
        note(&mut motions_text, frame, &moved, spent)?;
        if args.compensate {
            match moved.kind {
                MotionKind::Still => {}
                MotionKind::Moved => tracker.carry(&moved.now_from_before),
                MotionKind::Unknown if motion.is_mover(at) => tracker.lose_places(),
                MotionKind::Unknown => tracker.restart_motion(|_| false),
            }
        }
        let tracks = tracker.update(at, picture.size(), &detections, &|_| None);
        people.clear();
        people.extend(tracks.iter().map(|track| track.bbox));
        for track in tracks.iter().filter(|track| track.stage != TrackStage::Lost && track.last_seen == at) {
            let b = &track.bbox;
            let confirmed = u8::from(track.stage == TrackStage::Confirmed);
            let still_s = track.still_since.map_or(-1.0, |since| at.seconds_since(since));
            writeln!(
                tracks_text,
                "{frame},{},{:.2},{:.2},{:.2},{:.2},{:.3},{still_s:.1},{confirmed},-1",
                track.id.0, b.x, b.y, b.w, b.h, track.score
            )?;
        }
    }
    std::fs::write(&args.tracks, tracks_text)?;
    std::fs::write(&args.motions, motions_text)?;
    Ok(())
}

fn args() -> Result<Args> {
    let (mut compensate, mut hot_spot_gsd_m, mut plain) = (true, None, Vec::new());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--no-compensation" => compensate = false,
            "--hot-spot" => hot_spot_gsd_m = Some(words.next().ok_or("--hot-spot: wanted metres per pixel")?.parse()?),
            _ => plain.push(word),
        }
    }
    let [fps, folder, detections, tracks, motions] =
        <[String; 5]>::try_from(plain).map_err(|found| format!("wanted FPS FOLDER DETECTIONS TRACKS MOTIONS, found {found:?}"))?;
    let [folder, detections, tracks, motions] = [folder, detections, tracks, motions].map(PathBuf::from);
    Ok(Args { compensate, hot_spot_gsd_m, fps: fps.parse()?, folder, detections, tracks, motions })
}

fn note(text: &mut String, frame: u64, motion: &Motion, spent: Duration) -> Result<()> {
    let kind = match motion.kind {
        MotionKind::Still => "still",
        MotionKind::Moved => "moved",
        MotionKind::Unknown => "unknown",
    };
    write!(text, "{frame},{kind},{},{:.3}", motion.inliers, spent.as_secs_f64() * 1e3)?;
    for value in motion.now_from_before.rows().iter().flatten() {
        write!(text, ",{value:e}")?;
    }
    text.push('\n');
    Ok(())
}

/// `P5`, width, height, 255, one blank, pixels; no comments.
fn read_pgm(path: &Path, sequence: u64, at: MediaTime) -> Result<Picture> {
    let bytes = std::fs::read(path)?;
    let wrong = || format!("{}: wanted a binary PGM of 8 bit without comments", path.display());
    let (mut fields, mut from) = (Vec::new(), 0);
    while fields.len() < 4 {
        let end = bytes[from..].iter().position(u8::is_ascii_whitespace).ok_or_else(wrong)? + from;
        fields.push(std::str::from_utf8(&bytes[from..end])?);
        from = end + 1;
    }
    let (["P5", width, height, "255"], pixels) = (&fields[..], &bytes[from..]) else { return Err(wrong().into()) };
    let size = PictureSize::new(width.parse()?, height.parse()?);
    let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
    Ok(Picture::from_planes(size, PixelFormat::Gray8, vec![pixels.to_vec()], sequence, at, captured)?)
}

fn read_detections(path: &Path) -> Result<BTreeMap<u64, Vec<Detection>>> {
    let mut frames: BTreeMap<u64, Vec<Detection>> = BTreeMap::new();
    for line in std::fs::read_to_string(path)?.lines() {
        let fields: Vec<f32> = line.split(',').map(str::parse).collect::<std::result::Result<_, _>>()?;
        let [frame, _, x, y, w, h, score, ..] = fields[..] else {
            return Err(format!("wanted frame,-1,x,y,w,h,score, found {line:?}").into());
        };
        let bbox = PixelBox::new(x, y, w, h);
        frames.entry(frame as u64).or_default().push(Detection {
            bbox,
            score,
            source: DetectionSource::Network,
            resolved: true,
            blob: None,
        });
    }
    Ok(frames)
}
