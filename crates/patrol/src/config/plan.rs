//! The checked plan: everything `run` and `replay` need, or every reason why not.

use super::cameras::{Cameras, LeftOut};
use super::detectors::Known;
use super::problem::Problems;
use super::source::SourcePlan;
use super::written::{self, CameraTable, DecodersTable, PipelineFile, RegisterTable, RunTable, WeatherTable};
use super::{cameras, city, detectors, faults, register};
use crate::faults::Faults;
use crate::scripted::TrueBoxes;
use patrol_city::{Mapping, Secret};
use patrol_core::{Camera, Modality, WallTime, Weather};
use patrol_ingest::{Decoders, VideoCodec, check_decoder};
use patrol_leads::{DeskConfig, OnTimeout};
use patrol_vision::thermal::ThermalConfig;
use patrol_vision::{Device, HotSpotConfig, ModelCard};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) struct Plan {
    pub(crate) site_name: String,
    pub(crate) region: String,
    pub(crate) system_code: String,
    /// Fixed weather of the file, counted as observed at the moment it is used.
    pub(crate) weather: Option<Weather>,
    pub(crate) detectors: Vec<DetectorPlan>,
    /// The pose network that is asked about people in visible light.
    pub(crate) pose: Option<Box<ModelCard>>,
    pub(crate) cameras: Vec<CameraPlan>,
    /// Cameras of the register that do not run: places unseen.
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) desk: DeskConfig,
    pub(crate) store_dir: Option<PathBuf>,
    pub(crate) console: Option<SocketAddr>,
    pub(crate) city: Option<CityPlan>,
    pub(crate) workers: Option<usize>,
    /// Most bytes of encoded packets kept for clips, of all RTSP cameras together.
    pub(crate) rings_bytes_max: u64,
    pub(crate) decoders: Decoders,
    /// What [`reload_cameras`](super::reload_cameras) compares with.
    pub(crate) reload_basis: ReloadBasis,
    /// What of it exists only in scenes for `replay`.
    pub(crate) only_in_scenes: Problems,
}

/// What the file said of everything but cameras when the patrol began.
#[derive(Default)]
pub(crate) struct ReloadBasis {
    pub(super) sections: toml::Table,
    pub(super) detectors: Known,
}

#[derive(Clone)]
pub(crate) enum DetectorPlan {
    Onnx { card: Box<ModelCard>, device: Device, batch_max: usize, min_score: Option<f32> },
    HotSpot(HotSpotConfig),
    Scripted { camera: String, boxes: Arc<TrueBoxes>, truth_sha256: String },
    Faulty { detector: Box<DetectorPlan>, faults: Arc<Faults> },
}

impl DetectorPlan {
    /// The light that it is made for; `None`: any.
    pub(super) fn modality(&self) -> Option<Modality> {
        match self {
            Self::Onnx { card, .. } => Some(card.modality),
            Self::HotSpot(_) => Some(Modality::Thermal),
            Self::Scripted { .. } => None,
            Self::Faulty { detector, .. } => detector.modality(),
        }
    }

    pub(crate) fn needs_onnx_runtime(&self) -> bool {
        match self {
            Self::Onnx { .. } => true,
            Self::HotSpot(_) | Self::Scripted { .. } => false,
            Self::Faulty { detector, .. } => detector.needs_onnx_runtime(),
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct CameraPlan {
    pub(crate) camera: Camera,
    /// Indices into `Plan::detectors`.
    pub(crate) detectors: Vec<usize>,
    pub(crate) source: SourcePlan,
    /// What is known of a thermal camera's pictures beforehand.
    pub(crate) thermal: ThermalConfig,
    /// Where the source is written, for problems: `camera[2].source` or `cameras.csv:12 source`.
    pub(crate) source_place: String,
}

impl CameraPlan {
    /// Whether its pictures come and are read as before, so that only what it is called, where it is and what it promises differs.
    pub(crate) fn is_seen_alike(&self, other: &Self) -> bool {
        let (camera, others) = (&self.camera, &other.camera);
        let view = camera.view == others.view && camera.modality == others.modality;
        view && self.detectors == other.detectors && self.source == other.source && self.thermal == other.thermal
    }

    /// Whether nothing of the camera itself differs, wherever it is written.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.camera == other.camera && self.detectors == other.detectors && self.source == other.source && self.thermal == other.thermal
    }
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

/// 100 cameras with 20 s of 2 Mbit/s each (5 MB), and an eighth of the memory of a small server of 4 GiB.
pub(crate) const DEFAULT_RINGS_MIB: u64 = 512;
/// One camera's ring is 8 MiB at most: less keeps none whole. 64 GiB is more than any machine here has.
const RINGS_MIB: RangeInclusive<u64> = 8..=65_536;

impl Plan {
    /// Reads and checks a pipeline file, or a folder that holds `pipeline.toml`. `Err` holds at least one error that costs the pipeline;
    /// `Ok` comes with warnings, and with errors that cost cameras of the register.
    pub(crate) fn load(path: &Path) -> Result<(Self, Problems), Problems> {
        let (text, folder) = read(path)?;
        Self::from_text(&text, &folder, Problems::default())
    }

    pub(crate) fn from_text(text: &str, folder: &Path, mut problems: Problems) -> Result<(Self, Problems), Problems> {
        let Some(file) = written::read(text, &mut problems) else { return Err(problems) };
        let plan = build(file, folder, &mut problems);
        if problems.are_fatal() { Err(problems) } else { Ok((plan, problems)) }
    }

    /// `Err`: it stands for a scene, and a patrol sees the world.
    pub(crate) fn for_the_world(self) -> Result<Self, Problems> {
        if self.only_in_scenes.0.is_empty() { Ok(self) } else { Err(self.only_in_scenes) }
    }

    /// What must be said aloud when cameras of the register do not run.
    pub(crate) fn left_out_in_words(&self) -> Option<String> {
        let forbidden = self.left_out.iter().filter(|camera| camera.forbidden).count();
        let (all, others) = (self.cameras.len() + self.left_out.len(), self.left_out.len() - forbidden);
        let mut words = Vec::new();
        if others > 0 {
            words.push(format!("{others} of {all} cameras are left out until their rows are mended: nobody sees these places"));
        }
        if forbidden > 0 {
            words.push(format!("{forbidden} stand where no camera may be and are refused"));
        }
        (!words.is_empty()).then(|| words.join("; "))
    }
}

/// The text of a pipeline file, or of `pipeline.toml` in a folder; and the folder that its paths are relative to.
pub(super) fn read(path: &Path) -> Result<(String, PathBuf), Problems> {
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
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Ok((text, folder.to_owned()))
        }
        Err(error) => {
            problems.error(
                path.display().to_string(),
                error.to_string(),
                "a pipeline file",
                "give the path of a .toml file or of its folder",
            );
            Err(problems)
        }
    }
}

/// The cameras of the file and of its register.
pub(super) struct CamerasWritten {
    pub(super) tables: Vec<Option<CameraTable>>,
    pub(super) register: Option<PathBuf>,
    pub(super) register_defaults: Option<RegisterTable>,
}

impl CamerasWritten {
    pub(super) fn plans(self, folder: &Path, detectors: &[DetectorPlan], known: &Known, problems: &mut Problems) -> Cameras {
        if self.tables.is_empty() && self.register.is_none() && !problems.has_error_in("cameras") {
            problems.error(
                "camera",
                "no camera",
                "at least one [[camera]], or cameras = \"cameras.csv\"",
                "see pipelines/ for complete examples",
            );
        }
        if self.register.is_none() && self.register_defaults.is_some() && !problems.has_error_in("cameras") {
            let hint = "the key cameras stands at the top of the file, before every table";
            problems.error("register", "a table without a register", "cameras = \"cameras.csv\"", hint);
        }
        let defaults = self.register_defaults.unwrap_or_default();
        for (key, names) in [("thermal", &defaults.thermal), ("visible", &defaults.visible)] {
            known.check(names, &format!("register.{key}"), problems);
        }
        let register = self.register.and_then(|path| register::read(&folder.join(path), &defaults, problems));
        let were_read = register.is_some();
        let cameras = cameras::plans(self.tables, register, folder, detectors, known, problems);
        if were_read && cameras.plans.is_empty() && !problems.are_fatal() {
            problems.error("cameras", "no camera that can run", "at least one", "mend the rows that are named, or add some");
        }
        cameras
    }
}

fn build(file: PipelineFile, folder: &Path, problems: &mut Problems) -> Plan {
    let mut only_in_scenes = Problems::default();
    faults::only_in_scenes(&file, &mut only_in_scenes);
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
    let (mut detectors, known) = detectors::plans(file.detectors, folder, problems);
    let written = CamerasWritten { tables: file.cameras, register: file.register, register_defaults: file.register_defaults };
    let mut cameras = written.plans(folder, &detectors, &known, problems);
    if let Some(table) = &file.faults {
        faults::spread(table, folder, &mut cameras.plans, &mut detectors, problems);
    }
    let pose = file.pose.and_then(|table| detectors::pose(&table, folder, problems));
    if pose.is_some() && cameras.plans.iter().all(|plan| plan.camera.modality != Modality::Visible) {
        let wanted = "a camera with modality = \"visible\": others are not shown to it";
        problems.warning("pose.model", "no camera that it is asked about", wanted, "remove [pose]");
    }
    let RunTable { workers, rings_mib, decoders } = file.run.unwrap_or_default();
    if let Some(workers) = &workers {
        problems.in_range("run.workers", workers, &WORKERS, "threads");
    }
    let rings_mib = rings_mib.unwrap_or(DEFAULT_RINGS_MIB);
    problems.in_range("run.rings_mib", &rings_mib, &RINGS_MIB, "MiB");
    let decoders = decoders.map_or_else(Decoders::default, |table| decoders_of(table, problems));
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
        pose,
        cameras: cameras.plans,
        left_out: cameras.left_out,
        rings_bytes_max: rings_mib.saturating_mul(1 << 20),
        decoders,
        reload_basis: ReloadBasis { sections: file.sections, detectors: known },
        only_in_scenes,
    }
}

fn decoders_of(table: DecodersTable, problems: &mut Problems) -> Decoders {
    let mut element_of = |key: &str, element: Option<String>, codec| {
        let element = element?;
        let Err(found) = check_decoder(&element, codec) else { return Some(element.into()) };
        let place = format!("run.decoders.{key}");
        let wanted = "one of GStreamer's elements that decodes such streams here";
        if table.fallback {
            problems.warning(place, found, wanted, "the CPU decodes instead, as `fallback` allows");
        } else {
            problems.error(place, found, wanted, "install its plug-in and driver, set fallback = true, or remove the line");
        }
        None
    };
    Decoders { h264: element_of("h264", table.h264, VideoCodec::H264), h265: element_of("h265", table.h265, VideoCodec::H265) }
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
