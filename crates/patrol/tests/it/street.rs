//! `patrol run` before the simulated street: each way in which cameras break has a test of its own.
//!
//! ```text
//! Street (here, RTSP on loopback) ─► patrol run ─► looks.csv, strips with block codes
//!      ▲ faults, by the script of `run`        └─► console: cameras, leads, rings, look now, live view
//! ```
//! All faults happen in one shared run ([`run::faulty_street`]), each to a camera of its own beside healthy ones; the tests read what it left behind. When a
//! picture was taken, and by whom, they read from the code in the picture, never from the patrol.

mod asked;
mod blind;
mod healthy;
mod link;
mod on_demand;
mod process;
mod record;
mod reload;
mod run;
mod script;
mod stream;
mod time;
mod wire;
