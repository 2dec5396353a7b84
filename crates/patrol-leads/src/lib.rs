//! What a track means, which leads it makes, and what about them is news.
//!
//! In reading order:
//! - [`posture`]: how a body lies, sits or stands, from the shape it throws on the picture;
//! - [`exposure`]: how badly the cold treats it (`integration.md` §6.6 and the overrides of design §5);
//! - [`desk`]: the single owner of all leads, one `match` over a closed enum of events.
//!
//! Nothing here does I/O or reads a clock: the same events give the same leads.

pub mod desk;
pub mod exposure;
pub mod local_time;
pub mod posture;

pub use desk::{Desk, DeskConfig, DeskEvent, DeskOutput, DeskRefusal, DeskState, OnTimeout, SuppressedPlace};
