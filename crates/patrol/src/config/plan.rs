//! The checked plan: everything `run` and `replay` need, or every reason why not.

use super::problem::Problems;
use super::written::{self, PipelineFile, WeatherTable};
use super::{cameras, city, detectors};
use patrol_city::{Mapping, Secret};
use patrol_core::{Camera, WallTime, Weather};
use patrol_leads::{DeskConfig, OnTimeout};
use patrol_vision::{Device, HotSpotConfig, ModelCard};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

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

/// More threads than any machine here has cores is a slip of the hand.
const WORKERS: RangeInclusive<usize> = 1..=256;

impl Plan {
    /// Reads and checks a pipeline file, or a folder that holds `pipeline.toml`. `Err` holds at least one error;
    /// `Ok` comes with warnings only.
    pub(crate) fn load(path: &Path) -> Result<(Self, Problems), Problems> {
        let mut problems = Problems::default();
        let path = if path.is_dir() {
            let inside = path.join("pipeline.toml");
            if !inside.is_file() {
                problems.error(
                    path.display().to_string(),
                    "a folder without pipeline.toml",
                    "a pipeline file, or a folder that holds pipeline.toml",
                    "`patrol sim scene` writes such a folder; pipelines/ has complete examples",
                );
                return Err(problems);
            }
            inside
        } else {
            path.to_owned()
        };
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
        let Some(file) = written::read(text, &mut problems) else { return Err(problems) };
        let plan = build(file, folder, &mut problems);
        if problems.errors() > 0 { Err(problems) } else { Ok((plan, problems)) }
    }
}

fn build(file: PipelineFile, folder: &Path, problems: &mut Problems) -> Plan {
    let site = file.site.unwrap_or_default();
    let (weather, month_min_c) = weather(file.weather.as_ref(), problems);
    let on_timeout = match file.desk.unwrap_or_default().on_timeout.as_deref() {
        None | Some("ring") => OnTimeout::Ring,
        Some("push") => OnTimeout::Push,
        Some(other) => {
            problems.error("desk.on_timeout", format!("{other:?}"), "\"push\" or \"ring\"", "");
            OnTimeout::Ring
        }
    };
    if file.cameras.is_empty() {
        problems.error("camera", "no camera", "at least one [[camera]]", "see pipelines/ for complete examples");
    }
    let (detectors, known) = detectors::plans(file.detectors, folder, problems);
    let cameras = cameras::plans(file.cameras, folder, &detectors, &known, problems);
    let workers = file.run.unwrap_or_default().workers;
    if let Some(workers) = &workers {
        problems.in_range("run.workers", workers, &WORKERS, "threads");
    }
    Plan {
        weather,
        desk: DeskConfig { on_timeout, month_min_c, ..DeskConfig::default() },
        store_dir: file.store.map(|store| folder.join(store.dir)),
        console: file.console.and_then(|console| console_address(&console.listen, problems)),
        city: file.city.and_then(|table| city::plan(table, &site, folder, problems)),
        workers,
        site_name: site.name,
        region: site.region,
        system_code: site.system_code,
        detectors,
        cameras,
    }
}

/// The fixed weather, and the mean minimum of every month.
fn weather(table: Option<&WeatherTable>, problems: &mut Problems) -> (Option<Weather>, [f32; 12]) {
    if table.is_none_or(|table| table.air_c.is_none()) && !problems.has_error_in("weather") {
        problems.warning(
            "weather.air_c",
            "nothing",
            "the air temperature, degrees Celsius",
            "until it is told, the month's mean minimum is assumed and every lead is marked so",
        );
    }
    let Some(table) = table else { return (None, MONTH_MIN_C) };
    let weather = Weather {
        air_c: table.air_c.unwrap_or_default(),
        wind_kmh: table.wind_kmh,
        precip_mm_h: table.precip_mm_h,
        wet_ground: table.wet_ground,
        alert: table.alert,
        observed_at: WallTime(0),
    };
    for problem in weather.problems() {
        problems.error(format!("weather.{}", problem.key), problem.found.to_string(), problem.wanted, "");
    }
    let month_min_c = table.month_min_c.unwrap_or(MONTH_MIN_C);
    for (month, air_c) in month_min_c.iter().enumerate() {
        problems.in_range(format!("weather.month_min_c[{month}]"), air_c, &Weather::AIR_C, "°C");
    }
    (table.air_c.map(|_| weather), month_min_c)
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
