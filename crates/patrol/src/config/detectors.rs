//! Detectors: which there are, and by what names cameras may call them.

use super::faults;
use super::plan::DetectorPlan;
use super::problem::Problems;
use super::source::quoted;
use super::written::{DetectorTable, PoseTable};
use patrol_vision::card::Layout;
use patrol_vision::{Device, HotSpotConfig, ModelCard};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;

/// Names that cameras may give.
#[derive(Default)]
pub(crate) struct Known {
    /// Index into the plans; `None`: the detector has an error of its own, which is enough.
    pub(super) by_name: BTreeMap<String, Option<usize>>,
    /// A table whose name could not be read either: any unknown name may be its.
    pub(super) some_nameless: bool,
}

impl Known {
    /// Whether all `names` are detectors that can be used; notes those that are none.
    pub(super) fn check(&self, names: &[String], place: &str, problems: &mut Problems) -> bool {
        let mut all_usable = true;
        for name in names {
            let usable = self.by_name.get(name);
            all_usable &= matches!(usable, Some(Some(_)));
            if usable.is_none() && !self.some_nameless {
                let known: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
                let known = if known.is_empty() { "none is there".to_owned() } else { known.join(", ") };
                problems.error(place, quoted(name), format!("the name of a [[detector]]: {known}"), "");
            }
        }
        all_usable
    }
}

const SCORE: RangeInclusive<f32> = 0.0..=1.0;
/// 100 σ above its neighbourhood is beyond every sensor's range.
const THRESHOLD_SIGMA: RangeInclusive<f32> = 0.1..=100.0;
/// Of a picture 640 wide.
const LENGTH_PX: RangeInclusive<f32> = 1.0..=640.0;
const MOST: RangeInclusive<usize> = 1..=10_000;
/// 64 inputs of 640×640 in three colours are 0.3 GB.
const BATCH_MAX: RangeInclusive<usize> = 1..=64;

pub(super) fn plans(
    tables: Vec<Result<DetectorTable, Option<String>>>,
    folder: &Path,
    problems: &mut Problems,
) -> (Vec<DetectorPlan>, Known) {
    let (mut plans, mut known) = (Vec::new(), Known::default());
    for (index, table) in tables.into_iter().enumerate() {
        let place = format!("detector[{index}]");
        let table = match table {
            Ok(table) => table,
            Err(Some(name)) => {
                known.by_name.entry(name).or_insert(None);
                continue;
            }
            Err(None) => {
                known.some_nameless = true;
                continue;
            }
        };
        if table.kind != "scripted" {
            faults::refuse_scripted_keys(&table, &place, problems);
        }
        let plan = match table.kind.as_str() {
            "hot-spot" => Some(DetectorPlan::HotSpot(hot_spot(&table, &place, problems))),
            "onnx" => onnx_plan(&table, &place, folder, problems),
            "scripted" => faults::scripted_plan(&table, &place, folder, problems),
            other => {
                problems.error(format!("{place}.kind"), format!("{other:?}"), "\"onnx\" or \"hot-spot\"", "");
                None
            }
        };
        let at = plan.map(|plan| {
            plans.push(plan);
            plans.len() - 1
        });
        if known.by_name.insert(table.name.clone(), at).is_some() {
            problems.error(format!("{place}.name"), format!("{:?} for the second time", table.name), "a name of its own", "");
        }
    }
    (plans, known)
}

/// Lowest score that `hot-spot` is asked for when the pipeline does not say: people in rendered streets have 0.64 and more, textures of ground
/// and walls up to 0.25, and what is below would only keep a walker's track at the place where he passed it.
pub(crate) const HOT_SPOT_MIN_SCORE: f32 = 0.25;

fn hot_spot(table: &DetectorTable, place: &str, problems: &mut Problems) -> HotSpotConfig {
    let strange = [
        ("model", table.model.is_some()),
        ("device", table.device.is_some()),
        ("fallback", table.fallback.is_some()),
        ("batch_max", table.batch_max.is_some()),
        ("precision", table.precision.is_some()),
        ("tiles", table.tiles.is_some()),
    ];
    for (key, _) in strange.into_iter().filter(|(_, given)| *given) {
        problems.error(format!("{place}.{key}"), "a value", "none: `hot-spot` has no model and runs on the CPU", "remove the line");
    }
    let mut config = table.hot_spot.clone().unwrap_or_default();
    problems.in_range(format!("{place}.hot_spot.threshold_sigma"), &config.threshold_sigma, &THRESHOLD_SIGMA, "σ");
    problems.in_range(format!("{place}.hot_spot.min_score"), &config.min_score, &SCORE, "");
    problems.in_range(format!("{place}.hot_spot.most"), &config.most, &MOST, "detections");
    let [shortest, longest] = &config.length_px;
    problems.in_range(format!("{place}.hot_spot.length_px[0]"), shortest, &LENGTH_PX, "pixels");
    problems.in_range(format!("{place}.hot_spot.length_px[1]"), longest, &LENGTH_PX, "pixels");
    if shortest > longest {
        problems.error(format!("{place}.hot_spot.length_px"), format!("{shortest}, {longest}"), "the shortest first", "");
    }
    if let Some(score) = &table.min_score {
        problems.in_range(format!("{place}.min_score"), score, &SCORE, "");
        config.min_score = *score;
    } else if table.hot_spot.is_none() {
        config.min_score = HOT_SPOT_MIN_SCORE;
    }
    config
}

fn onnx_plan(table: &DetectorTable, place: &str, folder: &Path, problems: &mut Problems) -> Option<DetectorPlan> {
    let device = match table.device.as_deref() {
        None | Some("cpu") => Device::Cpu,
        Some("cuda") => Device::Cuda { fallback: table.fallback.unwrap_or(false) },
        Some(other) => {
            problems.error(format!("{place}.device"), format!("{other:?}"), "\"cpu\" or \"cuda\"", "");
            Device::Cpu
        }
    };
    if let Some(batch_max) = &table.batch_max {
        problems.in_range(format!("{place}.batch_max"), batch_max, &BATCH_MAX, "pictures");
        if device == Device::Cpu {
            problems.error(
                format!("{place}.batch_max"),
                "a value",
                "none without device = \"cuda\": a core examines one picture after another",
                "remove the line",
            );
        }
    }
    if let Some(score) = &table.min_score {
        problems.in_range(format!("{place}.min_score"), score, &SCORE, "");
    }
    let wants_fp32 = match table.precision.as_deref() {
        None => false,
        Some("fp32") => true,
        Some(other) => {
            problems.error(format!("{place}.precision"), format!("{other:?}"), "\"fp32\", or no line for the card's own", "");
            false
        }
    };
    if table.hot_spot.is_some() {
        problems.error(format!("{place}.hot_spot"), "a table", "none: it belongs to the kind `hot-spot`", "remove it");
    }
    let Some(model) = &table.model else {
        problems.error(
            format!("{place}.model"),
            "nothing",
            "the name of a folder under models/, or the path of a card",
            "`patrol models list` shows what is there",
        );
        return None;
    };
    match verified(model, folder, wants_fp32) {
        Ok(card) if card.layout == Layout::Joints => {
            let wanted = "a model that finds people: this one says how those hold themselves who are found";
            problems.error(format!("{place}.model"), quoted(model), wanted, "name it under [pose]");
            None
        }
        Ok(mut card) => {
            match (&mut card.scale, table.tiles) {
                (Some(scale), Some(tiles)) => scale.tiles = tiles,
                (None, Some(_)) => problems.error(
                    format!("{place}.tiles"),
                    "a value",
                    format!("none: the card of {model} does not say at which size people are found, so pictures are looked at whole"),
                    "remove the line",
                ),
                (_, None) => {}
            }
            Some(DetectorPlan::Onnx { card: Box::new(card), device, batch_max: table.batch_max.unwrap_or(1), min_score: table.min_score })
        }
        Err(why) => {
            problems.error(format!("{place}.model"), why, WANTED_CARD, how_to_get(model, folder));
            None
        }
    }
}

/// The model of the table `[pose]`.
pub(super) fn pose(PoseTable { model }: &PoseTable, folder: &Path, problems: &mut Problems) -> Option<Box<ModelCard>> {
    match verified(model, folder, false) {
        Ok(card) if card.layout == Layout::Joints => return Some(Box::new(card)),
        Ok(_) => problems.error(
            "pose.model",
            quoted(model),
            "a pose model, whose card has the layout \"joints\"",
            "name a detector as a [[detector]]",
        ),
        Err(why) => problems.error("pose.model", why, WANTED_CARD, how_to_get(model, folder)),
    }
    None
}

const WANTED_CARD: &str = "a model card whose file is there with the right SHA-256";

fn how_to_get(model: &str, folder: &Path) -> String {
    let card = crate::models::find(model, folder).ok().and_then(|card| ModelCard::load(&card).ok());
    match card.filter(|card| card.upstream.is_none() && !card.file.is_file()) {
        Some(card) => format!("put the file with SHA-256 {} at {}", card.sha256, card.file.display()),
        None => format!("`patrol models verify` checks all, `patrol models fetch {model}` gets a missing file"),
    }
}

fn verified(model: &str, folder: &Path, in_fp32: bool) -> Result<ModelCard, String> {
    let card = ModelCard::load(&crate::models::find(model, folder)?).map_err(|error| error.to_string())?;
    let card = if in_fp32 { card.in_fp32() } else { card };
    card.verify().map(|()| card).map_err(|error| error.to_string())
}
