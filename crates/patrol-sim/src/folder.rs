//! A scene folder: video, the pipeline that runs it, weather events, and the truth. The same seed gives the same bytes.

use crate::error::SimError;
use crate::h264::{Running, encoder};
use crate::render::Renderer;
use crate::scene::{Scene, SceneCamera};
use crate::spec::BlindSpec;
use patrol_core::{Modality, Weather};
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::sync::Arc;

#[derive(Serialize)]
struct PipelineFile<'a> {
    site: Site,
    weather: WeatherTable,
    #[serde(skip_serializing_if = "Option::is_none")]
    faults: Option<FaultsTable<'a>>,
    detector: Vec<DetectorTable<'a>>,
    camera: Vec<CameraTable<'a>>,
}

#[derive(Serialize)]
struct Site {
    name: String,
    region: &'static str,
}

#[derive(Serialize)]
struct WeatherTable {
    air_c: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    wind_kmh: Option<f32>,
    precip_mm_h: f32,
    alert: patrol_core::AlertLevel,
}

/// What goes wrong on purpose; times in seconds.
#[derive(Serialize)]
struct FaultsTable<'a> {
    truth: &'static str,
    seed: u64,
    miss: f64,
    outages: Vec<[f64; 2]>,
    blind: &'a [BlindSpec],
}

#[derive(Serialize, PartialEq)]
struct DetectorTable<'a> {
    name: String,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    model: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    truth: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    camera: Option<&'a str>,
}

fn detector_of(camera: &SceneCamera, scripted: bool) -> DetectorTable<'_> {
    let by_pixels = |name: &str, kind, model| DetectorTable { name: name.into(), kind, model, truth: None, camera: None };
    match camera.modality {
        _ if scripted => {
            let (name, camera) = (format!("scripted-{}", camera.id), Some(camera.id.as_str()));
            DetectorTable { name, kind: "scripted", model: None, truth: Some(TRUTH), camera }
        }
        // People in visible light are found by the model that `models/` has for them.
        Modality::Visible => by_pixels("person", "onnx", Some("yolox-nano")),
        Modality::Thermal => by_pixels("hot-spot", "hot-spot", None),
    }
}

#[derive(Serialize)]
struct CameraTable<'a> {
    id: &'a str,
    name: &'a str,
    source: String,
    modality: Modality,
    detectors: [String; 1],
    longitude: f64,
    latitude: f64,
    height_m: f32,
    heading_deg: f32,
    tilt_deg: f32,
    hfov_deg: f32,
    site_class: &'a str,
    address: &'a str,
    look_every_s: f64,
    look_limit_s: f64,
    rescan_every_s: f64,
}

/// Region of the scenes: 黄浦区 of Shanghai.
const REGION: &str = "310101";
/// Weather older than three hours counts as missing (design §5): it is told again every hour.
const WEATHER_EVERY_S: f64 = 3600.0;
const TRUTH: &str = "truth.json";

/// Writes `scene` into `dir`, which is made when missing: `video.mp4` (several cameras: `video-<camera>.mp4`), `pipeline.toml`,
/// `events.jsonl`, `truth.json`. `progress` is told the part done, 0–1.
pub fn write_scene(scene: &Scene, dir: &Path, progress: &mut dyn FnMut(f64)) -> Result<(), SimError> {
    let io = |path: &Path, source| SimError::Io { path: path.to_path_buf(), source };
    fs::create_dir_all(dir).map_err(|error| io(dir, error))?;
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).map_err(|error| io(&path, error))
    };
    write("pipeline.toml", &pipeline_of(scene)?)?;
    write("events.jsonl", &events_of(scene))?;
    let shared = Arc::new(scene.clone());
    let cameras = shared.cameras().len();
    for camera in 0..cameras {
        write_video(&shared, camera, dir, &mut |part| progress((camera as f64 + part) / cameras as f64 * 0.98))?;
    }
    let truth = serde_json::to_string(&shared.truth()).map_err(|error| io(&dir.join(TRUTH), error.into()))?;
    write(TRUTH, &(truth + "\n"))?;
    progress(1.0);
    Ok(())
}

fn video_name(scene: &Scene, camera: &SceneCamera) -> String {
    if scene.cameras().len() == 1 { "video.mp4".into() } else { format!("video-{}.mp4", camera.id) }
}

fn pipeline_of(scene: &Scene) -> Result<String, SimError> {
    let (weather, detection) = (scene.weather(), scene.detection());
    let faults = detection.has_faults().then(|| FaultsTable {
        truth: TRUTH,
        // TOML has no greater whole numbers.
        seed: scene.seed() & i64::MAX as u64,
        miss: detection.miss,
        outages: detection.outages_until(scene.duration_s()),
        blind: &detection.blind,
    });
    let mut detectors: Vec<DetectorTable> = Vec::new();
    for camera in scene.cameras() {
        let detector = detector_of(camera, detection.scripted);
        if !detectors.contains(&detector) {
            detectors.push(detector);
        }
    }
    let camera = scene
        .cameras()
        .iter()
        .map(|camera| CameraTable {
            id: camera.id.as_str(),
            name: &camera.name,
            source: video_name(scene, camera),
            modality: camera.modality,
            detectors: [detector_of(camera, detection.scripted).name],
            longitude: camera.position.lon,
            latitude: camera.position.lat,
            height_m: camera.view.height_m,
            heading_deg: camera.view.heading_deg,
            tilt_deg: camera.view.tilt_deg,
            hfov_deg: camera.view.hfov_deg,
            site_class: &camera.site_class,
            address: &camera.name,
            look_every_s: camera.promise.look_every.as_secs_f64(),
            look_limit_s: camera.promise.look_limit.as_secs_f64(),
            rescan_every_s: camera.promise.rescan_every.as_secs_f64(),
        })
        .collect();
    let file = PipelineFile {
        site: Site { name: format!("仿真场景 {}", scene.name()), region: REGION },
        weather: WeatherTable { air_c: weather.air_c, wind_kmh: weather.wind_kmh, precip_mm_h: weather.precip_mm_h, alert: weather.alert },
        faults,
        detector: detectors,
        camera,
    };
    toml::to_string(&file).map_err(|error| SimError::Spec(error.to_string()))
}

/// Weather at the start and every hour. Without `observed_at`: it is observed when it is told.
fn events_of(scene: &Scene) -> String {
    let Weather { air_c, wind_kmh, precip_mm_h, wet_ground, alert, .. } = scene.weather();
    let mut text = String::new();
    for hour in 0..=(scene.duration_s() / WEATHER_EVERY_S) as u32 {
        let t_s = f64::from(hour) * WEATHER_EVERY_S;
        let weather = serde_json::json!({
            "air_c": air_c, "wind_kmh": wind_kmh, "precip_mm_h": precip_mm_h, "wet_ground": wet_ground, "alert": alert,
        });
        text += &serde_json::json!({ "t_s": t_s, "weather": weather }).to_string();
        text.push('\n');
    }
    text
}

fn write_video(scene: &Arc<Scene>, camera: usize, dir: &Path, progress: &mut dyn FnMut(f64)) -> Result<(), SimError> {
    let about = &scene.cameras()[camera];
    let path = dir.join(video_name(scene, about));
    let description = format!("{} ! h264parse ! mp4mux ! filesink location=\"{}\"", encoder(about), escaped(&path));
    {
        let running = Running::launch(about, &description)?;
        let mut renderer = Renderer::new(Arc::clone(scene), camera);
        let mut pixels = Vec::new();
        let frames = (scene.duration_s() * about.fps).ceil() as u64;
        for frame in 0..frames {
            renderer.render_i420(frame as f64 / about.fps, &mut pixels);
            running.push(about, frame, &pixels)?;
            if frame % 64 == 0 {
                progress(frame as f64 / frames as f64);
            }
        }
        running.finish(about)?;
    }
    let io = |source| SimError::Io { path: path.clone(), source };
    let mut bytes = fs::read(&path).map_err(io)?;
    forget_times(&mut bytes);
    fs::write(&path, bytes).map_err(io)
}

/// A path inside a quoted value of a GStreamer description.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "\\\\").replace('"', "\\\"")
}

/// Sets the creation and modification times of an MP4 file to zero: the muxer writes when it ran, a scene knows only its seed.
fn forget_times(bytes: &mut [u8]) {
    let mut at = 0;
    while at + 8 <= bytes.len() {
        let word = |offset: usize| bytes.get(offset..offset + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_be_bytes);
        let kind = &bytes[at + 4..at + 8];
        let header = if word(at) == 1 { 16 } else { 8 };
        let length = if header == 16 { (word(at + 8) as usize) << 32 | word(at + 12) as usize } else { word(at) as usize };
        let length = if length == 0 { bytes.len() - at } else { length };
        match kind {
            // Containers are entered.
            b"moov" | b"trak" | b"mdia" => at += header,
            b"mvhd" | b"tkhd" | b"mdhd" => {
                let wide = bytes.get(at + header).copied() == Some(1);
                let times = at + header + 4..at + header + 4 + if wide { 16 } else { 8 };
                if let Some(times) = bytes.get_mut(times) {
                    times.fill(0);
                }
                at = at.saturating_add(length.max(8));
            }
            _ => at = at.saturating_add(length.max(8)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAMERAS: &str = "[[camera]]\nid = \"t\"\nname = \"x\"\nat = [0, 0]\nheight_m = 7\ntilt_deg = 26\nhfov_deg = 58\n[[camera]]\nid = \"v\"\nname = \"y\"\nat = [0, 0]\nheight_m = 7\ntilt_deg = 26\nhfov_deg = 58\nmodality = \"visible\"\n[[person]]\nfrom = [0, 9]\nsteps = [{ do = \"lie\" }]\n";

    fn pipeline(detection: &str) -> toml::Table {
        let spec = format!("duration_s = 60\nweather = {{ air_c = -4.0 }}\n{detection}\n{CAMERAS}");
        let scene = Scene::from_spec(&spec, u64::MAX).expect("a scene");
        pipeline_of(&scene).expect("a pipeline").parse().expect("TOML")
    }

    #[test]
    fn faults_and_scripted_detectors_are_written_where_they_are_asked_for() {
        let plain = pipeline("");
        assert!(plain.get("faults").is_none());
        assert_eq!(plain["detector"][0]["name"].as_str(), Some("hot-spot"));
        assert_eq!(plain["camera"][1]["detectors"][0].as_str(), Some("person"));
        let faulty = pipeline(
            "[detection]\nscripted = true\nmiss = 0.35\noutage_every_s = 25\noutage_s = 4\nblind = [{ person = \"p1\", from_s = 2, to_s = 9 }]",
        );
        let (detector, faults) = (&faulty["detector"][1], &faulty["faults"]);
        for (key, value) in [("name", "scripted-v"), ("kind", "scripted"), ("truth", "truth.json"), ("camera", "v")] {
            assert_eq!(detector[key].as_str(), Some(value));
        }
        assert_eq!(faulty["camera"][0]["detectors"][0].as_str(), Some("scripted-t"));
        assert_eq!(faults["seed"].as_integer(), Some(i64::MAX));
        assert_eq!(faults["miss"].as_float(), Some(0.35));
        assert_eq!(faults["outages"], toml::Value::try_from([[25.0, 29.0], [50.0, 54.0]]).expect("TOML"));
        assert_eq!(faults["blind"][0]["person"].as_str(), Some("p1"));
    }
}
