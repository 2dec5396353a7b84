//! The networks that are measured.

use crate::models::find;
use patrol_core::Modality;
use patrol_vision::ModelCard;
use std::path::{Path, PathBuf};

/// What is measured by preference: the detector of visible light, which every peer knows.
const VISIBLE: &str = "yolox-nano";
/// What comes with the house.
pub(super) const STREET: &str = "visible-person-n";
pub(super) const THERMAL: &str = "thermal-person-n";

/// One that is there.
pub(super) struct Model {
    pub(super) name: String,
    pub(super) file: PathBuf,
    /// As a pipeline file names it.
    pub(super) modality: &'static str,
}

/// YOLOX-nano, or where that could not be fetched our own.
pub(super) fn for_whole_path() -> anyhow::Result<Model> {
    ready(VISIBLE).or_else(|_| ready(STREET)).map_err(anyhow::Error::msg)
}

/// The model `name`, checked against its card.
fn ready(name: &str) -> Result<Model, String> {
    let card = ModelCard::load(&find(name, Path::new("."))?).map_err(|error| error.to_string())?;
    card.verify().map_err(|error| error.to_string())?;
    let modality = if card.modality == Modality::Visible { "visible" } else { "thermal" };
    Ok(Model { name: card.name, file: card.file, modality })
}
