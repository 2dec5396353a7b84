//! The one place where video may be dropped: a slot holds the newest picture of one camera.

use crate::source::KeyFrame;
use patrol_core::{MediaTime, Picture, WallTime};

/// A picture waiting for its look.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub picture: Picture,
    pub discontinuity: bool,
    /// A person asks for this look: it is examined in full.
    pub asked: bool,
}

/// What a slot holds: a picture, or a key frame that whoever looks decodes first.
#[derive(Debug)]
pub enum Content {
    Picture(Picture),
    Key(KeyFrame),
}

impl Content {
    pub fn media_time(&self) -> MediaTime {
        match self {
            Self::Picture(picture) => picture.media_time,
            Self::Key(key) => key.media_time,
        }
    }
}

#[derive(Debug)]
pub struct Held {
    pub content: Content,
    pub discontinuity: bool,
    /// Whether its look is due; a picture that is not may still be replaced without harm.
    pub due: bool,
    pub asked: bool,
}

impl Held {
    pub fn captured(&self) -> WallTime {
        match &self.content {
            Content::Picture(picture) => picture.captured.at,
            Content::Key(key) => key.captured.at,
        }
    }

    /// Makes a picture of it, on this thread; see [`crate::source::Decode`] for `deblock`. An error says why there is none.
    pub fn develop(self, deblock: bool) -> Result<Waiting, String> {
        let picture = match self.content {
            Content::Picture(picture) => picture,
            Content::Key(key) => key.decode(deblock)?,
        };
        Ok(Waiting { picture, discontinuity: self.discontinuity, asked: self.asked })
    }
}

/// Holds at most one picture. What it replaces is handed back to be counted as stale.
#[derive(Debug, Default)]
pub struct Slot {
    held: Option<Held>,
}

impl Slot {
    /// Puts the newest picture in; returns the one it replaced. A discontinuity and a due look are never lost with it.
    pub fn offer(&mut self, mut newest: Held) -> Option<Held> {
        if let Some(old) = &self.held {
            newest.discontinuity |= old.discontinuity;
            newest.due |= old.due;
            newest.asked |= old.asked;
        }
        self.held.replace(newest)
    }
    pub fn is_due(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.due)
    }
    /// A person asks for a look: whatever waits is looked at.
    pub fn make_due(&mut self) {
        if let Some(held) = &mut self.held {
            (held.due, held.asked) = (true, true);
        }
    }
    /// The look before gave nothing: whatever waits is due.
    pub fn expect(&mut self) {
        if let Some(held) = &mut self.held {
            held.due = true;
        }
    }
    pub fn take(&mut self) -> Option<Held> {
        self.held.take()
    }
}
