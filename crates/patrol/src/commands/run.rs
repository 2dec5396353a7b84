//! `patrol run`: the system over a pipeline, until SIGTERM or Ctrl-C.

use crate::archive::open_desk;
use crate::config::{CameraPlan, Plan};
use crate::service::{Parts, Service};
use crate::sources::FileSource;
use crate::system;
use anyhow::{Context as _, bail};
use patrol_core::{Clock, SystemClock};
use patrol_pipeline::LookRecord;
use patrol_pipeline::live::{LiveCamera, OnLook};
use std::fs::File;
use std::io::{LineWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// A pipeline file, or the folder that holds pipeline.toml.
    pipeline: PathBuf,
    /// Write a line for every look: camera, capture time, start, end, outcome.
    #[arg(long, value_name = "FILE.csv")]
    looks: Option<PathBuf>,
}

/// Where leads are kept when the pipeline names no folder.
const DEFAULT_STORE: &str = "patrol-data";
/// How often it is looked whether the desk still works.
const DESK_CHECK: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (plan, problems) = Plan::load(&args.pipeline)?;
    for problem in &problems.0 {
        eprintln!("{problem}");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let dir = plan.store_dir.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_STORE));
    let known = plan.cameras.iter().map(|camera| camera.camera.clone()).collect();
    let (desk, store, epoch) = open_desk(&dir, clock.clone(), plan.desk.clone(), known)?;
    let make_eyes = system::make_eyes(&plan).map_err(anyhow::Error::msg)?;
    let cameras = plan.cameras.iter().map(|camera| live_camera(camera, epoch, &clock)).collect();
    let on_look = args.looks.as_deref().map(look_log).transpose()?;
    let signals = Signals::new()?;
    let service = Service::start(Parts { plan: &plan, clock, cameras, make_eyes, desk, store, on_look })?;
    if let Some(address) = service.console {
        eprintln!("线上巡屏: http://{address}/");
    }
    let ended = signals.wait(|| service.desk_alive());
    eprintln!("stopping: what was seen is still considered and written");
    service.stop()?;
    ended?;
    Ok(ExitCode::SUCCESS)
}

fn live_camera(plan: &CameraPlan, epoch: u64, clock: &Arc<dyn Clock>) -> LiveCamera {
    let (source, fps, clock) = (plan.source.clone(), plan.fps, clock.clone());
    LiveCamera {
        camera: plan.camera.clone(),
        detectors: plan.detectors.clone(),
        open: Box::new(move || Ok(Box::new(FileSource::open(&source, fps, clock.now())?))),
        first_track_id: system::first_track_id(epoch),
    }
}

/// SIGTERM and Ctrl-C end the patrol; installed before anything runs, so that none is missed.
struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let (terminate, interrupt, hang_up) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?);
        drop(entered);
        Ok(Self { runtime, terminate, interrupt, hang_up })
    }

    /// Waits for a signal; an error when the desk has broken off, which only a restart mends.
    fn wait(mut self, desk_alive: impl Fn() -> bool) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = self.terminate.recv() => return Ok(()),
                    _ = self.interrupt.recv() => return Ok(()),
                    _ = self.hang_up.recv() => tracing::warn!("cameras are read at the start only; restart to read them again"),
                    () = tokio::time::sleep(DESK_CHECK) => if !desk_alive() {
                        bail!("the desk broke off; its state is in the store: start again");
                    },
                }
            }
        })
    }
}

/// CSV with Unix seconds. A line that cannot be written is said once and stops the log, not the patrol.
fn look_log(path: &Path) -> anyhow::Result<OnLook> {
    let mut file = LineWriter::new(File::create(path).with_context(|| path.display().to_string())?);
    writeln!(file, "camera,captured_unix_s,start_unix_s,end_unix_s,outcome")?;
    let file = Mutex::new(Some(file));
    let seconds = |at: patrol_core::WallTime| format!("{}.{:06}", at.unix_secs(), at.0.rem_euclid(1_000_000_000) / 1000);
    Ok(Arc::new(move |look: &LookRecord| {
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(open) = file.as_mut() else { return };
        let line =
            format!("{},{},{},{},{}", look.camera, seconds(look.captured), seconds(look.start), seconds(look.end), look.outcome.name());
        if let Err(error) = writeln!(open, "{line}") {
            tracing::error!(%error, "the log of looks ends here");
            *file = None;
        }
    }))
}
