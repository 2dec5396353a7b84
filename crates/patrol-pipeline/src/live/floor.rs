//! What all threads share: the cameras with their slots, and who is due.

use crate::condition::Reliance;
use crate::look::WeatherNow;
use crate::promise::{Account, DueRule};
use crate::slot::{Slot, Waiting};
use crate::watch::CameraWatch;
use patrol_core::desk::CameraReport;
use patrol_core::{Camera, Clock, Outcome, Picture, WallTime};
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
    pub(super) account: Account,
    /// `None` while a worker has it.
    pub(super) watch: Option<Box<CameraWatch>>,
    pub(super) queued: bool,
    pub(super) reliance: Reliance,
    /// Access units in a row that gave no picture.
    pub(super) undecodable_running: u32,
    pub(super) ended: bool,
    pub(super) inferences: u64,
    pub(super) fixtures: u32,
    pub(super) last_error: Option<String>,
}

pub(super) struct Floor {
    pub(super) stations: Vec<Station>,
    /// Cameras with a due picture that no worker has, by deadline: the most overdue first.
    pub(super) ready: BTreeSet<(WallTime, usize)>,
}

pub(super) struct Shared {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) floor: Mutex<Floor>,
    pub(super) ready: Condvar,
    pub(super) weather: Mutex<WeatherNow>,
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
}

impl Shared {
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
        change(&mut station.reliance);
        station.reliance.report(&station.camera.id, now)
    }

    /// Puts a picture into its camera's slot, and the camera among the ready ones when its look is due.
    pub(super) fn offer(&self, index: usize, picture: Picture, discontinuity: bool) {
        let now = self.clock.now();
        let mut floor = lock(&self.floor);
        let station = &mut floor.stations[index];
        let due = station.due.arrives(picture.media_time) || discontinuity;
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
    pub(super) fn queue(&mut self, index: usize) {
        let station = &mut self.stations[index];
        if station.queued || station.watch.is_none() || !station.slot.is_due() {
            return;
        }
        station.queued = true;
        let deadline = station.account.blind.seen() + station.camera.promise.look_every;
        self.ready.insert((deadline, index));
    }

    /// The most overdue camera, checked out with its picture.
    pub(super) fn pick(&mut self) -> Option<(usize, Box<CameraWatch>, Waiting)> {
        let (_, index) = self.ready.pop_first()?;
        let station = &mut self.stations[index];
        station.queued = false;
        let watch = station.watch.take()?;
        if let Some(waiting) = station.slot.take() {
            return Some((index, watch, waiting));
        }
        station.watch = Some(watch);
        None
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
