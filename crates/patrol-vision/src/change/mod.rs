//! What has changed in a picture, and what became of a place where somebody was.
//!
//! [`ChangeGuard`] compares a picture with the last one that was examined in full: a picture of which nothing has changed need not be
//! examined again. [`Scenery`] is the place without its people; [`PlacePatch`] is how one place looks, and [`read_place`] says whether whoever
//! was confirmed there is there still. Errors are not alike: calling a picture changed costs one inference, calling a place empty may cost a life.

mod blocks;
mod fit;
mod guard;
mod patch;
mod place;
mod restless;
mod ring;
mod scenery;

pub use guard::{Change, ChangeGuard};
pub use patch::PlacePatch;
pub use place::{PlaceReading, PlaceVerdict, read_place};
pub use scenery::Scenery;
