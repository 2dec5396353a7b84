//! The pipeline file in two steps: as written ([`written`]), then as a checked plan that can be built ([`plan`]).

pub(crate) mod plan;
pub(crate) mod problem;
pub(crate) mod written;

pub(crate) use plan::{CameraPlan, CityPlan, DetectorPlan, Plan};
pub(crate) use problem::Problems;
