//! `kill -9` at any moment: every lead that was ever on the page is there once, and no person has two cases.
//!
//! Three people lie in front of one camera in deadly cold, so that each is a lead within seconds. The patrol is killed again
//! and again, at random moments and between commit and send, with the city up and down; the same video starts anew each time.

use crate::http::{free_address, request};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const SECRET: &str = "a secret of this test";
const SPEC: &str = r#"
duration_s = 60
weather = { air_c = -22.0, wind_kmh = 25, alert = "red" }
[[camera]]
id = "c1"
name = "桥下"
at = [0, 0]
height_m = 8.0
tilt_deg = 42.0
hfov_deg = 58.0
site_class = "00203"
fps = 4.0
[[person]]
at_s = 0
from = [-3, 8]
steps = [{ do = "lie", facing_deg = 80 }]
[[person]]
at_s = 0
from = [3, 8]
steps = [{ do = "lie", facing_deg = 100 }]
[[person]]
at_s = 0
from = [0, 14]
steps = [{ do = "lie", facing_deg = 95 }]
"#;

/// Random kills; more with `PATROL_KILLS`.
const KILLS: usize = 4;
/// Reached in the middle of delivering, each once.
const FAIL_POINTS: [&str; 4] = ["after-commit:1", "before-mark:1", "after-mark:1", "before-mark:2"];

struct World {
    folder: tempfile::TempDir,
    console: SocketAddr,
    city: SocketAddr,
    callbacks: SocketAddr,
    /// Every lead that was ever on the page.
    seen: BTreeSet<String>,
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // SIGKILL; it may have ended already.
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let spec = folder.path().join("spec.toml");
        std::fs::write(&spec, SPEC).expect("written");
        let scene = folder.path().join("scene");
        let done = patrol().args(["sim", "scene"]).arg(&spec).arg("--out").arg(&scene).status().expect("patrol runs");
        assert!(done.success());
        let (console, city, callbacks) = (free_address(), free_address(), free_address());
        std::fs::write(scene.join("mapping.toml"), "crs = \"both\"\n[class]\nbig = \"05\"\nsmall = \"99\"\n").expect("written");
        let mut pipeline = std::fs::read_to_string(scene.join("pipeline.toml")).expect("a pipeline");
        pipeline = pipeline.replace("[site]\n", "[site]\nsystem_code = \"31010100085026000001\"\n");
        write!(
            pipeline,
            "\n[store]\ndir = \"store\"\n[console]\nlisten = \"{console}\"\n[city]\nbase = \"http://{city}\"\nmapping = \"mapping.toml\"\n\
             app_key = \"k\"\nsecret = {{ env = \"PATROL_CITY_SECRET\" }}\ncallback_listen = \"{callbacks}\"\n"
        )
        .expect("written");
        std::fs::write(scene.join("pipeline.toml"), pipeline).expect("written");
        Self { folder, console, city, callbacks, seen: BTreeSet::new() }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn start_city(&self) -> Running {
        let child = patrol()
            .args(["sim", "city", "--app-key", "k", "--secret-env", "PATROL_CITY_SECRET", "--listen", &self.city.to_string()])
            .args(["--callback-url", &format!("http://{}", self.callbacks)])
            .arg("--log")
            .arg(self.path("city.jsonl"))
            .arg("--state")
            .arg(self.path("city.json"))
            .spawn()
            .expect("the mock city starts");
        Running(child)
    }

    fn start_patrol(&self, fail_point: Option<&str>) -> Running {
        let mut command = patrol();
        command.arg("run").arg(self.path("scene"));
        if let Some(point) = fail_point {
            command.env("PATROL_FAIL_POINT", point);
        }
        Running(command.spawn().expect("patrol starts"))
    }

    /// Plays the officer for `time`: notes every lead on the page and confirms what waits. Ends early when the patrol has died.
    #[expect(clippy::disallowed_methods, reason = "a deadline for real processes")]
    fn officer(&mut self, patrol: &mut Running, time: Duration, done: impl Fn(&[Value]) -> bool) {
        let until = Instant::now() + time;
        while Instant::now() < until && patrol.0.try_wait().expect("a child").is_none() {
            if let Some((200, list)) = request("GET", self.console, "/api/v1/leads", None) {
                let leads = list["leads"].as_array().cloned().unwrap_or_default();
                for lead in &leads {
                    let id = lead["id"].as_str().expect("an id").to_owned();
                    if lead["state"] == "REVIEW" {
                        let review = json!({"decision": "confirmed", "by": "tester", "reason": "倒卧"});
                        request("POST", self.console, &format!("/api/v1/leads/{id}/review"), Some(&review));
                    }
                    self.seen.insert(id);
                }
                if done(&leads) {
                    return;
                }
            }
            std::thread::park_timeout(Duration::from_millis(40));
        }
    }
}

fn patrol() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_patrol"));
    command.env("PATROL_CITY_SECRET", SECRET).env("PATROL_LOG", "error").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Event id → the cases it was ever answered with, from the city's own log of HTTP attempts; and the number of attempts.
fn cases(log: &Path) -> (BTreeMap<String, BTreeSet<String>>, usize) {
    let text = std::fs::read_to_string(log).expect("the city's log");
    let mut cases: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines() {
        let attempt: Value = serde_json::from_str(line).expect("a JSON line");
        if let (Some(event), Some(case)) = (attempt["event_id"].as_str(), attempt["case_id"].as_str()) {
            cases.entry(event.to_owned()).or_default().insert(case.to_owned());
        }
    }
    (cases, text.lines().count())
}

#[test]
fn nothing_is_lost_or_doubled_by_kill_9() {
    let mut world = World::new();
    let kills = std::env::var("PATROL_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let mut random = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = move |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    for round in 0..kills + FAIL_POINTS.len() {
        let point = round.checked_sub(kills).map(|index| FAIL_POINTS[index]);
        // The city is down in every third round, and must be up for a fail point in the middle of a delivery.
        let city = (point.is_some() || round % 3 != 1).then(|| world.start_city());
        let mut patrol = world.start_patrol(point);
        let time = if point.is_some() { 8_000 } else { 300 + next(6_000) };
        world.officer(&mut patrol, Duration::from_millis(time), |_| false);
        drop(patrol);
        drop(city);
    }

    let _city = world.start_city();
    let mut patrol = world.start_patrol(None);
    let settled =
        |leads: &[Value]| leads.len() >= 3 && leads.iter().all(|lead| lead["delivery"] == "delivered" && lead["state"] != "REVIEW");
    world.officer(&mut patrol, Duration::from_secs(45), settled);
    let (_, list) = request("GET", world.console, "/api/v1/leads", None).expect("the console answers");
    let mut there = BTreeSet::new();
    for lead in list["leads"].as_array().expect("leads") {
        assert!(there.insert(lead["id"].as_str().expect("an id").to_owned()), "{} is there twice", lead["id"]);
        assert_eq!(lead["delivery"], "delivered", "{lead}");
    }
    assert_eq!(world.seen, there, "every lead that was ever on the page is there");
    assert_eq!(there.len(), 3, "three people, three leads, however often the patrol was killed: {there:?}");
    let (cases, attempts) = cases(&world.path("city.jsonl"));
    println!("{kills} random kills, {} fail points: {} leads, {attempts} HTTP attempts", FAIL_POINTS.len(), there.len());
    assert_eq!(cases.keys().cloned().collect::<BTreeSet<_>>(), there, "each lead reached the city");
    assert!(cases.values().all(|of_one| of_one.len() == 1), "no person has two cases: {cases:?}");
}
