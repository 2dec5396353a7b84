//! Boxes over time: which detection of this look is which detection of the looks before, and since when it has not moved.
//!
//! A camera's [`Tracker`] is told the detections of every examined look, however long after the last one it comes: 25 a second in a burst, one
//! in ten seconds otherwise. A track is disposable; it is never a person's identity.
//!
//! * [`assignment`]: the cheapest pairing, exact.
//! * `filter`: where a box is expected, and how surely.
//! * `stillness`: since when a box has kept its place.
//! * `association`: what may be paired with what, and at which cost.
//! * `live`: one track between two looks.
//! * [`tracker`]: a look from beginning to end.

pub mod assignment;
mod association;
mod filter;
mod live;
mod stillness;
pub mod tracker;

pub use tracker::{EndedTrack, Tracker, TrackerConfig};
