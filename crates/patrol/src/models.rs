//! `patrol models`: cards, licences, SHA-256; and where cards are found.

use crate::config::Usage;
use anyhow::{Context as _, bail};
use clap::Subcommand;
use patrol_vision::ModelCard;
use patrol_vision::card::Layout;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// All cards with modality, licence and whether their file is there.
    List,
    /// Get a card's file from its upstream address and check it.
    Fetch { name: String },
    /// Check every card's file against its SHA-256.
    Verify,
}

/// The card of `model`: a path, or the name of a folder under `models/` beside the pipeline, here, or beside the program.
pub(crate) fn find(model: &str, folder: &Path) -> Result<PathBuf, String> {
    let direct = folder.join(model);
    if direct.is_file() || direct.join("model.toml").is_file() {
        return Ok(direct);
    }
    if Path::new(model).is_file() {
        return Ok(PathBuf::from(model));
    }
    // A name without a size means the accurate one: `thermal-person` is `thermal-person-s`.
    for name in [model.to_owned(), format!("{model}-s")] {
        for root in model_folders(folder) {
            let card = root.join(&name).join("model.toml");
            if card.is_file() {
                return Ok(card);
            }
        }
    }
    let known: Vec<String> =
        cards(folder).iter().filter_map(|card| Some(card.parent()?.file_name()?.to_string_lossy().into_owned())).collect();
    Err(format!("no card {model:?}; there are: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") }))
}

/// `models/` in `folder` and its parents, in the working folder and its parents, and in those of the program.
fn model_folders(folder: &Path) -> Vec<PathBuf> {
    let here = std::env::current_dir().unwrap_or_default();
    let program = std::env::current_exe().unwrap_or_default();
    let mut roots: Vec<PathBuf> = Vec::new();
    for start in [folder.canonicalize().unwrap_or_default(), here, program] {
        for parent in start.ancestors() {
            let models = parent.join("models");
            if models.is_dir() && !roots.contains(&models) {
                roots.push(models);
            }
        }
    }
    roots
}

fn cards(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for root in model_folders(folder) {
        let Ok(entries) = std::fs::read_dir(&root) else { continue };
        found.extend(entries.flatten().map(|entry| entry.path().join("model.toml")).filter(|card| card.is_file()));
    }
    found.sort();
    found.dedup();
    found
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.action {
        Action::List => list(),
        Action::Fetch { name } => fetch(&name),
        Action::Verify => Ok(verify()),
    }
}

fn list() -> anyhow::Result<ExitCode> {
    for path in cards(Path::new(".")) {
        let card = ModelCard::load(&path)?;
        let state = match card.verify() {
            Ok(()) => "ready".to_owned(),
            Err(_) if !card.file.is_file() && card.upstream.is_none() => format!("missing: put it at {}", card.file.display()),
            Err(_) if !card.file.is_file() => format!("missing: patrol models fetch {}", card.name),
            Err(error) => error.to_string(),
        };
        println!("{}\t{:?}\t{}\t{}\t{state}", card.name, card.modality, card.licence, card.title);
    }
    Ok(ExitCode::SUCCESS)
}

fn verify() -> ExitCode {
    let mut bad = 0;
    for path in cards(Path::new(".")) {
        let is_brought = |card: &ModelCard| card.layout == Layout::Joints && card.upstream.is_none() && !card.file.is_file();
        if let Some(card) = ModelCard::load(&path).ok().filter(is_brought) {
            // Nothing needs it, and there is nowhere to fetch it from: whoever wants it brings it.
            println!("absent\t{}\t{}", card.name, card.sha256);
            continue;
        }
        match ModelCard::load(&path).and_then(|card| card.verify().and_then(|()| card.in_fp32().verify()).map(|()| card)) {
            Ok(card) => {
                println!("ok\t{}\t{}", card.name, card.sha256);
                if let Some(full) = &card.fp32 {
                    println!("ok\t{} in FP32\t{}", card.name, full.sha256);
                }
            }
            Err(error) => {
                bad += 1;
                println!("bad\t{}\t{error}", path.display());
            }
        }
    }
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn fetch(name: &str) -> anyhow::Result<ExitCode> {
    let path = find(name, Path::new(".")).map_err(Usage::msg)?;
    let card = ModelCard::load(&path).map_err(Usage::of)?;
    if card.verify().is_ok() {
        println!("{} is there already: {}", card.name, card.file.display());
        return Ok(ExitCode::SUCCESS);
    }
    let Some(upstream) = &card.upstream else {
        bail!("the card of {name} names no upstream address; put the file at {} by hand", card.file.display());
    };
    let part = card.file.with_extension("part");
    let fetched = Command::new("curl")
        .args(["--fail", "--silent", "--show-error", "--location", "--max-time", "300", "--output"])
        .arg(&part)
        .arg(&upstream.address)
        .status()
        .context("curl could not be started; install curl, or fetch the file by hand")?;
    if !fetched.success() {
        // What curl left half-way is of no use, and its absence no harm.
        std::fs::remove_file(&part).ok();
        bail!("{} could not be fetched; fetch it by hand and put it at {}", upstream.address, card.file.display());
    }
    std::fs::rename(&part, &card.file)?;
    if let Err(error) = card.verify() {
        std::fs::remove_file(&card.file)?;
        bail!("what {} gave is not what the card says: {error}", upstream.address);
    }
    println!("{}\t{}", card.name, card.file.display());
    Ok(ExitCode::SUCCESS)
}
