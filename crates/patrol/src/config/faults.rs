//! What exists only in pipelines that `patrol sim` wrote: `[faults]` and detectors of the kind `scripted`.

use super::plan::{CameraPlan, DetectorPlan};
use super::problem::Problems;
use super::source::quoted;
use super::written::{DetectorTable, PipelineFile};
use crate::faults::{Blind, Faults};
use crate::scripted::{TrueBoxes, TruthFile};
use serde::Deserialize;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Times in seconds from the scene's start.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultsTable {
    /// The scene's truth; relative to the pipeline file.
    pub(crate) truth: PathBuf,
    #[serde(default)]
    pub(crate) seed: u64,
    /// Part of the looks at each person in which he is not found, by chance.
    #[serde(default)]
    pub(crate) miss: f64,
    /// From and to: nobody is found.
    #[serde(default)]
    pub(crate) outages: Vec<[f64; 2]>,
    #[serde(default)]
    pub(crate) blind: Vec<BlindTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlindTable {
    pub(crate) person: String,
    pub(crate) from_s: f64,
    pub(crate) to_s: f64,
}

const MISS: RangeInclusive<f64> = 0.0..=0.95;
/// Scenes last a day at most.
const TIME_S: RangeInclusive<f64> = 0.0..=86_400.0;
const TRUTH_HINT: &str = "`patrol sim scene` writes it beside the pipeline";
const SCENE_HINT: &str = "scripted detectors and [faults] exist only in scenes for `replay`";

/// What a patrol of real cameras refuses.
pub(super) fn only_in_scenes(file: &PipelineFile, problems: &mut Problems) {
    for (index, table) in file.detectors.iter().enumerate() {
        if table.as_ref().is_ok_and(|table| table.kind == "scripted") {
            let found = "\"scripted\", which reads a scene's truth";
            problems.error(format!("detector[{index}].kind"), found, "a detector that looks at pictures", SCENE_HINT);
        }
    }
    if file.sections.contains_key("faults") {
        problems.error("faults", "detectors that fail on purpose", "no such table", SCENE_HINT);
    }
}

/// Gives every camera detectors of its own, in which its faults are.
pub(super) fn spread(
    table: &FaultsTable,
    folder: &Path,
    cameras: &mut [CameraPlan],
    detectors: &mut Vec<DetectorPlan>,
    problems: &mut Problems,
) {
    problems.in_range("faults.miss", &table.miss, &MISS, "of the looks");
    for (index, [from_s, to_s]) in table.outages.iter().enumerate() {
        span(&format!("faults.outages[{index}]"), *from_s, *to_s, problems);
    }
    let truth = match TruthFile::read(&folder.join(&table.truth)) {
        Ok(file) => file.truth,
        Err(why) => return problems.error("faults.truth", why, "a scene's truth.json", TRUTH_HINT),
    };
    for (index, blind) in table.blind.iter().enumerate() {
        span(&format!("faults.blind[{index}]"), blind.from_s, blind.to_s, problems);
        if !truth.people.iter().any(|person| person.id == blind.person) {
            let known: Vec<&str> = truth.people.iter().map(|person| person.id.as_str()).collect();
            let wanted = format!("the id of a person of the truth: {}", known.join(", "));
            problems.error(format!("faults.blind[{index}].person"), quoted(&blind.person), wanted, "");
        }
    }
    let blind = |table: &BlindTable| Blind { person: table.person.clone(), from_s: table.from_s, to_s: table.to_s };
    let mut faulty = Vec::new();
    for camera in cameras {
        let id = camera.camera.id.as_str();
        let faults = Arc::new(Faults {
            camera: id.to_owned(),
            boxes: Arc::new(TrueBoxes::of(&truth, id)),
            seed: table.seed,
            miss: table.miss,
            outages: table.outages.clone(),
            blind: table.blind.iter().map(blind).collect(),
        });
        for index in &mut camera.detectors {
            faulty.push(DetectorPlan::Faulty { detector: Box::new(detectors[*index].clone()), faults: faults.clone() });
            *index = faulty.len() - 1;
        }
    }
    *detectors = faulty;
}

fn span(place: &str, from_s: f64, to_s: f64, problems: &mut Problems) {
    let are_times = problems.in_range(place, &from_s, &TIME_S, "seconds") && problems.in_range(place, &to_s, &TIME_S, "seconds");
    if are_times && from_s >= to_s {
        problems.error(place, format!("{from_s} to {to_s} s"), "an end after the beginning", "");
    }
}

/// The detector that stands in for a network at one camera.
pub(super) fn scripted_plan(table: &DetectorTable, place: &str, folder: &Path, problems: &mut Problems) -> Option<DetectorPlan> {
    let strange = [
        ("model", table.model.is_some()),
        ("min_score", table.min_score.is_some()),
        ("device", table.device.is_some()),
        ("fallback", table.fallback.is_some()),
        ("batch_max", table.batch_max.is_some()),
        ("precision", table.precision.is_some()),
        ("hot_spot", table.hot_spot.is_some()),
    ];
    for (key, _) in strange.into_iter().filter(|(_, given)| *given) {
        problems.error(format!("{place}.{key}"), "a value", "none: `scripted` reads a truth", "remove the line");
    }
    let Some(camera) = &table.camera else {
        problems.error(format!("{place}.camera"), "nothing", "the id of the camera whose truth it reads", "");
        return None;
    };
    let Some(truth) = &table.truth else {
        problems.error(format!("{place}.truth"), "nothing", "a scene's truth.json", TRUTH_HINT);
        return None;
    };
    match TruthFile::read(&folder.join(truth)) {
        Ok(file) if !file.truth.cameras.is_empty() && !file.truth.cameras.contains_key(camera) => {
            let known: Vec<&str> = file.truth.cameras.keys().map(String::as_str).collect();
            problems.error(format!("{place}.camera"), quoted(camera), format!("a camera of the truth: {}", known.join(", ")), "");
            None
        }
        Ok(file) => {
            let boxes = Arc::new(TrueBoxes::of(&file.truth, camera));
            Some(DetectorPlan::Scripted { camera: camera.clone(), boxes, truth_sha256: file.sha256 })
        }
        Err(why) => {
            problems.error(format!("{place}.truth"), why, "a scene's truth.json", TRUTH_HINT);
            None
        }
    }
}

/// Keys of `scripted` in a table of another kind.
pub(super) fn refuse_scripted_keys(table: &DetectorTable, place: &str, problems: &mut Problems) {
    for (key, _) in [("truth", table.truth.is_some()), ("camera", table.camera.is_some())].into_iter().filter(|(_, given)| *given) {
        problems.error(format!("{place}.{key}"), "a value", "none: it belongs to the kind `scripted`", "remove the line");
    }
}
