//! `patrol check`: every problem of a pipeline at once; runs nothing.

mod listen;

use crate::config::{Plan, Problems, RtspPlan, SourcePlan};
use crate::sources::FeedSource;
use crate::system;
use patrol_core::WallTime;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A pipeline file, or the folder that holds pipeline.toml.
    pipeline: PathBuf,
    /// Read the files and what they name only; open no source, reach for no camera and load no model.
    #[arg(long)]
    offline: bool,
    /// Problems as JSON on standard output.
    #[arg(long)]
    json: bool,
}

/// A camera in the same city answers within milliseconds; one over a slow link within a second.
const ANSWER: Duration = Duration::from_secs(2);
/// Connections tried at once: 10 000 cameras that are all dead take under two minutes, and descriptors stay below the usual limit of 1024.
const AT_ONCE: usize = 256;

/// Exit code 2 for errors, those of single rows of the register too: this is what `check` is for.
pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (plan, mut problems) = match Plan::load(&args.pipeline) {
        Ok((plan, problems)) => (Some(plan), problems),
        Err(problems) => (None, problems),
    };
    if let Some(plan) = plan.as_ref().filter(|_| !args.offline) {
        try_for_real(plan, &mut problems)?;
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&problems.0)?);
    } else if problems.0.is_empty() {
        println!("ok");
    } else {
        println!("{problems}");
    }
    if let Some(words) = plan.as_ref().and_then(Plan::left_out_in_words) {
        eprintln!("{words}");
    }
    Ok(if problems.errors() > 0 { ExitCode::from(2) } else { ExitCode::SUCCESS })
}

/// Loads the models, opens each file for one picture, knocks at each live camera and listens to those that answer.
fn try_for_real(plan: &Plan, problems: &mut Problems) -> anyhow::Result<()> {
    const HINT: &str = "`run` starts without it and tries again for ever";
    if let Err(why) = system::make_eyes(plan).and_then(|make| make()) {
        problems.error("detector", why, "detectors that load", "run scripts/setup for ONNX Runtime's library");
    }
    let rtsp = |source: &SourcePlan| if let SourcePlan::Rtsp(rtsp) = source { Some(rtsp.clone()) } else { None };
    let silent = silent(&plan.cameras.iter().filter_map(|camera| rtsp(&camera.source)).collect::<Vec<_>>())?;
    for camera in &plan.cameras {
        match &camera.source {
            SourcePlan::File { path, fps } => {
                if path.metadata().is_err() {
                    continue; // Already a warning.
                }
                if let Err(why) = FeedSource::file(path, *fps, WallTime(0)) {
                    problems.warning(&camera.source_place, why, "pictures", HINT);
                }
            }
            SourcePlan::Rtsp(rtsp) => {
                if let Some(why) = rtsp.host_port().and_then(|address| silent.get(&address)) {
                    let found = format!("{}, which does not answer: {why}", rtsp.shown());
                    problems.warning(&camera.source_place, found, "a camera that answers within 2 s", HINT);
                }
            }
        }
    }
    listen::listen(plan, |rtsp| listen::is_silent(&silent, rtsp), problems)
}

/// The hosts and ports where no TCP connection came about, and why.
fn silent(cameras: &[RtspPlan]) -> anyhow::Result<BTreeMap<(String, u16), String>> {
    let addresses: BTreeSet<(String, u16)> = cameras.iter().filter_map(RtspPlan::host_port).collect();
    if addresses.is_empty() {
        return Ok(BTreeMap::new());
    }
    if addresses.len() > AT_ONCE {
        eprintln!("reaching for {} cameras, {AT_ONCE} at once", addresses.len());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let silent = runtime.block_on(async {
        let mut knocks = JoinSet::new();
        for address in addresses {
            let permits = permits.clone();
            knocks.spawn(async move {
                let Ok(_permit) = permits.acquire().await else { return None };
                let why = match tokio::time::timeout(ANSWER, TcpStream::connect((address.0.as_str(), address.1))).await {
                    Ok(Ok(_)) => return None,
                    Ok(Err(error)) => error.to_string(),
                    Err(_) => "no answer within 2 s".to_owned(),
                };
                Some((address, why))
            });
        }
        knocks.join_all().await.into_iter().flatten().collect()
    });
    // A resolver that hangs is not waited for.
    runtime.shutdown_background();
    Ok(silent)
}
