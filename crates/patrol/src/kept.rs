//! What is learnt of cameras, on its way to the store.

use crate::archive::{SharedStore, lock};
use patrol_core::CameraId;
use patrol_pipeline::live::Memories;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The newest of each camera waits here, and all are written together: a worker that wrote by itself would stand still until the disk has it, and with it every
/// lead that is to be written. Lost by a crash: a second of it.
pub(crate) struct KeptMemories {
    store: SharedStore,
    waiting: Mutex<BTreeMap<CameraId, String>>,
}

impl KeptMemories {
    pub(crate) fn new(store: SharedStore) -> Arc<Self> {
        Arc::new(Self { store, waiting: Mutex::default() })
    }

    /// As workers see it: nothing there waits for the disk.
    pub(crate) fn memories(self: &Arc<Self>) -> Memories {
        let (read, write) = (Arc::clone(self), Arc::clone(self));
        Memories {
            read: Arc::new(move |camera| read.read(camera)),
            write: Arc::new(move |camera, memory| {
                write.waiting().insert(camera.clone(), memory.to_owned());
            }),
        }
    }

    fn read(&self, camera: &CameraId) -> Option<String> {
        let waiting = self.waiting().get(camera).cloned();
        waiting.or_else(|| read_memory(&self.store, camera))
    }

    /// Writes all that waits, in one transaction.
    pub(crate) fn write(&self) {
        let written = self.waiting().clone();
        if written.is_empty() {
            return;
        }
        write_memories(&self.store, &written);
        // What came meanwhile is newer. Until here it could be read.
        self.waiting().retain(|camera, memory| written.get(camera) != Some(memory));
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<CameraId, String>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was learnt of a camera in an earlier run.
pub(crate) fn read_memory(store: &SharedStore, camera: &CameraId) -> Option<String> {
    let read = lock(store).camera_memory(camera);
    read.inspect_err(|error| tracing::warn!(%camera, %error, "what was learnt of this camera cannot be read")).ok().flatten()
}

pub(crate) fn write_memories(store: &SharedStore, memories: &BTreeMap<CameraId, String>) {
    // Lost with it: at most what half a minute has taught; on a full disk leads come first.
    if let Err(error) = lock(store).put_camera_memories(memories) {
        tracing::warn!(cameras = memories.len(), %error, "what was learnt of cameras cannot be kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::SystemClock;
    use patrol_store::Store;

    #[test]
    fn the_newest_of_each_camera_is_read_at_once_and_written_together() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Arc::new(Mutex::new(Store::open(folder.path(), Arc::new(SystemClock::new())).expect("a store")));
        let kept = KeptMemories::new(store.clone());
        let (memories, a, b) = (kept.memories(), CameraId::new("a"), CameraId::new("b"));
        for (camera, memory) in [(&a, "1"), (&b, "2"), (&a, "3")] {
            (memories.write)(camera, memory);
        }
        let stored = |camera| lock(&store).camera_memory(camera).expect("read");
        assert_eq!((stored(&a), (memories.read)(&a).as_deref()), (None, Some("3")), "no worker writes to the disk");
        kept.write();
        assert_eq!((stored(&a).as_deref(), stored(&b).as_deref()), (Some("3"), Some("2")));
        assert!(kept.waiting().is_empty());
        assert_eq!((memories.read)(&b).as_deref(), Some("2"));
    }
}
