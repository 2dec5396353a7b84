//! Feeds to pictures: network cameras, video files, folders of pictures and single pictures.
//!
//! In reading order: [`open`] chooses the feed; `video` runs `demux` (bytes to access units) and `decoder` (access units to planes,
//! on the caller's thread) and keeps in `units` the account of which unit gave no picture; `timeline` turns container timestamps
//! into media time that strictly increases; `stills` and `folder` read picture files. [`RtspCamera`] gives the feeds of a network camera:
//! `rtsp` has its sessions, `ring` the encoded seconds they leave, `nal` what must be known of their bits, `concealed` what the
//! decoder made up, `clip` cuts MP4 from a ring.

mod clip;
mod codecs;
mod concealed;
mod decoder;
mod demux;
mod error;
mod folder;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod key_decoder;
mod nal;
mod packed;
mod ring;
mod rtsp;
mod stills;
mod timeline;
mod units;
mod video;

pub use codecs::{Decoders, check_decoder};
pub use error::IngestError;
pub use folder::FolderFeed;
pub use ring::VideoCodec;
pub use rtsp::{Credentials, KeyFrame, OnNews, Password, RtspCamera, RtspFeed, RtspNet, RtspOptions, RtspTransport, SessionNews};
pub use stills::read_picture;
pub use video::VideoFeed;

use patrol_core::{MediaTime, Picture, WallTime};
use std::path::Path;

/// Where pictures come from.
pub trait Feed: Send {
    /// Blocks until the next event. After [`FeedEvent::End`] or an error every further call gives `End`.
    fn next(&mut self) -> Result<FeedEvent, IngestError>;

    /// What was delivered and repaired so far; zeros from a feed that does not count.
    fn stats(&self) -> FeedStats {
        FeedStats::default()
    }
}

#[derive(Debug)]
pub enum FeedEvent {
    Picture {
        picture: Picture,
        /// Time jumped, the picture size changed or the stream was reset before this picture: stillness and velocity must restart.
        discontinuity: bool,
    },
    /// Bytes arrived that no decoder could turn into a picture. `media_time` where the container told it; never before the
    /// time of the event given last.
    Undecodable { media_time: Option<MediaTime>, why: String },
    /// Access units were passed over because the decoder could not keep up. Only live feeds.
    Skipped { pictures: u64 },
    /// Nothing arrived for about 0.25 s; ask again. Only live feeds.
    Idle,
    /// The last picture has been given.
    End,
}

/// Counts of one feed since it was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FeedStats {
    pub pictures: u64,
    pub undecodable: u64,
    /// Timestamps that were missing, repeated, went back or jumped, and were replaced by the nominal interval.
    pub repaired_timestamps: u64,
    /// Pictures given with `discontinuity`.
    pub discontinuities: u64,
}

/// How a feed is opened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OpenOptions {
    /// Wall time of the first picture.
    pub start: WallTime,
    /// Pictures per second of a folder; needed there, ignored elsewhere.
    pub pictures_fps: Option<f64>,
    /// Threads one decoder may use; 1 keeps a feed on its caller's core.
    pub decoder_threads: u32,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { start: WallTime(0), pictures_fps: None, decoder_threads: 1 }
    }
}

/// Opens a video file (mp4, mkv, ts, avi with H.264, H.265, MJPEG, FFV1 or raw video), a folder of pictures, or one picture file.
///
/// A folder or a name that ends like a picture's is read as pictures; the content of any other file decides what it is, not its name.
pub fn open(path: &Path, options: &OpenOptions) -> Result<Box<dyn Feed>, IngestError> {
    let about = std::fs::metadata(path).map_err(|source| IngestError::Read { path: path.to_owned(), source })?;
    if about.is_dir() {
        return Ok(Box::new(FolderFeed::open(path, options)?));
    }
    if about.is_file() && about.len() == 0 {
        return Err(IngestError::Empty { path: path.to_owned() });
    }
    if stills::is_picture_name(path) {
        return Ok(Box::new(FolderFeed::open_one(path, options)?));
    }
    Ok(Box::new(VideoFeed::open(path, options)?))
}
