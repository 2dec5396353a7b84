//! The SPEC file: a scene in TOML. Named scenes are drawn as the same structure.
//!
//! Ground coordinates are `[east, north]` in metres of `[origin]`; headings are compass degrees; temperatures are kelvin above the air.
//!
//! ```toml
//! duration_s = 600
//! origin = { longitude = 121.4737, latitude = 31.2304 }   # optional
//! weather = { air_c = -4.0, wind_kmh = 10 }
//! [[camera]]
//! id = "c1"
//! name = "路口"
//! at = [0, 0]
//! height_m = 7.0
//! tilt_deg = 26.0
//! heading_deg = 0.0
//! hfov_deg = 58.0
//! # size = [640, 512]  fps = 2.0  site_class = "00501"
//! [[person]]
//! # id, height_m, clothing_k
//! at_s = 5
//! from = [-3, 4]
//! steps = [
//!   { do = "walk", to = [1, 12], speed_m_s = 1.2 },
//!   { do = "stand", for_s = 8 },
//!   { do = "lie", facing_deg = 40 },    # also curl, slump, sit (bench = true); without for_s: to the end
//! ]
//! [[car]]
//! at = [4, 18]
//! heading_deg = 10.0
//! bonnet_k = 11.0
//! # a driving one: path = [[4, 60], [4, -9]]  at_s = 90  speed_m_s = 8.0
//! [[lamp]]
//! at = [2, 14]
//! height_m = 4.5
//! [[wall]]
//! from = [-8, 2]
//! to = [-8, 45]
//! height_m = 12.0
//! [[block]]       # a kiosk, a bench: size = [length, width, height]
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
//! ```

use crate::error::SimError;
use crate::geometry::V2;
use patrol_core::Weather;
use serde::Deserialize;

#[derive(Debug, Clone)]
pub(crate) struct SceneSpec {
    pub(crate) duration_s: f64,
    pub(crate) origin: Origin,
    pub(crate) weather: Weather,
    pub(crate) cameras: Vec<CameraSpec>,
    pub(crate) people: Vec<PersonSpec>,
    pub(crate) props: Props,
}

/// What stands about. Cars with a path drive; everything else is still.
#[derive(Debug, Clone, Default)]
pub(crate) struct Props {
    pub(crate) cars: Vec<CarSpec>,
    pub(crate) lamps: Vec<LampSpec>,
    pub(crate) walls: Vec<WallSpec>,
    pub(crate) blocks: Vec<BlockSpec>,
    pub(crate) strips: Vec<StripSpec>,
    pub(crate) manholes: Vec<ManholeSpec>,
}

impl Props {
    pub(crate) fn append(&mut self, mut other: Self) {
        self.cars.append(&mut other.cars);
        self.lamps.append(&mut other.lamps);
        self.walls.append(&mut other.walls);
        self.blocks.append(&mut other.blocks);
        self.strips.append(&mut other.strips);
        self.manholes.append(&mut other.manholes);
    }
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
    camera: Vec<CameraSpec>,
    #[serde(default)]
    person: Vec<PersonSpec>,
    #[serde(default)]
    car: Vec<CarSpec>,
    #[serde(default)]
    lamp: Vec<LampSpec>,
    #[serde(default)]
    wall: Vec<WallSpec>,
    #[serde(default)]
    block: Vec<BlockSpec>,
    #[serde(default)]
    strip: Vec<StripSpec>,
    #[serde(default)]
    manhole: Vec<ManholeSpec>,
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

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CameraSpec {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) at: V2,
    pub(crate) height_m: f32,
    pub(crate) tilt_deg: f32,
    #[serde(default)]
    pub(crate) heading_deg: f32,
    pub(crate) hfov_deg: f32,
    #[serde(default = "thermal_size")]
    pub(crate) size: [u32; 2],
    #[serde(default = "two")]
    pub(crate) fps: f64,
    #[serde(default = "commercial_road")]
    pub(crate) site_class: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonSpec {
    #[serde(default)]
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) at_s: f64,
    pub(crate) from: V2,
    #[serde(default)]
    pub(crate) height_m: Option<f32>,
    #[serde(default)]
    pub(crate) clothing_k: Option<f32>,
    pub(crate) steps: Vec<StepSpec>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum StepSpec {
    Walk {
        to: V2,
        #[serde(default)]
        speed_m_s: Option<f32>,
    },
    Stand {
        #[serde(default)]
        for_s: Option<f64>,
        #[serde(default)]
        facing_deg: Option<f32>,
    },
    Sit {
        #[serde(default)]
        for_s: Option<f64>,
        #[serde(default)]
        facing_deg: Option<f32>,
        #[serde(default)]
        bench: bool,
    },
    Slump {
        #[serde(default)]
        for_s: Option<f64>,
        #[serde(default)]
        facing_deg: Option<f32>,
    },
    Lie {
        #[serde(default)]
        for_s: Option<f64>,
        #[serde(default)]
        facing_deg: Option<f32>,
    },
    Curl {
        #[serde(default)]
        for_s: Option<f64>,
        #[serde(default)]
        facing_deg: Option<f32>,
    },
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CarSpec {
    /// Where it is parked; not used when it drives.
    #[serde(default = "nowhere")]
    pub(crate) at: V2,
    #[serde(default)]
    pub(crate) heading_deg: f32,
    #[serde(default)]
    pub(crate) bonnet_k: Option<f32>,
    #[serde(default)]
    pub(crate) path: Vec<V2>,
    #[serde(default)]
    pub(crate) at_s: f64,
    #[serde(default = "eight")]
    pub(crate) speed_m_s: f32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LampSpec {
    pub(crate) at: V2,
    pub(crate) height_m: f32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WallSpec {
    pub(crate) from: V2,
    pub(crate) to: V2,
    pub(crate) height_m: f32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BlockSpec {
    pub(crate) at: V2,
    #[serde(default)]
    pub(crate) heading_deg: f32,
    pub(crate) size: [f32; 3],
    #[serde(default)]
    pub(crate) warm_k: f32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StripSpec {
    pub(crate) from: V2,
    pub(crate) to: V2,
    pub(crate) width_m: f32,
    pub(crate) warm_k: f32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ManholeSpec {
    pub(crate) at: V2,
    pub(crate) warm_k: f32,
}

fn thermal_size() -> [u32; 2] {
    [640, 512]
}
fn two() -> f64 {
    2.0
}
fn eight() -> f32 {
    8.0
}
fn nowhere() -> V2 {
    V2::new(0.0, 0.0)
}
fn commercial_road() -> String {
    "00501".into()
}

impl SceneSpec {
    pub(crate) fn parse(text: &str) -> Result<Self, SimError> {
        let file: SpecFile = toml::from_str(text).map_err(|error| SimError::Spec(error.to_string()))?;
        let props =
            Props { cars: file.car, lamps: file.lamp, walls: file.wall, blocks: file.block, strips: file.strip, manholes: file.manhole };
        let (duration_s, origin, weather) = (file.duration_s, file.origin, file.weather);
        Self { duration_s, origin, weather, cameras: file.camera, people: file.person, props }.checked()
    }

    /// Refuses what could not be rendered.
    pub(crate) fn checked(self) -> Result<Self, SimError> {
        if !(10.0..=86400.0).contains(&self.duration_s) {
            return Err(SimError::Duration { found: self.duration_s });
        }
        if self.cameras.is_empty() {
            return Err(SimError::Spec("a scene needs at least one [[camera]]".into()));
        }
        for (index, camera) in self.cameras.iter().enumerate() {
            let [width, height] = camera.size;
            let refuse = |what: &str, found: String, wanted: &str| {
                Err(SimError::Spec(format!("camera {:?}: {what} is {found}, wanted {wanted}", camera.id)))
            };
            let name_is_plain = !camera.id.is_empty() && camera.id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
            if !name_is_plain {
                return refuse("id", camera.id.clone(), "letters, digits, - and _: it becomes part of a file name");
            }
            if self.cameras[..index].iter().any(|other| other.id == camera.id) {
                return refuse("id", camera.id.clone(), "each id once");
            }
            if width % 2 != 0 || height % 2 != 0 || !(64..=4096).contains(&width) || !(64..=4096).contains(&height) {
                return refuse("size", format!("{width}×{height}"), "even numbers from 64 to 4096");
            }
            if !(0.1..=60.0).contains(&camera.fps) {
                return refuse("fps", camera.fps.to_string(), "0.1 to 60");
            }
            if !(1.0..=500.0).contains(&camera.height_m) {
                return refuse("height_m", camera.height_m.to_string(), "1 to 500");
            }
            if !(0.0..=90.0).contains(&camera.tilt_deg) {
                return refuse("tilt_deg", camera.tilt_deg.to_string(), "0 (level) to 90 (straight down)");
            }
            if !(5.0..=120.0).contains(&camera.hfov_deg) {
                return refuse("hfov_deg", camera.hfov_deg.to_string(), "5 to 120");
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_example_is_understood() {
        let lines = include_str!("spec.rs").lines().filter_map(|line| line.strip_prefix("//!"));
        let example: Vec<_> = lines.skip_while(|line| !line.contains("```toml")).skip(1).take_while(|line| !line.contains("```")).collect();
        let spec = SceneSpec::parse(&example.join("\n")).expect("a scene");
        assert!(spec.people.len() == 1 && spec.props.manholes.len() == 1 && spec.props.strips.len() == 1);
    }

    #[test]
    fn problems_are_named() {
        let base = "duration_s = 60\nweather = { air_c = -4.0 }\n[[camera]]\nid = \"c1\"\nname = \"x\"\nat = [0, 0]\nheight_m = 7\nhfov_deg = 58\n";
        assert!(SceneSpec::parse(&format!("{base}tilt_deg = 26\n")).is_ok());
        let error = SceneSpec::parse(&format!("{base}tilt_deg = 126\n")).expect_err("tilt").to_string();
        assert!(error.contains("\"c1\"") && error.contains("126"), "{error}");
        let error = SceneSpec::parse(&format!("{base}tilt_deg = 26\nzoom = 3\n")).expect_err("unknown key").to_string();
        assert!(error.contains("zoom"), "{error}");
    }
}
