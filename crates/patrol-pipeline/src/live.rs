//! The running system: a thread per feed, a worker per core, and the desk, around one floor of cameras.

mod ask;
mod desk;
mod feed;
mod floor;
mod lanes;
mod wire;
mod worker;

use crate::desk_room::DeskRoom;
use crate::eyes::Eyes;
use crate::histogram::{Histogram, HistogramReading};
use crate::lane::Lane;
use crate::look::WeatherNow;
use crate::source::{Link, PictureSource, Sessions};
use crate::watch::{CellCounts, MainCounts};
use desk::run_desk;
use feed::run_feed;
use floor::{Floor, Shared, Station, lock};
use lanes::run_lanes;
use patrol_core::desk::{CameraCondition, CameraReport};
use patrol_core::{Camera, CameraId, Clock, LinkStatus, Outcome, Picture, Tally, WallTime};
use patrol_leads::{Desk, DeskEvent, DeskOutput};
use patrol_vision::thermal::{ThermalConfig, ThermalReading};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use worker::Worker;

pub use ask::{AskError, FreshLook, OnFresh, OnPicture, Seen, VIEW_FPS_MAX};
pub use desk::DeskDoor;

/// Opens a camera's source, anew after each failure.
pub type OpenSource = Box<dyn FnMut() -> Result<Box<dyn PictureSource>, String> + Send>;
/// Where a camera's pictures come from.
pub enum LiveFeed {
    /// A file, a folder, a scene: everything is decoded, on a thread of the camera's own.
    Source(OpenSource),
    /// A network camera: key frames on demand, or everything, as its promise wants.
    Sessions(Arc<dyn Sessions>),
}

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
pub type OnLook = Arc<dyn Fn(&LookRecord, &Picture) + Send + Sync>;

pub struct LiveCamera {
    pub camera: Camera,
    pub detectors: Vec<usize>,
    /// What is known of a thermal camera's pictures beforehand.
    pub thermal: ThermalConfig,
    pub feed: LiveFeed,
    /// `None`: a file, which keeps no packets and has no clock of its own.
    pub link: Option<Arc<dyn Link>>,
    pub first_track_id: u64,
}

#[derive(Clone, Default)]
pub struct LiveConfig {
    /// Threads that look; one per core.
    pub workers: usize,
    /// `None`: nothing is known of a camera after a restart.
    pub memories: Option<Memories>,
}

/// Where what is learnt of a camera is kept over restarts, as text: read when the camera is put under watch, written by a worker, who waits for it.
#[derive(Clone)]
pub struct Memories {
    pub read: ReadMemory,
    pub write: WriteMemory,
}

pub type ReadMemory = Arc<dyn Fn(&CameraId) -> Option<String> + Send + Sync>;
pub type WriteMemory = Arc<dyn Fn(&CameraId, &str) + Send + Sync>;

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
    /// Places under watch.
    pub cells: CellCounts,
    pub main_stream: MainCounts,
    /// How the last thermal picture was read; `None` for other cameras.
    pub thermal: Option<ThermalReading>,
    pub last_error: Option<String>,
    /// `None`: not a live camera.
    pub link: Option<LinkStatus>,
    /// In which lane its pictures come.
    pub lane: Lane,
    /// How often it is looked at at present; longer than promised while there is too much to do.
    pub look_every: Duration,
    /// How often it went unseen for longer than its limit.
    pub broken_promises: u64,
    /// Looks since the start that were begun because somebody was not understood yet.
    pub bursts: u64,
}

/// How much there is to do.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LoadReading {
    /// What all promises take as they are written, in parts of what the workers can do; above 1 some are stretched.
    pub load: f64,
    /// Workers missing when all promises are stretched to their limits.
    pub missing: f64,
    /// Cameras whose limits cannot be kept.
    pub refused: Vec<CameraId>,
    /// Since when there have been any without a break.
    pub refused_for: Duration,
}

/// How long things took since the start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TimingReading {
    /// Decoding one key frame.
    pub decode: HistogramReading,
    /// The detectors of one look.
    pub inference: HistogramReading,
    /// All the rest of one look.
    pub rest: HistogramReading,
    /// From the capture of a picture in which a decision may fall to the commit of what the desk made of it.
    pub lead: HistogramReading,
}

/// Counts for [`TimingReading`].
#[derive(Debug, Default)]
pub(crate) struct Timing {
    pub(crate) decode: Histogram,
    pub(crate) inference: Histogram,
    pub(crate) rest: Histogram,
    pub(crate) lead: Histogram,
}

pub struct Live {
    shared: Arc<Shared>,
    door: DeskDoor,
    feeds: Mutex<Vec<JoinHandle<()>>>,
    lanes: JoinHandle<()>,
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
        let memories = config.memories.clone();
        let (stations, opens): (Vec<Station>, Vec<Option<OpenSource>>) =
            cameras.into_iter().map(|live| Station::new(live, start, memories.as_ref())).unzip();
        let worker_count = config.workers.max(1);
        let shared = Arc::new(Shared {
            clock,
            floor: Mutex::new(Floor { stations, ready: BTreeSet::new(), load: LoadReading::default(), bursting: 0, may_burst: true }),
            ready: Condvar::new(),
            weather: Mutex::new(WeatherNow { weather, assumed }),
            register: Mutex::new(None),
            stopping: AtomicBool::new(false),
            desk_stopping: AtomicBool::new(false),
            stop_signal: (Mutex::new(()), Condvar::new()),
            busy_since_ms: (0..worker_count).map(|_| AtomicU64::new(0)).collect(),
            archive_ok: AtomicBool::new(true),
            desk_alive: AtomicBool::new(true),
            unwritten: Mutex::new(None),
            memories,
            timing: Timing::default(),
            busy_ns: AtomicU64::new(0),
        });
        let eyes = (0..worker_count).map(|_| make_eyes()).collect::<Result<Vec<_>, _>>()?;
        let (door, arrived) = DeskDoor::new();

        let desk = spawn("desk", {
            let shared = shared.clone();
            move || run_desk(&shared, room, &arrived, on_told)
        })?;
        let mut workers = Vec::new();
        for (index, mut eyes) in eyes.into_iter().enumerate() {
            eyes.time_by(shared.clock.clone());
            let worker =
                Worker { index, shared: shared.clone(), desk: door.clone(), make_eyes: make_eyes.clone(), on_look: on_look.cloned() };
            workers.push(spawn(&format!("look-{index}"), move || worker.run(eyes))?);
        }
        let mut feeds = Vec::new();
        for (index, open) in opens.into_iter().enumerate().filter_map(|(index, open)| Some((index, open?))) {
            let (shared, desk) = (shared.clone(), door.clone());
            feeds.push(spawn(&format!("feed-{index}"), move || run_feed(&shared, index, open, &desk))?);
        }
        let lanes = spawn("lanes", {
            let (shared, desk) = (shared.clone(), door.clone());
            move || run_lanes(&shared, &desk)
        })?;
        Ok(Self { shared, door, feeds: Mutex::new(feeds), lanes, workers, desk })
    }

    /// Weather, officers, callbacks and deliveries come in here.
    pub fn door(&self) -> DeskDoor {
        self.door.clone()
    }

    /// Tells the desk which cameras there are, before the next event is considered: first this, then [`Self::admit`].
    pub fn register(&self, cameras: Vec<Camera>) {
        *lock(&self.shared.register) = Some(cameras);
    }

    /// Puts one more camera under watch. Its id must not be that of a running one.
    pub fn admit(&self, camera: LiveCamera) -> Result<(), String> {
        let (station, open) = Station::new(camera, self.shared.clock.now(), self.shared.memories.as_ref());
        let index = lock(&self.shared.floor).place(station);
        let Some(open) = open else { return Ok(()) };
        let (shared, desk) = (self.shared.clone(), self.door.clone());
        let thread = spawn(&format!("feed-{index}"), move || run_feed(&shared, index, open, &desk))?;
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        feeds.retain(|feed| !feed.is_finished());
        feeds.push(thread);
        Ok(())
    }

    /// Takes a camera off. With `lost` the desk hears that nobody sees its place any more; without, because the same camera comes
    /// back changed, it hears of the new one alone. `false`: no such camera runs.
    pub fn retire(&self, camera: &CameraId, lost: bool) -> bool {
        let now = self.shared.clock.now();
        {
            let mut floor = lock(&self.shared.floor);
            let Some(index) = floor.index_of(camera) else { return false };
            floor.retire(index, now);
        }
        let report = CameraReport { camera: camera.clone(), at: now, condition: CameraCondition::Lost };
        if lost && !self.door.tell(DeskEvent::Camera(report)) {
            tracing::error!(%camera, "the desk is gone");
        }
        true
    }

    /// Another name, place or promise of a running camera; its session, its tracks and what was learnt of it stay. `false`: no such camera runs.
    pub fn update(&self, camera: Camera) -> bool {
        let mut floor = lock(&self.shared.floor);
        let Some(index) = floor.index_of(&camera.id) else { return false };
        let station = &mut floor.stations[index];
        if station.camera == camera {
            return true;
        }
        station.set_promise(&camera.promise);
        if let Some(watch) = &mut station.watch {
            watch.camera = camera.clone();
        }
        station.camera = camera;
        true
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
        let feeds = self.feeds.into_inner().unwrap_or_else(PoisonError::into_inner);
        for thread in feeds.into_iter().chain([self.lanes]).chain(self.workers) {
            if thread.join().is_err() {
                tracing::error!("a thread had panicked");
            }
        }
        let now = self.shared.clock.now();
        for station in &mut lock(&self.shared.floor).stations {
            if let Some(left) = station.slot.take() {
                station.account.ends(left.captured(), now, Outcome::Stale);
            }
        }
        self.shared.desk_stopping.store(true, Ordering::SeqCst);
        drop(self.door);
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
        let mut floor = lock(&self.0.floor);
        floor
            .stations
            .iter_mut()
            .filter(|station| !station.retired)
            .map(|station| {
                station.account.blind.settle(now);
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
                    cells: station.cells,
                    main_stream: station.main_stream,
                    thermal: station.thermal.clone(),
                    last_error: station.last_error.clone(),
                    link: station.link.as_ref().map(|link| link.status()),
                    lane: station.lane(),
                    look_every: station.look_every,
                    broken_promises: station.broken_promises,
                    bursts: station.bursts,
                }
            })
            .collect()
    }

    /// How much there is to do.
    pub fn load(&self) -> LoadReading {
        lock(&self.0.floor).load.clone()
    }

    /// How long things took since the start.
    pub fn timing(&self) -> TimingReading {
        let Timing { decode, inference, rest, lead } = &self.0.timing;
        TimingReading { decode: decode.reading(), inference: inference.reading(), rest: rest.reading(), lead: lead.reading() }
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
        lock(&self.0.floor).stations.iter().all(|station| station.ended || station.retired)
    }

    /// Looks at the newest picture of a camera, or at the next one, before anything else; `on_fresh` is told what was seen.
    pub fn look_now(&self, camera: &CameraId, on_fresh: OnFresh) -> Result<(), AskError> {
        self.0.look_now(camera, on_fresh)
    }

    /// Shows a camera's pictures to `on_picture` until it gives `false`.
    pub fn view(&self, camera: &CameraId, on_picture: OnPicture) -> Result<(), AskError> {
        self.0.view(camera, on_picture)
    }
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, String> {
    Builder::new().name(name.to_owned()).spawn(body).map_err(|error| format!("thread {name} could not be started: {error}"))
}
