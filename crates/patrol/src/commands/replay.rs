//! `patrol replay`: the path of a look over recordings with a simulated clock, and its files.

use crate::archive::{StoreArchive, open_desk};
use crate::config::{Plan, Problems};
use crate::sources::FileSource;
use crate::system;
use anyhow::{Context as _, bail};
use patrol_core::desk::{CameraCondition, CameraReport, CaseCallback, OfficerCommand};
use patrol_core::{
    CameraId, Clock as _, ManualClock, Outcome, Picture, Posture, SystemClock, Track, TrackId, TrackStage, WallTime, Weather,
};
use patrol_leads::{Desk, DeskEvent, DeskOutput};
use patrol_pipeline::{CameraWatch, DeskRoom, MemoryArchive, ReplayCamera, ReplaySummary, TimedEvent};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A pipeline file, or a scene folder that holds pipeline.toml.
    pipeline: PathBuf,
    /// Folder for the results; made when it is not there.
    #[arg(long)]
    out: PathBuf,
    /// Other pictures for a camera: CAMERA=PATH.
    #[arg(long, value_name = "CAMERA=PATH")]
    feed: Vec<String>,
    /// Wall time of the first picture: RFC 3339 or Unix seconds. Default 2026-01-05T00:00:00+08:00.
    #[arg(long)]
    start: Option<String>,
    /// JSON lines at media times; default: events.jsonl beside the pipeline file when it is there.
    #[arg(long)]
    events: Option<PathBuf>,
    /// Continue from this store, and write to it.
    #[arg(long)]
    store: Option<PathBuf>,
}

/// 2026-01-05T00:00:00+08:00: a night in the coldest month.
const DEFAULT_START: WallTime = WallTime(1_767_542_400_000_000_000);

/// One line of an events file: `t_s`, and exactly one of the others.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EventLine {
    t_s: f64,
    weather: Option<Weather>,
    officer: Option<OfficerCommand>,
    callback: Option<CaseCallback>,
    camera_lost: Option<CameraId>,
    camera_back: Option<CameraId>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let timing = SystemClock::new();
    let (mut plan, problems) = Plan::load(&args.pipeline)?;
    override_feeds(&mut plan, &args.feed)?;
    for problem in problems.0.iter().filter(|problem| !problem.place.ends_with(".source")) {
        eprintln!("{problem}");
    }
    let start = args.start.as_deref().map(parse_time).transpose()?.unwrap_or(DEFAULT_START);
    let events = timed_events(args, &plan, start)?;
    std::fs::create_dir_all(args.out.join("tracks")).with_context(|| args.out.display().to_string())?;
    std::fs::create_dir_all(args.out.join("evidence"))?;

    let mut eyes = system::make_eyes(&plan).and_then(|make| make()).map_err(anyhow::Error::msg)?;
    let known: Vec<_> = plan.cameras.iter().map(|camera| camera.camera.clone()).collect();
    let (desk, archive, first_track_id): (Desk, Box<dyn patrol_pipeline::Archive>, u64) = match &args.store {
        Some(dir) => {
            let (desk, store, epoch) = open_desk(dir, Arc::new(ManualClock::new(start)), plan.desk.clone(), known)?;
            (
                desk,
                Box::new(StoreArchive::new(store, Box::new(|kind, text| tracing::error!(kind, text, "alarm")))),
                system::first_track_id(epoch),
            )
        }
        None => (Desk::new(plan.desk.clone(), known), Box::new(MemoryArchive), system::first_track_id(0)),
    };
    let mut room = DeskRoom::new(desk, archive);
    let mut cameras = Vec::new();
    for camera in &plan.cameras {
        let source = FileSource::open(&camera.source, camera.fps, start).map_err(anyhow::Error::msg)?;
        let watch = CameraWatch::new(camera.camera.clone(), camera.detectors.clone(), first_track_id);
        cameras.push(ReplayCamera::new(watch, Box::new(source), start));
    }
    let mut files = Files::new(args.out.clone(), start);
    patrol_pipeline::replay::replay(start, &mut cameras, &mut eyes, &mut room, events, &mut files)?;
    files.write(&cameras, &room)?;

    let usage = system::resource_usage();
    let run = serde_json::json!({"wall_s": timing.monotonic().as_secs_f64(), "cpu_s": usage.cpu_s, "peak_rss_mb": usage.peak_rss_mb});
    write(&args.out.join("run.json"), serde_json::to_string(&run)? + "\n")?;
    eprintln!("{} leads -> {}", room.made_leads().len(), args.out.display());
    Ok(ExitCode::SUCCESS)
}

fn override_feeds(plan: &mut Plan, feeds: &[String]) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    for feed in feeds {
        let Some((id, path)) = feed.split_once('=') else {
            problems.error("--feed", format!("{feed:?}"), "CAMERA=PATH", "");
            continue;
        };
        match plan.cameras.iter_mut().find(|camera| camera.camera.id.as_str() == id) {
            Some(camera) => camera.source = PathBuf::from(path),
            None => problems.error("--feed", format!("{id:?}"), "the id of a camera of the pipeline", ""),
        }
    }
    for camera in &plan.cameras {
        if let Err(error) = camera.source.metadata() {
            let id = &camera.camera.id;
            problems.error(
                format!("camera {id}"),
                format!("{}: {error}", camera.source.display()),
                "recorded pictures",
                format!("give them with --feed {id}=PATH"),
            );
        }
    }
    if problems.0.is_empty() { Ok(()) } else { Err(problems.into()) }
}

pub(crate) fn parse_time(text: &str) -> anyhow::Result<WallTime> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Ok(WallTime::from_unix_secs(seconds));
    }
    let stamp: jiff::Timestamp =
        text.parse().with_context(|| format!("{text:?} is no time; want 2026-01-05T02:00:00+08:00 or Unix seconds"))?;
    Ok(WallTime(i64::try_from(stamp.as_nanosecond())?))
}

fn timed_events(args: &Args, plan: &Plan, start: WallTime) -> anyhow::Result<Vec<TimedEvent>> {
    let beside = if args.pipeline.is_dir() { args.pipeline.clone() } else { args.pipeline.parent().unwrap_or(Path::new("")).to_owned() };
    let path = args.events.clone().or_else(|| Some(beside.join("events.jsonl")).filter(|path| path.is_file()));
    let mut events = Vec::new();
    let mut problems = Problems::default();
    if let Some(path) = path {
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            match serde_json::from_str::<EventLine>(line).map_err(|error| error.to_string()).and_then(|line| line.timed(start)) {
                Ok(event) => events.push(event),
                Err(why) => problems.error(
                    format!("{}:{}", path.display(), number + 1),
                    why,
                    "t_s and one of weather, officer, callback, camera_lost, camera_back",
                    "",
                ),
            }
        }
    }
    if let Some(weather) = plan.weather {
        events.insert(0, TimedEvent { at: start, event: DeskEvent::Weather(Weather { observed_at: start, ..weather }) });
    }
    if !events.iter().any(|timed| matches!(timed.event, DeskEvent::Weather(_))) {
        problems.error("weather", "none", "air_c in [weather] of the pipeline, or a weather line in --events", "the cold score needs it");
    }
    if !problems.0.is_empty() {
        return Err(problems.into());
    }
    events.sort_by_key(|timed| timed.at);
    Ok(events)
}

impl EventLine {
    fn timed(self, start: WallTime) -> Result<TimedEvent, String> {
        if !(0.0..=1e7).contains(&self.t_s) {
            return Err(format!("t_s is {}", self.t_s));
        }
        let at = start + Duration::from_secs_f64(self.t_s);
        let camera = |camera, condition| DeskEvent::Camera(CameraReport { camera, at, condition });
        let event = match self {
            Self { weather: Some(weather), officer: None, callback: None, camera_lost: None, camera_back: None, .. } => {
                DeskEvent::Weather(Weather { observed_at: at, ..weather })
            }
            Self { weather: None, officer: Some(command), callback: None, camera_lost: None, camera_back: None, .. } => {
                DeskEvent::Officer { request: 0, command }
            }
            Self { weather: None, officer: None, callback: Some(callback), camera_lost: None, camera_back: None, .. } => {
                DeskEvent::Callback(callback)
            }
            Self { weather: None, officer: None, callback: None, camera_lost: Some(id), camera_back: None, .. } => {
                camera(id, CameraCondition::Lost)
            }
            Self { weather: None, officer: None, callback: None, camera_lost: None, camera_back: Some(id), .. } => {
                camera(id, CameraCondition::Seeing)
            }
            _ => return Err("none or several of the five kinds".to_owned()),
        };
        Ok(TimedEvent { at, event })
    }
}

/// Collects what a replay writes.
struct Files {
    out: PathBuf,
    start: WallTime,
    tracks: BTreeMap<CameraId, String>,
    sightings: BTreeMap<(CameraId, TrackId), SightingLine>,
    written: BTreeSet<String>,
    failed: Option<std::io::Error>,
}

/// One line of `sightings.jsonl`: a confirmed track from its first to its last look. Times in seconds of media time.
#[derive(Debug, Clone, Serialize)]
struct SightingLine {
    camera: CameraId,
    track: u64,
    from_s: f64,
    to_s: f64,
    /// Posture at the last look, and the seconds it had been still then.
    posture: Posture,
    still_s: f64,
    /// Longest time it was still.
    longest_still_s: f64,
    confidence: f32,
    looks: u32,
    resolved: bool,
    /// Last box in pixels: x, y, width, height.
    bbox: [f32; 4],
}

impl Files {
    fn new(out: PathBuf, start: WallTime) -> Self {
        Self { out, start, tracks: BTreeMap::new(), sightings: BTreeMap::new(), written: BTreeSet::new(), failed: None }
    }

    fn write(self, cameras: &[ReplayCamera], room: &DeskRoom) -> anyhow::Result<()> {
        if let Some(error) = self.failed {
            bail!("evidence could not be written to {}: {error}", self.out.display());
        }
        let mut leads = String::new();
        let made = room.made_leads();
        for lead in made.values() {
            writeln!(leads, "{}", serde_json::to_string(lead)?)?;
        }
        write(&self.out.join("leads.jsonl"), leads)?;
        let mut sightings = String::new();
        for sighting in self.sightings.values() {
            writeln!(sightings, "{}", serde_json::to_string(sighting)?)?;
        }
        write(&self.out.join("sightings.jsonl"), sightings)?;
        let mut summary = BTreeMap::new();
        for camera in cameras {
            let id = camera.watch.camera.id.clone();
            write(&self.out.join("tracks").join(format!("{id}.txt")), self.tracks.get(&id).cloned().unwrap_or_default())?;
            let outcomes: BTreeMap<&str, u64> = camera.account.tally.iter().map(|(outcome, count)| (outcome.name(), count)).collect();
            summary.insert(
                id,
                serde_json::json!({
                    "pictures": camera.account.tally.total(),
                    "outcomes": outcomes,
                    "max_blind_s": camera.account.blind.max_blind().as_secs_f64(),
                    "max_unexamined_s": camera.account.blind.max_unexamined().as_secs_f64(),
                    "inferences": camera.watch.inferences,
                }),
            );
        }
        let summary = serde_json::json!({"start_unix_s": self.start.unix_secs(), "cameras": summary, "leads": made.len()});
        write(&self.out.join("summary.json"), serde_json::to_string_pretty(&summary)? + "\n")
    }
}

impl ReplaySummary for Files {
    fn looked(&mut self, watch: &CameraWatch, picture: &Picture, outcome: Outcome) {
        if outcome != Outcome::Examined {
            return;
        }
        let lines = self.tracks.entry(watch.camera.id.clone()).or_default();
        for track in watch.tracks.iter().filter(|track| track.stage == TrackStage::Confirmed) {
            let bbox = &track.bbox;
            let _ok = writeln!(
                lines,
                "{},{},{:.2},{:.2},{:.2},{:.2},{:.4},-1,-1,-1",
                picture.sequence + 1,
                track.id.0,
                bbox.x,
                bbox.y,
                bbox.w,
                bbox.h,
                track.score
            )
            .is_ok();
            let line = sighting_line(watch, track);
            self.sightings
                .entry((watch.camera.id.clone(), track.id))
                .and_modify(|known| {
                    let longest = known.longest_still_s.max(line.still_s);
                    *known = SightingLine { longest_still_s: longest, ..line.clone() };
                })
                .or_insert(line);
        }
    }

    fn considered(&mut self, _now: WallTime, output: &DeskOutput) {
        for evidence in &output.evidence {
            for jpeg in [&evidence.whole, &evidence.crop].into_iter().chain(&evidence.preview) {
                if self.written.insert(jpeg.sha256.clone())
                    && let Err(error) = std::fs::write(self.out.join("evidence").join(format!("{}.jpg", jpeg.sha256)), &jpeg.bytes)
                {
                    self.failed.get_or_insert(error);
                }
            }
        }
    }
}

fn sighting_line(watch: &CameraWatch, track: &Track) -> SightingLine {
    let still_s = track.still_since.map_or(0.0, |since| track.last_seen.seconds_since(since));
    let bbox = &track.bbox;
    SightingLine {
        camera: watch.camera.id.clone(),
        track: track.id.0,
        from_s: track.first_seen.as_secs_f64(),
        to_s: track.last_seen.as_secs_f64(),
        posture: watch.posture(track.id),
        still_s,
        longest_still_s: still_s,
        confidence: track.score_mean,
        looks: track.hits,
        resolved: track.resolved,
        bbox: [bbox.x, bbox.y, bbox.w, bbox.h],
    }
}

fn write(path: &Path, text: String) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| path.display().to_string())
}
