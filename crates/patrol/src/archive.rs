//! The store as the desk's archive, and as the courier's outbox.

use crate::failpoint;
use patrol_core::{Camera, Clock, WallTime, desk::DeliveryReport};
use patrol_leads::{Desk, DeskConfig, DeskOutput, DeskState};
use patrol_pipeline::{Archive, ArchiveError};
use patrol_store::{Change, Store};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

pub(crate) struct StoreArchive {
    store: SharedStore,
    on_alarm: OnAlarm,
}

impl StoreArchive {
    pub(crate) fn new(store: SharedStore, on_alarm: OnAlarm) -> Self {
        Self { store, on_alarm }
    }
}

impl Archive for StoreArchive {
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
