//! The running system: a thread per feed, a worker per core, and the desk, around one floor of cameras.

use crate::desk_room::DeskRoom;
use crate::eyes::Eyes;
use crate::look::{WeatherNow, look};
use crate::promise::{Account, DueRule};
use crate::slot::{Slot, Waiting};
use crate::source::{Offer, PictureSource};
use crate::watch::CameraWatch;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use patrol_core::desk::{CameraCondition, CameraReport};
use patrol_core::outcome::FailureKind;
use patrol_core::{Camera, CameraId, Clock, Outcome, Picture, Tally, WallTime};
use patrol_leads::{Desk, DeskEvent, DeskOutput};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// Events that may wait for the desk. When it is full, workers wait: leads are dropped nowhere.
const EVENTS_BOUND: usize = 4096;
/// The desk considers once a second of scene time, and at once when a person or the city speaks.
const TICK: Duration = Duration::from_secs(1);
/// How often a waiting thread looks whether it shall stop, in real time.
const STOP_CHECK: Duration = Duration::from_millis(200);
/// A source that cannot be opened is tried again after 1 s, doubling to 30 s; the wait starts anew after 10 s of pictures.
const REOPEN_FIRST: Duration = Duration::from_secs(1);
const REOPEN_LONGEST: Duration = Duration::from_secs(30);
const REOPEN_RESET_AFTER: Duration = Duration::from_secs(10);

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
    pub last_error: Option<String>,
}

/// One camera's place on the floor.
struct Station {
    camera: Camera,
    slot: Slot,
    due: DueRule,
    account: Account,
    /// `None` while a worker has it.
    watch: Option<Box<CameraWatch>>,
    queued: bool,
    condition: CameraCondition,
    ended: bool,
    inferences: u64,
    last_error: Option<String>,
}

struct Floor {
    stations: Vec<Station>,
    /// Cameras with a due picture that no worker has, by deadline: the most overdue first.
    ready: BTreeSet<(WallTime, usize)>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    floor: Mutex<Floor>,
    ready: Condvar,
    weather: Mutex<WeatherNow>,
    stopping: AtomicBool,
    /// Feeds and workers have ended: the desk considers what has arrived and ends too.
    desk_stopping: AtomicBool,
    stop_signal: (Mutex<()>, Condvar),
    /// Scene milliseconds at which each worker began its present look, plus one; zero while it waits.
    busy_since_ms: Vec<AtomicU64>,
    archive_ok: AtomicBool,
}

pub struct Live {
    shared: Arc<Shared>,
    events: Sender<DeskEvent>,
    feeds: Vec<JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
    desk: JoinHandle<()>,
}

impl Live {
    /// Starts all threads. Fails when a thread or a worker's detectors cannot be made; nothing runs then.
    pub fn start(
        config: &LiveConfig,
        clock: Arc<dyn Clock>,
        cameras: Vec<LiveCamera>,
        make_eyes: MakeEyes,
        room: DeskRoom,
        on_told: OnTold,
        on_look: Option<OnLook>,
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
                condition: CameraCondition::Lost,
                ended: false,
                inferences: 0,
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
        });
        let eyes = (0..worker_count).map(|_| make_eyes()).collect::<Result<Vec<_>, _>>()?;
        let (events, arrived) = bounded(EVENTS_BOUND);

        let desk = spawn("desk".into(), {
            let shared = shared.clone();
            move || run_desk(&shared, room, &arrived, on_told)
        })?;
        let mut workers = Vec::new();
        for (index, eyes) in eyes.into_iter().enumerate() {
            let worker =
                Worker { index, shared: shared.clone(), events: events.clone(), make_eyes: make_eyes.clone(), on_look: on_look.clone() };
            workers.push(spawn(format!("look-{index}"), move || worker.run(eyes))?);
        }
        let mut feeds = Vec::new();
        for (index, open) in opens.into_iter().enumerate() {
            let (shared, events) = (shared.clone(), events.clone());
            feeds.push(spawn(format!("feed-{index}"), move || run_feed(&shared, index, open, &events))?);
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

    /// Stops feeds, then workers, then the desk, so that what was seen is still considered and written.
    pub fn stop(self) {
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
            tracing::error!("the desk had panicked");
        }
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
                    condition: station.condition.clone(),
                    ended: station.ended,
                    blind,
                    unexamined,
                    max_blind: station.account.blind.max_blind().max(blind),
                    tally: station.account.tally.clone(),
                    inferences: station.inferences,
                    last_error: station.last_error.clone(),
                }
            })
            .collect()
    }

    /// Whether the desk's last change could be written.
    pub fn archive_ok(&self) -> bool {
        self.0.archive_ok.load(Ordering::Relaxed)
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

impl Shared {
    fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Waits for `scene` time, or until it is time to stop; `false` then.
    fn wait(&self, scene: Duration) -> bool {
        let mut left = self.clock.real_wait(scene);
        let mut guard = lock(&self.stop_signal.0);
        while !self.stopping() && !left.is_zero() {
            let step = left.min(STOP_CHECK);
            guard = self.stop_signal.1.wait_timeout(guard, step).unwrap_or_else(PoisonError::into_inner).0;
            left = left.saturating_sub(step);
        }
        !self.stopping()
    }

    /// Puts a picture into its camera's slot, and the camera among the ready ones when its look is due.
    fn offer(&self, index: usize, picture: Picture, discontinuity: bool) {
        let now = self.clock.now();
        let mut floor = lock(&self.floor);
        let station = &mut floor.stations[index];
        let due = station.due.arrives(picture.media_time);
        if due {
            station.due.looked(picture.media_time);
        }
        if let Some(stale) = station.slot.offer(Waiting { picture, discontinuity, due, offered_at: now }) {
            station.account.ends(stale.picture.captured.at, now, Outcome::Stale);
        }
        floor.queue(index);
        drop(floor);
        self.ready.notify_one();
    }
}

impl Floor {
    fn queue(&mut self, index: usize) {
        let station = &mut self.stations[index];
        if station.queued || station.watch.is_none() || !station.slot.is_due() {
            return;
        }
        station.queued = true;
        let deadline = station.account.blind.seen() + station.camera.promise.look_every;
        self.ready.insert((deadline, index));
    }

    /// The most overdue camera, checked out with its picture.
    fn pick(&mut self) -> Option<(usize, Box<CameraWatch>, Waiting)> {
        let (_, index) = self.ready.pop_first()?;
        let station = &mut self.stations[index];
        station.queued = false;
        let watch = station.watch.take()?;
        match station.slot.take() {
            Some(waiting) => Some((index, watch, waiting)),
            None => {
                station.watch = Some(watch);
                None
            }
        }
    }
}

struct Worker {
    index: usize,
    shared: Arc<Shared>,
    events: Sender<DeskEvent>,
    make_eyes: MakeEyes,
    on_look: Option<OnLook>,
}

impl Worker {
    fn run(self, mut eyes: Eyes) {
        let mut events = Vec::new();
        while let Some((index, mut watch, waiting)) = self.next() {
            let clock = &self.shared.clock;
            let start = clock.now();
            self.shared.busy_since_ms[self.index].store(clock.monotonic().as_millis() as u64 + 1, Ordering::Relaxed);
            let weather = *lock(&self.shared.weather);
            let looked = catch_unwind(AssertUnwindSafe(|| look(&waiting, &mut watch, &mut eyes, &weather, &mut events)));
            let outcome = looked.unwrap_or_else(|_| {
                tracing::error!(camera = %watch.camera.id, "a look broke off; the camera's tracks start anew");
                events.clear();
                *watch = watch.renewed();
                if let Ok(fresh) = (self.make_eyes)() {
                    eyes = fresh;
                }
                Outcome::Failed(FailureKind::Panicked)
            });
            for event in events.drain(..) {
                // The desk outlives the workers; it is gone only when the process ends.
                if self.events.send(event).is_err() {
                    return;
                }
            }
            let end = clock.now();
            let camera = watch.camera.id.clone();
            self.put_back(index, watch, &waiting, outcome, end);
            self.shared.busy_since_ms[self.index].store(0, Ordering::Relaxed);
            if let Some(on_look) = &self.on_look {
                on_look(&LookRecord { camera, captured: waiting.picture.captured.at, start, end, outcome });
            }
        }
    }

    fn next(&self) -> Option<(usize, Box<CameraWatch>, Waiting)> {
        let mut floor = lock(&self.shared.floor);
        loop {
            if let Some(picked) = floor.pick() {
                return Some(picked);
            }
            if self.shared.stopping() {
                return None;
            }
            floor = self.shared.ready.wait_timeout(floor, STOP_CHECK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn put_back(&self, index: usize, watch: Box<CameraWatch>, waiting: &Waiting, outcome: Outcome, now: WallTime) {
        let mut floor = lock(&self.shared.floor);
        let station = &mut floor.stations[index];
        station.account.ends(waiting.picture.captured.at, now, outcome);
        station.inferences = watch.inferences;
        station.condition = match watch.cannot_see() {
            Some(why) => CameraCondition::CannotSee { why },
            None => CameraCondition::Seeing,
        };
        if watch.last_error.is_some() {
            station.last_error.clone_from(&watch.last_error);
        }
        station.watch = Some(watch);
        floor.queue(index);
    }
}

/// Reads one camera's source for ever: waits for each picture's time, offers it, opens the source anew when it breaks.
fn run_feed(shared: &Shared, index: usize, mut open: OpenSource, events: &Sender<DeskEvent>) {
    let camera = lock(&shared.floor).stations[index].camera.id.clone();
    let mut wait = REOPEN_FIRST;
    let mut lost = false;
    while !shared.stopping() {
        let opened_at = shared.clock.monotonic();
        let why = match open() {
            Ok(source) => match read_source(shared, index, source, &camera, &mut lost, events) {
                Ok(()) => break,
                Err(why) => why,
            },
            Err(why) => why,
        };
        tracing::warn!(%camera, why, retry_s = wait.as_secs(), "no pictures");
        lock(&shared.floor).stations[index].last_error = Some(why);
        if !lost {
            lost = true;
            report(shared, index, &camera, CameraCondition::Lost, events);
        }
        if shared.clock.monotonic().saturating_sub(opened_at) > REOPEN_RESET_AFTER {
            wait = REOPEN_FIRST;
        }
        // Spread by camera, so that a hundred cameras behind one switch do not all come back in the same instant.
        let jitter = 0.8 + 0.4 * (index.wrapping_mul(0x9E37_79B9) % 1000) as f64 / 1000.0;
        if !shared.wait(wait.mul_f64(jitter)) {
            break;
        }
        wait = (wait * 2).min(REOPEN_LONGEST);
    }
}

/// `Ok` when the feed is over or everything stops; `Err` says why the source broke.
fn read_source(
    shared: &Shared,
    index: usize,
    mut source: Box<dyn PictureSource>,
    camera: &CameraId,
    lost: &mut bool,
    events: &Sender<DeskEvent>,
) -> Result<(), String> {
    while !shared.stopping() {
        match source.next()? {
            Offer::Picture { picture, discontinuity } => {
                let early = picture.captured.at.since(shared.clock.now());
                if !early.is_zero() && !shared.wait(early) {
                    return Ok(());
                }
                if std::mem::take(lost) {
                    report(shared, index, camera, CameraCondition::Seeing, events);
                }
                shared.offer(index, picture, discontinuity);
            }
            Offer::Undecodable { media_time, why } => {
                tracing::warn!(%camera, ?media_time, why, "undecodable");
                let now = shared.clock.now();
                let mut floor = lock(&shared.floor);
                floor.stations[index].account.ends(now, now, Outcome::Undecodable);
                floor.stations[index].last_error = Some(why);
            }
            Offer::End => {
                lock(&shared.floor).stations[index].ended = true;
                report(shared, index, camera, CameraCondition::Lost, events);
                return Ok(());
            }
        }
    }
    Ok(())
}

fn report(shared: &Shared, index: usize, camera: &CameraId, condition: CameraCondition, events: &Sender<DeskEvent>) {
    lock(&shared.floor).stations[index].condition = condition.clone();
    let report = CameraReport { camera: camera.clone(), at: shared.clock.now(), condition };
    if events.send(DeskEvent::Camera(report)).is_err() {
        tracing::error!(%camera, "the desk is gone");
    }
}

/// The desk's thread: one tick a second, at once when a person or the city speaks; written before told.
fn run_desk(shared: &Shared, mut room: DeskRoom, arrived: &Receiver<DeskEvent>, mut on_told: OnTold) {
    let mut next_tick = shared.clock.monotonic() + TICK;
    let mut ending = false;
    while !ending {
        let left = shared.clock.real_wait(next_tick.saturating_sub(shared.clock.monotonic()));
        let mut batch = Vec::new();
        match arrived.recv_timeout(left.min(STOP_CHECK)) {
            Ok(event) => batch.push(event),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => ending = true,
        }
        ending |= shared.desk_stopping.load(Ordering::SeqCst);
        let mut urgent = ending || batch.iter().any(is_urgent);
        // Sightings wait for the tick, together; whoever speaks is heard at once, with all that came before.
        while !urgent && shared.clock.monotonic() < next_tick {
            let left = shared.clock.real_wait(next_tick.saturating_sub(shared.clock.monotonic()));
            match arrived.recv_timeout(left.min(STOP_CHECK)) {
                Ok(event) => {
                    urgent = is_urgent(&event);
                    batch.push(event);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => urgent = true,
            }
            urgent |= shared.desk_stopping.load(Ordering::SeqCst);
        }
        batch.extend(arrived.try_iter());
        if shared.clock.monotonic() >= next_tick {
            next_tick = shared.clock.monotonic() + TICK;
        }
        if !consider(shared, &mut room, batch, &mut on_told) {
            return;
        }
    }
}

/// Considers one batch; while it cannot be written, nothing new is considered. `false` when all stops before that.
fn consider(shared: &Shared, room: &mut DeskRoom, batch: Vec<DeskEvent>, on_told: &mut OnTold) -> bool {
    let now = shared.clock.now();
    let id_of = |event: &DeskEvent| match event {
        DeskEvent::Callback(callback) => Some(callback.callback_id.clone()),
        _ => None,
    };
    let callbacks: Vec<String> = batch.iter().filter_map(id_of).collect();
    let mut written = room.consider(now, batch);
    let output = loop {
        match written {
            Ok(output) => break output,
            Err(error) => {
                shared.archive_ok.store(false, Ordering::Relaxed);
                tracing::error!(%error, "nothing new is shown until it is written");
                if !shared.wait(Duration::from_secs(1)) {
                    return false;
                }
                written = room.write_again();
            }
        }
    };
    shared.archive_ok.store(true, Ordering::Relaxed);
    let (weather, assumed) = room.desk.weather();
    *lock(&shared.weather) = WeatherNow { weather, assumed };
    on_told(&Told { now, output: &output, desk: &room.desk, callbacks: &callbacks });
    true
}

/// People and the city are not kept waiting for the tick.
fn is_urgent(event: &DeskEvent) -> bool {
    !matches!(event, DeskEvent::Sighting(_) | DeskEvent::Absence(_) | DeskEvent::Tick)
}

fn spawn(name: String, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, String> {
    Builder::new().name(name.clone()).spawn(body).map_err(|error| format!("thread {name} could not be started: {error}"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
