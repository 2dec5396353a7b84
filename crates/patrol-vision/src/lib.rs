//! Pictures to boxes: what finds people in one picture, and what says that a picture cannot be judged.
//!
//! In reading order: [`detector`] is the face that the pipeline talks to; [`card`] describes a model, [`runtime`] loads
//! ONNX Runtime, [`onnx`] runs a model, on a GPU in one [`batch`] with other workers' pictures, with [`tiles`] saying where and at which scale, [`prepare`] making its input in one
//! pass and [`layout`] reading its output, [`calibration`] making its scores comparable;
//! [`hot_spot`] finds warm bodies in thermal pictures without a model; [`combine`](combine()) puts both together;
//! [`thermal`] reads intensity from thermal video, whatever its palette, polarity and overlays;
//! [`usability`] refuses pictures in which nobody could be seen; [`change`] says whether one need not be examined again and what became of a place;
//! [`motion`] says how the camera itself has moved; [`pose`] where a person's joints are; [`jpeg`] makes evidence.

pub mod batch;
pub mod calibration;
mod canvas;
pub mod card;
pub mod change;
mod closer;
mod combine;
pub mod detector;
pub mod error;
pub mod hot_spot;
pub mod jpeg;
pub mod layout;
pub mod luma;
pub mod motion;
mod network;
pub mod onnx;
pub mod pose;
pub mod prepare;
mod resample;
pub mod runtime;
pub mod thermal;
pub mod tiles;
pub mod usability;
mod vectors;
mod view_map;
mod view_sign;
mod view_turn;
mod warmth;

pub use batch::BatchSession;
pub use card::ModelCard;
pub use combine::{combine, network_score};
pub use detector::{DetectContext, Detector, Device};
pub use error::VisionError;
pub use hot_spot::{HotSpot, HotSpotConfig};
pub use motion::{CameraMotion, Motion, MotionKind};
pub use onnx::OnnxDetector;
pub use pose::{PoseEstimator, PoseNetwork};
pub use runtime::OnnxRuntime;
pub use thermal::{ThermalConfig, ThermalNormaliser, ThermalReading};
pub use usability::UsabilityGuard;
pub use view_map::ViewMap;
pub use view_sign::ViewSign;
pub use warmth::is_nowhere_warmer;
