//! The networks that are measured.

use crate::models::find;
use patrol_vision::ModelCard;
use std::path::{Path, PathBuf};

/// P1's: what every peer knows, and of one size, so that the limit runs the network on as much as we do.
pub(super) const PEERS: &str = "yolox-nano";
/// What comes with the house.
pub(super) const STREET: &str = "visible-person-n";
pub(super) const THERMAL: &str = "thermal-person-n";

/// The file of the model `name`, checked against its card.
pub(super) fn ready(name: &str) -> Result<PathBuf, String> {
    let card = ModelCard::load(&find(name, Path::new("."))?).map_err(|error| error.to_string())?;
    card.verify().map_err(|error| error.to_string())?;
    Ok(card.file)
}
