//! `patrol eval detect`: figures, their breakdown, and a report with pictures of what went wrong.
//!
//! [`sheets`] sorts what was read by picture, [`score`] matches and counts, [`breakdown`] counts by altitude, time, angle and size;
//! [`worst`] chooses misses and false alarms, [`pages`] shows them, [`chart`] draws, [`report`] writes it all down.

mod breakdown;
mod chart;
mod pages;
mod report;
mod score;
mod sheets;
#[cfg(test)]
mod tests;
mod worst;

use super::{read_json, tell};
use crate::config::number_in;
use anyhow::{Context as _, Result};
use score::Outcome;
use serde::Serialize;
use sheets::Truth;
use std::io::Write as _;
use std::path::{Path, PathBuf};

#[derive(clap::Args)]
pub(super) struct Args {
    /// COCO annotations. Images may carry `altitude_m`, `camera_angle` (degrees below the horizon) and `night` (0 or 1) for the breakdown.
    #[arg(long)]
    truth: PathBuf,
    /// COCO results: a list of {"image_id" or "file_name", "category_id", "bbox": [x, y, w, h], "score"}.
    #[arg(long)]
    results: PathBuf,
    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,
    /// Write report.html here: all figures, precision and recall, the breakdown.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Pictures, by the truth's `file_name` or its last part: the report shows the largest people missed at 1 false detection a picture, and the
    /// false alarms of the highest score, at most 100 of each.
    #[arg(long, value_name = "DIR", requires = "report")]
    images: Option<PathBuf>,
    /// Other results of the same truth for the report, with their milliseconds a picture where known.
    #[arg(long, value_name = "NAME=RESULTS.json[@MS]", value_parser = Also::parse, requires = "report")]
    also: Vec<Also>,
    /// Milliseconds a picture of --results, for the report's chart of AP50 against time.
    #[arg(long, requires = "report", value_parser = number_in(0.001..=1e6))]
    ms: Option<f64>,
}

#[derive(Debug, Clone, PartialEq)]
struct Also {
    name: String,
    results: PathBuf,
    ms: Option<f64>,
}

impl Also {
    /// What follows the last `@` is the time if it is a number, else part of the path.
    fn parse(text: &str) -> Result<Self, String> {
        let wanted = || format!("wanted NAME=RESULTS.json or NAME=RESULTS.json@MS, found {text:?}");
        let (name, rest) = text.split_once('=').filter(|(name, rest)| !name.is_empty() && !rest.is_empty()).ok_or_else(wanted)?;
        let timed = rest.rsplit_once('@').and_then(|(path, ms)| Some((path, ms.parse::<f64>().ok()?)));
        let (path, ms) = timed.map_or((rest, None), |(path, ms)| (path, Some(ms)));
        if path.is_empty() || ms.is_some_and(|ms| !(0.001..=1e6).contains(&ms)) {
            return Err(format!("{}; MS from 0.001 to 1000000", wanted()));
        }
        Ok(Self { name: name.to_owned(), results: PathBuf::from(path), ms })
    }
}

/// One file of results in the report.
struct Entry {
    name: String,
    /// Milliseconds a picture.
    ms: Option<f64>,
    outcome: Outcome,
}

#[derive(Serialize)]
struct Told<'a> {
    #[serde(flatten)]
    score: &'a score::DetectScore,
    by: &'a breakdown::Breakdown,
}

#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(truth: &[u8], results: &[u8]) {
    let truth = serde_json::from_slice::<Truth>(truth);
    let found = serde_json::from_slice::<Vec<sheets::Found>>(results);
    if let (Ok(truth), Ok(found)) = (truth, found)
        && let Ok(outcome) = score::score(&truth, &found)
    {
        assert!(outcome.score.ap50.is_none_or(|ap50| (0.0..=1.0).contains(&ap50)));
    }
}

pub(super) fn run(args: &Args) -> Result<()> {
    let truth: Truth = read_json(&args.truth)?;
    let entry = |name: String, results: &Path, ms: Option<f64>| -> Result<Entry> {
        let outcome = score::score(&truth, &read_json::<Vec<sheets::Found>>(results)?).with_context(|| results.display().to_string())?;
        Ok(Entry { name, ms, outcome })
    };
    let stem = args.results.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut entries = vec![entry(stem, &args.results, args.ms)?];
    for also in &args.also {
        entries.push(entry(also.name.clone(), &also.results, also.ms)?);
    }
    if let Some(dir) = &args.report {
        let title = args.truth.file_name().unwrap_or_default().to_string_lossy();
        let file = report::write(dir, &title, &truth, &entries, args.images.as_deref())?;
        eprintln!("report -> {}", file.display());
    }
    let Outcome { score, by, .. } = &entries[0].outcome;
    if args.json {
        return tell(&Told { score, by }, true);
    }
    tell(score, false)?;
    Ok(std::io::stdout().lock().write_all(by.lines()?.as_bytes())?)
}
