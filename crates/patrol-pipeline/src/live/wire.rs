//! A network camera's session as the lanes see it: up or down, read or not, and who asked for more.

use crate::lane::Lane;
use crate::source::Sessions;
use std::sync::Arc;
use std::time::Duration;

/// A session that cannot be begun is tried again after 1 s, doubling to 30 s; the wait starts anew after 10 s of pictures (design §9).
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(30);
const RETRY_RESET_AFTER: Duration = Duration::from_secs(10);
/// Whoever is not understood yet is watched for so long (design §4: 3–5 s), at least so often.
const BURST: Duration = Duration::from_secs(4);
const BURST_EVERY: Duration = Duration::from_millis(200);
/// A busy street would never come to rest: whoever comes next is looked at closely after so long.
const BURST_REST: Duration = Duration::from_secs(30);

pub(super) struct Wire {
    pub(super) sessions: Arc<dyn Sessions>,
    /// Number of the session in charge; `None` while there is none.
    pub(super) session: Option<u64>,
    /// Why that session ended.
    pub(super) ended: Option<String>,
    /// Monotonic time from which the next session may begin, and how long the wait before was.
    retry_at: Duration,
    retry_after: Duration,
    /// Monotonic time of the newest key frame or picture; of the session's beginning before the first.
    pub(super) heard: Duration,
    /// Monotonic time of the session's first key frame or picture.
    pub(super) up_since: Option<Duration>,
    /// Whoever is to read all pictures, and whoever still does: the number of a thread.
    pub(super) reader: Option<u64>,
    pub(super) reading: Option<u64>,
    /// The longest that key frames were apart lately.
    pub(super) key_interval_s: Option<f64>,
    /// This session sends no key frames: all of it is read until one comes after another.
    pub(super) keyless: bool,
    /// Seconds that decoding everything has taken so far, and a second ago.
    pub(super) decode_s: f64,
    burst_until: Option<Duration>,
    burst_ended: Option<Duration>,
}

impl Wire {
    pub(super) fn new(sessions: Arc<dyn Sessions>) -> Self {
        Self {
            sessions,
            session: None,
            ended: None,
            retry_at: Duration::ZERO,
            retry_after: RETRY_FIRST,
            heard: Duration::ZERO,
            up_since: None,
            reader: None,
            reading: None,
            key_interval_s: None,
            keyless: false,
            decode_s: 0.0,
            burst_until: None,
            burst_ended: None,
        }
    }

    pub(super) fn lane(&self) -> Lane {
        if self.reader.is_some() { Lane::Continuous } else { Lane::OnDemand }
    }

    /// Whether it is time to begin a session.
    pub(super) fn may_begin(&self, now: Duration) -> bool {
        self.session.is_none() && now >= self.retry_at
    }

    pub(super) fn begin(&mut self, session: u64, now: Duration) {
        self.session = Some(session);
        (self.ended, self.heard, self.up_since, self.key_interval_s, self.keyless) = (None, now, None, None, false);
    }

    /// The session is over. Gives how long it takes until the next one; `spread` around 1 keeps cameras behind one switch from coming back
    /// in the same instant.
    pub(super) fn end(&mut self, now: Duration, spread: f64) -> Duration {
        if self.up_since.is_some_and(|since| now.saturating_sub(since) > RETRY_RESET_AFTER) {
            self.retry_after = RETRY_FIRST;
        }
        let wait = self.retry_after.mul_f64(spread);
        self.retry_at = now + wait;
        self.retry_after = (self.retry_after * 2).min(RETRY_LONGEST);
        (self.session, self.reader, self.burst_until) = (None, None, None);
        wait
    }

    /// Something of this session has come.
    pub(super) fn hears(&mut self, now: Duration) {
        self.heard = now;
        self.up_since.get_or_insert(now);
    }

    /// Somebody was found who is not understood yet. `true`: the camera is watched closely from now on.
    pub(super) fn want_burst(&mut self, now: Duration) -> bool {
        let rests = self.burst_ended.is_some_and(|ended| now.saturating_sub(ended) < BURST_REST);
        let begins = self.reader.is_none() && self.burst_until.is_none() && !rests && self.session.is_some();
        if begins {
            self.burst_until = Some(now + BURST);
        }
        begins
    }

    /// Ends a burst whose time has come; `true` then.
    pub(super) fn end_burst(&mut self, now: Duration) -> bool {
        let over = self.burst_until.is_some_and(|until| now >= until);
        if over {
            (self.burst_until, self.burst_ended) = (None, Some(now));
        }
        over
    }

    pub(super) fn is_bursting(&self) -> bool {
        self.burst_until.is_some()
    }

    /// How often looks are wanted during a burst.
    pub(super) fn burst_every(&self) -> Option<Duration> {
        self.burst_until.map(|_| BURST_EVERY)
    }
}
