//! Tracks the detections of a MOTChallenge text file and writes the tracks in the same format.
//!
//! `cargo run -p patrol-track --example track_mot -- --fps 25 --width 1920 --height 1080 det.txt tracks.txt`
//!
//! Lines in: `frame,-1,x,y,w,h,score`, frames from 1. Lines out: `frame,id,x,y,w,h,score,-1,-1,-1`, confirmed tracks seen in that frame.

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use patrol_core::{Clock as _, Detection, DetectionSource, MediaTime, PictureSize, PixelBox, SystemClock, TrackStage};
use patrol_track::{Tracker, TrackerConfig};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[derive(Parser)]
struct Args {
    detections: PathBuf,
    tracks: PathBuf,
    /// Frames a second of the file.
    #[arg(long)]
    fps: f64,
    #[arg(long, default_value_t = 1920)]
    width: u32,
    #[arg(long, default_value_t = 1080)]
    height: u32,
    /// Frames to go through, when there are some without a detection at the end.
    #[arg(long)]
    frames: Option<u64>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    if args.fps.is_nan() || args.fps <= 0.0 {
        bail!("--fps must be above zero, found {}", args.fps);
    }
    let frames = read(&args.detections)?;
    let last = frames.keys().next_back().copied().unwrap_or(0).max(args.frames.unwrap_or(0));
    let size = PictureSize::new(args.width, args.height);
    let mut tracker = Tracker::new(TrackerConfig::default(), 1);
    let mut text = String::new();
    let clock = SystemClock::new();
    let mut spent = std::time::Duration::ZERO;
    for frame in 1..=last {
        let at = MediaTime::from_secs_f64((frame - 1) as f64 / args.fps);
        let detections = frames.get(&frame).map_or(&[][..], Vec::as_slice);
        let before = clock.monotonic();
        let tracks = tracker.update(at, size, detections, &|_| None);
        spent += clock.monotonic().saturating_sub(before);
        for track in tracks.iter().filter(|track| track.stage == TrackStage::Confirmed) {
            let b = &track.bbox;
            writeln!(text, "{frame},{},{:.2},{:.2},{:.2},{:.2},{:.3},-1,-1,-1", track.id.0, b.x, b.y, b.w, b.h, track.score)?;
        }
    }
    std::fs::write(&args.tracks, text).with_context(|| format!("cannot write {}", args.tracks.display()))?;
    #[expect(clippy::print_stderr, reason = "the figure this example is run for")]
    {
        eprintln!("{last} frames, {:.4} ms a frame", spent.as_secs_f64() * 1e3 / last.max(1) as f64);
    }
    Ok(())
}

fn read(path: &Path) -> Result<BTreeMap<u64, Vec<Detection>>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut frames: BTreeMap<u64, Vec<Detection>> = BTreeMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let place = || format!("{}, line {}: wanted frame,-1,x,y,w,h,score, found {line:?}", path.display(), number + 1);
        let fields: Vec<f32> = line.split(',').map(|field| field.trim().parse()).collect::<Result<_, _>>().with_context(place)?;
        let [frame, _, x, y, w, h, score, ..] = fields[..] else { bail!(place()) };
        let bbox = PixelBox::new(x, y, w, h);
        let detection = Detection { bbox, score, source: DetectionSource::Network, resolved: true, blob: None };
        frames.entry(frame as u64).or_default().push(detection);
    }
    Ok(frames)
}
