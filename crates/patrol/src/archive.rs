//! The store as the desk's archive, and as the courier's outbox.

use crate::failpoint;
use crossbeam_channel::{Sender, bounded};
use patrol_core::{Camera, Clock, Evidence, WallTime, desk::DeliveryReport};
use patrol_leads::{Desk, DeskConfig, DeskOutput, DeskState};
use patrol_pipeline::{Archive, ArchiveError};
use patrol_store::{Change, Store};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// One writer, shared by the desk, the courier and the log of viewings.
pub(crate) type SharedStore = Arc<Mutex<Store>>;

pub(crate) fn lock(store: &SharedStore) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Key of the note that counts how often this store was opened: track ids of different runs never meet.
const EPOCH_NOTE: &str = "epoch";

/// Opens the store, and the desk as it was left there; the number of runs before this one beside it.
pub(crate) fn open_desk(
    dir: &Path,
    clock: Arc<dyn Clock>,
    config: DeskConfig,
    cameras: Vec<Camera>,
) -> anyhow::Result<(Desk, SharedStore, u64)> {
    let mut store = Store::open(dir, clock)?;
    let epoch: u64 = store.note(EPOCH_NOTE)?.and_then(|text| text.parse().ok()).unwrap_or(0);
    store.put_note(EPOCH_NOTE, &(epoch + 1).to_string())?;
    let desk = match store.load_desk_state()? {
        Some(state) => {
            let state: DeskState = serde_json::from_str(&state)?;
            Desk::restore(config, cameras, state, store.load_leads()?)
        }
        None => Desk::new(config, cameras),
    };
    Ok((desk, Arc::new(Mutex::new(store)), epoch))
}

/// What the city answered while the desk was not there to hear it: told again at the start, it changes nothing twice.
pub(crate) fn missed_deliveries(store: &SharedStore, now: WallTime) -> anyhow::Result<Vec<DeliveryReport>> {
    const LOOK_BACK: Duration = Duration::from_hours(72);
    Ok(lock(store).load_deliveries(now - LOOK_BACK)?)
}

/// Told of what people must hear about the store: a stable kind, and words in Chinese.
pub(crate) type OnAlarm = Box<dyn Fn(&str, String) + Send>;

/// Evidence that may wait to be written ahead, with clips of up to 8 MiB each; what finds no place there is written with the change that names it.
const AHEAD_MAX: usize = 16;

pub(crate) struct StoreArchive {
    store: SharedStore,
    on_alarm: OnAlarm,
    ahead: Option<Ahead>,
}

impl StoreArchive {
    pub(crate) fn new(store: SharedStore, on_alarm: OnAlarm) -> Self {
        Self { store, on_alarm, ahead: None }
    }

    /// With a thread that writes evidence while it waits for the desk: renewed evidence is most of what is written, some two dozen synced files each, and a
    /// decision would wait behind it.
    pub(crate) fn writing_ahead(mut self) -> anyhow::Result<Self> {
        let writer = lock(&self.store).evidence_ahead();
        let (evidence, waiting) = bounded::<Arc<Evidence>>(AHEAD_MAX);
        let thread = Builder::new().name("evidence".to_owned()).spawn(move || {
            for evidence in waiting {
                writer.write(&evidence);
            }
        })?;
        self.ahead = Some(Ahead { evidence: Some(evidence), thread: Some(thread) });
        Ok(self)
    }
}

/// The thread that writes ahead; it ends with this.
struct Ahead {
    evidence: Option<Sender<Arc<Evidence>>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.evidence = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("writing evidence ahead had broken off");
        }
    }
}

impl Archive for StoreArchive {
    fn write_ahead(&mut self, evidence: &Arc<Evidence>) {
        if let Some(waiting) = self.ahead.as_ref().and_then(|ahead| ahead.evidence.as_ref()) {
            // Full or gone: it is written with its change.
            drop(waiting.try_send(Arc::clone(evidence)));
        }
    }

    fn commit(&mut self, output: &DeskOutput, desk: &Desk) -> Result<(), ArchiveError> {
        let state = if output.state_changed {
            Some(serde_json::to_string(&desk.state()).map_err(|error| ArchiveError(error.to_string()))?)
        } else {
            None
        };
        let change =
            Change { leads: &output.changed, outbox: &output.outbox, evidence: &output.evidence, desk_state: state.as_deref(), notes: &[] };
        let report = lock(&self.store).commit(&change).map_err(|error| ArchiveError(error.to_string()))?;
        if !output.outbox.is_empty() {
            failpoint::reached("after-commit");
        }
        if report.evidence_left_out > 0 {
            let why = report.evidence_error.unwrap_or_else(|| "磁盘空间不足".to_owned());
            (self.on_alarm)(
                "evidence-left-out",
                format!("有 {} 张证据图片未能保存:{why}。线索照常处理,请清理磁盘", report.evidence_left_out),
            );
        }
        if report.reserve_spent {
            (self.on_alarm)("disk-full", "磁盘已满,预留空间已用尽:再有新线索将无法保存,请立即清理磁盘".to_owned());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::SystemClock;
    use patrol_core::sighting::{EvidenceRef, Jpeg};
    use patrol_core::{CameraId, MediaTime, PictureSize, PixelBox, Posture, WallEstimate};
    use sha2::{Digest, Sha256};

    fn evidence(number: u8) -> Arc<Evidence> {
        let jpeg = |part: u8| Jpeg { sha256: hex::encode(Sha256::digest([number, part])), bytes: Arc::from([number, part]) };
        let (whole, crop) = (jpeg(0), jpeg(1));
        let about = EvidenceRef {
            camera: CameraId::new("a"),
            media_time: MediaTime::ZERO,
            captured: WallEstimate { at: WallTime(0), error_ms: 0 },
            bbox: PixelBox::new(0.0, 0.0, 1.0, 1.0),
            size: PictureSize::new(2, 2),
            posture: Posture::Lying,
            model: String::new(),
            model_sha256: String::new(),
            main_stream: false,
            whole_sha256: whole.sha256.clone(),
            crop_sha256: crop.sha256.clone(),
            preview_sha256: Vec::new(),
            clip_sha256: None,
        };
        Arc::new(Evidence { about, whole, crop, preview: Vec::new(), clip: None, renews: true })
    }

    /// More than may wait: nobody waits for the disk, and what found no place is written by its change.
    #[test]
    fn evidence_is_written_ahead_and_nothing_is_lost_by_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Arc::new(Mutex::new(Store::open(folder.path(), Arc::new(SystemClock::new())).expect("a store")));
        let mut archive = StoreArchive::new(store.clone(), Box::new(|_, _| {})).writing_ahead().expect("a thread");
        let all: Vec<_> = (0..=200).map(evidence).collect();
        for one in &all {
            archive.write_ahead(one);
        }
        // Ends when what waits is written.
        drop(archive);
        let report = lock(&store).commit(&Change { evidence: &all, ..Change::default() }).expect("committed");
        assert!(report.evidence_present >= 2 * AHEAD_MAX, "{report:?}");
        assert_eq!((report.evidence_written + report.evidence_present, report.evidence_left_out), (2 * all.len(), 0));
    }
}
