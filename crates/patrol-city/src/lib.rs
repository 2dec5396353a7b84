//! Leads out to the city's platform, its callbacks in.
//!
//! Out: [`event_json`] tells a lead in the canonical words, [`Mapping`] turns them into the city's own, [`Outlet`] sends one
//! message and judges the answer, [`Courier`] works the outbox off, for ever, in order per lead.
//! In: [`callback_router`] takes signed callbacks and answers only once they are kept; [`parse_callback`] reads them.
//!
//! Nothing here decides what a lead is or when it is told: that is the desk's.

mod callback;
mod courier;
mod door;
mod error;
mod event;
mod form;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod local_time;
mod mapping;
mod outlet;
mod receive;
#[cfg(test)]
mod sample;
mod secret;
mod sign;
mod verdict;

pub use callback::parse_callback;
pub use courier::{Courier, Outbox};
pub use door::serve_callbacks;
pub use error::{CityError, CityProblem};
pub use event::{Site, event_json};
pub use mapping::{CityClass, Mapping, PlatformCrs, Sla};
pub use outlet::{Outlet, OutletConfig};
pub use receive::{CALLBACK_PATH, CallbackConfig, ReceivedCallback, callback_router};
pub use secret::{Secret, SecretRef};
pub use sign::{SIGNATURE_WINDOW, Signer};
pub use verdict::{Attempt, Verdict};
