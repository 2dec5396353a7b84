//! A track worth telling, and the pictures that go with it.

use crate::camera::CameraId;
use crate::geometry::{PictureSize, PixelBox};
use crate::position::{GroundPoint, Position};
use crate::time::{MediaTime, WallEstimate, WallTime};
use crate::track::TrackId;
use crate::transform::PictureTransform;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Posture {
    Standing,
    Walking,
    Sitting,
    Slumped,
    Lying,
    Curled,
    Unknown,
}

impl Posture {
    /// Lying, curled or slumped: the postures of a person down.
    pub fn is_down(self) -> bool {
        matches!(self, Self::Lying | Self::Curled | Self::Slumped)
    }
}

/// Where a sighting is: on its camera always, on the ground and on the Earth when the camera's view is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Place {
    pub camera: CameraId,
    /// Which of its views a camera that turns was looking at; 0 of one that does not. Pixels of different views have nothing to do with each other.
    #[serde(default)]
    pub preset: u32,
    /// Where what stood in the first picture of that view stands in this one: the camera flies, pans or sways. Pixels of two pictures are compared by it.
    #[serde(default, skip_serializing_if = "PictureTransform::is_identity")]
    pub now_from_begin: PictureTransform,
    pub bbox: PixelBox,
    pub size: PictureSize,
    pub ground: Option<GroundPoint>,
    pub position: Option<Position>,
    /// Pixels per metre at the place, when known.
    pub pixels_per_metre: Option<f32>,
}

/// One track in one look, with everything the desk needs to judge it.
#[derive(Debug, Clone)]
pub struct Sighting {
    pub track: TrackId,
    pub place: Place,
    pub media_time: MediaTime,
    pub captured: WallEstimate,
    pub first_seen: WallTime,
    /// Since when it has not moved; `None` while it moves.
    pub still_since: Option<WallTime>,
    /// Since when it has been in its present posture class (down, sitting, other).
    pub posture_since: WallTime,
    pub posture: Posture,
    /// Detector confidence p, 0–1.
    pub confidence: f32,
    /// 0 still … 1 walking.
    pub movement: f32,
    /// 0 uncovered … 1 under a quilt or tent.
    pub cover: f32,
    pub resolved: bool,
    /// No detector found it in this look: it is kept because the picture of its place is still the one in which it was last found.
    pub held: bool,
    /// Examined looks of this track in which it was seen.
    pub looks: u32,
    /// Pictures, when this look is one at which a decision may fall.
    pub evidence: Option<Arc<Evidence>>,
}

/// JPEG bytes and their SHA-256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jpeg {
    pub sha256: String,
    pub bytes: Arc<[u8]>,
}

/// A clip as the camera sent it, MP4, and its SHA-256 in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clip {
    pub sha256: String,
    pub bytes: Arc<[u8]>,
}

/// Taken at the moment of decision, never changed after.
#[derive(Debug, Clone)]
pub struct Evidence {
    pub about: EvidenceRef,
    pub whole: Jpeg,
    pub crop: Jpeg,
    /// At most 20 small pictures of the seconds or minutes before, oldest first.
    pub preview: Vec<Jpeg>,
    /// The seconds before the decision, not re-encoded; `None` where the feed keeps no packets.
    pub clip: Option<Clip>,
    /// The decision stands since earlier evidence, of the same posture and of no lower tier: nobody decides anything by this.
    pub renews: bool,
}

/// What a lead keeps of its evidence: text, and the hashes its pictures are stored under.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvidenceRef {
    pub camera: CameraId,
    pub media_time: MediaTime,
    pub captured: WallEstimate,
    pub bbox: PixelBox,
    pub size: PictureSize,
    pub posture: Posture,
    /// Names of the detectors that saw it, and the SHA-256 of the model file (empty without a model).
    pub model: String,
    pub model_sha256: String,
    /// Its pictures are those of the camera's main stream, `captured` in the same seconds, while looks read a smaller one. `bbox` and `size` are theirs.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub main_stream: bool,
    pub whole_sha256: String,
    pub crop_sha256: String,
    pub preview_sha256: Vec<String>,
    /// `None`: no clip was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_sha256: Option<String>,
}
