//! The pipeline file that watches a street.

use super::StreetConfig;
use super::content::{scene, views_of};
use crate::error::SimError;
use patrol_core::{GroundPoint, Modality};
use serde::Serialize;

/// What the file says beside the cameras.
#[derive(Debug, Clone)]
pub struct PipelineOptions {
    /// `host:port` of the street.
    pub address: String,
    /// Environment variable that holds the cameras' password, where they ask for one.
    pub password_env: Option<String>,
    pub look_every_s: f64,
    /// `tcp-then-udp`, `tcp` or `udp`.
    pub transport: String,
}

/// What looks at the cameras.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreetDetector {
    /// Needs no model.
    HotSpot,
    /// The name of a model.
    Onnx(String),
}

/// How the cameras are watched; [`WatchOptions::default`] is what [`pipeline`] writes.
#[derive(Debug, Clone)]
pub struct WatchOptions {
    /// Of these the first so many; `None`: all.
    pub cameras: Option<usize>,
    pub modality: Modality,
    pub detector: StreetDetector,
    /// Detections below are dropped, 0-1; `None`: as the model's card has it.
    pub min_score: Option<f32>,
    /// When a network cuts pictures into tiles, as the pipeline file names it; `None`: as its card says.
    pub tiles: Option<&'static str>,
    /// `None`: three times the promise.
    pub look_limit_s: Option<f64>,
    /// `None`: 60 s, or the promise where that is longer.
    pub rescan_every_s: Option<f64>,
    /// So many of the cameras, as a part of them, are examined in full at every look, whether anything has changed or not: their
    /// `rescan_every_s` is the least that a pipeline may say.
    pub always_examined: f64,
    /// `None`: one a core.
    pub workers: Option<usize>,
    pub rings_mib: Option<u64>,
    /// Whether position and direction of view are told, by which the size of a person is known everywhere in the picture.
    pub placed: bool,
    /// Which way round thermal pictures are, as the pipeline file names it; `None`: the patrol finds out.
    pub polarity: Option<&'static str>,
    /// `None`: as in the scene.
    pub air_c: Option<f32>,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            cameras: None,
            modality: Modality::Thermal,
            detector: StreetDetector::HotSpot,
            min_score: None,
            tiles: None,
            look_limit_s: None,
            rescan_every_s: None,
            always_examined: 0.0,
            workers: None,
            rings_mib: None,
            placed: true,
            polarity: None,
            air_c: None,
        }
    }
}

#[derive(Serialize)]
struct PipelineFile {
    site: Site,
    weather: WeatherTable,
    #[serde(skip_serializing_if = "RunTable::is_empty")]
    run: RunTable,
    detector: [DetectorTable; 1],
    camera: Vec<CameraTable>,
}

#[derive(Serialize)]
struct RunTable {
    #[serde(skip_serializing_if = "Option::is_none")]
    workers: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rings_mib: Option<u64>,
}

impl RunTable {
    fn is_empty(&self) -> bool {
        self.workers.is_none() && self.rings_mib.is_none()
    }
}

#[derive(Serialize)]
struct Site {
    name: &'static str,
    region: &'static str,
}

#[derive(Serialize)]
struct WeatherTable {
    air_c: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    wind_kmh: Option<f32>,
}

#[derive(Serialize)]
struct DetectorTable {
    name: &'static str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    min_score: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tiles: Option<&'static str>,
}

#[derive(Serialize)]
struct CameraTable {
    id: String,
    name: String,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<PasswordTable>,
    transport: String,
    modality: patrol_core::Modality,
    #[serde(skip_serializing_if = "Option::is_none")]
    polarity: Option<&'static str>,
    detectors: [&'static str; 1],
    #[serde(flatten)]
    place: Option<PlaceTable>,
    site_class: String,
    look_every_s: f64,
    look_limit_s: f64,
    rescan_every_s: f64,
}

#[derive(Serialize)]
struct PlaceTable {
    longitude: f64,
    latitude: f64,
    height_m: f32,
    heading_deg: f32,
    tilt_deg: f32,
    hfov_deg: f32,
}

#[derive(Serialize)]
struct PasswordTable {
    env: String,
}

/// Cameras stand so far apart, in a square: none sees what another sees.
const APART_M: f32 = 200.0;
/// How far a promise may be stretched, of `look_every_s`.
const STRETCH: f64 = 3.0;
const RESCAN_EVERY_S: f64 = 60.0;

/// The least `rescan_every_s` of a pipeline: no look in a promise of seconds comes so soon after another that it may go unexamined.
const ALWAYS_RESCAN_S: f64 = 1.0;

/// The text of a pipeline file with all cameras of `config`: thermal, with the hot-spot detector, which needs no model.
pub fn pipeline(config: &StreetConfig, options: &PipelineOptions) -> Result<String, SimError> {
    pipeline_for(config, options, &WatchOptions::default())
}

/// The text of a pipeline file that watches the cameras of `config` as `watch` says.
pub fn pipeline_for(config: &StreetConfig, options: &PipelineOptions, watch: &WatchOptions) -> Result<String, SimError> {
    let scene = scene(config.seed, config.empty)?;
    let weather = scene.weather();
    let count = watch.cameras.unwrap_or(config.cameras).min(config.cameras);
    let side = (config.cameras as f64).sqrt().ceil().max(1.0) as usize;
    let rescan_every_s = watch.rescan_every_s.unwrap_or(RESCAN_EVERY_S.max(options.look_every_s));
    let always = (watch.always_examined * count as f64).round() as usize;
    let (name, kind, model) = match &watch.detector {
        StreetDetector::HotSpot => ("hot-spot", "hot-spot", None),
        StreetDetector::Onnx(model) => ("person", "onnx", Some(model.clone())),
    };
    let camera = (0..count)
        .map(|number| {
            let shown = &scene.cameras()[number % config.views.max(1) % views_of(&scene)];
            let (column, row) = ((number % side) as f32, (number / side) as f32);
            let place = shown.position.offset(&GroundPoint { east_m: column * APART_M, north_m: row * APART_M, error_m: 0.0 });
            CameraTable {
                id: format!("cam-{number:03}"),
                name: format!("仿真街道{}{number}号", if watch.modality == Modality::Visible { "可见光" } else { "热像" }),
                source: format!("rtsp://{}/cam/{number:03}", options.address),
                user: config.auth.as_ref().map(|auth| auth.user.clone()),
                password: options.password_env.clone().map(|env| PasswordTable { env }),
                transport: options.transport.clone(),
                modality: watch.modality,
                polarity: watch.polarity,
                detectors: [name],
                place: watch.placed.then_some(PlaceTable {
                    longitude: place.lon,
                    latitude: place.lat,
                    height_m: shown.view.height_m,
                    heading_deg: shown.view.heading_deg,
                    tilt_deg: shown.view.tilt_deg,
                    hfov_deg: shown.view.hfov_deg,
                }),
                site_class: shown.site_class.clone(),
                look_every_s: options.look_every_s,
                look_limit_s: watch.look_limit_s.unwrap_or(options.look_every_s * STRETCH),
                rescan_every_s: if number < always { ALWAYS_RESCAN_S } else { rescan_every_s },
            }
        })
        .collect();
    let file = PipelineFile {
        site: Site { name: "仿真街道", region: "310101" },
        weather: WeatherTable { air_c: watch.air_c.unwrap_or(weather.air_c), wind_kmh: weather.wind_kmh },
        run: RunTable { workers: watch.workers, rings_mib: watch.rings_mib },
        detector: [DetectorTable { name, kind, model, min_score: watch.min_score, tiles: watch.tiles }],
        camera,
    };
    toml::to_string(&file).map_err(|error| SimError::Street(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::street::{AuthScheme, StreetAuth};

    #[test]
    fn every_camera_is_there_and_no_password() {
        let auth = StreetAuth { user: "admin".into(), password: "geheim".into(), scheme: AuthScheme::Digest };
        let config = StreetConfig { cameras: 12, auth: Some(auth), ..StreetConfig::default() };
        let options = PipelineOptions {
            address: "127.0.0.1:8554".into(),
            password_env: Some("CAMERA_PASSWORD".into()),
            look_every_s: 2.0,
            transport: "tcp-then-udp".into(),
        };
        let text = pipeline(&config, &options).expect("a pipeline");
        assert!(!text.contains("geheim"));
        let table: toml::Table = text.parse().expect("TOML");
        let cameras = table["camera"].as_array().expect("cameras");
        assert_eq!(cameras.len(), 12);
        assert_eq!(cameras[11]["source"].as_str(), Some("rtsp://127.0.0.1:8554/cam/011"));
        assert_eq!(cameras[11]["password"]["env"].as_str(), Some("CAMERA_PASSWORD"));
        assert_eq!(cameras[0]["look_limit_s"].as_float(), Some(6.0));
        assert_ne!(cameras[0]["longitude"], cameras[1]["longitude"]);
    }

    #[test]
    fn cameras_are_watched_as_asked() {
        let config = StreetConfig { cameras: 20, empty: true, ..StreetConfig::default() };
        let options = PipelineOptions { address: "127.0.0.1:8554".into(), password_env: None, look_every_s: 10.0, transport: "tcp".into() };
        let watch = WatchOptions {
            cameras: Some(10),
            modality: Modality::Visible,
            detector: StreetDetector::Onnx("yolox-nano".into()),
            min_score: Some(0.5),
            rescan_every_s: Some(120.0),
            always_examined: 0.3,
            workers: Some(1),
            placed: false,
            ..WatchOptions::default()
        };
        let table: toml::Table = pipeline_for(&config, &options, &watch).expect("a pipeline").parse().expect("TOML");
        assert_eq!(table["run"]["workers"].as_integer(), Some(1));
        let detector = &table["detector"][0];
        assert_eq!((detector["model"].as_str(), detector["min_score"].as_float()), (Some("yolox-nano"), Some(0.5)));
        let cameras = table["camera"].as_array().expect("cameras");
        assert_eq!(cameras.len(), 10);
        let rescans: Vec<_> = cameras.iter().filter_map(|camera| camera["rescan_every_s"].as_float()).collect();
        assert_eq!(rescans, [1.0, 1.0, 1.0, 120.0, 120.0, 120.0, 120.0, 120.0, 120.0, 120.0]);
        assert!(cameras.iter().all(|camera| camera.get("tilt_deg").is_none() && camera["modality"].as_str() == Some("visible")));
        assert_eq!(cameras[0]["look_limit_s"].as_float(), Some(30.0));
    }
}
