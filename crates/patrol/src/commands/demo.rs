//! `patrol demo`: a rendered winter street at ten times real time, a scripted officer, a mock city, and the truth at the end.

use crate::archive::open_desk;
use crate::config::{CameraPlan, CityPlan, DEFAULT_RINGS_MIB, DetectorPlan, HOT_SPOT_MIN_SCORE, Plan, Problems, ReloadBasis, SourcePlan};
use crate::eval::leads::{LeadScore, Truth, score_leads};
use crate::office::Board;
use crate::service::{Parts, Service};
use crate::sources::SceneSource;
use crate::system;
use anyhow::{Context as _, bail};
use patrol_city::{Mapping, Secret};
use patrol_console::Office as _;
use patrol_core::desk::{OfficerAction, OfficerCommand};
use patrol_core::lead::Decision;
use patrol_core::{Clock, Detection, LeadId, LeadState, Picture, ScaledClock, WallTime};
use patrol_ingest::Decoders;
use patrol_leads::{DeskConfig, OnTimeout};
use patrol_pipeline::Eyes;
use patrol_pipeline::live::{LiveCamera, LiveFeed};
use patrol_sim::{Scene, SceneStream};
use patrol_vision::thermal::ThermalConfig;
use patrol_vision::{DetectContext, Detector, HotSpotConfig, VisionError};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Real seconds; the scene runs ten times as long.
    #[arg(long, default_value_t = 180, value_parser = clap::value_parser!(u64).range(30..=3600))]
    seconds: u64,
    /// No page.
    #[arg(long)]
    headless: bool,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The result as JSON on standard output.
    #[arg(long)]
    json: bool,
    /// Blind the detector: shows that the check at the end can fail.
    #[arg(long)]
    blind: bool,
}

/// Scene seconds in a real second.
const SPEED: f64 = 10.0;
const CONSOLE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8460);
const SCENE: &str = "winter-street";
const APP_KEY: &str = "patrol-demo";
/// The scripted officer confirms a lead after this much scene time.
const OFFICER_AFTER: Duration = Duration::from_secs(20);
const OFFICER_NAME: &str = "demo-officer";
/// The scripted officer looks at the queue this often, in real time.
const OFFICER_LOOKS: Duration = Duration::from_millis(50);
/// At the end, deliveries under way get this long, in real time.
const DRAIN: Duration = Duration::from_secs(15);
const MAPPING: &str = include_str!("../../../../pipelines/mapping.example.toml");

#[derive(Debug, Serialize)]
struct Report {
    missed: Vec<String>,
    extra: Vec<String>,
    duplicates: Vec<String>,
    confirmed: usize,
    delivered: usize,
    people_down: usize,
}

impl Report {
    fn all_is_well(&self) -> bool {
        self.missed.is_empty()
            && self.extra.is_empty()
            && self.duplicates.is_empty()
            && self.delivered == self.confirmed
            && self.people_down > 0
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let scene = Arc::new(Scene::named(SCENE, args.seed, args.seconds as f64 * SPEED)?);
    // No one but this run knows the key between us and the city we play ourselves.
    let mut key = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    let secret = hex::encode(key);
    let callbacks = free_port()?;
    let mut city = MockCity::start(folder.path(), &secret, callbacks, scene.start())?;
    let plan = plan(&scene, args, &secret, city.address, callbacks, folder.path())?;

    let clock: Arc<dyn Clock> = Arc::new(ScaledClock::new(scene.start(), SPEED));
    let known = plan.cameras.iter().map(|camera| camera.camera.clone()).collect();
    let (desk, store, epoch) = open_desk(&folder.path().join("store"), clock.clone(), plan.desk.clone(), known)?;
    let cameras = live_cameras(&plan, &scene, epoch);
    let make_eyes = if args.blind {
        Arc::new(|| Ok(Eyes::new(vec![Box::new(Blind)])))
    } else {
        system::make_eyes(&plan).map_err(anyhow::Error::msg)?
    };
    let service = Service::start(Parts { plan: &plan, clock: clock.clone(), cameras, make_eyes, desk, store, on_look: None })?;
    if let Some(address) = service.console {
        eprintln!(
            "线上巡屏演示 / demo: http://{address}/  ({} s, scene time runs {SPEED} × as fast; --seconds N for longer)",
            args.seconds
        );
    }

    let officer = Officer::start(service.board.clone(), clock.clone())?;
    // The scene has its own end; a source that keeps failing must not make the demo endless.
    let deadline = clock.monotonic() + Duration::from_secs(args.seconds).mul_f64(2.0 * SPEED);
    while !service.all_feeds_ended() && clock.monotonic() < deadline {
        std::thread::park_timeout(OFFICER_LOOKS);
    }
    let confirmed = officer.finish(&service.board, &clock);
    let leads = service.board.shown_leads();
    service.stop()?;
    let delivered = city.stop()?;

    // The simulator's truth travels as the JSON it writes for anyone.
    let truth: Truth = serde_json::from_value(serde_json::to_value(scene.truth())?)?;
    let LeadScore { people, missed, duplicates, false_leads, .. } = score_leads(&truth, &leads, scene.start());
    let report =
        Report { missed, extra: false_leads, duplicates, confirmed: confirmed.len(), delivered: delivered.len(), people_down: people };
    let well = report.all_is_well();
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    }
    eprintln!(
        "{}: {} people down, {} missed, {} extra leads, {} duplicates, {} confirmed, {} delivered",
        if well { "all is well" } else { "NOT well" },
        report.people_down,
        report.missed.len(),
        report.extra.len(),
        report.duplicates.len(),
        report.confirmed,
        report.delivered
    );
    Ok(if well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn plan(scene: &Scene, args: &Args, secret: &str, city: SocketAddr, callbacks: SocketAddr, folder: &Path) -> anyhow::Result<Plan> {
    let mapping = Mapping::from_toml(MAPPING, "mapping.example.toml")
        .map_err(|problems| anyhow::anyhow!("the demo's own mapping is wrong in {} places", problems.len()))?;
    Ok(Plan {
        site_name: "示范区救助管理站(演示)".to_owned(),
        region: "310101".to_owned(),
        system_code: "31010100085026000001".to_owned(),
        weather: Some(scene.weather()),
        detectors: vec![DetectorPlan::HotSpot(HotSpotConfig { min_score: HOT_SPOT_MIN_SCORE, ..HotSpotConfig::default() })],
        pose: None,
        cameras: scene
            .cameras()
            .iter()
            .map(|camera| CameraPlan {
                camera: camera.camera(),
                detectors: vec![0],
                source: SourcePlan::File { path: folder.to_owned(), fps: None },
                thermal: ThermalConfig::default(),
                source_place: String::new(),
            })
            .collect(),
        left_out: Vec::new(),
        desk: DeskConfig { on_timeout: OnTimeout::Push, ..DeskConfig::default() },
        store_dir: None,
        console: (!args.headless).then_some(CONSOLE),
        city: Some(CityPlan {
            base: format!("http://{city}"),
            mapping,
            app_key: APP_KEY.to_owned(),
            secret: Secret::new(secret),
            callback_listen: Some(callbacks),
            media_base: None,
        }),
        workers: None,
        rings_bytes_max: DEFAULT_RINGS_MIB << 20,
        decoders: Decoders::default(),
        reload_basis: ReloadBasis::default(),
        only_in_scenes: Problems::default(),
    })
}

fn live_cameras(plan: &Plan, scene: &Arc<Scene>, epoch: u64) -> Vec<LiveCamera> {
    let open = |index: usize, scene: Arc<Scene>| -> patrol_pipeline::live::OpenSource {
        Box::new(move || {
            let stream = SceneStream::new(scene.clone(), index).map_err(|error| error.to_string())?;
            Ok(Box::new(SceneSource(stream)))
        })
    };
    let cameras = plan.cameras.iter().enumerate();
    cameras
        .map(|(index, camera)| LiveCamera {
            camera: camera.camera.clone(),
            detectors: camera.detectors.clone(),
            feed: LiveFeed::Source(open(index, scene.clone())),
            thermal: camera.thermal.clone(),
            link: None,
            first_track_id: system::first_track_id(epoch),
        })
        .collect()
}

fn free_port() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Sees nothing.
struct Blind;

impl Detector for Blind {
    fn detect(&mut self, _: &Picture, _: &DetectContext<'_>, _: &mut Vec<Detection>) -> Result<(), VisionError> {
        Ok(())
    }
    fn name(&self) -> &'static str {
        "blind"
    }
    fn model_sha256(&self) -> &'static str {
        ""
    }
}

/// Confirms every lead that has waited long enough.
struct Officer {
    ending: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<BTreeSet<LeadId>>,
}

impl Officer {
    fn start(board: Arc<Board>, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let ending = Arc::new(AtomicBool::new(false));
        let told_to_end = ending.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("demo-officer".into()).spawn(move || {
            let (mut decided, mut confirmed) = (BTreeSet::new(), BTreeSet::new());
            while !told_to_end.load(Ordering::Relaxed) {
                for lead in waiting(&board, &clock) {
                    if !decided.insert(lead.clone()) {
                        continue;
                    }
                    let action = OfficerAction::Review { lead: lead.clone(), decision: Decision::Confirmed };
                    let command = OfficerCommand { by: OFFICER_NAME.into(), reason: "画面中有人倒卧,需要救助".into(), action };
                    match runtime.block_on(board.command(command)) {
                        Ok(()) => drop(confirmed.insert(lead)),
                        Err(why) => tracing::info!(%lead, why, "the officer's word was refused"),
                    }
                }
                std::thread::park_timeout(OFFICER_LOOKS);
            }
            confirmed
        })?;
        Ok(Self { ending, thread })
    }

    /// Waits until every lead is decided and told to the city, then goes home. Gives what was confirmed.
    fn finish(self, board: &Arc<Board>, clock: &Arc<dyn Clock>) -> BTreeSet<LeadId> {
        let until = clock.monotonic() + DRAIN.mul_f64(SPEED);
        let unfinished = |board: &Board| {
            board.shown_leads().iter().any(|lead| lead.state == LeadState::Review && lead.review.is_none()) || board.outbox_waiting() > 0
        };
        while clock.monotonic() < until && unfinished(board) {
            std::thread::park_timeout(OFFICER_LOOKS);
        }
        self.ending.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|_| {
            tracing::error!("the officer had panicked");
            BTreeSet::new()
        })
    }
}

fn waiting(board: &Arc<Board>, clock: &Arc<dyn Clock>) -> Vec<LeadId> {
    let now = clock.now();
    let leads = board.shown_leads().into_iter();
    leads.filter(|lead| lead.state == LeadState::Review && now.since(lead.made_at) >= OFFICER_AFTER).map(|lead| lead.id).collect()
}

/// The city's platform as a process of its own.
struct MockCity {
    child: Child,
    address: SocketAddr,
    log: std::path::PathBuf,
}

impl MockCity {
    fn start(folder: &Path, secret: &str, callbacks: SocketAddr, start: WallTime) -> anyhow::Result<Self> {
        let log = folder.join("city.jsonl");
        let mut child = Command::new(std::env::current_exe()?)
            .args(["sim", "city", "--listen", "127.0.0.1:0", "--app-key", APP_KEY, "--secret-env", "PATROL_DEMO_SECRET"])
            .args(["--callback-url", &format!("http://{callbacks}{}", patrol_city::CALLBACK_PATH)])
            // The people of the scene stay where they lie: a crew that reported them gone would be contradicted by the camera.
            .arg("--no-result")
            .args(["--speed", &SPEED.to_string(), "--start", &start.unix_secs().to_string(), "--log"])
            .arg(&log)
            .env("PATROL_DEMO_SECRET", secret)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("the mock city could not be started")?;
        let Some(out) = child.stdout.take() else { bail!("the mock city has no output") };
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let address =
            line.trim().rsplit("//").next().unwrap_or_default().parse().with_context(|| format!("the mock city said {line:?}"))?;
        Ok(Self { child, address, log })
    }

    /// Ends it and gives the events that it took in, read from its own log of HTTP attempts.
    fn stop(&mut self) -> anyhow::Result<BTreeSet<String>> {
        self.child.kill()?;
        self.child.wait()?;
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let mut taken = BTreeSet::new();
        for line in text.lines() {
            let attempt: serde_json::Value = serde_json::from_str(line)?;
            if attempt["status"] == 200
                && attempt["case_id"].is_string()
                && let Some(id) = attempt["event_id"].as_str()
            {
                taken.insert(id.to_owned());
            }
        }
        Ok(taken)
    }
}

impl Drop for MockCity {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
