//! A person-like box in one picture.

use crate::geometry::{PixelBox, PixelPoint};
use serde::{Deserialize, Serialize};

/// Who saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DetectionSource {
    Network,
    HotSpot,
    /// A network and `hot-spot` agree.
    Both,
    Scripted,
}

/// Shape of the segmented warm region, from its second moments.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Blob {
    pub area_px: f32,
    pub centroid: PixelPoint,
    /// Full length of the long and short axis, pixels (4 σ of the region along that axis).
    pub major_px: f32,
    pub minor_px: f32,
    /// Direction of the long axis, radians from +x towards +y, −π/2..π/2.
    pub angle_rad: f32,
    /// Contrast against the surrounding ring, in σ of the neighbourhood.
    pub contrast_sigma: f32,
    /// What `hot-spot` alone makes of it, 0–1, whatever a network says.
    #[serde(default = "certain")]
    pub score: f32,
    /// False where it has the shape of a lamp, is cut by the picture's edge or clipped all over: only a person could tell what it is.
    #[serde(default = "yes")]
    pub body_like: bool,
}

/// Of regions that were kept before this was told of them.
fn certain() -> f32 {
    1.0
}

fn yes() -> bool {
    true
}

/// Where a pose network sees a body's joints: each the middle of left and right, pixels of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Joints {
    pub shoulders: PixelPoint,
    pub hips: PixelPoint,
    /// `None` where the network is not sure of them.
    pub knees: Option<PixelPoint>,
    /// How sure it is of the less certain of shoulders and hips, 0–1.
    pub score: f32,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Detection {
    pub bbox: PixelBox,
    /// 0–1.
    pub score: f32,
    pub source: DetectionSource,
    /// False for a warm region of person size that no network confirms although one is in use, and for one that `hot-spot` itself doubts: told of as unresolved,
    /// and never pushed without a person.
    pub resolved: bool,
    pub blob: Option<Blob>,
}
