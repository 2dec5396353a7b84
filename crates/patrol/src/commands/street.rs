//! `patrol sim street`: RTSP cameras on loopback, with faults on demand.

use crate::config::{Usage, number_in};
use anyhow::Context as _;
use clap::ValueEnum;
use patrol_core::{Modality, PictureSize};
use patrol_sim::SimError;
use patrol_sim::street::{
    AuthScheme, FaultPlan, PipelineOptions, Street, StreetAuth, StreetCodec, StreetConfig, StreetDetector, WatchOptions, pipeline_for,
};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How often the state is told.
const TOLD_EVERY: Duration = Duration::from_secs(10);

#[derive(clap::Args)]
pub(crate) struct Args {
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4094))]
    cameras: u32,
    /// Width and height of the pictures.
    #[arg(long, default_value = "640x512", value_parser = parse_size)]
    size: PictureSize,
    #[arg(long, default_value_t = 10.0, value_parser = number_in(1.0..=60.0))]
    fps: f64,
    /// Rate of one camera.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(50..=50_000))]
    kbps: u32,
    /// Seconds from key frame to key frame.
    #[arg(long, default_value_t = 2.0, value_parser = number_in(0.1..=120.0))]
    gop_s: f64,
    #[arg(long, value_enum, default_value_t = Codec::H264)]
    codec: Codec,
    /// Two B pictures between others.
    #[arg(long)]
    b_frames: bool,
    /// No block code in the pictures: nothing but the street is seen.
    #[arg(long)]
    no_code: bool,
    /// Nobody is there and nothing moves: pictures differ by the sensor's noise alone.
    #[arg(long)]
    empty: bool,
    /// Length of the loop that all cameras play, seconds; at most 60 with --empty.
    #[arg(long, default_value_t = 16.0, value_parser = number_in(1.0..=600.0))]
    clip_s: f64,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value = "127.0.0.1:8554")]
    listen: SocketAddr,
    /// End by itself; without it at Ctrl-C.
    #[arg(long, value_parser = number_in(0.1..=1e7))]
    seconds: Option<f64>,
    /// USER:ENV, a user and the environment variable that holds the password.
    #[arg(long, value_parser = parse_auth)]
    auth: Option<(String, String)>,
    #[arg(long, value_enum, default_value_t = Scheme::Digest)]
    auth_scheme: Scheme,
    /// By how many milliseconds the cameras' own clocks are ahead, as RTCP sender reports tell it.
    #[arg(long, default_value_t = 0, allow_hyphen_values = true, value_parser = clap::value_parser!(i64).range(-86_400_000_000..=86_400_000_000))]
    clock_offset_ms: i64,
    /// `CAMERAS:KIND@START[+DURATION][/EVERY]`, seconds; e.g. `3:down@20+5/25`, `0-7:loss=20@0`, `*:stall@60+10`. May be given again.
    #[arg(long = "fault", value_parser = parse_fault)]
    faults: Vec<FaultPlan>,
    /// CSV of every picture sent: camera,frame,capture_unix_ms,key,bytes,sent_unix_ms,clip_frame.
    #[arg(long)]
    sent: Option<PathBuf>,
    /// Writes pipeline.toml, which watches all these cameras, into this folder.
    #[arg(long)]
    write_pipeline: Option<PathBuf>,
    /// The look_every_s of that pipeline.
    #[arg(long, default_value_t = 2.0, value_parser = number_in(0.1..=3600.0))]
    look_every_s: f64,
    /// The look_limit_s of that pipeline; default: three times --look-every-s.
    #[arg(long, value_parser = number_in(0.1..=86_400.0))]
    look_limit_s: Option<f64>,
    /// The rescan_every_s of that pipeline; default: 60.
    #[arg(long, value_parser = number_in(1.0..=120.0))]
    rescan_every_s: Option<f64>,
    /// The model that looks in that pipeline; default: hot-spot, which needs none.
    #[arg(long)]
    model: Option<String>,
    /// That pipeline takes the cameras for visible ones.
    #[arg(long)]
    visible: bool,
    /// The workers of that pipeline; default: one a core.
    #[arg(long)]
    workers: Option<usize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Codec {
    H264,
    H265,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scheme {
    Basic,
    Digest,
}

fn parse_size(text: &str) -> Result<PictureSize, String> {
    let size = text.split_once('x').and_then(|(width, height)| Some(PictureSize::new(width.parse().ok()?, height.parse().ok()?)));
    size.ok_or_else(|| "wanted WIDTHxHEIGHT, e.g. 640x512".into())
}

fn parse_auth(text: &str) -> Result<(String, String), String> {
    match text.split_once(':') {
        Some((user, env)) if !user.is_empty() && !env.is_empty() => Ok((user.into(), env.into())),
        _ => Err("wanted USER:ENV, e.g. admin:PATROL_CAMERA_PASSWORD; the password itself stands in that environment variable".into()),
    }
}

fn parse_fault(text: &str) -> Result<FaultPlan, String> {
    text.parse()
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let auth = args.auth.as_ref().map(|(user, env)| {
        let password = std::env::var(env).ok().filter(|password| !password.is_empty());
        let password = password.ok_or_else(|| Usage::msg(format!("{env} is not set; it holds the cameras' password")))?;
        let scheme = match args.auth_scheme {
            Scheme::Basic => AuthScheme::Basic,
            Scheme::Digest => AuthScheme::Digest,
        };
        anyhow::Ok(StreetAuth { user: user.clone(), password, scheme })
    });
    let config = StreetConfig {
        cameras: args.cameras as usize,
        size: args.size,
        fps: args.fps,
        kbps: args.kbps,
        gop_s: args.gop_s,
        codec: match args.codec {
            Codec::H264 => StreetCodec::H264,
            Codec::H265 => StreetCodec::H265,
        },
        b_frames: args.b_frames,
        coded: !args.no_code,
        seed: args.seed,
        empty: args.empty,
        clip_s: args.clip_s,
        // The empty street has one view; the other would be encoded for nothing.
        views: if args.empty { 1 } else { args.cameras.min(2) as usize },
        auth: auth.transpose()?,
        listen: args.listen,
        sent: args.sent.clone(),
        clock_offset_ms: args.clock_offset_ms,
        faults: args.faults.clone(),
        ..StreetConfig::default()
    };
    eprintln!("preparing the clips");
    let street = Street::start(config.clone()).map_err(|error| match error {
        SimError::Street(_) | SimError::NoRoom { .. } => Usage::of(error),
        error => error.into(),
    })?;
    if let Some(dir) = &args.write_pipeline {
        write_pipeline(dir, &config, street.address(), args)?;
    }
    let last = config.cameras - 1;
    println!("{}", street.url(0));
    if last > 0 {
        println!("{}", street.url(last));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(watch(&street, config.cameras, args.seconds))?;
    tell(&street, config.cameras);
    Ok(ExitCode::SUCCESS)
}

fn write_pipeline(dir: &Path, config: &StreetConfig, address: SocketAddr, args: &Args) -> anyhow::Result<()> {
    let options = PipelineOptions {
        address: address.to_string(),
        password_env: args.auth.as_ref().map(|(_, env)| env.clone()),
        look_every_s: args.look_every_s,
        transport: "tcp-then-udp".into(),
    };
    let watch = WatchOptions {
        modality: if args.visible { Modality::Visible } else { Modality::Thermal },
        detector: args.model.clone().map_or(StreetDetector::HotSpot, StreetDetector::Onnx),
        look_limit_s: args.look_limit_s,
        rescan_every_s: args.rescan_every_s,
        workers: args.workers,
        ..WatchOptions::default()
    };
    let text = format!("{}\n[console]\nlisten = \"127.0.0.1:8460\"\n", pipeline_for(config, &options, &watch)?);
    std::fs::create_dir_all(dir).with_context(|| dir.display().to_string())?;
    let path = dir.join("pipeline.toml");
    std::fs::write(&path, text).with_context(|| path.display().to_string())?;
    eprintln!("{}", path.display());
    Ok(())
}

/// Until the time is up or somebody ends it.
async fn watch(street: &Street, cameras: usize, seconds: Option<f64>) -> anyhow::Result<()> {
    let (mut terminated, mut interrupted) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let over = async {
        match seconds {
            Some(seconds) => tokio::time::sleep(Duration::from_secs_f64(seconds)).await,
            None => std::future::pending().await,
        }
    };
    let told = async {
        let mut interval = tokio::time::interval(TOLD_EVERY);
        interval.tick().await;
        loop {
            interval.tick().await;
            tell(street, cameras);
        }
    };
    tokio::select! {
        () = over => {}
        () = told => {}
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    Ok(())
}

fn tell(street: &Street, cameras: usize) {
    let stats = street.stats();
    println!(
        "clients {} on {cameras} cameras, sessions {}, pictures {}, MB {:.1}, packets lost {}, clients dropped {}",
        stats.clients,
        stats.sessions,
        stats.pictures,
        stats.bytes as f64 / 1e6,
        stats.packets_lost,
        stats.clients_dropped
    );
}
