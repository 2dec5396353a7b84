//! The desk's thread: written before told.

use super::floor::{STOP_CHECK, Shared, lock};
use super::{OnTold, Told};
use crate::desk_room::DeskRoom;
use crate::look::WeatherNow;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use patrol_core::WallTime;
use patrol_leads::DeskEvent;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The desk considers once a second of scene time, and at once when a person or the city speaks or a decision may fall.
const TICK: Duration = Duration::from_secs(1);

/// When a decision may fall, the other people of that look come right behind (real time).
const SAME_LOOK: Duration = Duration::from_millis(20);

/// While all stops, a change that cannot be written is tried this often, so many times: two seconds of a locked file or a full disk.
const LAST_TRY_EVERY: Duration = Duration::from_millis(200);
const LAST_TRIES: u32 = 10;

/// Tells the others that the desk has ended, also when it broke off.
struct Ended<'a>(&'a Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.desk_alive.store(false, Ordering::Relaxed);
    }
}

/// The desk's thread: one tick a second, at once when a person or the city speaks or a decision may fall; written before told.
pub(super) fn run_desk(shared: &Shared, mut room: DeskRoom, arrived: &Receiver<DeskEvent>, mut on_told: OnTold) {
    let _ended = Ended(shared);
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
        // Other sightings wait for the tick, together; whoever speaks is heard at once, with all that came before.
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
        if batch.iter().any(may_decide) {
            shared.pause(SAME_LOOK);
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
    let decided: Vec<WallTime> = batch.iter().filter(|event| may_decide(event)).filter_map(captured).collect();
    let callbacks: Vec<String> = batch.iter().filter_map(id_of).collect();
    if let Some(cameras) = lock(&shared.register).take() {
        room.desk.set_cameras(cameras);
    }
    let mut last_tries = LAST_TRIES;
    let mut written = room.consider(now, batch);
    let output = loop {
        match written {
            Ok(output) => break output,
            Err(error) => {
                shared.archive_ok.store(false, Ordering::Relaxed);
                tracing::error!(%error, "nothing new is shown until it is written");
                if !shared.wait(Duration::from_secs(1)) {
                    if last_tries == 0 {
                        *lock(&shared.unwritten) = Some(format!("the desk's last changes were not written: {error}"));
                        return false;
                    }
                    last_tries -= 1;
                    std::thread::park_timeout(LAST_TRY_EVERY);
                }
                written = room.write_again();
            }
        }
    };
    shared.archive_ok.store(true, Ordering::Relaxed);
    for captured in decided {
        shared.timing.lead.note(shared.clock.real_wait(shared.clock.now().since(captured)));
    }
    let (weather, assumed) = room.desk.weather();
    *lock(&shared.weather) = WeatherNow { weather, assumed };
    on_told(&Told { now, output: &output, desk: &room.desk, callbacks: &callbacks });
    true
}

/// People, the city and whoever may be in need are not kept waiting for the tick.
fn is_urgent(event: &DeskEvent) -> bool {
    may_decide(event) || !matches!(event, DeskEvent::Sighting(_) | DeskEvent::Absence(_) | DeskEvent::Tick)
}

/// Evidence is taken of a sighting only where a lead may be made of it, or told anew, and to renew what is told already.
fn may_decide(event: &DeskEvent) -> bool {
    matches!(event, DeskEvent::Sighting(sighting) if sighting.evidence.as_ref().is_some_and(|evidence| !evidence.renews))
}

fn captured(event: &DeskEvent) -> Option<WallTime> {
    match event {
        DeskEvent::Sighting(sighting) => Some(sighting.captured.at),
        _ => None,
    }
}
