//! A camera's feed: waits for each picture's time, offers it, opens the source anew when it breaks.

use super::OpenSource;
use super::floor::{Shared, lock};
use crate::source::{Offer, PictureSource};
use crossbeam_channel::Sender;
use patrol_core::desk::{CameraCondition, CameraReport};
use patrol_core::{CameraId, Outcome};
use patrol_leads::DeskEvent;
use std::time::Duration;

/// A source that cannot be opened is tried again after 1 s, doubling to 30 s; the wait starts anew after 10 s of pictures.
const REOPEN_FIRST: Duration = Duration::from_secs(1);
const REOPEN_LONGEST: Duration = Duration::from_secs(30);
const REOPEN_RESET_AFTER: Duration = Duration::from_secs(10);

/// Reads one camera's source for ever: waits for each picture's time, offers it, opens the source anew when it breaks.
pub(super) fn run_feed(shared: &Shared, index: usize, mut open: OpenSource, events: &Sender<DeskEvent>) {
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
