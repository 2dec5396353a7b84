//! The desk's door, and its thread: written before told.

use super::floor::{STOP_CHECK, Shared, lock};
use super::{OnTold, Told};
use crate::desk_room::DeskRoom;
use crate::look::WeatherNow;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use patrol_core::WallTime;
use patrol_leads::DeskEvent;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The desk considers once a second of scene time, and at once when a person or the city speaks or a decision may fall.
const TICK: Duration = Duration::from_secs(1);

/// Looks and others' words that may wait for the desk. When it is full, workers wait: leads are dropped nowhere.
const WAITING_MAX: usize = 4096;

/// While all stops, a change that cannot be written is tried this often, so many times: two seconds of a locked file or a full disk.
const LAST_TRY_EVERY: Duration = Duration::from_millis(200);
const LAST_TRIES: u32 = 10;

/// What is said to the desk comes in here: all events of one look together, so that it can count heads.
#[derive(Clone)]
pub struct DeskDoor(Sender<Vec<DeskEvent>>);

impl DeskDoor {
    pub(super) fn new() -> (Self, Receiver<Vec<DeskEvent>>) {
        let (door, arrived) = bounded(WAITING_MAX);
        (Self(door), arrived)
    }

    /// Waits while too many others do; `false` when the desk is gone.
    pub fn tell(&self, event: DeskEvent) -> bool {
        self.tell_all(vec![event])
    }

    pub(super) fn tell_all(&self, events: Vec<DeskEvent>) -> bool {
        events.is_empty() || self.0.send(events).is_ok()
    }
}

/// Tells the others that the desk has ended, also when it broke off.
struct Ended<'a>(&'a Shared);

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.desk_alive.store(false, Ordering::Relaxed);
    }
}

/// The desk's thread: one tick a second, at once when a person or the city speaks or a decision may fall; written before told.
pub(super) fn run_desk(shared: &Shared, mut room: DeskRoom, arrived: &Receiver<Vec<DeskEvent>>, mut on_told: OnTold) {
    let _ended = Ended(shared);
    let mut next_tick = shared.clock.monotonic() + TICK;
    let mut ending = false;
    while !ending {
        let left = shared.clock.real_wait(next_tick.saturating_sub(shared.clock.monotonic()));
        let mut batch = Vec::new();
        match arrived.recv_timeout(left.min(STOP_CHECK)) {
            Ok(events) => hear(&mut room, &mut batch, events),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => ending = true,
        }
        ending |= shared.desk_stopping.load(Ordering::SeqCst);
        let mut urgent = ending || batch.iter().any(is_urgent);
        // Other sightings wait for the tick, together; whoever speaks is heard at once, with all that came before.
        while !urgent && shared.clock.monotonic() < next_tick {
            let left = shared.clock.real_wait(next_tick.saturating_sub(shared.clock.monotonic()));
            match arrived.recv_timeout(left.min(STOP_CHECK)) {
                Ok(events) => {
                    urgent = events.iter().any(is_urgent);
                    hear(&mut room, &mut batch, events);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => urgent = true,
            }
            urgent |= shared.desk_stopping.load(Ordering::SeqCst);
        }
        for events in arrived.try_iter() {
            hear(&mut room, &mut batch, events);
        }
        if shared.clock.monotonic() >= next_tick {
            next_tick = shared.clock.monotonic() + TICK;
        }
        if !consider(shared, &mut room, batch, &mut on_told) {
            return;
        }
    }
}

/// Puts events into the batch. Evidence by which nobody decides is written while it waits there.
fn hear(room: &mut DeskRoom, batch: &mut Vec<DeskEvent>, events: Vec<DeskEvent>) {
    for event in &events {
        if let DeskEvent::Sighting(sighting) = event
            && let Some(evidence) = sighting.evidence.as_ref().filter(|evidence| evidence.renews)
        {
            room.write_ahead(evidence);
        }
    }
    batch.extend(events);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk_room::{Archive, ArchiveError};
    use patrol_core::sighting::{EvidenceRef, Jpeg, Place};
    use patrol_core::{CameraId, Evidence, MediaTime, PictureSize, PictureTransform, PixelBox, Posture, Sighting, TrackId, WallEstimate};
    use patrol_leads::{Desk, DeskConfig, DeskOutput};
    use std::sync::{Arc, Mutex};

    const NIGHT: WallTime = WallTime(1_767_550_260_000_000_000);

    /// Whether what was to be written ahead only renews.
    struct Ahead(Arc<Mutex<Vec<bool>>>);

    impl Archive for Ahead {
        fn commit(&mut self, _: &DeskOutput, _: &Desk) -> Result<(), ArchiveError> {
            Ok(())
        }
        fn write_ahead(&mut self, evidence: &Arc<Evidence>) {
            lock(&self.0).push(evidence.renews);
        }
    }

    fn sighting(renews: Option<bool>) -> DeskEvent {
        let (camera, captured) = (CameraId::new("a"), WallEstimate { at: NIGHT, error_ms: 100 });
        let (bbox, size) = (PixelBox::new(600.0, 400.0, 90.0, 30.0), PictureSize::new(1280, 720));
        let jpeg = || Jpeg { sha256: "0".repeat(64), bytes: Arc::from([]) };
        let evidence = |renews| {
            let about = EvidenceRef {
                camera: camera.clone(),
                media_time: MediaTime::ZERO,
                captured,
                bbox,
                size,
                posture: Posture::Lying,
                model: String::new(),
                model_sha256: String::new(),
                main_stream: false,
                whole_sha256: "0".repeat(64),
                crop_sha256: "0".repeat(64),
                preview_sha256: Vec::new(),
                clip_sha256: None,
            };
            Arc::new(Evidence { about, whole: jpeg(), crop: jpeg(), preview: Vec::new(), clip: None, renews })
        };
        let place = Place {
            camera: camera.clone(),
            preset: 0,
            now_from_begin: PictureTransform::IDENTITY,
            bbox,
            size,
            ground: None,
            position: None,
            pixels_per_metre: None,
        };
        DeskEvent::Sighting(Box::new(Sighting {
            track: TrackId(1),
            place,
            media_time: MediaTime::ZERO,
            captured,
            first_seen: NIGHT,
            still_since: Some(NIGHT),
            posture_since: NIGHT,
            posture: Posture::Lying,
            confidence: 0.8,
            movement: 0.0,
            cover: 0.0,
            resolved: true,
            held: false,
            looks: 9,
            evidence: renews.map(evidence),
        }))
    }

    /// What only renews waits for the desk's second and is on the disk by then; a decision is written at once by its own transaction.
    #[test]
    fn only_evidence_that_renews_waits_and_is_written_ahead() {
        let written = Arc::<Mutex<Vec<bool>>>::default();
        let mut room = DeskRoom::new(Desk::new(DeskConfig::default(), Vec::new()), Box::new(Ahead(written.clone())));
        let mut batch = Vec::new();
        let look = || [None, Some(true), Some(false)].map(sighting).into_iter();
        hear(&mut room, &mut batch, look().collect());
        assert_eq!((batch.len(), lock(&written).as_slice()), (3, &[true][..]));
        assert_eq!(look().map(|event| is_urgent(&event)).collect::<Vec<_>>(), [false, false, true]);
    }

    /// What two people of one look may be told by is never considered apart.
    #[test]
    fn a_look_comes_through_the_door_whole() {
        let (door, arrived) = DeskDoor::new();
        assert!(door.tell_all(vec![sighting(Some(false)), sighting(None)]) && door.tell_all(Vec::new()) && door.tell(DeskEvent::Tick));
        assert_eq!(arrived.try_iter().map(|events| events.len()).collect::<Vec<_>>(), [2, 1]);
        drop(arrived);
        assert!(!door.tell(DeskEvent::Tick), "the desk is gone");
    }
}
