//! What can go wrong while a scene is made, rendered or written.

use std::path::PathBuf;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum SimError {
    #[error("there is no scene named {name:?}; known are {known}")]
    UnknownScene { name: String, known: String },
    #[error("a scene lasts {found} s; give between 10 s and 86400 s")]
    Duration { found: f64 },
    #[error("the scene file is not understood: {0}")]
    Spec(String),
    #[error("scene {scene:?} with seed {seed} has no room for {what}; choose another seed")]
    NoRoom { scene: String, seed: u64, what: &'static str },
    #[error("the scene has {found} cameras, there is no camera number {wanted}")]
    NoCamera { wanted: usize, found: usize },
    #[error("video of camera {camera}: {what}; check that GStreamer's good, bad, ugly and libav plugins are installed")]
    Video { camera: String, what: String },
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("the street of cameras: {0}")]
    Street(String),
}
