//! The one thread that talks to all cameras, and the one budget of bytes for all their rings.

use super::camera::Shared;
use crate::clip;
use crate::error::IngestError;
use crate::ring::Shrink;
use patrol_core::Clock;
use retina::client::SessionGroup;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// How long the end of the program waits for cameras to confirm that their sessions are over.
const FAREWELL: Duration = Duration::from_millis(500);
/// From so many sessions on sockets are read in sweeps, so long apart for each session, but no longer than the last: a packet at a time costs a third more
/// (`benches/results/2026-11-28-on-demand.md`). A lead waits for the sweep: of 200 cameras the thread takes 7-8 % of a core in sweeps of 100 ms, 9 in 50, 10 in 30.
const SWEPT_FROM: usize = 32;
const SWEEP_EACH: Duration = Duration::from_millis(1);
const SWEEP_MAX: Duration = Duration::from_millis(30);
/// While a session is being set up.
const SWEEP_BEGINNING: Duration = Duration::from_millis(20);
/// A task that reads what has come runs in one of so many turns after it came; in one turn all may run.
const SWEEP_TURNS: usize = 4;
const TASKS_A_TURN: u32 = 4096;
/// With fewer sessions it is looked so often whether there are more by now.
const COUNTED_EVERY: Duration = Duration::from_millis(500);
/// Threads that look up host names: the operating system's resolver blocks.
const RESOLVERS_MAX: usize = 2;
/// Rings over the budget give way to this share of it, so that they do not have to with every unit.
const RELIEF: (u64, u64) = (9, 10);

/// The network side of all cameras.
pub struct RtspNet {
    pub(super) handle: tokio::runtime::Handle,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) budget: Arc<Budget>,
    pub(super) sessions: Arc<SessionGroup>,
    pub(super) traffic: Arc<Traffic>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RtspNet {
    /// Starts the thread. `rings_bytes_max`: encoded pictures kept of all cameras together.
    pub fn start(clock: Arc<dyn Clock>, rings_bytes_max: u64) -> Result<Arc<Self>, IngestError> {
        gstreamer::init().map_err(|error| IngestError::Gstreamer { what: format!("did not start: {error}") })?;
        clip::prepare()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .event_interval(TASKS_A_TURN)
            .thread_name("rtsp-names")
            .max_blocking_threads(RESOLVERS_MAX)
            .build()
            .map_err(|source| IngestError::NetThread { source })?;
        let handle = runtime.handle().clone();
        let sessions = Arc::new(SessionGroup::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let leaving = Arc::clone(&sessions);
        let traffic = Arc::<Traffic>::default();
        let counted = Arc::clone(&traffic);
        let thread = std::thread::Builder::new()
            .name("rtsp-net".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    read_until(stopped, &counted).await;
                    // Tasks of feeds that were just dropped get their turn first.
                    tokio::task::yield_now().await;
                    if tokio::time::timeout(FAREWELL, leaving.await_teardown()).await.is_err() {
                        tracing::debug!("some cameras did not confirm the end of their sessions");
                    }
                });
                // A name being looked up must not hold the end of the program.
                runtime.shutdown_background();
            })
            .map_err(|source| IngestError::NetThread { source })?;
        let budget = Arc::new(Budget { total: Arc::default(), max: rings_bytes_max, rings: Mutex::default(), turn: AtomicUsize::new(0) });
        Ok(Arc::new(Self { handle, clock, budget, sessions, traffic, stop: Some(stop), thread: Some(thread) }))
    }

    /// Bytes kept of all cameras.
    pub fn rings_bytes(&self) -> u64 {
        self.budget.total.load(Ordering::Relaxed)
    }
}

impl Drop for RtspNet {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take()
            && stop.send(()).is_err()
        {
            tracing::error!("the network thread ended before its time");
        }
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the network thread panicked");
        }
    }
}

/// Sessions that play.
#[derive(Default)]
pub(super) struct Traffic {
    pub(super) tcp: AtomicUsize,
    pub(super) udp: AtomicUsize,
    /// Sessions that are being set up, a dozen packets to and fro each.
    beginning: AtomicUsize,
}

impl Traffic {
    /// How long to let packets gather. Over UDP none may wait: a socket's buffer holds less than a key frame may have.
    fn pause(&self) -> Duration {
        let sessions = self.tcp.load(Ordering::Relaxed);
        if sessions < SWEPT_FROM || self.udp.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        let longest = if self.beginning.load(Ordering::Relaxed) > 0 { SWEEP_BEGINNING } else { SWEEP_MAX };
        (SWEEP_EACH * sessions as u32).min(longest)
    }
}

/// Counts a session for as long as it plays.
pub(super) struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    pub(super) fn new(traffic: &'a Traffic, udp: bool) -> Self {
        let sessions = if udp { &traffic.udp } else { &traffic.tcp };
        sessions.fetch_add(1, Ordering::Relaxed);
        Self(sessions)
    }
}

impl<'a> Counted<'a> {
    pub(super) fn beginning(traffic: &'a Traffic) -> Self {
        traffic.beginning.fetch_add(1, Ordering::Relaxed);
        Self(&traffic.beginning)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets sessions read until it is time to stop: whenever something comes, or, of many sessions, in sweeps. Between two sweeps the thread that runs all
/// tasks is put aside on purpose: a sleeping task would not do, because every packet would wake the thread.
async fn read_until(mut stopped: oneshot::Receiver<()>, traffic: &Traffic) {
    loop {
        let pause = traffic.pause();
        if pause.is_zero() {
            if tokio::time::timeout(COUNTED_EVERY, &mut stopped).await.is_ok() {
                return;
            }
            continue;
        }
        for _ in 0..SWEEP_TURNS {
            tokio::task::yield_now().await;
        }
        if !matches!(stopped.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
            return;
        }
        std::thread::park_timeout(pause);
    }
}

/// All rings together.
pub(super) struct Budget {
    pub(super) total: Arc<AtomicU64>,
    max: u64,
    rings: Mutex<Vec<Weak<Shared>>>,
    /// Where giving way begins: not always with the same camera.
    turn: AtomicUsize,
}

impl Budget {
    pub(super) fn join(&self, ring: &Arc<Shared>) {
        let mut rings = self.rings.lock().unwrap_or_else(PoisonError::into_inner);
        rings.retain(|ring| ring.strong_count() > 0);
        rings.push(Arc::downgrade(ring));
    }

    /// Makes room when the rings together are over the budget: cameras that nobody watches first, then the others; what no decoder has
    /// taken yet is given up last.
    pub(super) fn relieve(&self) {
        if self.total.load(Ordering::Relaxed) <= self.max {
            return;
        }
        let rings: Vec<Arc<Shared>> = self.rings.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect();
        let first = self.turn.fetch_add(1, Ordering::Relaxed) % rings.len().max(1);
        let order = [
            (false, Shrink::PresentGroup),
            (false, Shrink::Untaken),
            (true, Shrink::PresentGroup),
            (true, Shrink::Untaken),
            (false, Shrink::Everything),
            (true, Shrink::Everything),
        ];
        for (watched, how) in order {
            for ring in rings.iter().cycle().skip(first).take(rings.len()) {
                if ring.shrink(watched, how) && self.total.load(Ordering::Relaxed) <= self.max / RELIEF.1 * RELIEF.0 {
                    return;
                }
            }
        }
    }
}
