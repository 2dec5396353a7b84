//! The running system: a thread per feed, a worker per core, and the desk, around one floor of cameras.

mod desk;
mod feed;
mod floor;
mod worker;

use crate::condition::Reliance;
use crate::desk_room::DeskRoom;
use crate::eyes::Eyes;
use crate::look::WeatherNow;
use crate::promise::{Account, DueRule};
use crate::slot::Slot;
use crate::source::PictureSource;
use crate::watch::CameraWatch;
use crossbeam_channel::{Sender, bounded};
use desk::run_desk;
use feed::run_feed;
use floor::{Floor, Shared, Station, lock};
use patrol_core::desk::CameraCondition;
use patrol_core::{Camera, CameraId, Clock, Outcome, Tally, WallTime};
use patrol_leads::{Desk, DeskEvent, DeskOutput};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use worker::Worker;

/// Events that may wait for the desk. When it is full, workers wait: leads are dropped nowhere.
const EVENTS_BOUND: usize = 4096;

/// Opens a camera's source, anew after each failure.
pub type OpenSource = Box<dyn FnMut() -> Result<Box<dyn PictureSource>, String> + Send>;
/// Makes the detectors of one worker.
pub type MakeEyes = Arc<dyn Fn() -> Result<Eyes, String> + Send + Sync>;
/// What the desk has just written, for those who show it.
pub struct Told<'a> {
    pub now: WallTime,
    pub output: &'a DeskOutput,
    pub desk: &'a Desk,
    /// Ids of the city's callbacks among the events considered: they are kept now and may be acknowledged.
    pub callbacks: &'a [String],
}

/// Called on the desk's thread after each commit.
pub type OnTold = Box<dyn FnMut(&Told<'_>) + Send>;
/// Called on a worker's thread after each look.
pub type OnLook = Arc<dyn Fn(&LookRecord) + Send + Sync>;

pub struct LiveCamera {
    pub camera: Camera,
    pub detectors: Vec<usize>,
    pub open: OpenSource,
    pub first_track_id: u64,
}

pub struct LiveConfig {
    /// Threads that look; one per core.
    pub workers: usize,
}

/// One line of `--looks`.
#[derive(Debug, Clone)]
pub struct LookRecord {
    pub camera: CameraId,
    pub captured: WallTime,
    pub start: WallTime,
    pub end: WallTime,
    pub outcome: Outcome,
}

/// What is known of a camera from outside.
#[derive(Debug, Clone)]
pub struct CameraReading {
    pub camera: Camera,
    pub condition: CameraCondition,
    pub ended: bool,
    pub blind: Duration,
    pub unexamined: Duration,
    pub max_blind: Duration,
    pub tally: Tally,
    pub inferences: u64,
    /// Warm things that never moved and are not told: lamps, bonnets.
    pub fixtures: u32,
    pub last_error: Option<String>,
}

pub struct Live {
    shared: Arc<Shared>,
    events: Sender<DeskEvent>,
    feeds: Vec<JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
    desk: JoinHandle<()>,
}

impl Live {
    /// Starts all threads. Fails when a thread or a worker's detectors cannot be made.
    pub fn start(
        config: &LiveConfig,
        clock: Arc<dyn Clock>,
        cameras: Vec<LiveCamera>,
        make_eyes: &MakeEyes,
        room: DeskRoom,
        on_told: OnTold,
        on_look: Option<&OnLook>,
    ) -> Result<Self, String> {
        let start = clock.now();
        let (weather, assumed) = room.desk.weather();
        let mut stations = Vec::with_capacity(cameras.len());
        let mut opens = Vec::with_capacity(cameras.len());
        for live in cameras {
            let watch = CameraWatch::new(live.camera.clone(), live.detectors, live.first_track_id);
            stations.push(Station {
                slot: Slot::default(),
                due: DueRule::new(&live.camera.promise),
                account: Account::new(start),
                watch: Some(Box::new(watch)),
                queued: false,
                reliance: Reliance::default(),
                undecodable_running: 0,
                ended: false,
                inferences: 0,
                fixtures: 0,
                last_error: None,
                camera: live.camera,
            });
            opens.push(live.open);
        }
        let worker_count = config.workers.max(1);
        let shared = Arc::new(Shared {
            clock,
            floor: Mutex::new(Floor { stations, ready: BTreeSet::new() }),
            ready: Condvar::new(),
            weather: Mutex::new(WeatherNow { weather, assumed }),
            stopping: AtomicBool::new(false),
            desk_stopping: AtomicBool::new(false),
            stop_signal: (Mutex::new(()), Condvar::new()),
            busy_since_ms: (0..worker_count).map(|_| AtomicU64::new(0)).collect(),
            archive_ok: AtomicBool::new(true),
            desk_alive: AtomicBool::new(true),
            unwritten: Mutex::new(None),
        });
        let eyes = (0..worker_count).map(|_| make_eyes()).collect::<Result<Vec<_>, _>>()?;
        let (events, arrived) = bounded(EVENTS_BOUND);

        let desk = spawn("desk", {
            let shared = shared.clone();
            move || run_desk(&shared, room, &arrived, on_told)
        })?;
        let mut workers = Vec::new();
        for (index, eyes) in eyes.into_iter().enumerate() {
            let worker =
                Worker { index, shared: shared.clone(), events: events.clone(), make_eyes: make_eyes.clone(), on_look: on_look.cloned() };
            workers.push(spawn(&format!("look-{index}"), move || worker.run(eyes))?);
        }
        let mut feeds = Vec::new();
        for (index, open) in opens.into_iter().enumerate() {
            let (shared, events) = (shared.clone(), events.clone());
            feeds.push(spawn(&format!("feed-{index}"), move || run_feed(&shared, index, open, &events))?);
        }
        Ok(Self { shared, events, feeds, workers, desk })
    }

    /// The desk's door: weather, officers, callbacks and deliveries come in here. Sending blocks while it is full.
    pub fn events(&self) -> Sender<DeskEvent> {
        self.events.clone()
    }

    /// A handle for reading that may outlive this one.
    pub fn gauge(&self) -> LiveGauge {
        LiveGauge(self.shared.clone())
    }

    /// Stops feeds, then workers, then the desk, so that what was seen is still considered and written. `Err` says what was not.
    pub fn stop(self) -> Result<(), String> {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.stop_signal.1.notify_all();
        self.shared.ready.notify_all();
        for thread in self.feeds.into_iter().chain(self.workers) {
            if thread.join().is_err() {
                tracing::error!("a thread had panicked");
            }
        }
        let now = self.shared.clock.now();
        for station in &mut lock(&self.shared.floor).stations {
            if let Some(left) = station.slot.take() {
                station.account.ends(left.picture.captured.at, now, Outcome::Stale);
            }
        }
        self.shared.desk_stopping.store(true, Ordering::SeqCst);
        drop(self.events);
        if self.desk.join().is_err() {
            return Err("the desk broke off; what was written before stands".to_owned());
        }
        lock(&self.shared.unwritten).take().map_or(Ok(()), Err)
    }
}

/// Reads the running system from outside.
#[derive(Clone)]
pub struct LiveGauge(Arc<Shared>);

impl LiveGauge {
    pub fn cameras(&self) -> Vec<CameraReading> {
        let now = self.0.clock.now();
        let floor = lock(&self.0.floor);
        floor
            .stations
            .iter()
            .map(|station| {
                let (blind, unexamined) = station.account.blind.at(now);
                CameraReading {
                    camera: station.camera.clone(),
                    condition: station.reliance.condition(),
                    ended: station.ended,
                    blind,
                    unexamined,
                    max_blind: station.account.blind.max_blind().max(blind),
                    tally: station.account.tally.clone(),
                    inferences: station.inferences,
                    fixtures: station.fixtures,
                    last_error: station.last_error.clone(),
                }
            })
            .collect()
    }

    /// Whether the desk's last change could be written.
    pub fn archive_ok(&self) -> bool {
        self.0.archive_ok.load(Ordering::Relaxed)
    }

    /// False once the desk has ended: nothing more will be considered, and only a restart helps.
    pub fn desk_alive(&self) -> bool {
        self.0.desk_alive.load(Ordering::Relaxed)
    }

    /// Longest time that any worker has spent on its present look.
    pub fn longest_look(&self) -> Duration {
        let now_ms = self.0.clock.monotonic().as_millis() as u64 + 1;
        let since = |began: &AtomicU64| match began.load(Ordering::Relaxed) {
            0 => 0,
            began => now_ms.saturating_sub(began),
        };
        Duration::from_millis(self.0.busy_since_ms.iter().map(since).max().unwrap_or(0))
    }

    /// Whether every feed has come to its end.
    pub fn all_ended(&self) -> bool {
        lock(&self.0.floor).stations.iter().all(|station| station.ended)
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, String> {
    Builder::new().name(name.to_owned()).spawn(body).map_err(|error| format!("thread {name} could not be started: {error}"))
}
