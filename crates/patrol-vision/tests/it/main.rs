//! Pictures in, boxes out: models, pre-processing, warm bodies, evidence.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "tests may: helpers outside of test functions are not seen as such"
)]

mod change;
mod change_place;
mod ground;
mod hot_spot;
mod hot_spot_ground;
mod models;
mod motion;
mod prepare;
mod scene;
mod thermal;
mod thermal_person;
mod usability;
mod view_map;
