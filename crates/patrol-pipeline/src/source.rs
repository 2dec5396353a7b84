//! Where a camera's pictures come from, as the pipeline sees it.

use patrol_core::{MediaTime, Picture};

/// What a source has next.
#[derive(Debug)]
pub enum Offer {
    /// `discontinuity`: time jumped or the stream was reset before this picture.
    Picture { picture: Picture, discontinuity: bool },
    /// Bytes that no decoder could turn into a picture.
    Undecodable { media_time: Option<MediaTime>, why: String },
    /// A file came to its end. A live source never says so.
    End,
}

/// Gives pictures one after another, in media time. Implemented over files, folders and rendered scenes by `patrol`.
pub trait PictureSource: Send {
    /// Blocks until the next picture. An error ends this source; a supervisor opens it anew.
    fn next(&mut self) -> Result<Offer, String>;
}
