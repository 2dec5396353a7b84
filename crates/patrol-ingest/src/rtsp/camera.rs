//! A configured camera: what outlives its sessions.

use super::RtspOptions;
use super::address;
use super::failure::Teller;
use super::feed::RtspFeed;
use super::net::{Budget, RtspNet};
use super::session::{self, Session};
use crate::clip;
use crate::error::IngestError;
use crate::ring::{Entry, Next, Ring, Shrink};
use patrol_core::{Clock, LinkStatus, WallTime};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Two readings of a clock in a row take less than a microsecond each.
const READ_APART_MAX_NS: i64 = 100_000;

/// What a camera's session, its feed and those who ask about it have in common.
pub(super) struct Shared {
    pub(super) budget: Arc<Budget>,
    state: Mutex<State>,
    arrived: Condvar,
    watched: AtomicBool,
    /// The camera refused to send over TCP.
    pub(super) wants_udp: AtomicBool,
    /// Numbers the pictures of all sessions.
    pub(super) pictures: AtomicU64,
}

struct State {
    ring: Ring,
    link: LinkStatus,
    /// Number of the session in charge; what others still send is dropped.
    session: u64,
    ended: Option<IngestError>,
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
            state.ring.push(entry);
            drop(state);
            self.arrived.notify_one();
            self.budget.relieve();
        }
        true
    }

    pub(super) fn end(&self, session: u64, why: IngestError) {
        let mut state = self.lock();
        if state.session == session {
            state.ended = Some(why);
            drop(state);
            self.arrived.notify_one();
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
        let state = State { ring: Ring::new(&net.budget.total), link: LinkStatus::default(), session: 0, ended: None };
        let shared = Arc::new(Shared {
            budget: Arc::clone(&net.budget),
            state: Mutex::new(state),
            arrived: Condvar::new(),
            watched: AtomicBool::new(false),
            wants_udp: AtomicBool::new(false),
            pictures: AtomicU64::new(0),
        });
        net.budget.join(&shared);
        Ok(Arc::new(Self { net: Arc::clone(net), options, teller, shared, url }))
    }

    /// Starts a session; one that is still there ends. What goes wrong is told by the feed.
    pub fn open(self: &Arc<Self>) -> RtspFeed {
        let number = {
            let mut state = self.shared.lock();
            state.session += 1;
            state.ended = None;
            state.ring.start_session();
            state.session
        };
        // Whoever still waits for the session before learns that it is over.
        self.shared.arrived.notify_all();
        let session = Session {
            number,
            camera: self.options.camera.clone(),
            url: self.url.clone(),
            credentials: self.options.credentials.clone(),
            transport: self.options.transport,
            teller: self.teller.clone(),
            shared: Arc::clone(&self.shared),
            clock: Arc::clone(&self.net.clock),
            group: Arc::clone(&self.net.sessions),
        };
        let task = self.net.handle.spawn(session::run(session));
        RtspFeed::new(Arc::clone(self), number, task.abort_handle())
    }

    /// How the link is doing.
    pub fn link(&self) -> LinkStatus {
        let state = self.shared.lock();
        LinkStatus { ring_bytes: state.ring.bytes(), ring_s: state.ring.span().as_secs_f64(), ..state.link.clone() }
    }

    /// Watched cameras keep their ring first when memory runs short.
    pub fn set_watched(&self, watched: bool) {
        self.shared.watched.store(watched, Ordering::Relaxed);
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
