//! `patrol sim`: rendered scenes with known truth, a mock city, and a street of RTSP cameras.

use super::replay::parse_time;
use crate::config::{Usage, number_in};
use anyhow::Context as _;
use clap::Subcommand;
use patrol_core::{Clock, ScaledClock, SystemClock, WallTime};
use patrol_sim::Scene;
use patrol_sim::mock_city::{CallbackPlan, Faults, MockCityConfig, MockCityError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Write a scene folder: video, pipeline.toml, events.jsonl, truth.json.
    Scene(SceneArgs),
    /// Play the city's platform on loopback, with faults on demand.
    City(CityArgs),
    /// Serve RTSP cameras on loopback, with faults on demand.
    Street(super::street::Args),
}

#[derive(clap::Args)]
struct SceneArgs {
    /// Name of a scene, or path of a SPEC file.
    #[arg(required_unless_present = "list")]
    name: Option<String>,
    /// Names of all scenes.
    #[arg(long)]
    list: bool,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Length of the scene; a SPEC file says its own.
    #[arg(long, default_value_t = 600.0, value_parser = number_in(10.0..=86_400.0))]
    seconds: f64,
    #[arg(long, required_unless_present = "list")]
    out: Option<PathBuf>,
}

#[derive(clap::Args)]
struct CityArgs {
    #[arg(long, default_value = "127.0.0.1:8470")]
    listen: SocketAddr,
    #[arg(long, default_value = "patrol")]
    app_key: String,
    /// Environment variable that holds the secret.
    #[arg(long, default_value = "PATROL_CITY_SECRET")]
    secret_env: String,
    /// Where callbacks go; none: no callbacks.
    #[arg(long)]
    callback_url: Option<String>,
    /// Crews arrive and report no result: cases stay open.
    #[arg(long)]
    no_result: bool,
    /// JSON lines, one for every HTTP attempt.
    #[arg(long)]
    log: Option<PathBuf>,
    /// Keeps cases over a restart.
    #[arg(long)]
    state: Option<PathBuf>,
    /// Scene seconds in a real second, with --start.
    #[arg(long, default_value_t = 1.0, value_parser = number_in(0.001..=10_000.0))]
    speed: f64,
    /// Wall time of the scene at the start: RFC 3339 or Unix seconds; default: the real time.
    #[arg(long, value_parser = parse_time, allow_hyphen_values = true)]
    start: Option<WallTime>,
    /// Faults from the start, as JSON, e.g. {"status":500,"count":3}; later by POST /admin/faults.
    #[arg(long, value_parser = parse_faults)]
    faults: Option<Faults>,
}

pub(crate) fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.what {
        What::Scene(args) => scene(&args),
        What::City(args) => city(args),
        What::Street(args) => super::street::run(&args),
    }
}

fn scene(args: &SceneArgs) -> anyhow::Result<ExitCode> {
    if args.list {
        for (name, line) in Scene::list() {
            println!("{name}\t{line}");
        }
        return Ok(ExitCode::SUCCESS);
    }
    let (Some(name), Some(out)) = (&args.name, &args.out) else { return Ok(ExitCode::from(2)) };
    let scene = if Path::new(name).is_file() {
        let text = std::fs::read_to_string(name).with_context(|| name.clone()).map_err(Usage::of)?;
        Scene::from_spec(&text, args.seed).with_context(|| name.clone()).map_err(Usage::of)?
    } else {
        Scene::named(name, args.seed, args.seconds).map_err(Usage::of)?
    };
    std::fs::create_dir_all(out).with_context(|| out.display().to_string())?;
    let mut told = 0;
    patrol_sim::write_scene(&scene, out, &mut |part| {
        let percent = (part * 10.0) as u32 * 10;
        if percent > told {
            told = percent;
            eprintln!("{percent} %");
        }
    })?;
    eprintln!("{name}, seed {}, {:.0} s -> {}", args.seed, scene.duration_s(), out.display());
    Ok(ExitCode::SUCCESS)
}

fn parse_faults(text: &str) -> Result<Faults, String> {
    serde_json::from_str(text).map_err(|error| format!("{error}; wanted JSON such as {{\"status\":500,\"count\":3}}"))
}

/// A crew that arrives and reports nothing: its last two callbacks are a century away.
fn without_result() -> CallbackPlan {
    const NEVER_S: f64 = 3.2e9;
    CallbackPlan { handled_s: NEVER_S, closed_s: NEVER_S, ..CallbackPlan::default() }
}

fn city(args: CityArgs) -> anyhow::Result<ExitCode> {
    let name = &args.secret_env;
    let secret = std::env::var(name).ok().filter(|secret| !secret.is_empty());
    let secret = secret.ok_or_else(|| Usage::msg(format!("{name} is not set; it holds the secret that both sides sign with")))?;
    let clock: Arc<dyn Clock> = match args.start {
        Some(start) => Arc::new(ScaledClock::new(start, args.speed)),
        None => Arc::new(SystemClock::new()),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(args.listen).await.with_context(|| args.listen.to_string())?;
        println!("http://{}", listener.local_addr()?);
        let config = MockCityConfig {
            secret,
            app_key: args.app_key,
            callback_url: args.callback_url,
            log: args.log,
            state: args.state,
            faults: args.faults.unwrap_or_default(),
            callbacks: if args.no_result { without_result() } else { CallbackPlan::default() },
            clock,
        };
        let (_running, stop) = tokio::sync::watch::channel(false);
        patrol_sim::mock_city::serve(config, listener, stop).await.map_err(|error| match error {
            MockCityError::CallbackUrl { .. } | MockCityError::Faults(_) => Usage::of(error),
            error => error.into(),
        })?;
        Ok(ExitCode::SUCCESS)
    })
}
