//! `patrol run`: the system over a pipeline, until SIGTERM or Ctrl-C.

mod looks;

use crate::archive::open_desk;
use crate::config::{CameraPlan, Plan, reload_cameras};
use crate::feeds::Feeds;
use crate::service::{Parts, Service};
use crate::system;
use anyhow::bail;
use patrol_core::{CameraId, Clock, SystemClock};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
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
    /// Keep the uppermost part of every picture looked at, where cameras burn in their name and clock: `DIR/<camera>/<capture time>.jpg`.
    #[arg(long, value_name = "DIR")]
    looks_strips: Option<PathBuf>,
}

/// Where leads are kept when the pipeline names no folder.
const DEFAULT_STORE: &str = "patrol-data";
/// How often it is looked whether the desk still works.
const DESK_CHECK: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (plan, problems) = Plan::load(&args.pipeline)?;
    let mut plan = plan.for_the_world()?;
    for problem in &problems.0 {
        eprintln!("{problem}");
    }
    if let Some(words) = plan.left_out_in_words() {
        eprintln!("{words}");
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let dir = plan.store_dir.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_STORE));
    let known = plan.cameras.iter().map(|camera| camera.camera.clone()).collect();
    let (desk, store, epoch) = open_desk(&dir, clock.clone(), plan.desk.clone(), known)?;
    let make_eyes = system::make_eyes(&plan).map_err(anyhow::Error::msg)?;
    let mut feeds = Feeds::new(clock.clone(), plan.rings_bytes_max, plan.decoders.clone(), epoch);
    let cameras = plan.cameras.iter().map(|camera| feeds.camera(camera)).collect::<Result<_, _>>()?;
    let on_look = looks::log(args.looks.as_deref(), args.looks_strips.as_deref())?;
    let signals = Signals::new()?;
    let service = Service::start(Parts { plan: &plan, clock, cameras, make_eyes, desk, store, on_look })?;
    if let Some(address) = service.console {
        eprintln!("线上巡屏: http://{address}/");
    }
    let ended = signals.wait(|| service.desk_alive(), || reload(&args.pipeline, &mut plan, &mut feeds, &service));
    eprintln!("stopping: what was seen is still considered and written");
    service.stop()?;
    ended?;
    Ok(ExitCode::SUCCESS)
}

/// Reads the cameras anew and takes over what changed; the others are not touched. A file that is broken as a whole changes nothing.
fn reload(path: &Path, plan: &mut Plan, feeds: &mut Feeds, service: &Service) {
    let new = match reload_cameras(path, plan) {
        Ok(new) => new,
        Err(problems) => {
            for problem in &problems.0 {
                tracing::error!(%problem, "cameras were not read anew");
            }
            service.board.alarm("reload-failed", "摄像机配置有误,未作任何更改;请看日志".to_owned());
            return;
        }
    };
    for problem in &new.problems.0 {
        tracing::warn!(%problem, "while cameras were read anew");
    }
    for section in &new.needs_restart {
        tracing::warn!(section, "changed; takes effect after a restart");
    }
    // A camera that is only called otherwise, or promises otherwise, keeps its session and its tracks.
    let restarts = |camera: &CameraPlan| {
        let before = plan.cameras.iter().find(|before| before.camera.id == camera.camera.id);
        new.changed.contains(&camera.camera.id) && !before.is_some_and(|before| before.is_seen_alike(camera))
    };
    let comes = |camera: &CameraPlan| new.added.contains(&camera.camera.id) || restarts(camera);
    let coming = new.cameras.iter().filter(|camera| comes(camera)).map(|camera| feeds.camera(camera)).collect::<Result<Vec<_>, _>>();
    let coming = match coming {
        Ok(coming) => coming,
        Err(error) => {
            tracing::error!(%error, "cameras were not read anew");
            service.board.alarm("reload-failed", format!("摄像机未能更换:{error}"));
            return;
        }
    };
    let restarting = new.cameras.iter().filter(|camera| restarts(camera)).map(|camera| &camera.camera.id);
    let going: Vec<CameraId> = new.removed.iter().chain(restarting).cloned().collect();
    service.take_over(&new.cameras, coming, &going);
    tracing::info!(
        added = new.added.len(),
        removed = new.removed.len(),
        changed = new.changed.len(),
        unchanged = new.unchanged.len(),
        kept = new.kept.len(),
        left_out = new.left_out.len(),
        "cameras were read anew"
    );
    (plan.cameras, plan.left_out) = (new.cameras, new.left_out);
    if let Some(words) = plan.left_out_in_words() {
        tracing::error!(words, "cameras are left out");
        service.board.alarm("cameras-left-out", words);
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

    /// Waits for a signal to end, and reloads on SIGHUP; an error when the desk has broken off, which only a restart mends.
    fn wait(mut self, desk_alive: impl Fn() -> bool, mut reload: impl FnMut()) -> anyhow::Result<()> {
        self.runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = self.terminate.recv() => return Ok(()),
                    _ = self.interrupt.recv() => return Ok(()),
                    _ = self.hang_up.recv() => reload(),
                    () = tokio::time::sleep(DESK_CHECK) => if !desk_alive() {
                        bail!("the desk broke off; its state is in the store: start again");
                    },
                }
            }
        })
    }
}
