//! Promises, the path of a look, workers, tally.
//!
//! Read [`look`] first: it is the path of a picture from the slot to the desk, top to bottom. `replay` and `live` differ
//! only in who calls it: one thread on a simulated clock, or a worker per core on a real one.

mod cells;
pub mod condition;
pub mod desk_room;
mod evidence;
pub mod eyes;
pub mod histogram;
pub mod lane;
mod line;
mod link_view;
pub mod live;
pub mod load;
pub mod look;
mod memory;
mod poses;
pub mod promise;
pub mod replay;
mod sight;
pub mod slot;
pub mod source;
mod stage;
mod things;
pub mod upright;
mod vanished;
mod views;
pub mod watch;

pub use desk_room::{Archive, ArchiveError, DeskRoom, MemoryArchive};
pub use eyes::Eyes;
pub use histogram::HistogramReading;
pub use live::{CameraReading, Live, LiveCamera, LiveConfig, LoadReading, LookRecord, TimingReading};
pub use replay::{ReplayCamera, ReplaySummary, TimedEvent, replay};
pub use source::{KeyFrame, Link, Offer, OnNews, PictureSource, SessionNews, Sessions};
pub use watch::{CameraWatch, CellCounts, MainCounts};
