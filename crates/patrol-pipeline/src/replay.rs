//! The same path over recorded pictures with a simulated clock: a look takes no media time, every due look is taken.

use crate::condition::Reliance;
use crate::desk_room::{ArchiveError, DeskRoom};
use crate::eyes::Eyes;
use crate::look::{WeatherNow, look};
use crate::promise::{Account, DueRule};
use crate::slot::Waiting;
use crate::source::{Offer, PictureSource};
use crate::watch::CameraWatch;
use patrol_core::{Outcome, Picture, WallTime};
use patrol_leads::{DeskEvent, DeskOutput};
use std::time::Duration;

/// The desk considers once a second of media time (design §6).
const TICK: Duration = Duration::from_secs(1);

/// One camera of a replay.
pub struct ReplayCamera {
    pub watch: CameraWatch,
    pub account: Account,
    pub source: Box<dyn PictureSource>,
    due: DueRule,
    reliance: Reliance,
    broke_off: Option<String>,
    /// Capture time of the newest picture: where the feed ended when it is over.
    newest: Option<WallTime>,
    /// The picture that is not due yet, until a newer one replaces it.
    idle: Option<Picture>,
    next: Next,
}

enum Next {
    Unread,
    Picture { picture: Picture, discontinuity: bool },
    Over,
}

impl ReplayCamera {
    pub fn new(watch: CameraWatch, source: Box<dyn PictureSource>, start: WallTime) -> Self {
        let due = DueRule::new(&watch.camera.promise);
        Self {
            watch,
            account: Account::new(start),
            source,
            due,
            reliance: Reliance::default(),
            broke_off: None,
            newest: None,
            idle: None,
            next: Next::Unread,
        }
    }

    /// Capture time of the next picture, reading on past what cannot be decoded; `None` when the feed is over.
    fn peek(&mut self) -> Option<WallTime> {
        loop {
            match &self.next {
                Next::Picture { picture, .. } => return Some(picture.captured.at),
                Next::Over => return None,
                Next::Unread => {}
            }
            self.next = match self.source.next() {
                Ok(Offer::Picture { picture, discontinuity }) => Next::Picture { picture, discontinuity },
                Ok(Offer::Undecodable { media_time, why }) => {
                    tracing::warn!(camera = %self.watch.camera.id, ?media_time, why, "undecodable");
                    self.account.tally.count(Outcome::Undecodable);
                    Next::Unread
                }
                Ok(Offer::Skipped { pictures }) => {
                    self.account.skipped(pictures);
                    Next::Unread
                }
                Ok(Offer::Idle) => Next::Unread,
                Ok(Offer::End) => Next::Over,
                Err(why) => {
                    tracing::error!(camera = %self.watch.camera.id, why, "the feed broke off");
                    self.broke_off = Some(why);
                    Next::Over
                }
            };
        }
    }

    /// Takes the picture that `peek` saw; gives the outcome of its look, or `None` when it was not due.
    fn step(&mut self, eyes: &mut Eyes, weather: &WeatherNow, events: &mut Vec<DeskEvent>) -> Option<(Picture, Outcome)> {
        let Next::Picture { picture, discontinuity } = std::mem::replace(&mut self.next, Next::Unread) else { return None };
        let now = picture.captured.at;
        self.newest = Some(now);
        self.reliance.feed(true);
        self.report(now, events);
        if let Some(stale) = self.idle.take() {
            self.account.ends(stale.captured.at, now, Outcome::Stale);
        }
        if discontinuity {
            self.due.restart();
        }
        if !self.due.arrives(picture.media_time) {
            self.idle = Some(picture);
            return None;
        }
        self.due.looked(picture.media_time);
        let waiting = Waiting { picture, discontinuity, asked: false };
        let outcome = look(&waiting, &mut self.watch, eyes, weather, events);
        self.account.ends(now, now, outcome);
        self.reliance.sight(self.watch.cannot_see());
        self.report(now, events);
        Some((waiting.picture, outcome))
    }

    /// Nobody sees this camera's place any more.
    fn lose(&mut self, now: WallTime, events: &mut Vec<DeskEvent>) {
        self.reliance.feed(false);
        self.report(now, events);
    }

    fn report(&mut self, now: WallTime, events: &mut Vec<DeskEvent>) {
        events.extend(self.reliance.report(&self.watch.camera.id, now).map(DeskEvent::Camera));
    }

    /// Why the feed broke off before its end.
    pub fn broke_off(&self) -> Option<&str> {
        self.broke_off.as_deref()
    }

    /// Counts what is left, up to where the feed itself ended.
    fn finish(&mut self, start: WallTime) {
        if let Some(stale) = self.idle.take() {
            self.account.ends(stale.captured.at, stale.captured.at, Outcome::Stale);
        }
        self.account.blind.passes(self.newest.unwrap_or(start));
    }
}

/// Something that happens at a given moment of the recording: weather, an officer's decision, a callback, a lost camera.
#[derive(Debug)]
pub struct TimedEvent {
    pub at: WallTime,
    pub event: DeskEvent,
}

/// Where a replay tells what it sees. All calls come in an order that depends on the recordings alone.
pub trait ReplaySummary {
    fn looked(&mut self, watch: &CameraWatch, picture: &Picture, outcome: Outcome);
    fn considered(&mut self, now: WallTime, output: &DeskOutput);
}

/// Replays all cameras together until every feed is over and every event has happened. Returns the last tick's time.
///
/// `events` must be sorted by time. Those at or before `start` are considered before the first picture.
pub fn replay(
    start: WallTime,
    cameras: &mut [ReplayCamera],
    eyes: &mut Eyes,
    room: &mut DeskRoom,
    events: Vec<TimedEvent>,
    summary: &mut dyn ReplaySummary,
) -> Result<WallTime, ArchiveError> {
    let mut coming = events.into_iter().peekable();
    let mut now = start;
    let mut batch = Vec::new();
    loop {
        while let Some(timed) = coming.next_if(|timed| timed.at <= now) {
            batch.push(timed.event);
        }
        let output = room.consider(now, std::mem::take(&mut batch))?;
        summary.considered(now, &output);
        let (weather, assumed) = room.desk.weather();
        let weather = WeatherNow { weather, assumed };

        let tick_end = now + TICK;
        let mut over = true;
        loop {
            let mut first: Option<(WallTime, usize)> = None;
            for (index, camera) in cameras.iter_mut().enumerate() {
                if let Some(captured) = camera.peek() {
                    over = false;
                    if first.is_none_or(|(earliest, _)| captured < earliest) {
                        first = Some((captured, index));
                    }
                }
            }
            let Some((captured, index)) = first else { break };
            if captured >= tick_end {
                break;
            }
            if let Some((picture, outcome)) = cameras[index].step(eyes, &weather, &mut batch) {
                summary.looked(&cameras[index].watch, &picture, outcome);
            }
        }
        if !over {
            // A feed that ended while others go on is a lost camera, as in `run`.
            for camera in cameras.iter_mut().filter(|camera| matches!(camera.next, Next::Over)) {
                camera.lose(tick_end, &mut batch);
            }
        }
        if over && batch.is_empty() && coming.peek().is_none() {
            break;
        }
        now = tick_end;
    }
    for camera in cameras {
        camera.finish(start);
    }
    Ok(now)
}
