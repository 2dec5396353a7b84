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
    #[error("{url}: {why}; wanted rtsp://HOST[:PORT]/PATH")]
    BadUrl { url: String, why: String },
    #[error("{url}: cannot be reached: {why}; check address, port and network")]
    Unreachable { url: String, why: String },
    #[error("{url}: {stage} was not answered within {seconds} s; check the camera's load, or restart it")]
    SlowSetup { url: String, stage: &'static str, seconds: u64 },
    #[error("{url}: wrong user or password (401); check the camera's `credentials`, and that the account is not locked")]
    WrongPassword { url: String },
    #[error("{url}: wants a user and a password (401) and none is given; set the camera's `credentials`")]
    NoPassword { url: String },
    #[error("{url}: no such stream (404); check the path and the channel number")]
    NoSuchStream { url: String },
    #[error("{url}: {stage} was refused: {why}")]
    Refused { url: String, stage: &'static str, why: String },
    #[error("{url}: found {found}; wanted a video stream in H.264 or H.265; change the camera's encoding")]
    NoUsableStream { url: String, found: String },
    #[error("{url}: no picture arrived for {seconds} s although the session stood; the camera hangs or its link is cut")]
    NoPicturesArrive { url: String, seconds: u64 },
    #[error("{url}: the session ended: {why}")]
    SessionEnded { url: String, why: String },
    #[error("a key frame gave no picture: {why}")]
    KeyFrame { why: String },
    #[error("the thread for network cameras could not be started: {source}")]
    NetThread { source: std::io::Error },
    #[error("a clip could not be made: {why}")]
    Clip { why: String },
    #[error("GStreamer {what}; `make setup` installs what is missing")]
    Gstreamer { what: String },
}
