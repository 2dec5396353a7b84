//! Where a camera's pictures come from, as the pipeline sees it.

use patrol_core::{LinkStatus, MediaTime, Picture, WallEstimate, WallTime};
use std::fmt;
use std::sync::Arc;

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
    /// Looks read a smaller stream than the camera has.
    fn has_main(&self) -> bool {
        false
    }
    /// Whether somebody rests there, of whom evidence may be wanted: then the main stream is wanted too. Told after every look that could be judged.
    fn want_main(&self, _wanted: bool) {}
    /// The newest key frame of the main stream, if it runs.
    fn main_key(&self) -> Option<KeyFrame> {
        None
    }
    /// As [`Link::cut`], from the main stream; `None` also when it has too little of that time.
    fn cut_main(&self, _from: WallTime, _to: WallTime) -> Option<Vec<u8>> {
        None
    }
}

/// A key frame as a live camera sent it. It is decoded only when its look begins, on the worker's own core.
pub struct KeyFrame {
    pub media_time: MediaTime,
    pub captured: WallEstimate,
    pub decode: Decode,
}

/// Gives the picture, or says why there is none. Told `false`, it may leave out what smooths the edges of blocks, which costs a fifth.
pub type Decode = Box<dyn FnOnce(bool) -> Result<Picture, String> + Send>;

impl KeyFrame {
    pub fn decode(self, deblock: bool) -> Result<Picture, String> {
        let mut picture = (self.decode)(deblock)?;
        picture.media_time = self.media_time;
        Ok(picture)
    }
}

impl fmt::Debug for KeyFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyFrame").field("media_time", &self.media_time).field("captured", &self.captured).finish_non_exhaustive()
    }
}

/// What a session tells.
#[derive(Debug)]
pub enum SessionNews {
    /// A key frame has come. Not told while all pictures are read.
    Key(KeyFrame),
    /// The session is over, and why.
    Ended(String),
}

/// Called on whatever thread reads the network; it does not wait.
pub type OnNews = Arc<dyn Fn(SessionNews) + Send + Sync>;

/// A live camera's sessions: who begins them, and in which lane their pictures come, is decided here (`live/lanes.rs`).
pub trait Sessions: Send + Sync {
    /// Begins a session; one that is still there ends without a word.
    fn connect(&self, on_news: OnNews);
    /// Ends the session without a word.
    fn hang_up(&self);
    /// All pictures of the running session from its newest key frame on, in the media time of its key frames, decoded on the thread that asks.
    fn pictures(&self) -> Box<dyn PictureSource>;
}
