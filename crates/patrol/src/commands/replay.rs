//! `patrol replay`: the path of a look over recordings with a simulated clock, and its files.

mod events;
mod results;

use crate::archive::{StoreArchive, open_desk};
use crate::config::{Plan, Problems, SourcePlan, live_address};
use crate::kept::{read_memory, write_memories};
use crate::sources::FeedSource;
use crate::system;
use anyhow::Context as _;
use events::Events;
use patrol_core::{Clock as _, ManualClock, SystemClock, WallTime};
use patrol_leads::Desk;
use patrol_pipeline::{CameraWatch, DeskRoom, MemoryArchive, ReplayCamera};
use patrol_store::Store;
use results::Results;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A pipeline file, or a scene folder that holds pipeline.toml.
    pipeline: PathBuf,
    /// Folder for the results; made when it is not there. Pictures and tracks of an earlier run in it are removed first.
    #[arg(long)]
    out: PathBuf,
    /// Other pictures for a camera: CAMERA=PATH.
    #[arg(long, value_name = "CAMERA=PATH")]
    feed: Vec<String>,
    /// Wall time of the first picture: RFC 3339 or Unix seconds. Default 2026-01-05T00:00:00+08:00, or the end of the last run in --store.
    #[arg(long, value_parser = parse_time, allow_hyphen_values = true)]
    start: Option<WallTime>,
    /// JSON lines at media times; default: events.jsonl beside the pipeline file when it is there.
    #[arg(long)]
    events: Option<PathBuf>,
    /// Continue from this store, and write to it.
    #[arg(long)]
    store: Option<PathBuf>,
}

/// 2026-01-05T00:00:00+08:00: a night in the coldest month.
const DEFAULT_START: WallTime = WallTime(1_767_542_400_000_000_000);
/// 2201-01-01T00:00:00Z. Times are kept in 64 bit of nanoseconds, which end in 2262.
const END_OF_TIME_UNIX_S: i64 = 7_289_654_400;

/// Exit code 1 when an officer's line was refused or a feed broke off; the results are written all the same.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let timing = SystemClock::new();
    let (mut plan, problems) = Plan::load(&args.pipeline)?;
    // Sources may be given by --feed and weather by --events; each is asked for where it is used.
    let for_use = |place: &str| place.ends_with("source") || place == "weather.air_c";
    for problem in problems.0.iter().filter(|problem| !problem.warning || !for_use(&problem.place)) {
        eprintln!("{problem}");
    }
    override_feeds(&mut plan, &args.feed)?;
    let start = start(args)?;
    let events = Events::read(args, &plan, start)?;
    let mut eyes = system::make_eyes(&plan).and_then(|make| make()).map_err(anyhow::Error::msg)?;
    let sources = open_sources(&plan, &args.out, start)?;
    let mut results = Results::begin(&args.out, start, events.path)?;

    let known: Vec<_> = plan.cameras.iter().map(|camera| camera.camera.clone()).collect();
    let mut kept = None;
    let (desk, archive, first_track_id): (Desk, Box<dyn patrol_pipeline::Archive>, u64) = match &args.store {
        Some(dir) => {
            let (desk, store, epoch) = open_desk(dir, Arc::new(ManualClock::new(start)), plan.desk.clone(), known)?;
            kept = Some(Arc::clone(&store));
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
    for (camera, source) in plan.cameras.iter().zip(sources) {
        let mut watch =
            CameraWatch::new(camera.camera.clone(), camera.detectors.clone(), first_track_id).with_thermal(camera.thermal.clone());
        if let Some(memory) = kept.as_ref().and_then(|store| read_memory(store, &camera.camera.id)) {
            watch
                .recall(&memory)
                .map_err(anyhow::Error::msg)
                .with_context(|| format!("what the store keeps of camera {}", camera.camera.id))?;
        }
        cameras.push(ReplayCamera::new(watch, Box::new(source), start));
    }
    patrol_pipeline::replay::replay(start, &mut cameras, &mut eyes, &mut room, events.timed, &mut results)?;
    if let Some(store) = &kept {
        let memories = cameras.iter().map(|camera| (camera.watch.camera.id.clone(), camera.watch.memory()));
        write_memories(store, &memories.collect());
    }
    let all_well = results.write(&cameras, &room)?;

    let usage = system::resource_usage();
    let run = serde_json::json!({"wall_s": timing.monotonic().as_secs_f64(), "cpu_s": usage.cpu_s, "peak_rss_mb": usage.peak_rss_mb});
    results::write(&args.out.join("run.json"), serde_json::to_string(&run)? + "\n")?;
    eprintln!("{} leads -> {}", room.made_leads().len(), args.out.display());
    Ok(if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn override_feeds(plan: &mut Plan, feeds: &[String]) -> Result<(), Problems> {
    let mut problems = Problems::default();
    for feed in feeds {
        let Some((id, path)) = feed.split_once('=') else {
            problems.error("--feed", format!("{feed:?}"), "CAMERA=PATH", "");
            continue;
        };
        if let Some(shown) = live_address(path) {
            problems.error("--feed", format!("the address {shown}"), "a video file or a folder of pictures", "record it first");
            continue;
        }
        match plan.cameras.iter_mut().find(|camera| camera.camera.id.as_str() == id) {
            Some(camera) => {
                let fps = if let SourcePlan::File { fps, .. } = camera.source { fps } else { None };
                camera.source = SourcePlan::File { path: PathBuf::from(path), fps };
            }
            None => problems.error("--feed", format!("{id:?}"), "the id of a camera of the pipeline", ""),
        }
    }
    if problems.0.is_empty() { Ok(()) } else { Err(problems) }
}

fn open_sources(plan: &Plan, out: &Path, start: WallTime) -> Result<Vec<FeedSource>, Problems> {
    let (mut sources, mut problems) = (Vec::new(), Problems::default());
    for camera in &plan.cameras {
        let id = &camera.camera.id;
        let (source, fps) = match &camera.source {
            SourcePlan::File { path, fps } => (path, *fps),
            SourcePlan::Rtsp(rtsp) => {
                let found = format!("the live address {}", rtsp.shown());
                problems.error(format!("camera {id}"), found, "recorded pictures", format!("give them with --feed {id}=PATH"));
                continue;
            }
        };
        if results::will_be_cleared(source, out) {
            let found = format!("{}, which is inside --out and would be removed", source.display());
            problems.error(format!("camera {id}"), found, "another folder for --out", "");
            continue;
        }
        // What opening says of a path that is not there would be of video; the system's words are plainer.
        let there = source.metadata().map_err(|error| format!("{}: {error}", source.display()));
        match there.and_then(|_| FeedSource::file(source, fps, start)) {
            Ok(source) => sources.push(source),
            Err(why) => problems.error(format!("camera {id}"), why, "recorded pictures", format!("give them with --feed {id}=PATH")),
        }
    }
    if problems.0.is_empty() { Ok(sources) } else { Err(problems) }
}

/// Where time begins: as asked, or just after the last run in the store, or on the default night.
fn start(args: &Args) -> anyhow::Result<WallTime> {
    let Some(dir) = &args.store else { return Ok(args.start.unwrap_or(DEFAULT_START)) };
    let last = end_of_last_run(dir)?;
    match (args.start, last) {
        (Some(start), Some(last)) if start <= last => {
            let (dir, last) = (dir.display(), shown(last));
            eprintln!("warning: --start: found {}; the last run in {dir} went to {last}, and a desk's time never goes back", shown(start));
            Ok(start)
        }
        (Some(start), _) => Ok(start),
        (None, Some(last)) => {
            let start = last + Duration::from_secs(1);
            eprintln!("the replay starts at {}, just after the last run in {}", shown(start), dir.display());
            Ok(start)
        }
        (None, None) => Ok(DEFAULT_START),
    }
}

/// The last moment that the desk of this store considered.
fn end_of_last_run(dir: &Path) -> anyhow::Result<Option<WallTime>> {
    #[derive(Deserialize)]
    struct Moment {
        now: WallTime,
    }
    let store = Store::open(dir, Arc::new(ManualClock::new(DEFAULT_START)))?;
    let Some(state) = store.load_desk_state()? else { return Ok(None) };
    Ok(Some(serde_json::from_str::<Moment>(&state)?.now).filter(|now| now.0 > 0))
}

/// As people of the site read it.
fn shown(at: WallTime) -> String {
    let stamp = jiff::Timestamp::from_second(at.unix_secs()).unwrap_or_default();
    stamp.display_with_offset(jiff::tz::offset(8)).to_string()
}

/// Reads any text as events of a pipeline without cameras.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_events(text: &str) {
    const PIPELINE: &str = "[[detector]]\nname = \"a\"\nkind = \"hot-spot\"\n[[camera]]\nid = \"one\"\nsource = \"rtsp://192.0.2.1/1\"\nmodality = \"thermal\"\ndetectors = [\"a\"]\n";
    match Plan::from_text(PIPELINE, Path::new("/nowhere"), Problems::default()) {
        Ok((plan, _)) => events::fuzz(text, &plan),
        Err(problems) => panic!("{problems}"),
    }
}

/// RFC 3339 or Unix seconds, in the years 1970 to 2200.
pub(crate) fn parse_time(text: &str) -> Result<WallTime, String> {
    let (unix_s, nanos) = if let Ok(seconds) = text.parse::<i64>() {
        (seconds, 0)
    } else {
        let stamp: jiff::Timestamp =
            text.parse().map_err(|_| "no time; wanted one such as 2026-01-05T02:00:00+08:00, or Unix seconds".to_owned())?;
        (stamp.as_second(), stamp.subsec_nanosecond())
    };
    if !(0..END_OF_TIME_UNIX_S).contains(&unix_s) {
        return Err("wanted a time in the years 1970 to 2200".to_owned());
    }
    Ok(WallTime(WallTime::from_unix_secs(unix_s).0 + i64::from(nanos.max(0))))
}
