//! Behaviour across crates, and the rules of the house.

mod house;
mod http;
mod kill;
mod pipelines;
mod scenes;
mod video;
