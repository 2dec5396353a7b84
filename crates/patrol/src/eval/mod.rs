//! `patrol eval`: results against the truth. Each measure is a pure function over what was read; the figures go to standard output.

pub(crate) mod detect;
pub(crate) mod leads;
mod leads_causes;
mod leads_match;
pub(crate) mod track;
pub(crate) mod truth;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Write as _;
use std::path::Path;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Detections against COCO annotations: AP, AP50, AR, recall at a rate of false alarms.
    Detect(detect::Args),
    /// Tracks against the truth, both as MOTChallenge text: IDF1, MOTA.
    Track(track::Args),
    /// Leads against truth.json: recall, duplicates, false leads, blind interval.
    Leads(leads::Args),
}

pub(crate) fn run(args: Args) -> Result<()> {
    match args.what {
        What::Detect(args) => detect::run(&args),
        What::Track(args) => track::run(&args),
        What::Leads(args) => leads::run(&args),
    }
}

/// Writes `score` to standard output, as one JSON object or as lines of name and value.
fn tell<T: Serialize>(score: &T, json: bool) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let value = serde_json::to_value(score)?;
    match value.as_object() {
        Some(fields) if !json => {
            for (name, value) in fields {
                writeln!(out, "{name:<26} {value}")?;
            }
        }
        _ => writeln!(out, "{value}")?,
    }
    Ok(())
}

fn read_text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Reads JSON; an error names the file and the field.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = read_text(path)?;
    let reader = &mut serde_json::Deserializer::from_str(&text);
    serde_path_to_error::deserialize(reader).with_context(|| format!("{}: not the JSON that is wanted here", path.display()))
}
