//! What a person may ask of a running camera: a look right now, and its pictures while somebody watches.

use super::floor::{Floor, Shared, Station, lock};
use crate::slot::Waiting;
use crate::watch::CameraWatch;
use patrol_core::{CameraId, MediaTime, Outcome, Picture, PixelBox, Posture, TrackStage};
use std::time::Duration;

/// A look that a person asked for, with everyone seen in it.
pub struct FreshLook {
    pub picture: Picture,
    pub outcome: Outcome,
    pub people: Vec<Seen>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Seen {
    pub bbox: PixelBox,
    pub posture: Posture,
    /// Detector confidence, 0–1.
    pub confidence: f32,
    /// How long this person has not moved.
    pub still: Option<Duration>,
}

/// Told once, on the worker's thread that looked.
pub type OnFresh = Box<dyn FnOnce(FreshLook) + Send>;
/// Told each picture on the feed's thread, at most [`VIEW_FPS_MAX`] times a second; `false` ends the view.
pub type OnPicture = Box<dyn FnMut(&Picture) -> bool + Send>;

/// Pictures a second of a live view (of real time): enough to tell a living person, few enough to encode on a feed's thread.
pub const VIEW_FPS_MAX: u32 = 5;
/// A picture older than this is no answer to a person who wants to see the present (issue "live feeds": a fresh look within 2 s). Of a camera
/// that has stalled, such a one may still wait in the slot; after a stall a camera may send all that it kept.
const FRESH_MAX: Duration = Duration::from_secs(2);
/// Whoever asked longer ago (of real time) has long been told that nothing came.
const ASKED_KEPT: Duration = Duration::from_secs(5);
/// People who may ask for a look at one camera at once, and watch it at once.
const ASKED_MAX: usize = 8;
const VIEWERS_MAX: usize = 4;

/// Why a camera cannot be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskError {
    UnknownCamera,
    /// So many people ask or watch already.
    TooMany {
        limit: usize,
    },
}

/// Somebody who waits for a look.
pub(super) struct Asked {
    on_fresh: OnFresh,
    /// Monotonic.
    since: Duration,
}

pub(super) struct Viewer {
    on_picture: OnPicture,
    /// Monotonic time of the picture given last.
    last: Option<Duration>,
}

impl Shared {
    pub(super) fn look_now(&self, camera: &CameraId, on_fresh: OnFresh) -> Result<(), AskError> {
        let since = self.clock.monotonic();
        let mut floor = lock(&self.floor);
        let index = floor.index_of(camera).ok_or(AskError::UnknownCamera)?;
        let station = &mut floor.stations[index];
        self.forget_askers(station);
        if station.asked.len() >= ASKED_MAX {
            return Err(AskError::TooMany { limit: ASKED_MAX });
        }
        station.asked.push(Asked { on_fresh, since });
        // A picture that waits and was not due is the newest there is: if it is fresh, it will do.
        station.slot.make_due();
        floor.queue(index);
        drop(floor);
        self.ready.notify_one();
        Ok(())
    }

    /// Whoever has given up must not hold a camera in front of all others.
    pub(super) fn forget_askers(&self, station: &mut Station) {
        let now = self.clock.monotonic();
        station.asked.retain(|asked| self.clock.real_wait(now.saturating_sub(asked.since)) < ASKED_KEPT);
    }

    /// Tells those who asked for a look what was seen. An old picture tells them nothing, nor does a look that was under way when they asked and may
    /// not have been examined: they wait on.
    pub(super) fn answer(&self, index: usize, watch: &CameraWatch, waiting: &Waiting, outcome: Outcome) {
        let picture = &waiting.picture;
        if !waiting.asked || self.clock.now().since(picture.captured.at) > FRESH_MAX {
            return;
        }
        let asked = std::mem::take(&mut lock(&self.floor).stations[index].asked);
        for Asked { on_fresh, .. } in asked {
            on_fresh(FreshLook { picture: picture.clone(), outcome, people: seen(watch, picture.media_time) });
        }
    }

    pub(super) fn view(&self, camera: &CameraId, on_picture: OnPicture) -> Result<(), AskError> {
        let mut floor = lock(&self.floor);
        let index = floor.index_of(camera).ok_or(AskError::UnknownCamera)?;
        let viewers = &mut floor.stations[index].viewers;
        if viewers.len() >= VIEWERS_MAX {
            return Err(AskError::TooMany { limit: VIEWERS_MAX });
        }
        viewers.push(Viewer { on_picture, last: None });
        Ok(())
    }

    /// Shows a picture to everyone who watches this camera. Called without the lock: encoding takes milliseconds.
    pub(super) fn show(&self, index: usize, picture: &Picture) {
        let mut viewers = {
            let station = &mut lock(&self.floor).stations[index];
            if station.viewers.is_empty() {
                return;
            }
            station.showing = true;
            std::mem::take(&mut station.viewers)
        };
        let now = self.clock.monotonic();
        viewers.retain_mut(|viewer| {
            let since = |last: Duration| self.clock.real_wait(now.saturating_sub(last));
            if viewer.last.is_some_and(|last| since(last) < Duration::from_secs(1) / VIEW_FPS_MAX) {
                return true;
            }
            viewer.last = Some(now);
            (viewer.on_picture)(picture)
        });
        let station = &mut lock(&self.floor).stations[index];
        station.showing = false;
        if !station.retired {
            station.viewers.append(&mut viewers);
        }
    }
}

impl Floor {
    /// The running camera of that name.
    pub(super) fn index_of(&self, camera: &CameraId) -> Option<usize> {
        self.stations.iter().position(|station| !station.retired && station.camera.id == *camera)
    }
}

/// Everyone confirmed in the look that `watch` has just taken.
fn seen(watch: &CameraWatch, now: MediaTime) -> Vec<Seen> {
    let confirmed = watch.tracks().iter().filter(|track| track.stage == TrackStage::Confirmed);
    confirmed
        .map(|track| Seen {
            bbox: track.bbox,
            posture: watch.posture(track.id),
            confidence: track.score_mean,
            still: track.still_since.map(|since| now.since(since)),
        })
        .collect()
}
