//! Cameras of a SPEC file: where they hang, how they move, and what they make of what they see.

use crate::geometry::V2;
use patrol_core::Modality;
use serde::Deserialize;

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
    #[serde(default = "thermal")]
    pub(crate) modality: Modality,
    #[serde(default)]
    pub(crate) motion: Option<MotionSpec>,
    #[serde(default)]
    pub(crate) output: OutputSpec,
}

/// How a camera moves. Amplitudes and headings in degrees, times in seconds.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) enum MotionSpec {
    /// A mast in the wind.
    Sway { deg: f32, period_s: f64 },
    /// A PTZ that goes round its presets: heading, tilt, horizontal field of view.
    Tour { presets: Vec<[f32; 3]>, stay_s: f64, move_s: f64 },
    /// A drone that flies along a path from `at_s` and hovers at its ends; its heading stays.
    Flight {
        path: Vec<V2>,
        speed_m_s: f32,
        #[serde(default)]
        at_s: f64,
    },
}

/// What the camera makes of the scene before it encodes. Thermal and visible cameras share what is not said to be of one kind.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OutputSpec {
    /// Thermal: `white-hot`, `black-hot`, `iron`, `rainbow`, `lava`, `arctic`, `green`, `amber`, or `random-N` with any number N.
    pub(crate) palette: Option<String>,
    /// Thermal: the coldest is shown as the palette's last colour.
    pub(crate) black_hot: bool,
    /// Thermal: σ of the noise of one picture, kelvin.
    pub(crate) noise_k: Option<f32>,
    /// σ of the noise of one picture, grey levels. Visible: in mid grey, 3 when left out. Thermal: after AGC, beside `noise_k`.
    pub(crate) noise_grey: Option<f32>,
    /// Thermal: gain and offset jump this often, seconds.
    pub(crate) agc_step_every_s: Option<f64>,
    /// Thermal: this often the shutter closes, and the picture stands still for 0.6 s, seconds.
    pub(crate) shutter_every_s: Option<f64>,
    /// Visible: how the night is lit; street lamps when left out.
    pub(crate) light: Option<Light>,
    /// Visible: at this second the IR-cut filter swings and `light` becomes the other one, seconds.
    pub(crate) ir_cut_at_s: Option<f64>,
    pub(crate) borders: Borders,
    pub(crate) overlays: Vec<Overlay>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Light {
    /// Street lamps and the glow of the sky: a colour picture.
    Lamps,
    /// The camera's own infrared lamps: a grey picture, bright in its middle.
    Ir,
}

/// Black bars over the edges of the picture, pixels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Borders {
    pub(crate) left: u32,
    pub(crate) right: u32,
    pub(crate) top: u32,
    pub(crate) bottom: u32,
}

/// What is burnt into the picture. Where it goes is drawn from the seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Overlay {
    /// Date and time to the second.
    Clock,
    /// The camera's id.
    Name,
    /// A maker's mark.
    Logo,
    Crosshair,
    /// The palette as a bar with its end temperatures.
    Scale,
    /// The temperature at the middle.
    Spot,
}

fn thermal_size() -> [u32; 2] {
    [640, 512]
}
fn two() -> f64 {
    2.0
}
fn commercial_road() -> String {
    "00501".into()
}
fn thermal() -> Modality {
    Modality::Thermal
}
