//! Behaviour across crates, and the rules of the house.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "helpers of tests")]

mod faults;
mod foreign_server;
mod house;
mod http;
mod kill;
mod pipelines;
mod scenes;
mod street;
mod usage;
mod video;
