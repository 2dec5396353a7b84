//! A camera's feed: waits for each picture's time, offers it, opens the source anew when it breaks.

use super::OpenSource;
use super::floor::{Shared, lock};
use crate::condition::Reliance;
use crate::source::{Offer, PictureSource};
use crossbeam_channel::Sender;
use patrol_core::{CameraId, MediaTime, Outcome, Picture, WallTime};
use patrol_leads::DeskEvent;
use std::time::Duration;

/// A source that cannot be opened is tried again after 1 s, doubling to 30 s; the wait starts anew after 10 s of pictures.
const REOPEN_FIRST: Duration = Duration::from_secs(1);
const REOPEN_LONGEST: Duration = Duration::from_secs(30);
const REOPEN_RESET_AFTER: Duration = Duration::from_secs(10);

/// Access units in a row without a picture before the camera is said to see nothing.
const UNDECODABLE_LIMIT: u32 = 3;
/// A wait that is longer than the pictures are apart by more than this means that the wall clock was set back.
const CLOCK_SLACK: Duration = Duration::from_secs(1);

/// One camera's feed over all openings of its source: media time runs on where a new opening begins again at zero.
struct Feed<'a> {
    shared: &'a Shared,
    index: usize,
    camera: CameraId,
    events: &'a Sender<DeskEvent>,
    /// Media and capture time of the newest picture.
    newest: Option<(MediaTime, WallTime)>,
    /// Added to the media times of this opening.
    offset_ns: i64,
    /// Scene time at which this opening gave its first picture.
    up_since: Option<Duration>,
}

/// Reads one camera's source for ever: waits for each picture's time, offers it, opens the source anew when it breaks.
pub(super) fn run_feed(shared: &Shared, index: usize, mut open: OpenSource, events: &Sender<DeskEvent>) {
    let camera = lock(&shared.floor).stations[index].camera.id.clone();
    let mut feed = Feed { shared, index, camera, events, newest: None, offset_ns: 0, up_since: None };
    let mut wait = REOPEN_FIRST;
    while !shared.stopping() {
        feed.up_since = None;
        let why = match open().and_then(|source| feed.read(source)) {
            Ok(()) => return,
            Err(why) => why,
        };
        tracing::warn!(camera = %feed.camera, why, retry_s = wait.as_secs(), "no pictures");
        lock(&shared.floor).stations[index].last_error = Some(why);
        feed.rely(|reliance| reliance.feed(false));
        if feed.up_since.is_some_and(|since| shared.clock.monotonic().saturating_sub(since) > REOPEN_RESET_AFTER) {
            wait = REOPEN_FIRST;
        }
        // Spread by camera, so that a hundred cameras behind one switch do not all come back in the same instant.
        let jitter = 0.8 + 0.4 * (index.wrapping_mul(0x9E37_79B9) % 1000) as f64 / 1000.0;
        if !shared.wait(wait.mul_f64(jitter)) {
            return;
        }
        wait = (wait * 2).min(REOPEN_LONGEST);
    }
}

impl Feed<'_> {
    /// `Ok` when the feed is over or everything stops; `Err` says why the source broke.
    fn read(&mut self, mut source: Box<dyn PictureSource>) -> Result<(), String> {
        while !self.shared.stopping() {
            match source.next()? {
                Offer::Picture { picture, discontinuity } => {
                    if !self.take(picture, discontinuity) {
                        return Ok(());
                    }
                }
                Offer::Undecodable { media_time, why } => {
                    if !self.take_undecodable(media_time, &why) {
                        return Ok(());
                    }
                }
                Offer::End => {
                    lock(&self.shared.floor).stations[self.index].ended = true;
                    self.rely(|reliance| reliance.feed(false));
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Waits for the picture's time and offers it; `false` when everything stops.
    fn take(&mut self, mut picture: Picture, mut discontinuity: bool) -> bool {
        if self.up_since.is_none() {
            if let Some((media_time, captured)) = self.newest {
                let resumes_at = media_time + picture.captured.at.since(captured).max(Duration::from_millis(1));
                self.offset_ns = resumes_at.0.saturating_sub(picture.media_time.0);
                discontinuity = true;
            }
            self.up_since = Some(self.shared.clock.monotonic());
        }
        picture.media_time.0 = picture.media_time.0.saturating_add(self.offset_ns);
        if !self.wait_for(picture.captured.at) {
            return false;
        }
        self.newest = Some((picture.media_time, picture.captured.at));
        self.rely(|reliance| reliance.feed(true));
        lock(&self.shared.floor).stations[self.index].undecodable_running = 0;
        self.shared.offer(self.index, picture, discontinuity);
        true
    }

    fn take_undecodable(&mut self, media_time: Option<MediaTime>, why: &str) -> bool {
        if let (Some(media_time), Some((newest, captured))) = (media_time, self.newest) {
            let media_time = MediaTime(media_time.0.saturating_add(self.offset_ns));
            if !self.wait_for(captured + media_time.since(newest)) {
                return false;
            }
        }
        let now = self.shared.clock.now();
        let running = {
            let mut floor = lock(&self.shared.floor);
            let station = &mut floor.stations[self.index];
            station.account.ends(now, now, Outcome::Undecodable);
            station.undecodable_running = station.undecodable_running.saturating_add(1);
            station.last_error = Some(why.to_owned());
            station.undecodable_running
        };
        // A damaged stream has thousands; the counter has them all.
        if running == 1 {
            tracing::warn!(camera = %self.camera, ?media_time, why, "undecodable");
        }
        if running == UNDECODABLE_LIMIT {
            self.rely(|reliance| reliance.sight(Some(Outcome::Undecodable.name().to_owned())));
        }
        true
    }

    /// Waits until it is `at`, but no longer than pictures are apart: a wall clock that was set back must not stop the feed.
    fn wait_for(&self, at: WallTime) -> bool {
        let early = at.since(self.shared.clock.now());
        let apart = self.newest.map_or(Duration::MAX, |(_, captured)| at.since(captured).saturating_add(CLOCK_SLACK));
        let wait = early.min(apart);
        wait.is_zero() || self.shared.wait(wait)
    }

    fn rely(&self, change: impl FnOnce(&mut Reliance)) {
        if let Some(report) = self.shared.rely(self.index, change)
            && self.events.send(DeskEvent::Camera(report)).is_err()
        {
            tracing::error!(camera = %self.camera, "the desk is gone");
        }
    }
}
