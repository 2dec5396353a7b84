//! A camera's feed: waits for each picture's time, offers it, opens the source anew when it breaks.

use super::OpenSource;
use super::desk::DeskDoor;
use super::floor::{Offered, Shared, Station, lock};
use crate::condition::Reliance;
use crate::slot::Content;
use crate::source::{Offer, PictureSource, Sessions};
use patrol_core::{CameraId, MediaTime, Outcome, Picture, Promise, WallTime};
use patrol_leads::DeskEvent;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// A source that cannot be opened is tried again after 1 s, doubling to 30 s; the wait starts anew after 10 s of pictures.
const REOPEN_FIRST: Duration = Duration::from_secs(1);
const REOPEN_LONGEST: Duration = Duration::from_secs(30);
const REOPEN_RESET_AFTER: Duration = Duration::from_secs(10);

/// A camera whose link stands has lost its sight after as many looks without a picture, and not before this long: a key frame of a
/// camera that is looked at continuously may be two seconds away, and one hiccup is no alarm.
const SILENT_LOOKS: u32 = 3;
const SILENT_MIN: Duration = Duration::from_secs(3);
/// A session that has given no picture yet may take as long, for its set-up and its first key frame.
const BEGINNING_MAX: Duration = Duration::from_secs(10);
/// How often a file that is over looks whether it was taken off, scene time.
const RETIREMENT_CHECK: Duration = Duration::from_secs(1);
/// A wait that is longer than the pictures are apart by more than this means that the wall clock was set back.
const CLOCK_SLACK: Duration = Duration::from_secs(1);

/// A camera's pictures as they come from one source, or as a reader takes them from a session.
struct Feed<'a> {
    shared: &'a Shared,
    index: usize,
    camera: CameraId,
    desk: &'a DeskDoor,
    /// Number of this reader; `None`: a camera with a source of its own.
    reader: Option<u64>,
    /// Monotonic time at which the newest picture came, or this opening began.
    heard: Duration,
    /// The same of the newest access unit, whether or not it gave a picture.
    arrived: Duration,
    /// Access units in a row that gave no picture.
    undecodable_running: u32,
    /// Scene time at which this opening gave its first picture.
    up_since: Option<Duration>,
}

/// Reads one camera's source for ever: waits for each picture's time, offers it, opens the source anew when it breaks.
pub(super) fn run_feed(shared: &Shared, index: usize, mut open: OpenSource, desk: &DeskDoor) {
    let mut feed = Feed::new(shared, index, desk, None);
    let mut wait = REOPEN_FIRST;
    while !feed.is_over() {
        feed.up_since = None;
        lock(&shared.floor).stations[index].line.restart();
        feed.heard = shared.clock.monotonic();
        feed.arrived = feed.heard;
        let read = catch_unwind(AssertUnwindSafe(|| open().and_then(|source| feed.read(source))));
        let why = match read {
            Ok(Ok(())) => {
                feed.wait_for_retirement();
                break;
            }
            Ok(Err(why)) => why,
            Err(_) => "reading its pictures broke off; this is a defect of the patrol".to_owned(),
        };
        if feed.is_over() {
            break;
        }
        tracing::warn!(camera = %feed.camera, why, retry_s = wait.as_secs(), "no pictures");
        lock(&shared.floor).stations[index].last_error = Some(why);
        feed.rely(|reliance| reliance.feed(false));
        if feed.up_since.is_some_and(|since| shared.clock.monotonic().saturating_sub(since) > REOPEN_RESET_AFTER) {
            wait = REOPEN_FIRST;
        }
        // Spread by camera, so that a hundred cameras behind one switch do not all come back in the same instant.
        let jitter = 0.8 + 0.4 * (index.wrapping_mul(0x9E37_79B9) % 1000) as f64 / 1000.0;
        if !shared.wait(wait.mul_f64(jitter)) {
            break;
        }
        wait = (wait * 2).min(REOPEN_LONGEST);
    }
    let station = &mut lock(&shared.floor).stations[index];
    station.vacant = station.retired;
}

/// Reads all pictures of a session until another lane is chosen or the session ends, which the session itself tells.
pub(super) fn run_reader(shared: &Shared, index: usize, number: u64, sessions: &dyn Sessions, desk: &DeskDoor) {
    let mut feed = Feed::new(shared, index, desk, Some(number));
    lock(&shared.floor).stations[index].due.change_lane();
    let read = catch_unwind(AssertUnwindSafe(|| feed.read(sessions.pictures())));
    let mut floor = lock(&shared.floor);
    let station = &mut floor.stations[index];
    let Some(wire) = station.wire.as_mut().filter(|wire| wire.reading == Some(number)) else { return };
    wire.reading = None;
    station.vacant = station.retired;
    let was_wanted = wire.reader == Some(number);
    if was_wanted {
        wire.reader = None;
    }
    // A reader that could not go on ends the session: beginning anew is all that may help.
    let broke = match read {
        Ok(Ok(())) => None,
        Ok(Err(why)) => Some(why),
        Err(_) => Some("reading its pictures broke off; this is a defect of the patrol".to_owned()),
    };
    if let Some(why) = broke.filter(|_| was_wanted) {
        wire.ended.get_or_insert(why);
    }
    station.due.change_lane();
}

/// How long a camera whose link stands may give no picture before it counts as blind.
pub(super) fn silence_allowed(promise: &Promise, has_begun: bool) -> Duration {
    (promise.look_every * SILENT_LOOKS).max(if has_begun { SILENT_MIN } else { BEGINNING_MAX })
}

impl<'a> Feed<'a> {
    fn new(shared: &'a Shared, index: usize, desk: &'a DeskDoor, reader: Option<u64>) -> Self {
        let now = shared.clock.monotonic();
        let (camera, heard, up_since) = {
            let station = &lock(&shared.floor).stations[index];
            // A reader goes on where key frames left off.
            let (heard, up_since) = station.wire.as_ref().map_or((now, None), |wire| (wire.heard, wire.up_since));
            (station.camera.id.clone(), heard, up_since)
        };
        Self { shared, index, camera, desk, reader, heard, arrived: now, undecodable_running: 0, up_since }
    }

    /// Everything stops, this camera was taken off, or nobody wants all of its pictures any more.
    fn is_over(&self) -> bool {
        let is_left = |station: &Station| {
            station.retired || self.reader.is_some_and(|own| station.wire.as_ref().is_none_or(|wire| wire.reader != Some(own)))
        };
        self.shared.stopping() || is_left(&lock(&self.shared.floor).stations[self.index])
    }

    /// A file has come to its end: its place on the floor is held until it is taken off.
    fn wait_for_retirement(&self) {
        while !self.is_over() {
            self.shared.wait(RETIREMENT_CHECK);
        }
    }

    /// `Ok` when the feed is over or everything stops; `Err` says why the source broke.
    fn read(&mut self, mut source: Box<dyn PictureSource>) -> Result<(), String> {
        while !self.is_over() {
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
                Offer::Skipped { pictures } => lock(&self.shared.floor).stations[self.index].account.skipped(pictures),
                Offer::Idle => self.notice_silence(),
                // The session is over, or another is in charge: whoever tends it knows.
                Offer::End if self.reader.is_some() => return Ok(()),
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
        let before = {
            let station = &mut lock(&self.shared.floor).stations[self.index];
            if self.reader.is_some() && station.line.has(picture.media_time) {
                // Its key frame was offered before everything was read.
                return true;
            }
            station.line.newest()
        };
        if !self.wait_for(picture.captured.at, before) {
            return false;
        }
        let now = self.shared.clock.monotonic();
        let resumes = {
            let station = &mut lock(&self.shared.floor).stations[self.index];
            let reader = station.wire.as_ref().and_then(|wire| wire.reader);
            if self.reader.is_some() && (station.retired || reader != self.reader) {
                return false;
            }
            let placed = station.line.place(picture.media_time, picture.captured.at);
            picture.media_time = placed.media_time;
            if let Some(wire) = &mut station.wire {
                wire.hears(now);
            }
            placed.resumes
        };
        if resumes && before.is_some() {
            // An outage is a gap, not a break. Whether the pictures are of another size is seen when one is looked at.
            discontinuity = false;
        }
        self.up_since.get_or_insert(now);
        (self.heard, self.arrived, self.undecodable_running) = (now, now, 0);
        self.rely(|reliance| {
            reliance.feed(true);
            reliance.silent(None);
        });
        self.shared.show(self.index, &picture);
        let at = picture.media_time;
        let offered = Offered { content: Content::Picture(picture), discontinuity, resumes, reader: self.reader };
        self.shared.offer(self.index, offered, |due| due.arrives(at));
        true
    }

    fn take_undecodable(&mut self, media_time: Option<MediaTime>, why: &str) -> bool {
        let (newest, media_time) = {
            let line = &lock(&self.shared.floor).stations[self.index].line;
            if self.reader.is_some() && media_time.is_some_and(|media_time| line.has(media_time)) {
                // It was counted before everything was read.
                return true;
            }
            (line.newest(), media_time.map(|media_time| line.on_line(media_time)))
        };
        if let (Some(media_time), Some((before, captured))) = (media_time, newest)
            && !self.wait_for(captured + media_time.since(before), newest)
        {
            return false;
        }
        let now = self.shared.clock.now();
        self.undecodable_running = self.undecodable_running.saturating_add(1);
        {
            let mut floor = lock(&self.shared.floor);
            let station = &mut floor.stations[self.index];
            station.account.ends(now, now, Outcome::Undecodable);
            station.last_error = Some(why.to_owned());
        }
        // A damaged stream has thousands; the counter has them all.
        if self.undecodable_running == 1 {
            tracing::warn!(camera = %self.camera, ?media_time, why, "undecodable");
        }
        self.arrived = self.shared.clock.monotonic();
        self.notice_silence();
        true
    }

    /// Says that the camera cannot see when its link stands and no picture has come for as long as its looks allow.
    fn notice_silence(&self) {
        let promise = lock(&self.shared.floor).stations[self.index].camera.promise;
        let allowed = silence_allowed(&promise, self.up_since.is_some());
        let now = self.shared.clock.monotonic();
        if now.saturating_sub(self.heard) >= allowed {
            let stalled = now.saturating_sub(self.arrived) >= allowed;
            let why = if stalled { "stalled" } else { Outcome::Undecodable.name() };
            self.rely(|reliance| reliance.silent(Some(why)));
        }
    }

    /// Waits until it is `at`, but no longer than pictures are apart: a wall clock that was set back must not stop the feed.
    fn wait_for(&self, at: WallTime, newest: Option<(MediaTime, WallTime)>) -> bool {
        let early = at.since(self.shared.clock.now());
        let apart = newest.map_or(Duration::MAX, |(_, captured)| at.since(captured).saturating_add(CLOCK_SLACK));
        let wait = early.min(apart);
        wait.is_zero() || self.shared.wait(wait)
    }

    fn rely(&self, change: impl FnOnce(&mut Reliance)) {
        if let Some(report) = self.shared.rely(self.index, change)
            && !self.desk.tell(DeskEvent::Camera(report))
        {
            tracing::error!(camera = %self.camera, "the desk is gone");
        }
    }
}
