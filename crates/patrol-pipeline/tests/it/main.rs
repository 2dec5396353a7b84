//! The path of a look over tiny pictures with known truth: a bright rectangle is a person.

#![allow(clippy::expect_used, reason = "helpers of tests")]

mod accounts;
mod flight;
mod in_full;
mod isolation;
mod lanes;
mod live_camera;
mod one_person_one_lead;
mod poses;
mod stay;
mod world;
