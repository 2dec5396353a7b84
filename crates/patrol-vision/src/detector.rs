//! The face of everything that finds people in a picture.

use crate::error::VisionError;
use patrol_core::{CameraView, Detection, Modality, Picture, PixelBox};

/// Where a model runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    Cpu,
    /// Missing CUDA is an error, unless `fallback` allows the CPU instead (said in the log).
    Cuda {
        fallback: bool,
    },
}

/// What a detector may know about the picture beyond its pixels.
#[derive(Debug, Clone, Copy)]
pub struct DetectContext<'a> {
    pub modality: Modality,
    /// How the camera looks at the ground.
    pub view: Option<&'a CameraView>,
    /// Ground sampling distance, metres per pixel, when known otherwise: drones looking down.
    pub gsd_m: Option<f32>,
    /// The look owes an examination at every scale at which somebody could be seen, not only at the cheapest: the how many-th of the camera. Each is
    /// shifted a little against the one before, so that whom one misses the next may find.
    pub in_full: Option<u32>,
}

pub trait Detector: Send {
    /// Appends what it finds to `out`, best first; boxes in pixels of `picture`.
    fn detect(&mut self, picture: &Picture, context: &DetectContext<'_>, out: &mut Vec<Detection>) -> Result<(), VisionError>;
    /// Looks once more at one place of a picture that was looked at before, closer where that can tell more. Appends what it finds around
    /// there and gives how many inferences that took; a detector that sees nothing more from near looks at nothing.
    fn look_closer(
        &mut self,
        _picture: &Picture,
        _place: &PixelBox,
        _context: &DetectContext<'_>,
        _out: &mut Vec<Detection>,
    ) -> Result<u64, VisionError> {
        Ok(0)
    }
    /// Whether a look that is not in full sees fewer people than one that is.
    fn sees_less_between(&self) -> bool {
        false
    }
    /// The model's name, or the method's.
    fn name(&self) -> &str;
    /// SHA-256 of the model file in hexadecimal; empty without a model.
    fn model_sha256(&self) -> &str;
}
