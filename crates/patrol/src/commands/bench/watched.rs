//! One run of `patrol run` before a simulated street: what it used, what it saw, and what an auditor says of its promises.
//!
//! ```text
//! patrol sim street (own process, not counted) ─► patrol run (pinned, counted) ─► looks.csv, strips ─► audit.py
//!                                                     └─► /metrics, /proc before and after the window
//! ```

use super::audit::{self, Audit};
use super::child::{self, Running};
use super::metrics::Metrics;
use super::python::Why;
use super::{Context, proc};
use anyhow::{Context as _, bail};
use patrol_core::{Clock as _, PictureSize, SystemClock, WallTime};
use patrol_sim::street::{PipelineOptions, StreetConfig, WatchOptions, pipeline_for};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The street encodes its clips first: at 1920×1080 that takes a few seconds, on a busy machine many.
const STREET_TIMEOUT: Duration = Duration::from_mins(5);
/// Until all sessions play; and for each camera besides.
const SESSIONS_TIMEOUT: Duration = Duration::from_secs(40);
const SESSION_TIMEOUT: Duration = Duration::from_millis(150);
const ASKED_EVERY: Duration = Duration::from_millis(250);
/// Others that take more than this part of a core, on a machine that is full to that part, disturb.
const DISTURBING: f64 = 0.2;
const FULL: f64 = 0.85;
/// Clips are not measured here: rings are kept small, and their bytes are told and taken off where memory is counted.
const RINGS_MIB: u64 = 128;
/// Seconds of the loop that cameras play: three groups of pictures. Encoding it is most of a short run's preparation.
const CLIP_S: f64 = 6.0;

/// A street that serves.
pub(super) struct ServedStreet {
    pub(super) config: StreetConfig,
    address: SocketAddr,
    process: Running,
    sent: PathBuf,
}

/// What the cameras send.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stream {
    pub(super) name: &'static str,
    pub(super) size: PictureSize,
    pub(super) fps: f64,
    pub(super) kbps: u32,
    pub(super) empty: bool,
    /// Whether pictures tell camera and time to an auditor.
    pub(super) coded: bool,
}

impl ServedStreet {
    pub(super) fn start(context: &Context, stream: Stream, cameras: usize) -> anyhow::Result<Self> {
        Self::start_with(context, stream, cameras, &[])
    }

    /// `faults` as `patrol sim street --fault` takes them.
    pub(super) fn start_with(context: &Context, stream: Stream, cameras: usize, faults: &[String]) -> anyhow::Result<Self> {
        let Stream { name, size, fps, kbps, empty, coded } = stream;
        let views = if empty { 1 } else { cameras.min(2) };
        let config = StreetConfig { cameras, size, fps, kbps, empty, clip_s: CLIP_S, views, coded, ..StreetConfig::default() };
        let folder = context.folder(&format!("street-{name}-{cameras}"))?;
        let sent = folder.join("sent.csv");
        let mut command = child::patrol(&context.street_cores)?;
        command.args(["sim", "street", "--listen", "127.0.0.1:0", "--cameras", &cameras.to_string()]);
        command.args(["--size", &format!("{}x{}", size.width, size.height), "--fps", &fps.to_string(), "--kbps", &kbps.to_string()]);
        command.args(["--clip-s", &CLIP_S.to_string(), "--sent"]).arg(&sent);
        command.args(faults.iter().flat_map(|fault| ["--fault", fault]));
        if empty {
            command.arg("--empty");
        }
        if !coded {
            command.arg("--no-code");
        }
        let mut process = Running::start(&mut command, "the street", &folder.join("street.log"))?;
        let clock = SystemClock::new();
        loop {
            process.let_run(ASKED_EVERY)?;
            // It tells its first address once it serves.
            if let Some(address) = address_in(&process.said()) {
                return Ok(Self { config, address, process, sent });
            }
            if clock.monotonic() > STREET_TIMEOUT {
                bail!("the street did not serve within {STREET_TIMEOUT:?}: {}", child::last_words(&folder.join("street.log")));
            }
        }
    }

    /// Sizes of the key frames sent between two times: their number, mean and largest in bytes.
    fn keys(&self, since: WallTime, until: WallTime) -> Keys {
        let text = std::fs::read_to_string(&self.sent).unwrap_or_default();
        keys_in(&text, since.0 / 1_000_000, until.0 / 1_000_000)
    }
}

/// `rtsp://127.0.0.1:8554/cam/000`.
fn address_in(said: &str) -> Option<SocketAddr> {
    said.lines().find_map(|line| line.strip_prefix("rtsp://")?.split('/').next()?.parse().ok())
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Keys {
    count: u64,
    mean_bytes: f64,
    max_bytes: f64,
}

/// Of the log of what was sent, whose last line may be half written.
fn keys_in(text: &str, since_ms: i64, until_ms: i64) -> Keys {
    let size = |line: &str| {
        let fields: Vec<&str> = line.split(',').collect();
        let [_, _, _, "1", bytes, sent_ms, _] = fields[..] else { return None };
        (since_ms..until_ms).contains(&sent_ms.parse::<i64>().ok()?).then(|| bytes.parse::<f64>().ok()).flatten()
    };
    let sizes: Vec<f64> = text.lines().skip(1).filter_map(size).collect();
    let count = sizes.len() as u64;
    Keys { count, mean_bytes: sizes.iter().sum::<f64>() / count.max(1) as f64, max_bytes: sizes.iter().copied().fold(0.0, f64::max) }
}

/// How a street is watched, and for how long.
pub(super) struct Plan {
    pub(super) watch: WatchOptions,
    pub(super) look_every_s: f64,
    /// Cores of the patrol.
    pub(super) cores: Vec<u32>,
    pub(super) settle: Duration,
    pub(super) window: Duration,
    /// Whether looks are logged, so that the promises can be audited; where there are codes in the pictures, with a strip of each.
    pub(super) looks_logged: bool,
}

/// What a run came to.
pub(super) struct Watched {
    pub(super) cameras: usize,
    pub(super) window_s: f64,
    pub(super) cpu_s: f64,
    pub(super) street_cpu_s: f64,
    /// Of everything else on the machine.
    pub(super) others_cpu_s: f64,
    /// Cores that all of them share.
    pub(super) machine_cores: usize,
    pub(super) rss_mb: f64,
    pub(super) ring_mb: f64,
    pub(super) before: Metrics,
    pub(super) after: Metrics,
    pub(super) audit: Result<Audit, Why>,
    keys: Keys,
}

impl Watched {
    fn since(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.after.sum(name, labels) - self.before.sum(name, labels)
    }

    /// Pictures that ended in `outcome` within the window.
    pub(super) fn ended(&self, outcome: &str) -> f64 {
        self.since("patrol_looks_total", &[("outcome", outcome)])
    }

    pub(super) fn pictures(&self) -> f64 {
        self.since("patrol_looks_total", &[])
    }

    pub(super) fn inferences(&self) -> f64 {
        self.since("patrol_inferences_total", &[])
    }

    /// Looks that kept the promise.
    pub(super) fn looks(&self) -> f64 {
        self.ended("examined") + self.ended("unchanged")
    }

    pub(super) fn share_examined(&self) -> f64 {
        self.ended("examined") / self.looks().max(1.0)
    }

    pub(super) fn core_share(&self) -> f64 {
        self.cpu_s / self.window_s
    }

    pub(super) fn ms_per_camera_second(&self) -> f64 {
        self.cpu_s / self.window_s / self.cameras as f64 * 1e3
    }

    /// Whether other work left the patrol too little of the machine for late looks and missed pictures to be its own fault.
    pub(super) fn is_disturbed(&self) -> bool {
        let all_s = self.cpu_s + self.street_cpu_s + self.others_cpu_s;
        self.others_cpu_s > DISTURBING * self.window_s && all_s > FULL * self.machine_cores as f64 * self.window_s
    }

    /// Resident memory without the rings, MB.
    pub(super) fn own_mb(&self) -> f64 {
        self.rss_mb - self.ring_mb
    }

    pub(super) fn json(&self) -> Value {
        let audit = match &self.audit {
            Ok(audit) => json!({
                "cameras": audit.cameras, "max_between_captures_s": audit.max_between_captures_s, "max_blind_s": audit.max_blind_s,
                "broken": audit.broken, "by": audit.by.words(), "other_cameras_pictures": audit.wrong, "unreadable": audit.unreadable,
            }),
            Err(why) => json!({ "not_measured": why }),
        };
        json!({
            "cameras": self.cameras, "window_s": self.window_s, "cpu_s": self.cpu_s, "core_share": self.core_share(),
            "ms_per_camera_second": self.ms_per_camera_second(), "looks_per_s": self.looks() / self.window_s,
            "share_examined": self.share_examined(), "inferences": self.inferences(), "pictures": self.pictures(), "stale": self.ended("stale"),
            "rss_mb": self.rss_mb, "ring_mb": self.ring_mb, "street_core_share": self.street_cpu_s / self.window_s,
            "others_core_share": self.others_cpu_s / self.window_s,
            "key_frames": {"count": self.keys.count, "mean_bytes": self.keys.mean_bytes, "max_bytes": self.keys.max_bytes},
            "audit": audit,
        })
    }

    /// What of it a reader needs beside a figure.
    pub(super) fn words(&self) -> String {
        let audit = match &self.audit {
            Ok(audit) => format!(
                "captures at most {:.2} s apart, {} cameras not seen in time, {}",
                audit.max_between_captures_s,
                audit.broken + self.cameras.saturating_sub(audit.cameras),
                audit.by.words()
            ),
            Err(why) => format!("promises not audited: {why}"),
        };
        format!(
            "{} cameras: {:.0} % of a core in {:.0} s, {:.0} % of {:.1} looks/s examined, {:.1} inferences each, key frames {:.0} KB (at most {:.0}), \
             {audit}; street {:.0} %, others {:.0} % of a core",
            self.cameras,
            100.0 * self.core_share(),
            self.window_s,
            100.0 * self.share_examined(),
            self.looks() / self.window_s,
            self.inferences() / self.ended("examined").max(1.0),
            self.keys.mean_bytes / 1e3,
            self.keys.max_bytes / 1e3,
            100.0 * self.street_cpu_s / self.window_s,
            100.0 * self.others_cpu_s / self.window_s,
        )
    }
}

#[cfg(test)]
impl Watched {
    /// Cameras of 1 MB and 2 ms a second each, in a patrol of 50 MB.
    pub(super) fn example(cameras: usize, audit: Result<Audit, Why>) -> Self {
        let (window_s, count) = (10.0, cameras as f64);
        Self {
            cameras,
            window_s,
            cpu_s: 0.002 * count * window_s,
            street_cpu_s: 1.0,
            others_cpu_s: 0.5,
            machine_cores: 2,
            rss_mb: 50.0 + count + 128.0,
            ring_mb: 128.0,
            before: Metrics::default(),
            after: Metrics::default(),
            audit,
            keys: Keys::default(),
        }
    }
}

/// Watches the cameras of `street` as `plan` says.
pub(super) fn watch(context: &Context, street: &mut ServedStreet, plan: &Plan) -> anyhow::Result<Watched> {
    let scratch = tempfile::Builder::new().prefix("run-").tempdir_in(context.root())?;
    let folder = scratch.path();
    let console = free_port()?;
    std::fs::write(folder.join("pipeline.toml"), pipeline(street, plan, console, folder)?)?;
    let (looks, strips) = (folder.join("looks.csv"), folder.join("strips"));
    let mut command = child::patrol(&plan.cores)?;
    command.arg("run").arg(folder).env("PATROL_LOG", "warn");
    if plan.looks_logged {
        command.arg("--looks").arg(&looks);
    }
    if plan.looks_logged && street.config.coded {
        command.arg("--looks-strips").arg(&strips);
    }
    let mut patrol = Running::start(&mut command, "the patrol", &folder.join("patrol.log"))?;
    let cameras = plan.watch.cameras.unwrap_or(street.config.cameras).min(street.config.cameras);
    wait_for_sessions(&mut patrol, console, cameras)?;
    patrol.let_run(plan.settle)?;

    let clock = SystemClock::new();
    let before = Metrics::read(console)?;
    let (since, from) = (clock.now(), clock.monotonic());
    let used = || anyhow::Ok((proc::cpu_s(patrol.pid())?, proc::cpu_s(street.process.pid())?, proc::machine_busy_s()?));
    let (cpu_s, street_cpu_s, busy_s) = used()?;
    std::thread::sleep(plan.window);
    let after_used = used()?;
    let (until, to) = (clock.now(), clock.monotonic());
    patrol.check()?;
    street.process.check()?;
    let rss_mb = proc::rss_mb(patrol.pid())?;
    let after = Metrics::read(console)?;
    drop(patrol);
    let strips = street.config.coded.then_some(strips.as_path());
    let audit = if plan.looks_logged {
        audit::of_run(context, &looks, strips, plan.look_every_s, since, until)
    } else {
        Err("looks were not logged".into())
    };
    let (own, served) = (after_used.0 - cpu_s, after_used.1 - street_cpu_s);
    Ok(Watched {
        cameras,
        window_s: to.saturating_sub(from).as_secs_f64(),
        cpu_s: own,
        street_cpu_s: served,
        others_cpu_s: (after_used.2 - busy_s - own - served).max(0.0),
        machine_cores: context.all_cores.len(),
        rss_mb,
        ring_mb: after.sum("patrol_ring_bytes", &[]) / 1e6,
        audit,
        keys: street.keys(since, until),
        before,
        after,
    })
}

fn pipeline(street: &ServedStreet, plan: &Plan, console: SocketAddr, folder: &Path) -> anyhow::Result<String> {
    let options = PipelineOptions {
        address: street.address.to_string(),
        password_env: None,
        look_every_s: plan.look_every_s,
        transport: "tcp".into(),
    };
    let watch = WatchOptions { rings_mib: Some(RINGS_MIB), ..plan.watch.clone() };
    let text = pipeline_for(&street.config, &options, &watch)?;
    let store = toml::Value::from(folder.join("store").display().to_string());
    Ok(format!("{text}\n[console]\nlisten = \"{console}\"\n\n[store]\ndir = {store}\n"))
}

fn wait_for_sessions(patrol: &mut Running, console: SocketAddr, cameras: usize) -> anyhow::Result<()> {
    let timeout = SESSIONS_TIMEOUT + SESSION_TIMEOUT * cameras as u32;
    let clock = SystemClock::new();
    loop {
        patrol.let_run(ASKED_EVERY)?;
        // Until it has begun to listen there is no answer.
        let playing = Metrics::read(console).map(|metrics| metrics.sum("patrol_sessions_total", &[]) as usize);
        if playing.as_ref().is_ok_and(|playing| *playing >= cameras) {
            return Ok(());
        }
        if clock.monotonic() > timeout {
            let playing = playing.map_or_else(|error| format!("{error:#}"), |playing| playing.to_string());
            return Err(anyhow::anyhow!("found {playing}, wanted {cameras} sessions within {timeout:?}"))
                .context("the patrol does not come to play all cameras; try fewer with --cameras");
        }
    }
}

fn free_port() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_frames_of_the_window_are_counted() {
        let text = "camera,frame,capture_unix_ms,key,bytes,sent_unix_ms,clip_frame\n0,1,10,1,100,10,0\n0,2,20,0,9,20,1\n1,1,30,1,300,30,0\n\
                    0,3,40,1,200,40,0\n0,4,50,1,7";
        assert_eq!(keys_in(text, 20, 50), Keys { count: 2, mean_bytes: 250.0, max_bytes: 300.0 });
        assert_eq!(keys_in("", 0, 1).count, 0);
    }

    #[test]
    fn the_street_tells_where_it_is() {
        assert_eq!(address_in("rtsp://127.0.0.1:4711/cam/000\nrtsp://127.0.0.1:4711/cam/007\n"), "127.0.0.1:4711".parse().ok());
        assert_eq!(address_in("preparing"), None);
    }

    #[test]
    fn a_patrol_is_disturbed_when_others_fill_the_machine() {
        let mut run = Watched::example(100, Err("not asked for".into()));
        assert!(!run.is_disturbed());
        run.others_cpu_s = 9.0;
        assert!(!run.is_disturbed(), "half of the machine is idle");
        (run.cpu_s, run.others_cpu_s) = (8.0, 9.5);
        assert!(run.is_disturbed());
        (run.cpu_s, run.others_cpu_s) = (18.0, 1.0);
        assert!(!run.is_disturbed(), "it fills the machine itself");
    }
}
