//! The events file of a replay: JSON lines at media times.

use super::Args;
use crate::config::{Plan, Problems};
use patrol_core::desk::{CameraCondition, CameraReport, CaseCallback, OfficerAction, OfficerCommand};
use patrol_core::{CameraId, WallTime, Weather};
use patrol_leads::DeskEvent;
use patrol_pipeline::TimedEvent;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) struct Events {
    /// The file they were read from, if there is one.
    pub(super) path: Option<PathBuf>,
    /// Sorted by time. An officer's `request` is the number of his line.
    pub(super) timed: Vec<TimedEvent>,
}

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

/// A line that is refused: what was found, and what is wanted.
type Refused = (String, String);

const KINDS: &str = "t_s and one of weather, officer, callback, camera_lost, camera_back";
/// About four months: longer than any recording.
const T_MAX_S: f64 = 1e7;

impl Events {
    pub(super) fn read(args: &Args, plan: &Plan, start: WallTime) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let beside = if args.pipeline.is_dir() { &args.pipeline } else { args.pipeline.parent().unwrap_or(Path::new("")) };
        let path = args.events.clone().or_else(|| Some(beside.join("events.jsonl")).filter(|path| path.is_file()));
        let mut timed = Vec::new();
        if let Some(weather) = plan.weather {
            timed.push(TimedEvent { at: start, event: DeskEvent::Weather(Weather { observed_at: start, ..weather }) });
        }
        if let Some(path) = &path {
            match std::fs::read_to_string(path) {
                Ok(text) => timed.extend(lines(path, &text, plan, start, &mut problems)),
                Err(error) => problems.error("--events", format!("{}: {error}", path.display()), "a file of JSON lines", ""),
            }
        }
        if problems.0.is_empty() && !timed.iter().any(|timed| matches!(timed.event, DeskEvent::Weather(_))) {
            let wanted = "air_c in [weather] of the pipeline, or a weather line in --events";
            problems.error("weather", "none", wanted, "the cold score needs it");
        }
        if !problems.0.is_empty() {
            return Err(problems);
        }
        timed.sort_by_key(|timed| timed.at);
        Ok(Self { path, timed })
    }
}

fn lines(path: &Path, text: &str, plan: &Plan, start: WallTime, problems: &mut Problems) -> Vec<TimedEvent> {
    let mut timed = Vec::new();
    for (line, number) in text.lines().zip(1_u64..).filter(|(line, _)| !line.trim().is_empty()) {
        let parsed = serde_json::from_str::<EventLine>(line).map_err(|error| (error.to_string(), KINDS.to_owned()));
        match parsed.and_then(|line| line.timed(number, plan, start)) {
            Ok(event) => timed.push(event),
            Err((found, wanted)) => problems.error(format!("{}:{number}", path.display()), found, wanted, ""),
        }
    }
    timed
}

#[cfg(any(test, fuzzing))]
pub(super) fn fuzz(text: &str, plan: &Plan) {
    lines(Path::new("events.jsonl"), text, plan, WallTime(0), &mut Problems::default());
}

impl EventLine {
    fn timed(self, number: u64, plan: &Plan, start: WallTime) -> Result<TimedEvent, Refused> {
        if !(0.0..=T_MAX_S).contains(&self.t_s) {
            return Err((format!("t_s {}", self.t_s), format!("seconds of media time, 0 to {T_MAX_S}")));
        }
        let at = start + Duration::from_secs_f64(self.t_s);
        let event = match self {
            Self { weather: Some(weather), officer: None, callback: None, camera_lost: None, camera_back: None, .. } => {
                if let Some(problem) = weather.problems().into_iter().next() {
                    return Err((format!("weather.{} {}", problem.key, problem.found), problem.wanted));
                }
                DeskEvent::Weather(Weather { observed_at: at, ..weather })
            }
            Self { weather: None, officer: Some(command), callback: None, camera_lost: None, camera_back: None, .. } => {
                signed(&command)?;
                DeskEvent::Officer { request: number, command }
            }
            Self { weather: None, officer: None, callback: Some(callback), camera_lost: None, camera_back: None, .. } => {
                DeskEvent::Callback(callback)
            }
            Self { weather: None, officer: None, callback: None, camera_lost: Some(id), camera_back: None, .. } => {
                camera(id, CameraCondition::Lost, plan, at)?
            }
            Self { weather: None, officer: None, callback: None, camera_lost: None, camera_back: Some(id), .. } => {
                camera(id, CameraCondition::Seeing, plan, at)?
            }
            _ => return Err(("none or several of the five kinds".to_owned(), KINDS.to_owned())),
        };
        Ok(TimedEvent { at, event })
    }
}

/// Whoever decides is named, and says why; only a ringing may be stopped without a word.
fn signed(command: &OfficerCommand) -> Result<(), Refused> {
    if command.by.trim().is_empty() {
        return Err(("officer.by is empty".to_owned(), "the officer's name".to_owned()));
    }
    if command.reason.trim().is_empty() && !matches!(command.action, OfficerAction::Acknowledge { .. }) {
        return Err(("officer.reason is empty".to_owned(), "why it was decided so".to_owned()));
    }
    Ok(())
}

fn camera(id: CameraId, condition: CameraCondition, plan: &Plan, at: WallTime) -> Result<DeskEvent, Refused> {
    if plan.cameras.iter().any(|camera| camera.camera.id == id) {
        return Ok(DeskEvent::Camera(CameraReport { camera: id, at, condition }));
    }
    let known: Vec<&str> = plan.cameras.iter().map(|camera| camera.camera.id.as_str()).collect();
    Err((format!("camera {:?}", id.as_str()), format!("the id of a camera of the pipeline: {}", known.join(", "))))
}
