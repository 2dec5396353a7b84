//! Scenes with known truth: rendered streets and squares, thermal and visible, and a city to deliver to.
//!
//! A scene is drawn from a seed, or from a SPEC file, and never changes: the same seed gives the same bytes. What it shows is known exactly
//! ([`Truth`]), so that leads can be held against it. Detectors are given pixels only, unless a
//! SPEC asks for scripted ones.
//!
//! Reading order: [`scene`] (what is there), [`spec`] (how it is written down), `plot`, `stage` and `cast` (how a seed becomes a street),
//! `script` and `body` (who does what, and what that looks like), `motion` (where cameras look), [`render`] (pixels), [`truth`], [`stream`] and
//! [`folder`] (pictures as a camera would deliver them). [`mock_city`] stands alone; [`street`] serves cameras over RTSP.

mod body;
mod cast;
mod error;
pub mod folder;
mod geometry;
mod h264;
pub mod mock_city;
mod motion;
mod plot;
mod random;
pub mod render;
pub mod scene;
mod script;
pub mod spec;
mod stage;
pub mod stream;
pub mod street;
pub mod truth;

pub use error::SimError;
pub use folder::write_scene;
pub use render::Renderer;
pub use scene::{Scene, SceneCamera};
pub use stream::SceneStream;
pub use truth::Truth;
