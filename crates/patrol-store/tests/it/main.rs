//! What a store promises to the desk, the outlet, the console and the auditor.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests, which the lints do not know as tests")]

mod change;
mod cost;
mod evidence;
mod fixture;
mod full_disk;
mod kill;
mod outbox;
mod viewings;
