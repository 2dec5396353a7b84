//! What all threads share: the cameras with their slots, and who is due.

use super::ask::{Asked, Viewer};
use super::wire::Wire;
use super::{LiveCamera, LiveFeed, LoadReading, Memories, OpenSource, Timing};
use crate::condition::Reliance;
use crate::lane::Lane;
use crate::line::Line;
use crate::look::WeatherNow;
use crate::promise::{Account, DueRule};
use crate::slot::{Content, Held, Slot};
use crate::source::Link;
use crate::watch::{CameraWatch, CellCounts, MainCounts};
use patrol_core::desk::CameraReport;
use patrol_core::{Camera, Clock, Outcome, Promise, WallTime};
use patrol_vision::thermal::ThermalReading;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often a waiting thread looks whether it shall stop, in real time.
pub(super) const STOP_CHECK: Duration = Duration::from_millis(200);

/// One camera's place on the floor.
pub(super) struct Station {
    pub(super) camera: Camera,
    pub(super) slot: Slot,
    pub(super) due: DueRule,
    /// How often it is looked at at present.
    pub(super) look_every: Duration,
    /// Seconds of a worker that a look takes, on average lately; `None` before the first.
    pub(super) cost_s: Option<f64>,
    pub(super) line: Line,
    pub(super) account: Account,
    /// It is unseen for longer than its limit, and how often that has happened.
    pub(super) is_broken: bool,
    pub(super) broken_promises: u64,
    pub(super) bursts: u64,
    /// `None` while a worker has it.
    pub(super) watch: Option<Box<CameraWatch>>,
    /// Somebody has just come there, or is down and nobody has been told: the next look may be the one that does.
    pub(super) pressing: bool,
    /// Under which deadline it stands among the ready ones.
    pub(super) queued: Option<WallTime>,
    pub(super) reliance: Reliance,
    /// The link of a live camera.
    pub(super) link: Option<Arc<dyn Link>>,
    /// Its sessions; `None`: a camera with a source of its own.
    pub(super) wire: Option<Wire>,
    pub(super) ended: bool,
    /// No longer in the configuration: nothing more is looked at, and its feed ends.
    pub(super) retired: bool,
    /// Its feed's thread has ended after that: another camera may have this place.
    pub(super) vacant: bool,
    /// Who waits for the next look.
    pub(super) asked: Vec<Asked>,
    pub(super) viewers: Vec<Viewer>,
    /// Viewers are being shown a picture at this moment, and are not in the list.
    pub(super) showing: bool,
    pub(super) inferences: u64,
    pub(super) fixtures: u32,
    pub(super) cells: CellCounts,
    pub(super) main_stream: MainCounts,
    pub(super) thermal: Option<ThermalReading>,
    pub(super) last_error: Option<String>,
}

pub(super) struct Floor {
    pub(super) stations: Vec<Station>,
    /// Cameras with a due picture that no worker has, by deadline: the most overdue first.
    pub(super) ready: BTreeSet<(WallTime, usize)>,
    pub(super) load: LoadReading,
    /// Cameras that are watched closely at present, and whether there is time for more.
    pub(super) bursting: usize,
    pub(super) may_burst: bool,
}

/// While promises take more than this part of the time there is, nobody is watched closely.
pub(super) const BURST_LOAD_MAX: f64 = 0.9;
/// Bursts at once, per worker: decoding everything takes a tenth of a core for 1080p.
const BURSTS_PER_WORKER: usize = 2;
/// A look in which somebody may be told of goes before others that are due up to so much earlier: longer than they wait for one another while the load can be
/// borne; whoever is passed over waits longer by no more than this.
const PRESSING_AHEAD: Duration = Duration::from_secs(1);
/// A promise of less is not called broken before this: one look that takes long is no alarm.
const BROKEN_MIN: Duration = Duration::from_secs(1);
/// A look's cost is an average over about so many looks: one that is examined costs several times one that is not.
const COST_LOOKS: f64 = 4.0;

pub(super) struct Shared {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) floor: Mutex<Floor>,
    pub(super) ready: Condvar,
    pub(super) weather: Mutex<WeatherNow>,
    /// Cameras as the desk shall know them from its next tick on.
    pub(super) register: Mutex<Option<Vec<Camera>>>,
    pub(super) stopping: AtomicBool,
    /// Feeds and workers have ended: the desk considers what has arrived and ends too.
    pub(super) desk_stopping: AtomicBool,
    pub(super) stop_signal: (Mutex<()>, Condvar),
    /// Scene milliseconds at which each worker began its present look, plus one; zero while it waits.
    pub(super) busy_since_ms: Vec<AtomicU64>,
    pub(super) archive_ok: AtomicBool,
    /// False once the desk's thread has ended.
    pub(super) desk_alive: AtomicBool,
    /// Why the desk's last output could not be written before all stopped.
    pub(super) unwritten: Mutex<Option<String>>,
    pub(super) memories: Option<Memories>,
    pub(super) timing: Timing,
    /// Time that all workers have spent on looks, nanoseconds.
    pub(super) busy_ns: AtomicU64,
}

impl Station {
    pub(super) fn new(live: LiveCamera, start: WallTime, memories: Option<&Memories>) -> (Self, Option<OpenSource>) {
        let (open, wire) = match live.feed {
            LiveFeed::Source(open) => (Some(open), None),
            LiveFeed::Sessions(sessions) => (None, Some(Wire::new(sessions))),
        };
        let watch = CameraWatch::new(live.camera.clone(), live.detectors, live.first_track_id);
        let mut watch = watch.with_thermal(live.thermal).with_link(live.link.clone());
        recall(memories, &mut watch);
        let station = Self {
            slot: Slot::default(),
            due: DueRule::new(&live.camera.promise),
            look_every: live.camera.promise.look_every,
            cost_s: None,
            line: Line::new(),
            account: Account::new(start),
            is_broken: false,
            broken_promises: 0,
            bursts: 0,
            watch: Some(Box::new(watch)),
            pressing: false,
            queued: None,
            reliance: Reliance::default(),
            link: live.link,
            wire,
            ended: false,
            retired: false,
            vacant: false,
            asked: Vec::new(),
            viewers: Vec::new(),
            showing: false,
            inferences: 0,
            fixtures: 0,
            cells: CellCounts::default(),
            main_stream: MainCounts::default(),
            thermal: None,
            last_error: None,
            camera: live.camera,
        };
        (station, open)
    }

    /// Another promise, kept as it is written until there is too much to do.
    pub(super) fn set_promise(&mut self, promise: &Promise) {
        self.set_every(promise.look_every);
    }

    pub(super) fn set_every(&mut self, look_every: Duration) {
        self.look_every = look_every;
        let bursting = self.wire.as_ref().and_then(Wire::burst_every);
        self.due.set_every(bursting.map_or(look_every, |burst| burst.min(look_every)));
    }

    /// A look has taken so long.
    pub(super) fn spent(&mut self, on_look: Duration) {
        let spent_s = on_look.as_secs_f64();
        self.cost_s = Some(self.cost_s.map_or(spent_s, |cost_s| cost_s + (spent_s - cost_s) / COST_LOOKS));
    }

    /// Counts each time that the camera goes unseen for longer than its limit.
    pub(super) fn count_broken(&mut self, now: WallTime) {
        let is_broken = !self.ended && self.account.blind.at(now).0 > self.camera.promise.look_limit.max(BROKEN_MIN);
        self.broken_promises += u64::from(is_broken && !self.is_broken);
        self.is_broken = is_broken;
    }

    pub(super) fn lane(&self) -> Lane {
        self.wire.as_ref().map_or(Lane::Continuous, Wire::lane)
    }
}

impl Shared {
    pub(super) fn recall(&self, watch: &mut CameraWatch) {
        recall(self.memories.as_ref(), watch);
    }

    pub(super) fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Waits for `scene` time, or until it is time to stop; `false` then.
    pub(super) fn wait(&self, scene: Duration) -> bool {
        let mut left = self.clock.real_wait(scene);
        let mut guard = lock(&self.stop_signal.0);
        while !self.stopping() && !left.is_zero() {
            let step = left.min(STOP_CHECK);
            guard = self.stop_signal.1.wait_timeout(guard, step).unwrap_or_else(PoisonError::into_inner).0;
            left = left.saturating_sub(step);
        }
        !self.stopping()
    }

    /// Changes what is relied upon of a camera; a report when the desk must hear of it.
    pub(super) fn rely(&self, index: usize, change: impl FnOnce(&mut Reliance)) -> Option<CameraReport> {
        let now = self.clock.now();
        let mut floor = lock(&self.floor);
        let station = &mut floor.stations[index];
        if station.retired {
            // Whoever took it off has told the desk, and another camera of this name may run.
            return None;
        }
        change(&mut station.reliance);
        station.reliance.report(&station.camera.id, now)
    }

    /// Puts a picture or a key frame into its camera's slot, and the camera among the ready ones when its look is due. `due` decides on that.
    pub(super) fn offer(&self, index: usize, offered: Offered, due: impl FnOnce(&mut DueRule) -> bool) {
        self.offer_on(&mut lock(&self.floor), index, offered, due);
        self.ready.notify_one();
    }

    /// The same on a floor that is locked already; whoever waits for work must be told afterwards.
    pub(super) fn offer_on(&self, floor: &mut Floor, index: usize, offered: Offered, due: impl FnOnce(&mut DueRule) -> bool) {
        let Offered { content, discontinuity, resumes, reader } = offered;
        let now = self.clock.now();
        let station = &mut floor.stations[index];
        let is_left = reader.is_some() && station.wire.as_ref().is_none_or(|wire| wire.reader != reader);
        if station.retired || is_left {
            return;
        }
        if discontinuity || resumes {
            station.due.restart();
        }
        self.forget_askers(station);
        let asked = !station.asked.is_empty();
        let due = due(&mut station.due) || asked;
        if due {
            station.due.looked(content.media_time());
        }
        if let Some(stale) = station.slot.offer(Held { content, discontinuity, due, asked }) {
            station.account.ends(stale.captured(), now, Outcome::Stale);
        }
        floor.queue(index);
    }
}

/// Something to look at.
pub(super) struct Offered {
    pub(super) content: Content,
    pub(super) discontinuity: bool,
    /// The first picture after an outage, which says nothing about how far apart pictures are.
    pub(super) resumes: bool,
    /// Who read it; what he reads is no longer wanted once another lane is chosen, and his camera's place may be another's.
    pub(super) reader: Option<u64>,
}

impl Floor {
    /// Somebody whom nobody understands yet was found: watches the camera closely for some seconds, if there is time for that.
    pub(super) fn want_burst(&mut self, index: usize, now: Duration, workers: usize) {
        if !self.may_burst || self.bursting >= workers * BURSTS_PER_WORKER {
            return;
        }
        let station = &mut self.stations[index];
        if station.wire.as_mut().is_some_and(|wire| wire.want_burst(now)) {
            station.bursts += 1;
            self.bursting += 1;
            let look_every = self.stations[index].look_every;
            self.stations[index].set_every(look_every);
        }
    }

    pub(super) fn queue(&mut self, index: usize) {
        let station = &mut self.stations[index];
        if station.watch.is_none() || !station.slot.is_due() {
            return;
        }
        // Whoever asked waits in front of the page.
        let ahead = if station.pressing { PRESSING_AHEAD } else { Duration::ZERO };
        let promised = station.account.blind.seen() + station.look_every - ahead;
        let deadline = if station.asked.is_empty() { promised } else { WallTime(i64::MIN) };
        if let Some(queued) = station.queued {
            if queued <= deadline {
                return;
            }
            self.ready.remove(&(queued, index));
        }
        station.queued = Some(deadline);
        self.ready.insert((deadline, index));
    }

    /// Takes a camera off the floor; its feed ends when it next asks. What waits in the slot ends here.
    pub(super) fn retire(&mut self, index: usize, now: WallTime) {
        let station = &mut self.stations[index];
        station.retired = true;
        station.asked.clear();
        station.viewers.clear();
        // A reader that still runs would put its picture into whichever camera has this place.
        station.vacant = station.wire.as_ref().is_some_and(|wire| wire.reading.is_none());
        if let Some(link) = station.link.take() {
            link.set_watched(false);
        }
        if let Some(wire) = &mut station.wire {
            (wire.session, wire.reader) = (None, None);
            wire.sessions.hang_up();
        }
        if let Some(watch) = &mut station.watch {
            watch.drop_link();
        }
        if let Some(queued) = station.queued.take() {
            self.ready.remove(&(queued, index));
        }
        if let Some(left) = station.slot.take() {
            station.account.ends(left.captured(), now, Outcome::Stale);
        }
    }

    /// A place on the floor: one that was left, or a new one.
    pub(super) fn place(&mut self, station: Station) -> usize {
        if let Some(index) = self.stations.iter().position(|station| station.vacant && station.watch.is_some()) {
            self.stations[index] = station;
            return index;
        }
        self.stations.push(station);
        self.stations.len() - 1
    }

    /// The most overdue camera, checked out with its picture.
    pub(super) fn pick(&mut self) -> Option<(usize, Box<CameraWatch>, Held)> {
        let (_, index) = self.ready.pop_first()?;
        let station = &mut self.stations[index];
        station.queued = None;
        let watch = station.watch.take()?;
        if let Some(held) = station.slot.take() {
            // A key frame that came for one which had waited too long is the look before the next: where too many cameras fall due at once, some move on to a
            // time with fewer.
            if matches!(held.content, Content::Key(_)) {
                station.due.looked(held.content.media_time());
            }
            return Some((index, watch, held));
        }
        station.watch = Some(watch);
        None
    }
}

/// Tells a camera what was kept of it.
fn recall(memories: Option<&Memories>, watch: &mut CameraWatch) {
    if let Some(memory) = memories.and_then(|memories| (memories.read)(&watch.camera.id))
        && let Err(why) = watch.recall(&memory)
    {
        tracing::warn!(camera = %watch.camera.id, why, "what was kept of this camera cannot be read; it is learnt anew");
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::KeyFrame;
    use patrol_core::{CameraId, MediaTime, Modality, WallEstimate};
    use patrol_vision::thermal::ThermalConfig;

    const START: WallTime = WallTime(1_767_542_400_000_000_000);

    fn seconds(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// A camera that was seen last so long after the start.
    fn station(look_every_s: f64, seen_s: f64) -> Station {
        let look_every = seconds(look_every_s);
        let camera = Camera {
            id: CameraId::new("a"),
            name: String::new(),
            code: None,
            modality: Modality::Thermal,
            promise: Promise { look_every, look_limit: look_every * 3, rescan_every: Duration::ZERO },
            position: None,
            view: None,
            address: None,
            street: None,
            grid: None,
            site_prior: 0.0,
        };
        let feed = LiveFeed::Source(Box::new(|| Err("no pictures".to_owned())));
        let live = LiveCamera { camera, detectors: vec![], thermal: ThermalConfig::default(), feed, link: None, first_track_id: 1 };
        Station::new(live, START + seconds(seen_s), None).0
    }

    fn floor(stations: Vec<Station>) -> Floor {
        Floor { stations, ready: BTreeSet::new(), load: LoadReading::default(), bursting: 0, may_burst: false }
    }

    fn key_frame(captured_s: f64, due: bool) -> Held {
        let captured = WallEstimate { at: START + seconds(captured_s), error_ms: 0 };
        let decode = Box::new(|_| Err("nothing to decode".to_owned()));
        let content = Content::Key(KeyFrame { media_time: MediaTime::from_secs_f64(captured_s), captured, decode });
        Held { content, discontinuity: false, due, asked: false }
    }

    /// The order in which cameras seen last at these times are looked at; the last of them presses.
    fn order(seen_s: &[f64]) -> Vec<usize> {
        let mut floor = floor(seen_s.iter().map(|seen_s| station(1.0, *seen_s)).collect());
        floor.stations.last_mut().expect("cameras").pressing = true;
        for index in 0..seen_s.len() {
            floor.stations[index].slot.offer(key_frame(0.0, true));
            floor.queue(index);
        }
        std::iter::from_fn(|| floor.pick()).map(|(index, ..)| index).collect()
    }

    #[test]
    fn who_presses_goes_before_others_but_not_before_those_who_have_waited_long() {
        assert_eq!(order(&[0.0, 0.3, 0.9]), [2, 0, 1]);
        assert_eq!(order(&[0.0, 0.3, 1.2]), [0, 2, 1]);
    }

    /// They all began in the same second, and send their key frames in the same instants: more fall due at once than can be looked at before the next ones
    /// come. Whoever had to wait for that moves on to a time with fewer.
    #[test]
    fn cameras_that_fall_due_together_spread_out() {
        const CAMERAS: usize = 12;
        const KEYS_APART_S: f64 = 2.0;
        const LOOK_S: f64 = 0.45;
        let mut floor = floor((0..CAMERAS).map(|_| station(10.0, 0.0)).collect());
        let (mut looked_s, mut due_s, mut overtaken) = (vec![Vec::new(); CAMERAS], [0.0; CAMERAS], 0);
        let (mut free_s, mut next_key_s) = (0.0, 0.0);
        while free_s < 120.0 {
            while next_key_s <= free_s {
                for (index, due_s) in due_s.iter_mut().enumerate() {
                    let station = &mut floor.stations[index];
                    let at = MediaTime::from_secs_f64(next_key_s);
                    let due = station.due.key_arrives(at, Some(KEYS_APART_S));
                    if due {
                        station.due.looked(at);
                        *due_s = next_key_s;
                    }
                    station.slot.offer(key_frame(next_key_s, due));
                    floor.queue(index);
                }
                next_key_s += KEYS_APART_S;
            }
            let Some((index, watch, held)) = floor.pick() else {
                free_s = next_key_s;
                continue;
            };
            free_s += LOOK_S;
            let (station, captured, end) = (&mut floor.stations[index], held.captured(), START + seconds(free_s));
            station.account.ends(captured, end, Outcome::Examined);
            station.due.took(end.since(captured));
            station.watch = Some(watch);
            let captured_s = captured.seconds_since(START);
            overtaken += usize::from(captured_s > 30.0 && captured_s > due_s[index]);
            looked_s[index].push(captured_s);
            floor.queue(index);
        }
        for (index, looked_s) in looked_s.iter().enumerate() {
            let settled: Vec<f64> = looked_s.iter().copied().filter(|captured_s| *captured_s > 30.0).collect();
            assert!(settled.len() >= 9, "{index}: {settled:?}");
            let longest_s = settled.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
            assert!(longest_s <= 10.0, "{index}: {longest_s} s between captures");
        }
        assert!(overtaken <= 2, "{overtaken} of some 130 looks waited until the next key frame had come");
    }
}
