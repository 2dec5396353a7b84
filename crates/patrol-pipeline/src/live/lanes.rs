//! One thread for the sessions of all network cameras: begins them and begins them anew, chooses each one's lane, and shares the time
//! among all promises.

use super::desk::DeskDoor;
use super::feed::{self, run_reader};
use super::floor::{Offered, Shared, Station, lock};
use super::{LoadReading, spawn};
use crate::lane::{Lane, LaneFacts};
use crate::load::{self, Ask, Correction};
use crate::slot::Content;
use crate::source::{KeyFrame, SessionNews, Sessions};
use patrol_core::CameraId;
use patrol_leads::DeskEvent;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

/// How often every camera is tended, scene time.
const TEND_EVERY: Duration = Duration::from_millis(100);
/// How often the time is shared anew.
const PLAN_EVERY: Duration = Duration::from_secs(1);
/// So much of the workers' time may be promised. A look that waits for its worker is late only when the next key frame's would be: queues of a second or two
/// break no promise.
const CAPACITY_PART: f64 = 0.95;
/// When everything begins all cameras are examined at once, with cold caches: what that takes says nothing about what there is to do.
const WARMING_UP: Duration = Duration::from_mins(1);
/// Once promises are stretched, they return when so much of that would do: otherwise they would come and go every second.
const RETURN_PART: f64 = 0.95;
/// A promise that would be stretched by less than this part is left as it is.
const STRETCH_PART_MIN: f64 = 0.05;
/// Key frames of a camera whose second one has not come yet are taken to be so far apart: the interval most cameras are delivered with.
const KEYS_APART_S: f64 = 2.0;

pub(super) fn run_lanes(shared: &Arc<Shared>, desk: &DeskDoor) {
    let mut lanes = Lanes {
        shared,
        desk,
        numbers: 0,
        threads: Vec::new(),
        planned_at: Duration::ZERO,
        is_stretched: false,
        busy_ns: 0,
        correction: Correction::default(),
    };
    while !shared.stopping() {
        let count = lock(&shared.floor).stations.len();
        for index in 0..count {
            lanes.tend(index);
        }
        let now = shared.clock.monotonic();
        if now.saturating_sub(lanes.planned_at) >= PLAN_EVERY {
            lanes.share(now.saturating_sub(lanes.planned_at));
            lanes.planned_at = now;
        }
        shared.wait(TEND_EVERY);
    }
    for station in &mut lock(&shared.floor).stations {
        if let Some(wire) = &mut station.wire {
            wire.reader = None;
            wire.sessions.hang_up();
        }
    }
    for thread in lanes.threads {
        if thread.join().is_err() {
            tracing::error!("a camera's reader had panicked");
        }
    }
}

struct Lanes<'a> {
    shared: &'a Arc<Shared>,
    desk: &'a DeskDoor,
    /// Sessions and readers begun so far: each has a number of its own.
    numbers: u64,
    threads: Vec<JoinHandle<()>>,
    planned_at: Duration,
    is_stretched: bool,
    /// Time spent on looks until the last sharing.
    busy_ns: u64,
    correction: Correction,
}

/// What is to be done for a camera without holding up the others.
enum Step {
    Nothing,
    Connect(Arc<dyn Sessions>),
    Read(Arc<dyn Sessions>),
    Lost { why: String, retry: Duration },
}

impl Lanes<'_> {
    fn tend(&mut self, index: usize) {
        let now = self.shared.clock.monotonic();
        let number = self.numbers + 1;
        let (camera, step, silence) = {
            let mut floor = lock(&self.shared.floor);
            let station = &mut floor.stations[index];
            if station.retired || station.wire.is_none() {
                return;
            }
            let step = step(station, now, number, index);
            (station.camera.id.clone(), step, silence(station, now))
        };
        match step {
            Step::Nothing => {}
            Step::Connect(sessions) => {
                self.numbers = number;
                let step_sessions = sessions.clone();
                let shared = self.shared.clone();
                sessions.connect(Arc::new(move |news| match news {
                    SessionNews::Key(key) => shared.key_arrives(index, number, key),
                    SessionNews::Ended(why) => shared.session_ended(index, number, why),
                }));
                let is_wanted = lock(&self.shared.floor).stations[index].wire.as_ref().is_some_and(|wire| wire.session == Some(number));
                if !is_wanted {
                    // The camera was taken off in between.
                    step_sessions.hang_up();
                }
            }
            Step::Read(sessions) => {
                self.numbers = number;
                self.read(index, number, &camera, sessions);
            }
            Step::Lost { why, retry } => {
                tracing::warn!(%camera, why, retry_s = retry.as_secs_f32(), "no pictures");
                self.rely(index, |reliance| reliance.feed(false));
                return;
            }
        }
        match silence {
            Silence::Unsaid => {}
            Silence::Broken => self.rely(index, |reliance| reliance.silent(None)),
            Silence::Long => self.rely(index, |reliance| reliance.silent(Some("stalled"))),
        }
    }

    fn read(&mut self, index: usize, number: u64, camera: &CameraId, sessions: Arc<dyn Sessions>) {
        let (shared, desk) = (self.shared.clone(), self.desk.clone());
        self.threads.retain(|thread| !thread.is_finished());
        match spawn(&format!("feed-{index}"), move || run_reader(&shared, index, number, sessions.as_ref(), &desk)) {
            Ok(thread) => self.threads.push(thread),
            Err(error) => {
                tracing::error!(%camera, error, "its pictures cannot be read one by one");
                let station = &mut lock(&self.shared.floor).stations[index];
                if let Some(wire) = &mut station.wire {
                    (wire.reader, wire.reading) = (None, None);
                }
                station.vacant = station.retired;
            }
        }
    }

    fn rely(&self, index: usize, change: impl FnOnce(&mut crate::condition::Reliance)) {
        if let Some(report) = self.shared.rely(index, change)
            && !self.desk.tell(DeskEvent::Camera(report))
        {
            tracing::error!("the desk is gone");
        }
    }

    /// Shares the workers' time among all promises, and counts those that were broken.
    fn share(&mut self, since: Duration) {
        let now = self.shared.clock.now();
        let mut floor = lock(&self.shared.floor);
        let floor = &mut *floor;
        let mut decoding = 0.0;
        let mut bursting = 0;
        let running: Vec<usize> = (0..floor.stations.len()).filter(|index| !floor.stations[*index].retired).collect();
        let known: Vec<f64> = running.iter().filter_map(|index| floor.stations[*index].cost_s).collect();
        let usual_s = if known.is_empty() { 0.0 } else { known.iter().sum::<f64>() / known.len() as f64 };
        let mut asks = Vec::with_capacity(running.len());
        for &index in &running {
            let station = &mut floor.stations[index];
            station.count_broken(now);
            if let (Some(wire), Some(link)) = (&mut station.wire, &station.link) {
                let decode_s = link.status().decode_s;
                decoding += (decode_s - wire.decode_s).max(0.0) / since.as_secs_f64().max(f64::EPSILON);
                wire.decode_s = decode_s;
                bursting += usize::from(wire.is_bursting());
            }
            asks.push(Ask {
                cost_s: if station.ended { 0.0 } else { station.cost_s.unwrap_or(usual_s) },
                look_every_s: station.camera.promise.look_every.as_secs_f64(),
                look_limit_s: station.camera.promise.look_limit.as_secs_f64(),
                pictures_apart_s: match (&station.wire, station.lane()) {
                    (Some(wire), Lane::OnDemand) => wire.key_interval_s.unwrap_or(KEYS_APART_S),
                    _ => station.due.pictures_apart_s(),
                },
                importance: station.camera.site_prior,
                watched: station.cells.open > 0,
            });
        }
        floor.bursting = bursting;
        let workers = self.shared.busy_since_ms.len() as f64;
        let busy_ns = self.shared.busy_ns.load(Ordering::Relaxed);
        let busy = busy_ns.saturating_sub(self.busy_ns) as f64 / 1e9 / since.as_secs_f64().max(f64::EPSILON);
        self.busy_ns = busy_ns;
        let expected = load::demand(&asks, running.iter().map(|index| floor.stations[*index].look_every.as_secs_f64()));
        self.correction.learn(busy, expected, workers);
        for ask in &mut asks {
            ask.cost_s *= self.correction.factor();
        }
        let capacity = (workers * CAPACITY_PART - decoding).max(0.1 * workers);
        if self.shared.clock.monotonic() < WARMING_UP {
            floor.load = LoadReading {
                load: (load::demand(&asks, asks.iter().map(|ask| ask.look_every_s)) + decoding) / workers,
                ..LoadReading::default()
            };
            return;
        }
        let plan = load::plan(&asks, if self.is_stretched { capacity * RETURN_PART } else { capacity });
        self.is_stretched = false;
        for ((&index, every_s), ask) in running.iter().zip(&plan.look_every_s).zip(&asks) {
            let station = &mut floor.stations[index];
            let is_stretched = *every_s > ask.look_every_s * (1.0 + STRETCH_PART_MIN);
            self.is_stretched |= is_stretched;
            let every = if is_stretched { Duration::from_secs_f64(every_s.min(load::LATEST_S)) } else { station.camera.promise.look_every };
            if every != station.look_every {
                station.set_every(every);
            }
        }
        let refused: Vec<CameraId> = plan.refused.iter().map(|at| floor.stations[running[*at]].camera.id.clone()).collect();
        let refused_for = if refused.is_empty() { Duration::ZERO } else { floor.load.refused_for + since };
        if !refused.is_empty() && floor.load.refused.is_empty() {
            let named = refused.iter().map(CameraId::as_str).collect::<Vec<_>>().join(" ");
            tracing::error!(
                cameras = refused.len(),
                named,
                missing_workers = plan.missing,
                "promises are refused: there is too much to look at"
            );
        }
        floor.may_burst = plan.demand < capacity * super::floor::BURST_LOAD_MAX;
        floor.load =
            LoadReading { load: (plan.demand + decoding) / (workers * CAPACITY_PART), missing: plan.missing, refused, refused_for };
    }
}

/// What is to be done next for a camera on the wire.
fn step(station: &mut Station, now: Duration, number: u64, index: usize) -> Step {
    let status = station.link.as_ref().map(|link| link.status());
    let wanted = station.showing || !station.viewers.is_empty() || !station.asked.is_empty();
    let (look_every, promised) = (station.look_every, station.camera.promise.look_every);
    let Some(wire) = &mut station.wire else { return Step::Nothing };
    if let Some(why) = wire.ended.take() {
        // Spread by camera, so that a hundred cameras behind one switch do not all come back in the same instant.
        let spread = 0.8 + 0.4 * (index.wrapping_mul(0x9E37_79B9) % 1000) as f64 / 1000.0;
        let retry = wire.end(now, spread);
        station.last_error = Some(why.clone());
        station.set_every(look_every);
        return Step::Lost { why, retry };
    }
    if wire.may_begin(now) {
        wire.begin(number, now);
        station.line.restart();
        return Step::Connect(wire.sessions.clone());
    }
    if wire.session.is_none() {
        return Step::Nothing;
    }
    wire.key_interval_s = if wire.up_since.is_some() { status.and_then(|status| status.key_interval_s) } else { None };
    let burst_is_over = wire.end_burst(now);
    wire.keyless &= wire.key_interval_s.is_none();
    let facts = LaneFacts {
        look_every: promised,
        key_interval_s: wire.key_interval_s,
        since_key: now.saturating_sub(wire.heard),
        wanted_now: wanted || wire.keyless || wire.is_bursting(),
    };
    wire.keyless |= facts.is_keyless();
    let lane = facts.lane();
    let mut step = Step::Nothing;
    match (lane, wire.reader) {
        (Lane::Continuous, None) if wire.reading.is_none() => {
            (wire.reader, wire.reading) = (Some(number), Some(number));
            step = Step::Read(wire.sessions.clone());
        }
        (Lane::OnDemand, Some(_)) => wire.reader = None,
        _ => {}
    }
    if burst_is_over {
        station.set_every(look_every);
    }
    step
}

/// What is to be said of a camera's silence.
enum Silence {
    /// A reader says it, or nothing can be said yet.
    Unsaid,
    Broken,
    Long,
}

fn silence(station: &Station, now: Duration) -> Silence {
    let Some(wire) = station.wire.as_ref().filter(|wire| wire.session.is_some()) else { return Silence::Unsaid };
    if wire.reader.is_some() || wire.reading.is_some() {
        return Silence::Unsaid;
    }
    let apart = Duration::from_secs_f64(wire.key_interval_s.unwrap_or(0.0).clamp(0.0, load::LATEST_S));
    let allowed = feed::silence_allowed(&station.camera.promise, wire.up_since.is_some()).max(apart * 2);
    if now.saturating_sub(wire.heard) >= allowed {
        return Silence::Long;
    }
    if wire.up_since.is_some() { Silence::Broken } else { Silence::Unsaid }
}

impl Shared {
    /// A key frame has come, on the net thread: it is put into the slot as it is.
    fn key_arrives(&self, index: usize, session: u64, mut key: KeyFrame) {
        let now = self.clock.monotonic();
        let mut floor = lock(&self.floor);
        let station = &mut floor.stations[index];
        let Some(wire) = station.wire.as_mut().filter(|wire| wire.session == Some(session)) else { return };
        wire.hears(now);
        let interval_s = wire.key_interval_s;
        // Told by whoever looks or tends next: nobody waits for the desk here.
        station.reliance.feed(true);
        station.reliance.silent(None);
        if station.retired || station.line.has(key.media_time) {
            return;
        }
        let placed = station.line.place(key.media_time, key.captured.at);
        key.media_time = placed.media_time;
        let offered = Offered { content: Content::Key(key), discontinuity: false, resumes: placed.resumes, reader: None };
        self.offer_on(&mut floor, index, offered, |due| due.key_arrives(placed.media_time, interval_s));
        drop(floor);
        self.ready.notify_one();
    }

    fn session_ended(&self, index: usize, session: u64, why: String) {
        let mut floor = lock(&self.floor);
        if let Some(wire) = floor.stations[index].wire.as_mut().filter(|wire| wire.session == Some(session)) {
            wire.ended.get_or_insert(why);
        }
    }
}
