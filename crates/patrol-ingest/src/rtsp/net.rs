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
            .thread_name("rtsp-names")
            .max_blocking_threads(RESOLVERS_MAX)
            .build()
            .map_err(|source| IngestError::NetThread { source })?;
        let handle = runtime.handle().clone();
        let sessions = Arc::new(SessionGroup::default());
        let (stop, stopped) = oneshot::channel::<()>();
        let leaving = Arc::clone(&sessions);
        let thread = std::thread::Builder::new()
            .name("rtsp-net".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    if stopped.await.is_err() {
                        tracing::debug!("the network's owner is gone");
                    }
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
        Ok(Arc::new(Self { handle, clock, budget, sessions, stop: Some(stop), thread: Some(thread) }))
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
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the network thread panicked");
        }
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
