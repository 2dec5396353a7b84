//! One server, one `patrol run` and one reader for each mount, all at the same time: what the tests ask about happens once.

use crate::http::{free_address, request};
use patrol_core::{CameraId, LinkStatus, Picture, SystemClock};
use patrol_ingest::{Credentials, Decoders, Feed as _, FeedEvent, Password, RtspCamera, RtspNet, RtspOptions, RtspTransport};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

pub(super) const PASSWORD: &str = "geheim";
/// Pictures a second of the generated streams.
pub(super) const FPS: i64 = 15;
/// The real videos are watched for so long: two people come one after the other in the first 28 s.
const RUN: Duration = Duration::from_secs(28);
/// Beyond this the run is given up, whatever has not happened yet.
const RUN_MAX: Duration = Duration::from_secs(50);
/// A second reader of the same mount begins when the first has seen so much.
const LATE: usize = 45;

/// Everything that one reader of a mount was given.
#[derive(Debug, Default)]
pub(super) struct Stream {
    pub(super) pictures: Vec<Shown>,
    /// With the count of pictures before.
    pub(super) undecodable: Vec<(usize, String)>,
    pub(super) skipped: u64,
    pub(super) error: Option<String>,
    pub(super) link: LinkStatus,
    /// From the last picture to the error, by the reader's clock.
    pub(super) silent_s: f64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    /// As the picture itself says it.
    pub(super) number: Option<i64>,
    pub(super) media_ms: i64,
    pub(super) captured_ms: i64,
    pub(super) size: (u32, u32),
    pub(super) discontinuity: bool,
}

/// What `patrol run` left behind.
#[derive(Debug)]
pub(super) struct Run {
    /// looks.csv.
    pub(super) looks: String,
    /// Of each strip of `b-pictures`: capture time in seconds, and the number that the picture bears; in order of time.
    pub(super) strips: Vec<(f64, i64)>,
    /// Whether the real videos were there, and the network to find people with.
    pub(super) videos: Result<PathBuf, &'static str>,
    /// Answers to looks that an officer asked for, of each camera.
    pub(super) asked: BTreeMap<String, Vec<Value>>,
    pub(super) cameras: Vec<Value>,
    pub(super) leads: Value,
    pub(super) log: String,
    pub(super) ended_well: bool,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) streams: BTreeMap<String, Stream>,
    pub(super) run: Run,
    /// What clients asked of the server.
    pub(super) events: Vec<Value>,
}

/// `None`, said aloud, where the server is not installed.
pub(super) fn world() -> Option<&'static World> {
    static WORLD: OnceLock<Option<World>> = OnceLock::new();
    let world = WORLD.get_or_init(|| Server::start().map(|server| watch(&server))).as_ref();
    if world.is_none() {
        println!("skipped: GStreamer's RTSP server is not there; scripts/setup installs python3-gi and gir1.2-gst-rtsp-server-1.0");
    }
    world
}

struct Server {
    child: Child,
    ports: Value,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Server {
    fn start() -> Option<Self> {
        // Debian's own Python has Debian's modules; another one in the path need not.
        let imports = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer";
        let has = |python: &&str| {
            let done = Command::new(python).args(["-c", imports]).stderr(Stdio::null()).status();
            done.is_ok_and(|status| status.success())
        };
        let python = ["/usr/bin/python3", "python3"].into_iter().find(has)?;
        let mut command = Command::new(python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/foreign_server/serve.py"));
        if let Ok(data) = std::env::var("PATROL_DATA") {
            command.arg(Path::new(&data).join("video"));
        }
        // Its standard input ends with this process, and the server with it.
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("python starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok);
        let ports = lines.next().and_then(|line| serde_json::from_str(&line).ok()).expect("the server tells its ports");
        let events = Arc::<Mutex<Vec<Value>>>::default();
        let noted = Arc::clone(&events);
        let note = move || {
            for event in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
                noted.lock().unwrap_or_else(PoisonError::into_inner).push(event);
            }
        };
        std::thread::Builder::new().name("server-events".to_owned()).spawn(note).expect("a thread");
        Some(Self { child, ports, events })
    }

    fn url(&self, port: &str, mount: &str) -> String {
        format!("rtsp://127.0.0.1:{}/{mount}", self.ports[port])
    }

    fn events(&self) -> Vec<Value> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One mount to read: until it has given `units`, or breaks.
struct Plan {
    name: &'static str,
    port: &'static str,
    mount: &'static str,
    password: Option<&'static str>,
    transport: RtspTransport,
    units: usize,
    /// A second reader comes later and gets so many.
    late: Option<usize>,
}

fn plans() -> Vec<Plan> {
    let transport = RtspTransport::TcpThenUdp;
    let plain = |mount: &'static str| Plan { name: mount, port: "plain", mount, password: None, transport, units: 150, late: None };
    let guarded = |name, port, password| Plan { name, port, password, units: 45, ..plain("guarded") };
    vec![
        Plan { late: Some(75), ..plain("baseline") },
        plain("b-pictures"),
        plain("h265-b-pictures"),
        plain("h265-422-10"),
        // Only after 10 s without a key frame does the client decode what there is.
        Plan { units: 300, late: Some(240), ..plain("intra-refresh") },
        Plan { units: 300, late: Some(240), ..plain("open-gop") },
        plain("slices"),
        plain("interlaced"),
        plain("audio-first"),
        plain("two-videos"),
        plain("mjpeg"),
        plain("udp"),
        Plan { name: "udp-by-choice", transport: RtspTransport::Udp, ..plain("baseline") },
        // Well beyond the 10 s that the server promises to keep a silent client's session, and the 5 s that it adds.
        Plan { units: 380, ..plain("patience-udp") },
        Plan { units: 380, ..plain("patience-tcp") },
        plain("ends"),
        Plan { name: "no-rtp-info", port: "bare", ..plain("baseline") },
        guarded("basic", "basic", Some(PASSWORD)),
        guarded("digest", "digest", Some(PASSWORD)),
        guarded("digest-wrong", "digest", Some("falsch")),
        guarded("digest-none", "digest", None),
    ]
}

#[expect(clippy::disallowed_methods, reason = "deadlines for real processes")]
fn watch(server: &Server) -> World {
    let net = RtspNet::start(Arc::new(SystemClock::new()), 64 << 20).expect("the network thread starts");
    let readers: Vec<_> = plans().into_iter().map(|plan| read(&net, server, &plan)).collect();
    // What is static is never dropped: all that matters of the folder is read into memory.
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let (mut patrol, mut run) = start_patrol(server, folder);
    let began = Instant::now();
    let console = patrol.console;
    let asks: &[&str] = if run.videos.is_ok() { &["people", "cars"] } else { &[] };
    loop {
        for camera in asks {
            let body = json!({ "by": "甲", "reason": "核对" });
            if let Some((200, answer)) = request("POST", console, &format!("/api/v1/cameras/{camera}/look"), Some(&body)) {
                run.asked.entry((*camera).to_owned()).or_default().push(answer);
            }
        }
        let cameras = request("GET", console, "/api/v1/cameras", None).map_or(Value::Null, |(_, all)| all["cameras"].clone());
        run.cameras = cameras.as_array().cloned().unwrap_or_default();
        let is_back = run.cameras.iter().any(|camera| camera["id"] == "ends" && camera["link"]["sessions"].as_u64() >= Some(2));
        let ended = patrol.child.try_wait().expect("a child").is_some();
        if ended || (is_back && began.elapsed() >= RUN) || began.elapsed() >= RUN_MAX {
            break;
        }
        // Asking takes a look's time; without videos nothing is asked.
        if asks.is_empty() {
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }
    let readers: BTreeMap<String, Stream> = readers.into_iter().flat_map(|reader| reader.join().expect("a reader ends")).collect();
    run.leads = request("GET", console, "/api/v1/leads", None).map_or(Value::Null, |(_, leads)| leads["leads"].clone());
    run.ended_well = patrol.stop();
    run.log = std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    run.looks = std::fs::read_to_string(folder.join("looks.csv")).unwrap_or_default();
    run.strips = read_strips(&folder.join("strips/b-pictures"));
    // The farewell to the server is on its way.
    let deadline = Instant::now() + Duration::from_secs(2);
    while Instant::now() < deadline && count(&server.events(), "teardown") < count(&server.events(), "play") {
        std::thread::park_timeout(Duration::from_millis(20));
    }
    World { streams: readers, run, events: server.events() }
}

fn count(events: &[Value], kind: &str) -> usize {
    events.iter().filter(|event| event["event"] == kind).count()
}

type Reader = JoinHandle<Vec<(String, Stream)>>;

fn read(net: &Arc<RtspNet>, server: &Server, plan: &Plan) -> Reader {
    let credentials = plan.password.map(|password| Credentials { user: "admin".to_owned(), password: Password::new(password) });
    let options = RtspOptions {
        camera: CameraId::new(plan.name),
        url: server.url(plan.port, plan.mount),
        credentials,
        transport: plan.transport,
        decoders: Decoders::default(),
    };
    let (net, name, units, late) = (Arc::clone(net), plan.name, plan.units, plan.late);
    let run = move || {
        let camera = |options| RtspCamera::new(&net, options).expect("a camera");
        let mut second = None;
        let first = collect(&camera(options.clone()), units, |seen| {
            if let Some(units) = late.filter(|_| seen == LATE) {
                let camera = camera(options.clone());
                let later = move || collect(&camera, units, |_| {});
                second = Some(std::thread::Builder::new().name(format!("{name}-late")).spawn(later).expect("a thread"));
            }
        });
        let second = second.map(|reader: JoinHandle<Stream>| (format!("{name}-late"), reader.join().expect("a reader ends")));
        std::iter::once((name.to_owned(), first)).chain(second).collect()
    };
    std::thread::Builder::new().name(plan.name.to_owned()).spawn(run).expect("a thread")
}

#[expect(clippy::disallowed_methods, reason = "how long a real client waits")]
fn collect(camera: &Arc<RtspCamera>, units: usize, mut on_unit: impl FnMut(usize)) -> Stream {
    let mut feed = camera.open();
    let mut stream = Stream::default();
    let mut newest = Instant::now();
    while stream.pictures.len() + stream.undecodable.len() < units {
        match feed.next() {
            Ok(FeedEvent::Picture { picture, discontinuity }) => {
                stream.pictures.push(shown(&picture, discontinuity));
                newest = Instant::now();
                on_unit(stream.pictures.len());
            }
            Ok(FeedEvent::Undecodable { why, .. }) => stream.undecodable.push((stream.pictures.len(), why)),
            Ok(FeedEvent::Skipped { pictures }) => stream.skipped += pictures,
            // The client itself gives up after 20 s.
            Ok(FeedEvent::Idle) => assert!(newest.elapsed() < Duration::from_mins(1), "{camera:?} hangs"),
            Ok(FeedEvent::End) => break,
            Err(error) => {
                stream.error = Some(error.to_string());
                stream.silent_s = newest.elapsed().as_secs_f64();
            }
        }
    }
    stream.link = camera.link();
    stream
}

fn shown(picture: &Picture, discontinuity: bool) -> Shown {
    let bits = |y: usize| picture.row(0, y).chunks_exact(16).fold(0_i64, |number, cell| number << 1 | i64::from(cell[8] > 128));
    let has_code = picture.size().width == 256 && bits(8) == !bits(24) & 0xffff;
    Shown {
        number: has_code.then(|| bits(8)),
        media_ms: picture.media_time.0 / 1_000_000,
        captured_ms: picture.captured.at.0 / 1_000_000,
        size: (picture.size().width, picture.size().height),
        discontinuity,
    }
}

fn read_strips(folder: &Path) -> Vec<(f64, i64)> {
    let strip = |path: PathBuf| {
        let captured = path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse().ok()).expect("a time");
        let strip = image::open(&path).expect("a picture").to_luma8();
        let number = (0..16).fold(0, |number, cell| number << 1 | i64::from(strip.get_pixel(cell * 16 + 8, 8).0[0] > 128));
        (captured, number)
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut strips: Vec<(f64, i64)> = entries.map(|entry| strip(entry.expect("an entry").path())).collect();
    strips.sort_by(|a, b| a.0.total_cmp(&b.0));
    strips
}

struct Patrol {
    child: Child,
    console: SocketAddr,
}

impl Drop for Patrol {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Patrol {
    /// Whether it ended of its own will after SIGTERM.
    fn stop(&mut self) -> bool {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        told.is_ok_and(|status| status.success()) && self.child.wait().is_ok_and(|status| status.success())
    }
}

/// A night on which whoever lies is an A at once, so that half a minute would be enough for a lead.
const PIPELINE: &str = r#"
[weather]
air_c = -18.0
wind_kmh = 20.0
alert = "red"
[store]
dir = "store"
[console]
listen = "CONSOLE"
[[detector]]
name = "warm"
kind = "hot-spot"
[[detector]]
name = "person"
kind = "onnx"
model = "yolox-nano"
"#;

fn start_patrol(server: &Server, folder: &Path) -> (Patrol, Run) {
    let house = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let videos = match std::env::var("PATROL_DATA") {
        Err(_) => Err("PATROL_DATA is not set"),
        Ok(_) if !house.join("models/yolox-nano/yolox_nano.onnx").is_file() => {
            Err("models/yolox-nano/yolox_nano.onnx is not there; scripts/setup says how to get it")
        }
        Ok(data) => Ok(PathBuf::from(data).join("video")),
    };
    let console = free_address();
    let mut pipeline = PIPELINE.replace("CONSOLE", &console.to_string());
    if videos.is_err() {
        pipeline.truncate(pipeline.rfind("[[detector]]").expect("a detector"));
    }
    let mut camera = |id: &str, url: String, more: &str| {
        writeln!(pipeline, "[[camera]]\nid = \"{id}\"\nsource = \"{url}\"\n{more}").expect("a string takes it");
    };
    let seen_by_network = "modality = \"visible\"\ndetectors = [\"person\"]\nlook_every_s = 0.4";
    let seen_by_warmth = "modality = \"thermal\"\ndetectors = [\"warm\"]\nlook_every_s = 1.0";
    if videos.is_ok() {
        camera("people", server.url("plain", "people"), seen_by_network);
        camera("cars", server.url("plain", "cars"), seen_by_network);
    }
    for mount in ["b-pictures", "udp", "ends", "mjpeg"] {
        camera(mount, server.url("plain", mount), seen_by_warmth);
    }
    let login = "user = \"admin\"\npassword = { env = \"PATROL_TEST_CAMERA\" }";
    camera("digest", server.url("digest", "guarded"), &format!("{seen_by_warmth}\n{login}"));
    std::fs::write(folder.join("pipeline.toml"), pipeline).expect("written");
    let log = std::fs::File::create(folder.join("log")).expect("a log");
    let child = Command::new(env!("CARGO_BIN_EXE_patrol"))
        .arg("run")
        .arg(folder.join("pipeline.toml"))
        .arg("--looks")
        .arg(folder.join("looks.csv"))
        .arg("--looks-strips")
        .arg(folder.join("strips"))
        .env("PATROL_TEST_CAMERA", PASSWORD)
        .env("PATROL_LOG", "info")
        .current_dir(house)
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .spawn()
        .expect("patrol runs");
    let run = Run {
        looks: String::new(),
        strips: Vec::new(),
        videos,
        asked: BTreeMap::new(),
        cameras: Vec::new(),
        leads: Value::Null,
        log: String::new(),
        ended_well: false,
    };
    (Patrol { child, console }, run)
}
