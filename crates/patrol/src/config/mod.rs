//! The pipeline file in two steps: as written ([`written`]), then as a checked plan that can be built ([`plan`]); its cameras, and those of the
//! register ([`register`]), once more while the patrol runs ([`reload`]).

mod cameras;
mod city;
mod detectors;
mod faults;
mod interior;
mod marks;
mod place;
pub(crate) mod plan;
pub(crate) mod problem;
mod register;
mod reload;
mod secret;
mod site_class;
mod source;
pub(crate) mod written;

pub(crate) use detectors::HOT_SPOT_MIN_SCORE;
pub(crate) use plan::{CameraPlan, CityPlan, DEFAULT_RINGS_MIB, DetectorPlan, Plan, ReloadBasis};
pub(crate) use problem::{Problems, Usage, number_in};
#[cfg(any(test, fuzzing))]
pub(crate) use register::fuzz as fuzz_register;
pub(crate) use reload::reload_cameras;
pub(crate) use source::{RtspPlan, SourcePlan, TransportPlan, live_address};
