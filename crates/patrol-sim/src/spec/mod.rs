//! The SPEC file: a scene in TOML. Named scenes are drawn as the same structure.
//!
//! Ground coordinates are `[east, north]` in metres of `[origin]`; headings are compass degrees; temperatures are kelvin above the air.
//!
//! ```toml
//! duration_s = 600
//! origin = { longitude = 121.4737, latitude = 31.2304 }   # optional
//! weather = { air_c = -4.0, wind_kmh = 10 }                # wet_ground = true: the ground mirrors
//! snow = { rate = 0.5, settles = true }                    # 0–1: flakes in the air, and a cover that grows
//! [detection]                      # how the folder's pipeline finds people; left out: as the modality has it
//! scripted = true                  # boxes from the truth instead of pixels
//! miss = 0.35                      # part of the looks at each person in which he is not found, by chance: 0 to 0.95
//! outages = [[60.0, 80.0]]         # seconds in which the detectors find nobody at all
//! outage_every_s = 150.0           # and, from the first multiple on, again and again
//! outage_s = 20.0                  #   for so long
//! blind = [{ person = "p1", from_s = 200.0, to_s = 2000.0 }]   # the detectors do not find this person then
//! [[camera]]
//! id = "c1"
//! name = "路口"
//! at = [0, 0]
//! height_m = 7.0
//! tilt_deg = 26.0
//! heading_deg = 0.0
//! hfov_deg = 58.0
//! # size = [640, 512]  fps = 2.0  site_class = "00501"  modality = "visible"
//! motion = { kind = "sway", deg = 0.4, period_s = 3.0 }
//! # motion = { kind = "tour", stay_s = 20, move_s = 2, presets = [[0, 26, 58], [60, 20, 30]] }   heading, tilt, field of view
//! # motion = { kind = "flight", path = [[0, 0], [40, 0]], speed_m_s = 4.0, at_s = 10 }
//! [camera.output]
//! palette = "iron"            # white-hot, black-hot, rainbow, lava, arctic, green, amber, random-N; visible cameras have none
//! noise_grey = 4.0            # σ of fresh noise in the 8-bit picture, under borders and overlays; thermal ones have none when left out
//! # black_hot = true  noise_k = 0.07  agc_step_every_s = 40  shutter_every_s = 120
//! # of visible cameras: light = "lamps" or "ir"  ir_cut_at_s = 60
//! borders = { top = 40, bottom = 40 }                      # left, right
//! overlays = ["clock", "name", "logo", "crosshair", "scale", "spot"]
//! [[person]]
//! # id, height_m, clothing_k
//! at_s = 5
//! from = [-3, 4]
//! steps = [
//!   { do = "walk", to = [1, 12], speed_m_s = 1.2 },
//!   { do = "bend", for_s = 6 },                           # also crouch, stand
//!   { do = "lie", facing_deg = 40, cover = "quilt" },     # also curl (cover = "foil"), slump, sit (bench = true); without for_s: to the end
//! ]
//! [[dog]]
//! from = [2, 9]
//! length_m = 0.8
//! steps = [{ do = "walk", to = [4, 12] }, { do = "lie" }]   # walk, stand, sit, lie, curl
//! [[mannequin]]
//! at = [-6, 12]
//! warm_k = 0.5
//! # carried in: at_s = 40
//! [[car]]
//! at = [4, 18]
//! heading_deg = 10.0
//! bonnet_k = 11.0
//! # a driving one: path = [[4, 60], [4, -9]]  at_s = 90  speed_m_s = 8.0  headlights = true
//! [[lamp]]
//! at = [2, 14]
//! height_m = 4.5
//! # flicker_every_s = 6
//! [[wall]]
//! from = [-8, 2]
//! to = [-8, 45]
//! height_m = 12.0
//! [[doorway]]     # width_m, depth_m, warm_k
//! at = [-7, 14]
//! facing_deg = 90.0
//! [[bench]]       # shelter = true: a bus stop
//! at = [-5, 18]
//! facing_deg = 90.0
//! [[block]]       # a kiosk: size = [length, width, height]
//! at = [6, 20]
//! size = [2, 1, 2.4]
//! [[strip]]       # a road, a path: its ground is warm_k warmer than the rest
//! from = [4, -20]
//! to = [4, 60]
//! width_m = 7.0
//! warm_k = 0.6
//! [[manhole]]
//! at = [3, 11]
//! warm_k = 5.0
//! [[steam]]       # height_m
//! at = [3, 11]
//! warm_k = 8.0
//! ```

mod camera;
mod check;
mod detection;
mod things;

pub(crate) use camera::{Borders, CameraSpec, Light, MotionSpec, OutputSpec, Overlay};
pub(crate) use detection::{BlindSpec, DetectionSpec};
pub(crate) use things::{
    BenchSpec, BlockSpec, CarSpec, Cover, DogSpec, DoorwaySpec, LampSpec, ManholeSpec, MannequinSpec, PersonSpec, Props, SteamSpec,
    StepSpec, StripSpec, WallSpec,
};

use crate::error::SimError;
use patrol_core::Weather;
use serde::Deserialize;

#[derive(Debug, Clone)]
pub(crate) struct SceneSpec {
    pub(crate) duration_s: f64,
    pub(crate) origin: Origin,
    pub(crate) weather: Weather,
    pub(crate) snow: Snow,
    pub(crate) detection: DetectionSpec,
    pub(crate) cameras: Vec<CameraSpec>,
    pub(crate) people: Vec<PersonSpec>,
    pub(crate) props: Props,
}

/// Falling snow.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Snow {
    /// 0 none to 1 heavy: visibility of about 200 m.
    pub(crate) rate: f32,
    /// The ground is covered in time, and its contrast goes.
    #[serde(default)]
    pub(crate) settles: bool,
}

/// The file as written: serde cannot refuse unknown keys in a flattened [`Props`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecFile {
    duration_s: f64,
    #[serde(default)]
    origin: Origin,
    weather: Weather,
    #[serde(default)]
    snow: Snow,
    #[serde(default)]
    detection: DetectionSpec,
    #[serde(default)]
    camera: Vec<CameraSpec>,
    #[serde(default)]
    person: Vec<PersonSpec>,
    #[serde(default)]
    dog: Vec<DogSpec>,
    #[serde(default)]
    mannequin: Vec<MannequinSpec>,
    #[serde(default)]
    car: Vec<CarSpec>,
    #[serde(default)]
    lamp: Vec<LampSpec>,
    #[serde(default)]
    wall: Vec<WallSpec>,
    #[serde(default)]
    doorway: Vec<DoorwaySpec>,
    #[serde(default)]
    bench: Vec<BenchSpec>,
    #[serde(default)]
    block: Vec<BlockSpec>,
    #[serde(default)]
    strip: Vec<StripSpec>,
    #[serde(default)]
    manhole: Vec<ManholeSpec>,
    #[serde(default)]
    steam: Vec<SteamSpec>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Origin {
    pub(crate) longitude: f64,
    pub(crate) latitude: f64,
}

impl Default for Origin {
    /// People's Square, Shanghai.
    fn default() -> Self {
        Self { longitude: 121.4737, latitude: 31.2304 }
    }
}

/// Reads any text as a SPEC, for `fuzz/`.
#[cfg(any(test, fuzzing))]
pub fn fuzz(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        SceneSpec::parse(text).ok();
    }
}

impl SceneSpec {
    pub(crate) fn parse(text: &str) -> Result<Self, SimError> {
        let file: SpecFile = toml::from_str(text).map_err(|error| SimError::Spec(error.to_string()))?;
        let props = Props {
            cars: file.car,
            lamps: file.lamp,
            walls: file.wall,
            blocks: file.block,
            strips: file.strip,
            manholes: file.manhole,
            doorways: file.doorway,
            benches: file.bench,
            steam: file.steam,
            mannequins: file.mannequin,
            dogs: file.dog,
        };
        let SpecFile { duration_s, origin, weather, snow, detection, camera: cameras, person: people, .. } = file;
        Self { duration_s, origin, weather, snow, detection, cameras, people, props }.checked()
    }
}

#[cfg(test)]
mod tests;
