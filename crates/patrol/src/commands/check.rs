//! `patrol check`: every problem of a pipeline at once; runs nothing.

use crate::config::{Plan, Problems};
use crate::system;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A pipeline file, or the folder that holds pipeline.toml.
    pipeline: PathBuf,
    /// Read the file and what it names only; open no source and load no model.
    #[arg(long)]
    offline: bool,
    /// Problems as JSON on standard output.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (plan, mut problems) = match Plan::load(&args.pipeline) {
        Ok((plan, problems)) => (Some(plan), problems),
        Err(problems) => (None, problems),
    };
    if let Some(plan) = plan.as_ref().filter(|_| !args.offline) {
        try_for_real(plan, &mut problems);
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&problems.0)?);
    } else if problems.0.is_empty() {
        println!("ok");
    } else {
        println!("{problems}");
    }
    Ok(if problems.errors() > 0 { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

/// Loads the models and opens each camera's source for one picture.
fn try_for_real(plan: &Plan, problems: &mut Problems) {
    if let Err(why) = system::make_eyes(plan).and_then(|make| make()) {
        problems.error("detector", why, "detectors that load", "run scripts/setup for ONNX Runtime's library");
    }
    for (index, camera) in plan.cameras.iter().enumerate() {
        if camera.source.metadata().is_err() {
            continue; // Already a warning.
        }
        if let Err(why) = crate::sources::FileSource::open(&camera.source, camera.fps, patrol_core::WallTime(0)) {
            problems.warning(format!("camera[{index}].source"), why, "pictures", "`run` starts without it and tries again for ever");
        }
    }
}
