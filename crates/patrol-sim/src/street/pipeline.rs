//! The pipeline file that watches a street.

use super::StreetConfig;
use crate::error::SimError;
use crate::scene::Scene;
use patrol_core::GroundPoint;
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

#[derive(Serialize)]
struct PipelineFile {
    site: Site,
    weather: WeatherTable,
    detector: [DetectorTable; 1],
    camera: Vec<CameraTable>,
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
    detectors: [&'static str; 1],
    longitude: f64,
    latitude: f64,
    height_m: f32,
    heading_deg: f32,
    tilt_deg: f32,
    hfov_deg: f32,
    site_class: String,
    look_every_s: f64,
    look_limit_s: f64,
    rescan_every_s: f64,
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

/// The text of a pipeline file with all cameras of `config`: thermal, with the hot-spot detector, which needs no model.
pub fn pipeline(config: &StreetConfig, options: &PipelineOptions) -> Result<String, SimError> {
    let scene = Scene::named("winter-street", config.seed, super::content::SCENE_S)?;
    let weather = scene.weather();
    let side = (config.cameras as f64).sqrt().ceil().max(1.0) as usize;
    let camera = (0..config.cameras)
        .map(|number| {
            let shown = &scene.cameras()[number % config.views.max(1) % 2];
            let (column, row) = ((number % side) as f32, (number / side) as f32);
            let place = shown.position.offset(&GroundPoint { east_m: column * APART_M, north_m: row * APART_M, error_m: 0.0 });
            CameraTable {
                id: format!("cam-{number:03}"),
                name: format!("仿真街道热像{number}号"),
                source: format!("rtsp://{}/cam/{number:03}", options.address),
                user: config.auth.as_ref().map(|auth| auth.user.clone()),
                password: options.password_env.clone().map(|env| PasswordTable { env }),
                transport: options.transport.clone(),
                modality: patrol_core::Modality::Thermal,
                detectors: ["hot-spot"],
                longitude: place.lon,
                latitude: place.lat,
                height_m: shown.view.height_m,
                heading_deg: shown.view.heading_deg,
                tilt_deg: shown.view.tilt_deg,
                hfov_deg: shown.view.hfov_deg,
                site_class: shown.site_class.clone(),
                look_every_s: options.look_every_s,
                look_limit_s: options.look_every_s * STRETCH,
                rescan_every_s: RESCAN_EVERY_S.max(options.look_every_s),
            }
        })
        .collect();
    let file = PipelineFile {
        site: Site { name: "仿真街道", region: "310101" },
        weather: WeatherTable { air_c: weather.air_c, wind_kmh: weather.wind_kmh },
        detector: [DetectorTable { name: "hot-spot", kind: "hot-spot" }],
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
}
