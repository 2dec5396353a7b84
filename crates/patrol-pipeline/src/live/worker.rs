//! A worker: takes the most overdue camera, looks, puts it back.

use super::desk::DeskDoor;
use super::floor::{STOP_CHECK, Shared, lock};
use super::{LookRecord, MakeEyes, OnLook};
use crate::eyes::Eyes;
use crate::look::look;
use crate::slot::{Content, Held, Waiting};
use crate::watch::CameraWatch;
use patrol_core::desk::CameraReport;
use patrol_core::outcome::FailureKind;
use patrol_core::{CameraId, Outcome, WallTime};
use patrol_leads::DeskEvent;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// From this load on key frames of cameras where nobody is known are decoded without the loop filter, before any promise is stretched. Below it there is time
/// for the best picture: without the filter YOLOX-nano's AP50 falls by 0.003 at a quantiser of 26 and by 0.017 at 38, ours does not (benches/results/2026-11-29-loop-filter.md).
const SHORT_LOAD_MIN: f64 = 0.7;

pub(super) struct Worker {
    pub(super) index: usize,
    pub(super) shared: Arc<Shared>,
    pub(super) desk: DeskDoor,
    pub(super) make_eyes: MakeEyes,
    pub(super) on_look: Option<OnLook>,
}

impl Worker {
    pub(super) fn run(self, mut eyes: Eyes) {
        let mut events = Vec::new();
        while let Some((index, mut watch, held, time_is_short)) = self.next() {
            let clock = &self.shared.clock;
            let (start, began) = (clock.now(), clock.monotonic());
            self.shared.busy_since_ms[self.index].store(began.as_millis() as u64 + 1, Ordering::Relaxed);
            let (captured, is_key) = (held.captured(), matches!(held.content, Content::Key(_)));
            // Evidence may be taken where somebody is, and a person looks where he asked for it.
            let deblock = !time_is_short || held.asked || watch.has_anyone();
            let developed = catch_unwind(AssertUnwindSafe(|| held.develop(deblock)));
            let mut waiting = match developed.unwrap_or_else(|_| Err("decoding broke off; this is a defect of the patrol".to_owned())) {
                Ok(waiting) => waiting,
                Err(why) => {
                    tracing::warn!(camera = %watch.camera.id, why, "undecodable");
                    let spent = clock.monotonic().saturating_sub(began);
                    if let Some(report) = self.undecodable(index, watch, captured, why, spent)
                        && !self.desk.tell(DeskEvent::Camera(report))
                    {
                        return;
                    }
                    self.shared.busy_since_ms[self.index].store(0, Ordering::Relaxed);
                    continue;
                }
            };
            let developed = clock.monotonic();
            waiting.discontinuity |= watch.size_before().is_some_and(|before| before != waiting.picture.size());
            let weather = *lock(&self.shared.weather);
            let looked = catch_unwind(AssertUnwindSafe(|| look(&waiting, &mut watch, &mut eyes, &weather, &mut events)));
            let outcome = looked.unwrap_or_else(|_| {
                tracing::error!(camera = %watch.camera.id, "a look broke off; the camera's tracks start anew");
                events.clear();
                let again = watch.broke_off;
                *watch = watch.renewed();
                // What was kept may be what it breaks off over.
                if !again {
                    self.shared.recall(&mut watch);
                }
                watch.judge_sight(Outcome::Failed(FailureKind::Panicked));
                if let Ok(mut fresh) = (self.make_eyes)() {
                    fresh.time_by(clock.clone());
                    eyes = fresh;
                }
                Outcome::Failed(FailureKind::Panicked)
            });
            let timing = &self.shared.timing;
            if is_key {
                timing.decode.note(developed.saturating_sub(began));
            }
            let detecting = eyes.take_spent();
            if !detecting.is_zero() {
                timing.inference.note(detecting);
            }
            timing.rest.note(clock.monotonic().saturating_sub(developed).saturating_sub(detecting));
            // The desk outlives the workers; it is gone only when the process ends.
            if !self.desk.tell_all(std::mem::take(&mut events)) {
                return;
            }
            let end = clock.now();
            let camera = watch.camera.id.clone();
            told(&camera, || self.shared.answer(index, &watch, &waiting, outcome));
            if let Some(memories) = &self.shared.memories
                && let Some(memory) = watch.memory_when_due()
            {
                told(&camera, || (memories.write)(&camera, &memory));
            }
            let spent = clock.monotonic().saturating_sub(began);
            if let Some(report) = self.put_back(index, watch, &waiting, outcome, (end, spent))
                && !self.desk.tell(DeskEvent::Camera(report))
            {
                return;
            }
            self.shared.busy_since_ms[self.index].store(0, Ordering::Relaxed);
            if let Some(on_look) = &self.on_look {
                let record = LookRecord { camera: camera.clone(), captured: waiting.picture.captured.at, start, end, outcome };
                told(&camera, || on_look(&record, &waiting.picture));
            }
        }
    }

    /// A key frame gave no picture: the camera waits for its next one.
    fn undecodable(
        &self,
        index: usize,
        mut watch: Box<CameraWatch>,
        captured: WallTime,
        why: String,
        spent: Duration,
    ) -> Option<CameraReport> {
        let now = self.shared.clock.now();
        watch.judge_sight(Outcome::Undecodable);
        self.shared.busy_ns.fetch_add(spent.as_nanos() as u64, Ordering::Relaxed);
        let mut floor = lock(&self.shared.floor);
        let station = &mut floor.stations[index];
        station.account.ends(captured, now, Outcome::Undecodable);
        station.spent(spent);
        station.last_error = Some(why);
        station.due.missed();
        station.slot.expect();
        station.reliance.sight(watch.cannot_see());
        let report = station.reliance.report(&station.camera.id, now);
        if station.retired {
            watch.drop_link();
            station.watch = Some(watch);
            return None;
        }
        watch.camera.clone_from(&station.camera);
        station.watch = Some(watch);
        floor.queue(index);
        report
    }

    /// What to look at next, and whether time is short.
    fn next(&self) -> Option<(usize, Box<CameraWatch>, Held, bool)> {
        let mut floor = lock(&self.shared.floor);
        loop {
            if let Some((index, watch, held)) = floor.pick() {
                return Some((index, watch, held, floor.load.load >= SHORT_LOAD_MIN));
            }
            if self.shared.stopping() {
                return None;
            }
            floor = self.shared.ready.wait_timeout(floor, STOP_CHECK).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn put_back(
        &self,
        index: usize,
        mut watch: Box<CameraWatch>,
        waiting: &Waiting,
        outcome: Outcome,
        (now, spent): (WallTime, Duration),
    ) -> Option<CameraReport> {
        let mut floor = lock(&self.shared.floor);
        if outcome == Outcome::Examined && watch.has_newcomer() {
            floor.want_burst(index, self.shared.clock.monotonic(), self.shared.busy_since_ms.len());
        }
        self.shared.busy_ns.fetch_add(spent.as_nanos() as u64, Ordering::Relaxed);
        let station = &mut floor.stations[index];
        station.account.ends(waiting.picture.captured.at, now, outcome);
        station.spent(spent);
        station.due.took(now.since(waiting.picture.captured.at));
        station.inferences = watch.inferences;
        station.pressing = watch.pressing;
        station.fixtures = watch.fixtures;
        station.cells = watch.cells();
        station.main_stream = watch.main_stream;
        station.thermal = watch.thermal_reading().cloned();
        station.reliance.sight(watch.cannot_see());
        let report = station.reliance.report(&station.camera.id, now);
        if watch.last_error.is_some() {
            station.last_error.clone_from(&watch.last_error);
        }
        if station.retired {
            watch.drop_link();
            station.watch = Some(watch);
            return None;
        }
        if watch.camera != station.camera {
            watch.camera.clone_from(&station.camera);
        }
        station.watch = Some(watch);
        floor.queue(index);
        report
    }
}

/// Tells others of a look; their trouble is not the camera's.
fn told(camera: &CameraId, tell: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(tell)).is_err() {
        tracing::error!(%camera, "whoever was told of a look broke off");
    }
}
