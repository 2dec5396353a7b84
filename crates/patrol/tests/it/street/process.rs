//! A patrol that runs, those who watch it from outside, and the files it leaves.

use super::record::{Part, Reading, Record, Ring};
use super::wire::Opened;
use crate::http::{free_address, request};
use patrol_core::{Clock as _, SystemClock};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often the console is asked for cameras and leads.
const POLL: Duration = Duration::from_millis(250);
/// A drain takes two seconds; the rest is for a busy machine.
const STOP_MAX_S: f64 = 30.0;

/// Unix seconds, of the clock by which the street codes its pictures.
pub(super) fn now_s() -> f64 {
    SystemClock::new().now().0 as f64 / 1e9
}

/// Waits for `done`, asking every 50 ms; panics with `what` after `limit_s`.
pub(super) fn wait_for(what: &str, limit_s: f64, mut done: impl FnMut() -> bool) {
    let until = now_s() + limit_s;
    while !done() {
        assert!(now_s() < until, "{what}: not within {limit_s} s");
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// `patrol run` in `folder`, which holds `pipeline.toml`; everything it says and shows is kept.
pub(super) struct Patrol {
    child: Child,
    pub(super) console: SocketAddr,
    pub(super) started_s: f64,
    watched: Arc<Watched>,
    watchers: Vec<JoinHandle<()>>,
}

/// What has been seen from outside so far.
#[derive(Default)]
struct Watched {
    over: AtomicBool,
    readings: Mutex<Vec<Reading>>,
    rings: Mutex<Vec<Ring>>,
    live: Mutex<Vec<(String, Vec<Part>)>>,
}

impl Patrol {
    /// `pipeline` lacks only the console's and the store's tables.
    pub(super) fn start(folder: &Path, pipeline: &str, envs: &[(&str, &str)]) -> Self {
        let console = free_address();
        let text = format!("{pipeline}\n[store]\ndir = \"store\"\n[console]\nlisten = \"{console}\"\n");
        std::fs::write(folder.join("pipeline.toml"), text).expect("written");
        let log = std::fs::File::create(folder.join("patrol.log")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_patrol"))
            .args(["run", ".", "--looks", "looks.csv", "--looks-strips", "strips"])
            .current_dir(folder)
            .env("PATROL_LOG", "info")
            .envs(envs.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("patrol starts");
        let mut patrol = Self { child, console, started_s: now_s(), watched: Arc::default(), watchers: Vec::new() };
        wait_for("the console listens", 30.0, || request("GET", console, "/healthz", None).is_some());
        patrol.watch("rings", move |watched| hear_rings(console, watched));
        patrol.watch("readings", move |watched| {
            while !watched.over.load(Ordering::Relaxed) {
                if let Some((cameras, leads)) = list(console, "cameras").zip(list(console, "leads")) {
                    watched.readings.lock().expect("readings").push(Reading { at_s: now_s(), cameras, leads });
                }
                std::thread::park_timeout(POLL);
            }
        });
        patrol
    }

    fn watch(&mut self, name: &str, body: impl FnOnce(&Watched) + Send + 'static) {
        let watched = self.watched.clone();
        let thread = std::thread::Builder::new().name(name.into()).spawn(move || body(&watched)).expect("a thread");
        self.watchers.push(thread);
    }

    /// Opens a live view of `camera` and keeps it open to the end.
    pub(super) fn view(&mut self, camera: &str, by: &str) {
        let (console, path) = (self.console, format!("/api/v1/cameras/{camera}/live?by={by}&reason=street"));
        let camera = camera.to_owned();
        self.watch("view", move |watched| {
            let mut opened = Opened::get(console, &path).expect("the console answers");
            assert_eq!(opened.status, 200, "{path}");
            let mut parts = Vec::new();
            while let Some(part) = opened.next().filter(|_| !watched.over.load(Ordering::Relaxed)) {
                parts.push(Part::read(now_s(), &part));
            }
            watched.live.lock().expect("views").push((camera, parts));
        });
    }

    fn newest(&self) -> Reading {
        self.watched.readings.lock().expect("readings").last().cloned().unwrap_or_default()
    }

    pub(super) fn camera(&self, id: &str) -> Option<Value> {
        self.newest().cameras.into_iter().find(|camera| camera["id"] == id)
    }

    pub(super) fn sees(&self, id: &str) -> bool {
        self.camera(id).is_some_and(|camera| camera["condition"]["state"] == "seeing" && camera["promise_broken"] == false)
    }

    /// Open leads of that camera.
    pub(super) fn leads_at(&self, id: &str) -> Vec<String> {
        let reading = self.newest();
        let open = reading.leads.iter().filter(|lead| lead["camera"] == id && lead["group"] != "closed");
        open.map(|lead| lead["id"].as_str().expect("an id").to_owned()).collect()
    }

    pub(super) fn rings(&self) -> Vec<Ring> {
        self.watched.rings.lock().expect("rings").clone()
    }

    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status().expect("kill runs");
        assert!(sent.success(), "the patrol has ended before SIG{name}");
    }

    /// SIGTERM; then what it left behind.
    pub(super) fn stop(mut self, folder: &Path) -> Record {
        self.watched.over.store(true, Ordering::Relaxed);
        let stopped_s = now_s();
        self.signal("TERM");
        let mut status = None;
        wait_for("the patrol ends", STOP_MAX_S, || {
            status = self.child.try_wait().expect("a child");
            status.is_some()
        });
        for watcher in std::mem::take(&mut self.watchers) {
            watcher.thread().unpark();
            watcher.join().expect("a watcher that did not fail");
        }
        let watched = &self.watched;
        Record::read(
            folder,
            (self.started_s, stopped_s),
            status.is_some_and(|status| status.success()),
            std::mem::take(&mut *watched.rings.lock().expect("rings")),
            std::mem::take(&mut *watched.readings.lock().expect("readings")),
            std::mem::take(&mut *watched.live.lock().expect("views")),
        )
    }
}

impl Drop for Patrol {
    fn drop(&mut self) {
        // It has ended already, unless a test failed.
        self.watched.over.store(true, Ordering::Relaxed);
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn list(console: SocketAddr, what: &str) -> Option<Vec<Value>> {
    match request("GET", console, &format!("/api/v1/{what}"), None) {
        Some((200, answer)) => answer[what].as_array().cloned(),
        _ => None,
    }
}

/// Reads the console's stream of changes until the patrol ends.
fn hear_rings(console: SocketAddr, watched: &Watched) {
    let mut opened = Opened::get(console, "/api/v1/stream").expect("the console answers");
    assert_eq!(opened.status, 200, "the stream of changes");
    let mut text = String::new();
    while let Some(bytes) = opened.next() {
        text.push_str(&String::from_utf8_lossy(&bytes));
        while let Some((event, rest)) = text.split_once("\n\n") {
            let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            if field("event:") == Some("ring") {
                let ring = serde_json::from_str(field("data:").expect("data")).expect("JSON");
                watched.rings.lock().expect("rings").push(Ring::read(&ring));
            }
            text = rest.to_owned();
        }
    }
}
