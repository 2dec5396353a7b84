//! A configured camera: what outlives its sessions.

use super::RtspOptions;
use super::address;
use super::failure::Teller;
use super::feed::RtspFeed;
use super::key_frame::KeyFrame;
use super::net::{Budget, RtspNet};
use super::session::{self, Session};
use crate::clip;
use crate::error::IngestError;
use crate::ring::{Entry, Next, Ring, Shrink, Unit};
use patrol_core::{Clock, LinkStatus, MediaTime, WallEstimate, WallTime};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::AbortHandle;

/// Two readings of a clock in a row take less than a microsecond each.
const READ_APART_MAX_NS: i64 = 100_000;

/// What a session tells.
#[derive(Debug)]
pub enum SessionNews {
    /// A key frame has come, and nobody reads [`RtspCamera::pictures`].
    Key(KeyFrame),
    /// The session is over: why, with the next step.
    Ended(String),
}

/// Called on the net thread, which must not be kept waiting.
pub type OnNews = Arc<dyn Fn(SessionNews) + Send + Sync>;

/// What a camera's session, its feed and those who ask about it have in common.
pub(super) struct Shared {
    pub(super) budget: Arc<Budget>,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    arrived: Condvar,
    watched: AtomicBool,
    /// The camera refused to send over TCP.
    pub(super) wants_udp: AtomicBool,
    /// Numbers the pictures of all sessions.
    pub(super) pictures: AtomicU64,
    /// Time spent on decoding every picture, nanoseconds.
    pub(super) decode_ns: AtomicU64,
}

struct State {
    ring: Ring,
    link: LinkStatus,
    /// Number of the session in charge; what others still send is dropped.
    session: u64,
    ended: Option<IngestError>,
    /// Presentation time of the session's first unit: media time counts from it.
    origin_ns: Option<i64>,
    on_news: Option<OnNews>,
    task: Option<AbortHandle>,
}

/// What a feed finds.
pub(super) enum Found {
    Next(Next),
    /// Nothing came while it waited.
    Idle,
    /// Nothing will come any more. Without an error: another session has taken over.
    Ended(Option<IngestError>),
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds to the ring; `change` keeps the link's status true. `false`: the session is no longer in charge.
    pub(super) fn push(&self, session: u64, entry: Option<Entry>, change: impl FnOnce(&mut LinkStatus)) -> bool {
        let mut state = self.lock();
        if state.session != session {
            return false;
        }
        change(&mut state.link);
        if let Some(entry) = entry {
            let news = state.news(&entry);
            state.ring.push(entry);
            drop(state);
            self.arrived.notify_one();
            self.budget.relieve();
            if let Some((unit, media_time, on_news)) = news {
                let captured = self.captured(&unit);
                let sequence = self.pictures.fetch_add(1, Ordering::Relaxed);
                on_news(SessionNews::Key(KeyFrame::new(unit, media_time, captured, sequence)));
            }
        }
        true
    }

    /// When a unit was captured, as far as is known now.
    pub(super) fn captured(&self, unit: &Unit) -> WallEstimate {
        let at = WallNow::of(self.clock.as_ref()).wall(unit.captured_ns());
        WallEstimate { at, error_ms: unit.stretch.error_ms() }
    }

    /// Somebody reads all pictures of the session in charge, from now on; gives its number.
    fn start_reading(&self) -> u64 {
        let mut state = self.lock();
        state.ring.start_reading();
        state.session
    }

    pub(super) fn stop_reading(&self, session: u64) {
        let mut state = self.lock();
        if state.session == session {
            state.ring.stop_reading();
        }
    }

    /// Where media time begins in that session.
    pub(super) fn origin_ns(&self, session: u64) -> Option<i64> {
        let state = self.lock();
        state.origin_ns.filter(|_| state.session == session)
    }

    pub(super) fn end(&self, session: u64, why: IngestError) {
        let mut state = self.lock();
        if state.session == session {
            let on_news = state.on_news.clone();
            let told = why.to_string();
            state.ended = Some(why);
            drop(state);
            self.arrived.notify_one();
            if let Some(on_news) = on_news {
                on_news(SessionNews::Ended(told));
            }
        }
    }

    /// Waits for `patience` at most.
    pub(super) fn next(&self, session: u64, patience: Duration) -> Found {
        let mut state = self.lock();
        let mut waited = false;
        loop {
            if state.session != session {
                return Found::Ended(None);
            }
            match state.ring.next() {
                Next::Nothing => {}
                next => return Found::Next(next),
            }
            if let Some(why) = state.ended.take() {
                return Found::Ended(Some(why));
            }
            if waited {
                return Found::Idle;
            }
            let (next, timeout) = self.arrived.wait_timeout(state, patience).unwrap_or_else(PoisonError::into_inner);
            state = next;
            waited = timeout.timed_out();
        }
    }

    /// Makes the ring give way if it is one of those to give way now.
    pub(super) fn shrink(&self, watched: bool, how: Shrink) -> bool {
        let is_meant = self.watched.load(Ordering::Relaxed) == watched;
        if is_meant {
            self.lock().ring.shrink(how);
        }
        is_meant
    }
}

impl State {
    /// Puts a unit onto the session's time line; what must be told of it.
    fn news(&mut self, entry: &Entry) -> Option<(Unit, MediaTime, OnNews)> {
        let Entry::Unit(unit) = entry else { return None };
        let origin_ns = *self.origin_ns.get_or_insert(unit.pts_ns);
        let on_news =
            self.on_news.as_ref().filter(|_| unit.key && unit.whole && !unit.stretch.parameters.is_empty() && !self.ring.is_read())?;
        Some((unit.clone(), MediaTime(unit.pts_ns.saturating_sub(origin_ns).max(0)), on_news.clone()))
    }
}

/// One network camera. Lives as long as it is configured: sessions come and go; ring, link status and picture numbers stay.
pub struct RtspCamera {
    pub(super) net: Arc<RtspNet>,
    pub(super) options: RtspOptions,
    pub(super) teller: Teller,
    pub(super) shared: Arc<Shared>,
    url: url::Url,
}

impl RtspCamera {
    /// A camera that is not connected yet. Refuses a bad URL.
    pub fn new(net: &Arc<RtspNet>, options: RtspOptions) -> Result<Arc<Self>, IngestError> {
        let url = address::parse(&options.url)?;
        let secrets = options.credentials.iter().map(|credentials| credentials.password.reveal().to_owned()).collect();
        let teller = Teller { url: address::shown(&url), secrets, has_credentials: options.credentials.is_some() };
        let state = State {
            ring: Ring::new(&net.budget.total),
            link: LinkStatus::default(),
            session: 0,
            ended: None,
            origin_ns: None,
            on_news: None,
            task: None,
        };
        let shared = Arc::new(Shared {
            budget: Arc::clone(&net.budget),
            clock: Arc::clone(&net.clock),
            state: Mutex::new(state),
            arrived: Condvar::new(),
            watched: AtomicBool::new(false),
            wants_udp: AtomicBool::new(false),
            pictures: AtomicU64::new(0),
            decode_ns: AtomicU64::new(0),
        });
        net.budget.join(&shared);
        Ok(Arc::new(Self { net: Arc::clone(net), options, teller, shared, url }))
    }

    /// Starts a session, and tells `on_news` of its key frames and its end. A session that is still there ends untold.
    pub fn connect(&self, on_news: OnNews) {
        self.start_session(Some(on_news));
    }

    /// Ends the session, if there is one; nothing more is told of it.
    pub fn hang_up(&self) {
        let mut state = self.shared.lock();
        state.session += 1;
        state.ended = None;
        state.on_news = None;
        let task = state.task.take();
        drop(state);
        self.shared.arrived.notify_all();
        if let Some(task) = task {
            task.abort();
        }
    }

    /// Ends the session and keeps none of its packets.
    pub fn forget(&self) {
        self.hang_up();
        self.set_watched(false);
        self.shared.lock().ring.shrink(Shrink::Everything);
    }

    /// All pictures of the running session, from its newest key frame on. While they are read no key frame is told.
    pub fn pictures(self: &Arc<Self>) -> RtspFeed {
        let session = self.shared.start_reading();
        RtspFeed::new(Arc::clone(self), session, false)
    }

    /// Starts a session and reads all its pictures; dropping the feed ends both. What goes wrong is told by the feed.
    pub fn open(self: &Arc<Self>) -> RtspFeed {
        let number = self.start_session(None);
        RtspFeed::new(Arc::clone(self), number, true)
    }

    /// Without `on_news` everything is read from the beginning.
    fn start_session(&self, on_news: Option<OnNews>) -> u64 {
        let mut state = self.shared.lock();
        state.session += 1;
        state.ended = None;
        state.origin_ns = None;
        state.ring.start_session();
        if on_news.is_some() {
            state.ring.stop_reading();
        } else {
            state.ring.start_reading();
        }
        state.on_news = on_news;
        let session = Session {
            number: state.session,
            camera: self.options.camera.clone(),
            url: self.url.clone(),
            credentials: self.options.credentials.clone(),
            transport: self.options.transport,
            teller: self.teller.clone(),
            shared: Arc::clone(&self.shared),
            clock: Arc::clone(&self.net.clock),
            group: Arc::clone(&self.net.sessions),
            traffic: Arc::clone(&self.net.traffic),
        };
        let number = session.number;
        let before = state.task.replace(self.net.handle.spawn(session::run(session)).abort_handle());
        drop(state);
        // Whoever still waits for the session before learns that it is over.
        self.shared.arrived.notify_all();
        if let Some(before) = before {
            before.abort();
        }
        number
    }

    /// Ends that session, unless another is in charge.
    pub(super) fn end_session(&self, number: u64) {
        if self.shared.lock().session == number {
            self.hang_up();
        }
    }

    /// How the link is doing.
    pub fn link(&self) -> LinkStatus {
        let state = self.shared.lock();
        LinkStatus {
            decode_s: self.shared.decode_ns.load(Ordering::Relaxed) as f64 / 1e9,
            ring_bytes: state.ring.bytes(),
            ring_s: state.ring.span().as_secs_f64(),
            ..state.link.clone()
        }
    }

    /// Watched cameras keep their ring first when memory runs short.
    pub fn set_watched(&self, watched: bool) {
        self.shared.watched.store(watched, Ordering::Relaxed);
    }

    /// When what [`Self::cut`] would give begins and ends.
    pub fn covered(&self, from: WallTime, to: WallTime) -> Option<(WallTime, WallTime)> {
        let now = WallNow::of(self.net.clock.as_ref());
        let units = self.shared.lock().ring.units_between(now.monotonic_ns(from), now.monotonic_ns(to));
        let times = || units.iter().map(Unit::captured_ns);
        Some((now.wall(times().min()?), now.wall(times().max()?)))
    }

    /// An MP4 of what was captured from `from` to `to`, as the camera sent it, beginning at the key frame at or before `from`; `None`
    /// when nothing of that time is kept. Takes milliseconds, at most 3 s.
    pub fn cut(&self, from: WallTime, to: WallTime) -> Result<Option<Vec<u8>>, IngestError> {
        let now = WallNow::of(self.net.clock.as_ref());
        let units = self.shared.lock().ring.units_between(now.monotonic_ns(from), now.monotonic_ns(to));
        if units.is_empty() { Ok(None) } else { clip::mux(&units).map(Some) }
    }
}

impl std::fmt::Debug for RtspCamera {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RtspCamera").field("camera", &self.options.camera).field("url", &self.teller.url).finish_non_exhaustive()
    }
}

/// How wall clock and monotonic clock stand to each other at this moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct WallNow {
    wall_ns: i64,
    monotonic_ns: i64,
}

impl WallNow {
    pub(super) fn of(clock: &dyn Clock) -> Self {
        // The two clocks are read one after the other; a thread that was put aside in between reads again.
        let read = || {
            let before = monotonic_ns(clock);
            let wall_ns = clock.now().0;
            let between = monotonic_ns(clock).saturating_sub(before);
            (between, Self { wall_ns, monotonic_ns: before.saturating_add(between / 2) })
        };
        let (between, first) = read();
        if between < READ_APART_MAX_NS { first } else { read().1 }
    }

    pub(super) fn wall(self, monotonic_ns: i64) -> WallTime {
        WallTime(monotonic_ns.saturating_sub(self.monotonic_ns).saturating_add(self.wall_ns))
    }

    fn monotonic_ns(self, wall: WallTime) -> i64 {
        wall.0.saturating_sub(self.wall_ns).saturating_add(self.monotonic_ns)
    }
}

pub(super) fn monotonic_ns(clock: &dyn Clock) -> i64 {
    i64::try_from(clock.monotonic().as_nanos()).unwrap_or(i64::MAX)
}
