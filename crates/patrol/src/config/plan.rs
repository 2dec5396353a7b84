//! The checked plan: everything `run` and `replay` need, or every reason why not.

use super::problem::Problems;
use super::written::{self, CameraTable, CityTable, DetectorTable, PipelineFile, SecretTable, WeatherTable};
use patrol_city::{Mapping, Secret, SecretRef};
use patrol_core::{Camera, CameraId, CameraView, Crs, Modality, Position, Promise, WallTime, Weather};
use patrol_leads::{DeskConfig, OnTimeout};
use patrol_vision::{Device, HotSpotConfig, ModelCard};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) struct Plan {
    pub(crate) site_name: String,
    pub(crate) region: String,
    pub(crate) system_code: String,
    /// Fixed weather of the file, counted as observed at the moment it is used.
    pub(crate) weather: Option<Weather>,
    pub(crate) detectors: Vec<DetectorPlan>,
    pub(crate) cameras: Vec<CameraPlan>,
    pub(crate) desk: DeskConfig,
    pub(crate) store_dir: Option<PathBuf>,
    pub(crate) console: Option<SocketAddr>,
    pub(crate) city: Option<CityPlan>,
    pub(crate) workers: Option<usize>,
}

#[derive(Clone)]
pub(crate) enum DetectorPlan {
    Onnx { card: Box<ModelCard>, device: Device, min_score: Option<f32> },
    HotSpot(HotSpotConfig),
}

pub(crate) struct CameraPlan {
    pub(crate) camera: Camera,
    /// Indices into `Plan::detectors`.
    pub(crate) detectors: Vec<usize>,
    pub(crate) source: PathBuf,
    pub(crate) fps: Option<f64>,
}

pub(crate) struct CityPlan {
    pub(crate) base: String,
    pub(crate) mapping: Mapping,
    pub(crate) app_key: String,
    pub(crate) secret: Secret,
    pub(crate) callback_listen: Option<SocketAddr>,
    pub(crate) media_base: Option<String>,
}

/// Mean minimum temperature of each month in °C taken when a site gives none: Shanghai, 1991–2020.
const MONTH_MIN_C: [f32; 12] = [2.1, 3.7, 7.1, 12.1, 17.3, 21.7, 25.9, 25.8, 21.9, 16.4, 10.3, 4.2];

impl Plan {
    /// Reads and checks a pipeline file, or a folder that holds `pipeline.toml`. `Err` holds at least one error;
    /// `Ok` comes with warnings only.
    pub(crate) fn load(path: &Path) -> Result<(Self, Problems), Problems> {
        let mut problems = Problems::default();
        let path = if path.is_dir() { path.join("pipeline.toml") } else { path.to_owned() };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => {
                problems.error(
                    path.display().to_string(),
                    error.to_string(),
                    "a pipeline file",
                    "give the path of a .toml file or of its folder",
                );
                return Err(problems);
            }
        };
        let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Self::from_text(&text, folder, problems)
    }

    pub(crate) fn from_text(text: &str, folder: &Path, mut problems: Problems) -> Result<(Self, Problems), Problems> {
        let file = written::read(text, &mut problems);
        let plan = build(file, folder, &mut problems);
        if problems.errors() > 0 { Err(problems) } else { Ok((plan, problems)) }
    }
}

fn build(file: PipelineFile, folder: &Path, problems: &mut Problems) -> Plan {
    let site = file.site.unwrap_or_default();
    let month_min_c = file.weather.as_ref().and_then(|weather| weather.month_min_c).unwrap_or(MONTH_MIN_C);
    let on_timeout = match file.desk.unwrap_or_default().on_timeout.as_deref() {
        None | Some("ring") => OnTimeout::Ring,
        Some("push") => OnTimeout::Push,
        Some(other) => {
            problems.error("desk.on_timeout", format!("{other:?}"), "\"push\" or \"ring\"", "");
            OnTimeout::Ring
        }
    };
    let mut names = BTreeMap::new();
    let detectors = detectors(file.detectors, folder, &mut names, problems);
    let cameras = cameras(file.cameras, folder, &names, problems);
    if cameras.is_empty() && problems.errors() == 0 {
        problems.error("camera", "no camera", "at least one [[camera]]", "see pipelines/ for complete examples");
    }
    Plan {
        weather: file.weather.as_ref().and_then(|weather| fixed_weather(weather, problems)),
        desk: DeskConfig { on_timeout, month_min_c, ..DeskConfig::default() },
        store_dir: file.store.map(|store| folder.join(store.dir)),
        console: file.console.and_then(|console| console_address(&console.listen, problems)),
        city: file.city.and_then(|city| city_plan(city, folder, problems)),
        workers: file.run.unwrap_or_default().workers,
        site_name: site.name,
        region: site.region,
        system_code: site.system_code,
        detectors,
        cameras,
    }
}

fn fixed_weather(table: &WeatherTable, problems: &mut Problems) -> Option<Weather> {
    let air_c = table.air_c?;
    if !(-60.0..=50.0).contains(&air_c) {
        problems.error("weather.air_c", air_c.to_string(), "degrees Celsius between -60 and 50", "");
    }
    Some(Weather {
        air_c,
        wind_kmh: table.wind_kmh,
        precip_mm_h: table.precip_mm_h,
        wet_ground: table.wet_ground,
        alert: table.alert,
        observed_at: WallTime(0),
    })
}

fn detectors(
    tables: Vec<Option<DetectorTable>>,
    folder: &Path,
    names: &mut BTreeMap<String, usize>,
    problems: &mut Problems,
) -> Vec<DetectorPlan> {
    let mut plans = Vec::new();
    for (index, table) in tables.into_iter().enumerate() {
        let place = format!("detector[{index}]");
        let Some(table) = table else { continue };
        let plan = match table.kind.as_str() {
            "hot-spot" => {
                if table.model.is_some() {
                    problems.error(format!("{place}.model"), "a model", "none: `hot-spot` needs no model", "remove the line");
                }
                let mut config = table.hot_spot.unwrap_or_default();
                config.min_score = table.min_score.unwrap_or(config.min_score);
                DetectorPlan::HotSpot(config)
            }
            "onnx" => {
                let Some(plan) = onnx_plan(&table, &place, folder, problems) else {
                    names.insert(table.name, usize::MAX);
                    continue;
                };
                plan
            }
            other => {
                problems.error(format!("{place}.kind"), format!("{other:?}"), "\"onnx\" or \"hot-spot\"", "");
                names.insert(table.name, usize::MAX);
                continue;
            }
        };
        if names.insert(table.name.clone(), plans.len()).is_some() {
            problems.error(format!("{place}.name"), format!("{:?} for the second time", table.name), "a name of its own", "");
        }
        plans.push(plan);
    }
    plans
}

fn onnx_plan(table: &DetectorTable, place: &str, folder: &Path, problems: &mut Problems) -> Option<DetectorPlan> {
    let device = match (table.device.as_deref(), table.fallback) {
        (None | Some("cpu"), _) => Device::Cpu,
        (Some("cuda"), fallback) => Device::Cuda { fallback },
        (Some(other), _) => {
            problems.error(format!("{place}.device"), format!("{other:?}"), "\"cpu\" or \"cuda\"", "");
            Device::Cpu
        }
    };
    if let Some(score) = table.min_score.filter(|score| !(0.0..=1.0).contains(score)) {
        problems.error(format!("{place}.min_score"), score.to_string(), "a score between 0 and 1", "");
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
    let card = crate::models::find(model, folder).and_then(|card| ModelCard::load(&card).map_err(|error| error.to_string()));
    match card.and_then(|card| card.verify().map(|()| card).map_err(|error| error.to_string())) {
        Ok(card) => Some(DetectorPlan::Onnx { card: Box::new(card), device, min_score: table.min_score }),
        Err(why) => {
            problems.error(
                format!("{place}.model"),
                why,
                "a model card whose file is there with the right SHA-256",
                format!("`patrol models verify` checks all, `patrol models fetch {model}` gets a missing file"),
            );
            None
        }
    }
}

fn cameras(tables: Vec<Option<CameraTable>>, folder: &Path, names: &BTreeMap<String, usize>, problems: &mut Problems) -> Vec<CameraPlan> {
    let mut plans: Vec<CameraPlan> = Vec::new();
    for (index, table) in tables.into_iter().enumerate() {
        let Some(table) = table else { continue };
        let place = format!("camera[{index}]");
        if table.id.is_empty() || !table.id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) || table.id.starts_with('.') {
            problems.error(
                format!("{place}.id"),
                format!("{:?}", table.id),
                "letters, digits, '-', '_' and '.'",
                "files are named after it",
            );
        }
        if plans.iter().any(|plan| plan.camera.id.as_str() == table.id) {
            problems.error(format!("{place}.id"), format!("{:?} for the second time", table.id), "an id of its own", "");
        }
        if table.interior_forbidden {
            problems.error(
                format!("{place}.interior_forbidden"),
                "true",
                "no camera inside a guest room, dormitory, bathroom, toilet or changing room",
                "such a feed is refused by law (State Council Order 799, article 8); remove the camera",
            );
        }
        if let Some(code) = table.code.as_ref().filter(|code| code.len() != 20 || !code.bytes().all(|byte| byte.is_ascii_digit())) {
            problems.error(format!("{place}.code"), format!("{code:?}"), "20 digits (GB/T 28181 Annex E)", "");
        }
        let detectors = chosen_detectors(&table, &place, names, problems);
        let source = folder.join(&table.source);
        match source.metadata() {
            Err(error) => problems.warning(
                format!("{place}.source"),
                format!("{}: {error}", source.display()),
                "a video file, a picture or a folder of pictures",
                "`run` starts without it and tries again for ever",
            ),
            Ok(found) if found.is_dir() && table.fps.is_none_or(|fps| !(0.01..=120.0).contains(&fps)) => {
                problems.error(format!("{place}.fps"), format!("{:?}", table.fps), "pictures per second of the folder, 0.01 to 120", "");
            }
            Ok(_) => {}
        }
        plans.push(CameraPlan { camera: camera(&table, &place, problems), detectors, source, fps: table.fps });
    }
    plans
}

fn chosen_detectors(table: &CameraTable, place: &str, names: &BTreeMap<String, usize>, problems: &mut Problems) -> Vec<usize> {
    if table.detectors.is_empty() {
        problems.error(format!("{place}.detectors"), "an empty list", "at least one name of a [[detector]]", "");
    }
    let mut chosen = Vec::new();
    for name in &table.detectors {
        match names.get(name) {
            Some(&usize::MAX) => {}
            Some(&index) => chosen.push(index),
            None => {
                let known: Vec<&str> = names.keys().map(String::as_str).collect();
                problems.error(format!("{place}.detectors"), format!("{name:?}"), format!("one of: {}", known.join(", ")), "");
            }
        }
    }
    if table.modality == Modality::Visible && table.detectors.iter().any(|name| name == "hot-spot") {
        problems.warning(format!("{place}.detectors"), "hot-spot on a visible camera", "a thermal camera", "hot-spot looks for warmth");
    }
    chosen
}

fn camera(table: &CameraTable, place: &str, problems: &mut Problems) -> Camera {
    let position = match (table.longitude, table.latitude) {
        (Some(lon), Some(lat)) if (-180.0..=180.0).contains(&lon) && (-90.0..=90.0).contains(&lat) => {
            Some(Position { lon, lat, crs: Crs::Wgs84, error_m: table.position_error_m })
        }
        (None, None) => None,
        (lon, lat) => {
            problems.error(format!("{place}.longitude, latitude"), format!("{lon:?}, {lat:?}"), "both, WGS-84 degrees, or neither", "");
            None
        }
    };
    let view = match (table.height_m, table.tilt_deg, table.hfov_deg) {
        (Some(height_m), Some(tilt_deg), Some(hfov_deg)) => {
            for (key, value, range) in
                [("height_m", height_m, 0.5..=1000.0), ("tilt_deg", tilt_deg, 0.0..=90.0), ("hfov_deg", hfov_deg, 1.0..=170.0)]
            {
                if !range.contains(&value) {
                    problems.error(format!("{place}.{key}"), value.to_string(), format!("{} to {}", range.start(), range.end()), "");
                }
            }
            Some(CameraView { height_m, tilt_deg, heading_deg: table.heading_deg, hfov_deg })
        }
        (None, None, None) => None,
        _ => {
            problems.error(
                format!("{place}.height_m, tilt_deg, hfov_deg"),
                "only some of them",
                "all three, or none",
                "without them sizes are learnt from walkers",
            );
            None
        }
    };
    let limit_s = table.look_limit_s.unwrap_or(table.look_every_s * 3.0);
    if !(0.0..=3600.0).contains(&table.look_every_s) || !(table.look_every_s..=86400.0).contains(&limit_s) {
        problems.error(
            format!("{place}.look_every_s, look_limit_s"),
            format!("{}, {limit_s}", table.look_every_s),
            "0 ≤ look_every_s ≤ 3600 ≤ look_limit_s",
            "",
        );
    }
    if !(1.0..=120.0).contains(&table.rescan_every_s) {
        problems.error(format!("{place}.rescan_every_s"), table.rescan_every_s.to_string(), "1 to 120 seconds", "");
    }
    let seconds = |s: f64| Duration::from_secs_f64(s.clamp(0.0, 86400.0));
    Camera {
        id: CameraId::new(&table.id),
        name: if table.name.is_empty() { table.id.clone() } else { table.name.clone() },
        code: table.code.clone(),
        modality: table.modality,
        promise: Promise {
            look_every: seconds(table.look_every_s),
            look_limit: seconds(limit_s),
            rescan_every: seconds(table.rescan_every_s),
        },
        position,
        view,
        address: table.address.clone(),
        street: table.street.clone(),
        grid: table.grid.clone(),
        site_prior: table.site_class.as_deref().map_or(DEFAULT_SITE_PRIOR, site_prior),
    }
}

/// A place of unknown class counts as a main road (`integration.md` §1.7).
const DEFAULT_SITE_PRIOR: f32 = 0.3;

/// How likely people in need shelter at a place of GB/T 28181 Annex O class `code` (`integration.md` §1.7); longest prefix first.
fn site_prior(code: &str) -> f32 {
    const PRIORS: [(&str, f32); 23] = [
        ("00203", 1.0),
        ("00401", 1.0),
        ("00402", 1.0),
        ("00602", 0.9),
        ("00605", 0.9),
        ("00604", 0.9),
        ("01202", 0.7),
        ("01204", 0.7),
        ("01205", 0.7),
        ("01301", 0.8),
        ("00501", 0.5),
        ("02201", 0.5),
        ("00201", 0.3),
        ("007", 0.7),
        ("001", 0.6),
        ("008", 0.5),
        ("018", 0.4),
        ("020", 0.2),
        ("019", 0.2),
        ("017", 0.2),
        ("011", 0.2),
        ("013", 0.8),
        ("012", 0.7),
    ];
    PRIORS.iter().find(|(prefix, _)| code.starts_with(prefix)).map_or(DEFAULT_SITE_PRIOR, |(_, prior)| *prior)
}

fn console_address(listen: &str, problems: &mut Problems) -> Option<SocketAddr> {
    match listen.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Some(address),
        Ok(_) => {
            problems.error(
                "console.listen",
                listen,
                "a loopback address such as 127.0.0.1:8460",
                "until there are accounts the console is for this machine only; use an SSH tunnel",
            );
            None
        }
        Err(error) => {
            problems.error("console.listen", format!("{listen:?}: {error}"), "address:port, e.g. 127.0.0.1:8460", "");
            None
        }
    }
}

fn city_plan(table: CityTable, folder: &Path, problems: &mut Problems) -> Option<CityPlan> {
    if !(table.base.starts_with("http://") || table.base.starts_with("https://")) {
        problems.error("city.base", format!("{:?}", table.base), "an address starting with http:// or https://", "");
    }
    let secret = resolve_secret(&table.secret, folder, problems);
    let callback_listen = table.callback_listen.and_then(|listen| match listen.parse() {
        Ok(address) => Some(address),
        Err(error) => {
            problems.error("city.callback_listen", format!("{listen:?}: {error}"), "address:port", "");
            None
        }
    });
    let path = folder.join(&table.mapping);
    let name = path.display().to_string();
    let mapping = match std::fs::read_to_string(&path) {
        Ok(text) => match Mapping::from_toml(&text, &name) {
            Ok(mapping) => Some(mapping),
            Err(found) => {
                for problem in found {
                    problems.error(problem.at, problem.found, problem.wanted, problem.hint);
                }
                None
            }
        },
        Err(error) => {
            problems.error("city.mapping", format!("{name}: {error}"), "the city's mapping file", "see pipelines/mapping.example.toml");
            None
        }
    };
    Some(CityPlan {
        base: table.base,
        mapping: mapping?,
        app_key: table.app_key,
        secret: secret?,
        callback_listen,
        media_base: table.media_base,
    })
}

fn resolve_secret(table: &SecretTable, folder: &Path, problems: &mut Problems) -> Option<Secret> {
    let reference = match (&table.env, &table.file) {
        (Some(name), None) => SecretRef::Env(name.clone()),
        (None, Some(file)) => SecretRef::File(folder.join(file)),
        _ => {
            problems.error(
                "city.secret",
                "neither or both of env and file",
                "{ env = \"NAME\" } or { file = \"path\" }",
                "a secret never stands in the file itself",
            );
            return None;
        }
    };
    match reference.resolve() {
        Ok(secret) => Some(secret),
        Err(error) => {
            problems.error(
                "city.secret",
                error.to_string(),
                "a secret that can be read",
                "set the variable or create the file, readable by this user only",
            );
            None
        }
    }
}
