//! What can go wrong between a picture and its boxes; each message names the thing, what was found, and the next step.

use std::path::PathBuf;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum VisionError {
    #[error("{}: cannot be read: {source}; {hint}", path.display())]
    Read { path: PathBuf, source: std::io::Error, hint: &'static str },
    #[error("{}: {problem}", path.display())]
    Card { path: PathBuf, problem: String },
    #[error("{}: SHA-256 is {found}, the card wants {wanted}; fetch the file again, or correct the card if the file is the right one", file.display())]
    Hash { file: PathBuf, found: String, wanted: String },
    #[error("ONNX Runtime {}: {problem}; run scripts/setup, or set PATROL_ONNXRUNTIME to the library", library.display())]
    Runtime { library: PathBuf, problem: String },
    #[error("{}: {what}: found {found}, wanted {wanted}; {hint}", file.display())]
    Model { file: PathBuf, what: String, found: String, wanted: String, hint: &'static str },
    #[error(
        "device cuda was asked for and cannot be used: {problem}; install the CUDA build of ONNX Runtime, or set device = \"cpu\" or fallback = true"
    )]
    Device { problem: String },
    #[error("model {model}: inference failed: {problem}")]
    Inference { model: String, problem: String },
    #[error("a JPEG of {width}×{height} pixels cannot be made: {problem}")]
    Jpeg { width: u32, height: u32, problem: String },
    #[error("a picture of intensities cannot be made: {problem}")]
    Picture { problem: patrol_core::picture::PictureError },
}
