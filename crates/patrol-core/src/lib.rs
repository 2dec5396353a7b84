//! The words of Screen Patrol: what a picture, a camera, a promise, a sighting and a lead are.
//!
//! Nothing here reads or writes anything: no I/O, no FFI, no async, no wire formats. The one exception is
//! [`clock::SystemClock`], the only place in the project that asks the operating system what time it is.

pub mod camera;
pub mod clock;
pub mod desk;
pub mod detection;
pub mod geometry;
pub mod lead;
pub mod outcome;
pub mod picture;
pub mod position;
pub mod sighting;
pub mod time;
pub mod track;
pub mod transform;
pub mod view;
pub mod weather;

pub use camera::{Camera, CameraId, LinkStatus, Modality, Promise};
pub use clock::{Clock, ManualClock, ScaledClock, SystemClock};
pub use detection::{Blob, Detection, DetectionSource, Joints};
pub use geometry::{PictureSize, PixelBox, PixelPoint, UnitBox};
pub use lead::{Lead, LeadId, LeadState, Tier};
pub use outcome::{FailureKind, Outcome, Tally, UnusableKind};
pub use picture::{Picture, PixelFormat};
pub use position::{Crs, GroundPoint, Position};
pub use sighting::{Clip, Evidence, Posture, Sighting};
pub use time::{MediaTime, WallEstimate, WallTime};
pub use track::{Track, TrackId, TrackStage};
pub use transform::PictureTransform;
pub use view::CameraView;
pub use weather::{AlertLevel, Weather};
