//! Why a feed could not be opened or went no further.

use std::path::PathBuf;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum IngestError {
    #[error("{}: cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}: is empty; wanted a video (mp4, mkv, ts, avi) or a picture (png, jpg, webp, tif)", path.display())]
    Empty { path: PathBuf },
    #[error("{}: found {found}; wanted a video file (mp4, mkv, ts, avi) that is complete enough to be opened", path.display())]
    NotVideo { path: PathBuf, found: String },
    #[error("{}: found only {found}; wanted a video stream", path.display())]
    NoVideoStream { path: PathBuf, found: String },
    #[error("{}: found video of type {found}; wanted H.264, H.265, MJPEG, FFV1 or raw video; convert it first", path.display())]
    Codec { path: PathBuf, found: String },
    #[error("{}: no bytes came for {seconds} s; check the disk or the share it lies on", path.display())]
    Stalled { path: PathBuf, seconds: u64 },
    #[error("{}: reading broke off: {why}", path.display())]
    BrokeOff { path: PathBuf, why: String },
    #[error("{}: has no pictures; wanted files named *.png, *.jpg, *.jpeg, *.webp, *.tif or *.tiff", path.display())]
    NoPictures { path: PathBuf },
    #[error(
        "{}: a folder of pictures needs its frame rate, above 0 and at most {max} per second; found {found}; set `fps`",
        path.display()
    )]
    FrameRate { path: PathBuf, found: String, max: f64 },
    #[error("{}: not a readable picture: {why}", path.display())]
    Picture { path: PathBuf, why: String },
    #[error("GStreamer {what}; `make setup` installs what is missing")]
    Gstreamer { what: String },
}
