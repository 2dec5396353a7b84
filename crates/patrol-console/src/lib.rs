//! Review API and live page: one queue of leads, two keys to decide, every viewing of a picture logged.
//!
//! The console owns nothing. It asks an [`Office`] for snapshots and hands it officers' commands; what it keeps of its own
//! is a bounded ring of recent changes for pages that reconnect, and which viewings were already logged in this shift.
//!
//! ```text
//! desk, store ─► Office ─► hub (ring of 1 024 changes) ─► GET /api/v1/stream ─► page
//!                  ▲                                                           │
//!                  └──────────── POST /api/v1/leads/{id}/review … ◄────────────┘
//! ```
//!
//! A look now, a live view and a clip are viewings as pictures are: in the log before they are on the screen. A live view takes
//! its pictures from a slot of one at the pace of the page, and ends at the office as soon as the page is gone.
//!
//! Until there are accounts it binds loopback only; a page of another origin or another host name is refused.

mod advice;
mod assets;
mod clip;
#[cfg(any(test, fuzzing))]
pub use clip::fuzz as fuzz_range;
mod commands;
mod guard;
mod hub;
mod leads;
mod live;
mod look;
mod office;
mod officer;
mod reply;
mod server;
mod site;
mod stream;
mod viewing;

pub use advice::{Advice, advice_for};
pub use leads::Group;
pub use office::{
    Answer, CameraStatus, Change, ChangeKind, Check, FreshLook, LOOK_NOW_MAX, LivePicture, LiveView, Office, SeenPerson, SuppressedView,
    WeatherView,
};
pub use server::{ConsoleConfig, ConsoleError, router, serve};
