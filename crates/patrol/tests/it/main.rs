//! Behaviour across crates, and the rules of the house.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "helpers of tests")]

mod house;
mod http;
mod kill;
mod pipelines;
mod scenes;
mod usage;
mod video;
