//! Recent changes, kept so that a page that lost its connection for a moment misses nothing.

use crate::leads::LeadSummary;
use crate::office::{Change, ChangeKind};
use patrol_core::WallTime;
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// Changes kept for pages that reconnect: some minutes of a busy night at 1–2 kB each.
pub(crate) const RING_CHANGES: usize = 1024;
/// Changes a connected page may be behind before it is dropped; it comes back with its last event id.
const CLIENT_CHANGES: usize = 256;

/// One change, written out once for all pages.
pub(crate) struct Item {
    pub(crate) id: u64,
    pub(crate) event: &'static str,
    pub(crate) data: Box<str>,
}

#[derive(Clone)]
pub(crate) enum Told {
    Item(Arc<Item>),
    /// Changes were missed: load the list again.
    Reset,
}

/// How a page begins.
pub(crate) enum Start {
    /// It never had anything: load the list.
    Fresh,
    /// Everything since its last event id.
    Resumed(VecDeque<Arc<Item>>),
    /// Its last event id is unknown or too old: load the list again.
    Reset,
}

#[derive(Default)]
struct Recent {
    items: VecDeque<Arc<Item>>,
    /// Every change after this id is in `items`; `None` while nothing is known.
    floor: Option<u64>,
    newest: Option<u64>,
}

pub(crate) struct Hub {
    /// Tells this process's ids from those of the one before a restart.
    boot: String,
    recent: Mutex<Recent>,
    clients: broadcast::Sender<Told>,
    alive: AtomicBool,
}

impl Hub {
    pub(crate) fn new() -> Self {
        Self {
            boot: format!("{:08x}", RandomState::new().build_hasher().finish() as u32),
            recent: Mutex::default(),
            clients: broadcast::channel(CLIENT_CHANGES).0,
            alive: AtomicBool::new(true),
        }
    }

    /// Whether changes still arrive from the office.
    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }

    pub(crate) fn event_id(&self, id: u64) -> String {
        format!("{}-{id}", self.boot)
    }

    /// The id of the newest change, for events that carry none of their own.
    pub(crate) fn newest_event_id(&self) -> Option<String> {
        self.recent().newest.map(|id| self.event_id(id))
    }

    /// Joins a page: what it missed, and everything from now on, without gap or repetition.
    pub(crate) fn join(&self, last_event_id: Option<&str>) -> (Start, broadcast::Receiver<Told>) {
        let recent = self.recent();
        let live = self.clients.subscribe();
        let Some(last) = last_event_id.filter(|last| !last.is_empty()) else { return (Start::Fresh, live) };
        let known = last.split_once('-').filter(|(boot, _)| *boot == self.boot).and_then(|(_, id)| id.parse::<u64>().ok());
        let start = match (known, recent.floor, recent.newest) {
            (Some(id), Some(floor), Some(newest)) if id >= floor && id <= newest => {
                Start::Resumed(recent.items.iter().filter(|item| item.id > id).cloned().collect())
            }
            _ => Start::Reset,
        };
        (start, live)
    }

    /// Takes in one change.
    pub(crate) fn tell(&self, change: &Change, now: WallTime) {
        let (event, data) = match &change.kind {
            ChangeKind::Lead(lead) => ("lead", serde_json::to_string(&LeadSummary::of(lead, now))),
            ChangeKind::Ring(ring) => ("ring", serde_json::to_string(ring)),
            ChangeKind::Cameras => ("cameras", Ok("{}".to_owned())),
        };
        let data = match data {
            Ok(data) => data.into_boxed_str(),
            Err(error) => {
                tracing::error!(change = change.id, %error, "change cannot be written as json");
                return self.forget();
            }
        };
        let mut recent = self.recent();
        if recent.newest.is_some_and(|newest| change.id <= newest) {
            drop(recent);
            tracing::warn!(change = change.id, "change id did not rise");
            return self.forget();
        }
        let item = Arc::new(Item { id: change.id, event, data });
        recent.floor.get_or_insert(change.id.saturating_sub(1));
        recent.newest = Some(change.id);
        recent.items.push_back(Arc::clone(&item));
        if recent.items.len() > RING_CHANGES {
            recent.floor = recent.items.pop_front().map(|oldest| oldest.id);
        }
        // Sent under the lock, so that a page that joins meanwhile gets it exactly once. No page listening is no error.
        self.clients.send(Told::Item(item)).ok();
    }

    /// Changes were lost on the way here: nobody can resume across them.
    fn forget(&self) {
        let mut recent = self.recent();
        recent.items.clear();
        recent.floor = None;
        self.clients.send(Told::Reset).ok();
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Carries changes from the office to the hub until the office is gone.
pub(crate) async fn pump(mut changes: broadcast::Receiver<Change>, hub: Arc<Hub>, clock: Arc<dyn patrol_core::Clock>) {
    loop {
        match changes.recv().await {
            Ok(change) => hub.tell(&change, clock.now()),
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "changes missed, pages load the list again");
                hub.forget();
            }
            Err(broadcast::error::RecvError::Closed) => {
                hub.alive.store(false, Ordering::Relaxed);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cameras(id: u64) -> Change {
        Change { id, kind: ChangeKind::Cameras }
    }

    fn resumed(hub: &Hub, last: &str) -> Option<Vec<u64>> {
        match hub.join(Some(last)).0 {
            Start::Resumed(items) => Some(items.iter().map(|item| item.id).collect()),
            Start::Fresh | Start::Reset => None,
        }
    }

    #[test]
    fn a_page_resumes_where_it_stopped_unless_that_is_too_long_ago() {
        let hub = Hub::new();
        assert!(matches!(hub.join(None).0, Start::Fresh));
        assert!(matches!(hub.join(Some("x-1")).0, Start::Reset));
        for id in 10..=12 {
            hub.tell(&cameras(id), WallTime(0));
        }
        assert_eq!(resumed(&hub, &hub.event_id(10)), Some(vec![11, 12]));
        assert_eq!(resumed(&hub, &hub.event_id(12)), Some(vec![]));
        assert_eq!(resumed(&hub, &hub.event_id(13)), None, "an id from the future is another process's");
        assert_eq!(resumed(&hub, "12"), None, "an id without its process proves nothing");
        for id in 13..(13 + RING_CHANGES as u64) {
            hub.tell(&cameras(id), WallTime(0));
        }
        assert_eq!(resumed(&hub, &hub.event_id(11)), None);
        assert_eq!(resumed(&hub, &hub.event_id(12)).map(|ids| ids.len()), Some(RING_CHANGES));
    }

    #[test]
    fn nobody_resumes_across_lost_changes() {
        let hub = Hub::new();
        hub.tell(&cameras(1), WallTime(0));
        let (_, mut live) = hub.join(None);
        hub.forget();
        assert!(matches!(live.try_recv(), Ok(Told::Reset)));
        assert_eq!(resumed(&hub, &hub.event_id(1)), None);
        hub.tell(&cameras(5), WallTime(0));
        assert_eq!(resumed(&hub, &hub.event_id(1)), None);
        assert_eq!(resumed(&hub, &hub.event_id(5)), Some(vec![]));
    }
}
