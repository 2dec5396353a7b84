//! Where a camera's pictures come from, as the pipeline sees it.

use patrol_core::{LinkStatus, MediaTime, Picture, WallTime};

/// What a source has next.
#[derive(Debug)]
pub enum Offer {
    /// `discontinuity`: time jumped or the stream was reset before this picture.
    Picture { picture: Picture, discontinuity: bool },
    /// Bytes that no decoder could turn into a picture.
    Undecodable { media_time: Option<MediaTime>, why: String },
    /// So many pictures were dropped before decoding, because the decoder could not keep up.
    Skipped { pictures: u64 },
    /// Nothing came for a moment. A live source says so, so that whoever waits can see that time passes.
    Idle,
    /// A file came to its end. A live source never says so.
    End,
}

/// Gives pictures one after another, in media time. Implemented over files, folders and rendered scenes by `patrol`.
pub trait PictureSource: Send {
    /// Blocks until the next picture. An error ends this source; a supervisor opens it anew.
    fn next(&mut self) -> Result<Offer, String>;
}

/// A live camera's link, beside the pictures that come over it. Outlives its sessions.
pub trait Link: Send + Sync {
    fn status(&self) -> LinkStatus;
    /// Somebody is seen there: what this camera sent is kept first when memory is short.
    fn set_watched(&self, watched: bool);
    /// What the camera sent from `from` to `to`, as MP4 and not re-encoded; `None` when nothing of that time is kept. Takes milliseconds.
    fn cut(&self, from: WallTime, to: WallTime) -> Result<Option<Vec<u8>>, String>;
}
