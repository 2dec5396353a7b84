//! The one place where video may be dropped: a slot holds the newest picture of one camera.

use patrol_core::{Picture, WallTime};

/// A picture waiting for its look.
#[derive(Debug, Clone)]
pub struct Waiting {
    pub picture: Picture,
    pub discontinuity: bool,
    /// Whether its look is due; a picture that is not may still be replaced without harm.
    pub due: bool,
    /// A person asks for this look: it is examined in full.
    pub asked: bool,
    pub offered_at: WallTime,
}

/// Holds at most one picture. What it replaces is handed back to be counted as stale.
#[derive(Debug, Default)]
pub struct Slot {
    waiting: Option<Waiting>,
}

impl Slot {
    /// Puts the newest picture in; returns the one it replaced. A discontinuity and a due look are never lost with it.
    pub fn offer(&mut self, mut newest: Waiting) -> Option<Waiting> {
        if let Some(old) = &self.waiting {
            newest.discontinuity |= old.discontinuity;
            newest.due |= old.due;
            newest.asked |= old.asked;
        }
        self.waiting.replace(newest)
    }
    pub fn is_due(&self) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| waiting.due)
    }
    /// A person asks for a look: whatever waits is looked at.
    pub fn make_due(&mut self) {
        if let Some(waiting) = &mut self.waiting {
            (waiting.due, waiting.asked) = (true, true);
        }
    }
    pub fn take(&mut self) -> Option<Waiting> {
        self.waiting.take()
    }
}
