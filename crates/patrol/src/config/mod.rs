//! The pipeline file in two steps: as written ([`written`]), then as a checked plan that can be built ([`plan`]).

mod cameras;
mod city;
mod detectors;
pub(crate) mod plan;
pub(crate) mod problem;
pub(crate) mod written;

pub(crate) use cameras::live_address;
pub(crate) use detectors::HOT_SPOT_MIN_SCORE;
pub(crate) use plan::{CameraPlan, CityPlan, DetectorPlan, Plan};
pub(crate) use problem::{Problems, Usage, number_in};
