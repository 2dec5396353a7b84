//! The board: what the desk has written, for the page; and the way back for officers and the city.

mod camera_view;
mod sight;

use crate::archive::{SharedStore, lock as lock_store};
use crate::telemetry;
use patrol_console::{Answer, CameraStatus, Change, ChangeKind, Check, FreshLook, LiveView, Office, SuppressedView, WeatherView};
use patrol_core::desk::{CameraCondition, CaseCallback, OfficerCommand, Ring};
use patrol_core::{CameraId, Clock, Lead, LeadId, LeadState, Outcome, Tier, WallTime};
use patrol_leads::{Desk, DeskEvent, exposure};
use patrol_pipeline::CameraReading;
use patrol_pipeline::live::{DeskDoor, LiveGauge, Told};
use patrol_store::{StoreReader, Viewing};
use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{broadcast, oneshot};

/// Changes a slow page may be behind before it is told to load anew.
const CHANGES_KEPT: usize = 1024;
/// Ended leads stay on the page this long: as long as the desk links them (design §6).
const SHOWN_FOR: Duration = Duration::from_hours(72);
/// An alarm about the system rings again after this long.
const ALARM_EVERY: Duration = Duration::from_mins(1);
/// A look that takes longer than this is stuck.
const LOOK_STUCK: Duration = Duration::from_secs(30);
/// Assumed when the wind is unknown (`integration.md` §6.6).
const UNKNOWN_WIND_KMH: f32 = 5.0;

const STARTING: &str = "系统正在启动,请稍候";

/// Whoever waits for the desk's answer.
type Answered = oneshot::Sender<Result<(), String>>;

pub(crate) struct Board {
    shown: Mutex<Shown>,
    changes: broadcast::Sender<Change>,
    change_id: Mutex<u64>,
    request_id: AtomicU64,
    /// Officers' commands that the desk has not answered yet.
    asked: Mutex<HashMap<u64, Answered>>,
    /// The city's callbacks that are not kept yet.
    called: Mutex<HashMap<String, Vec<Answered>>>,
    /// When each kind of alarm last rang.
    alarmed: Mutex<HashMap<String, WallTime>>,
    /// When each camera last rang because it was not seen in time, and because its clock was off.
    unseen: Mutex<BTreeMap<CameraId, WallTime>>,
    /// When it last rang that there is too much to look at.
    overloaded: Mutex<Option<WallTime>>,
    clocks_off: Mutex<BTreeMap<CameraId, WallTime>>,
    store: SharedStore,
    reader: Mutex<StoreReader>,
    clock: Arc<dyn Clock>,
    unit: String,
    live: OnceLock<(LiveGauge, DeskDoor)>,
}

#[derive(Default)]
struct Shown {
    leads: BTreeMap<LeadId, Lead>,
    camera_names: BTreeMap<String, String>,
    suppressed: Vec<SuppressedView>,
    weather: Option<WeatherView>,
    conditions: Vec<CameraCondition>,
}

impl Board {
    /// `unit`: whom the viewers act for, for the log of viewings.
    pub(crate) fn new(
        desk: &Desk,
        store: SharedStore,
        clock: Arc<dyn Clock>,
        unit: String,
        names: BTreeMap<String, String>,
    ) -> anyhow::Result<Arc<Self>> {
        let reader = lock_store(&store).reader()?;
        let leads = desk.leads().filter(|lead| is_shown(lead)).map(|lead| (lead.id.clone(), lead.clone())).collect();
        Ok(Arc::new(Self {
            shown: Mutex::new(Shown { leads, camera_names: names, ..Shown::default() }),
            changes: broadcast::channel(CHANGES_KEPT).0,
            change_id: Mutex::new(0),
            request_id: AtomicU64::new(0),
            asked: Mutex::default(),
            called: Mutex::default(),
            alarmed: Mutex::default(),
            unseen: Mutex::default(),
            overloaded: Mutex::default(),
            clocks_off: Mutex::default(),
            store,
            reader: Mutex::new(reader),
            clock,
            unit,
            live: OnceLock::new(),
        }))
    }

    /// Tells the board where the running system is; once, right after it was started.
    pub(crate) fn connect(&self, gauge: LiveGauge, door: DeskDoor) {
        self.live.get_or_init(|| (gauge, door));
    }

    /// Called on the desk's thread after each commit.
    pub(crate) fn publish(&self, told: &Told<'_>) {
        {
            let mut shown = lock(&self.shown);
            for lead in told.output.changed.iter().filter(|lead| is_shown(lead)) {
                shown.leads.insert(lead.id.clone(), lead.clone());
            }
            let (weather, assumed) = told.desk.weather();
            let wind_chill_c = exposure::wind_chill_c(weather.air_c, weather.wind_kmh.unwrap_or(UNKNOWN_WIND_KMH));
            shown.weather = Some(WeatherView { weather, wind_chill_c, assumed });
            shown.suppressed = told
                .desk
                .suppressed()
                .iter()
                .map(|place| SuppressedView {
                    camera: place.place.camera.clone(),
                    camera_name: shown.camera_names.get(place.place.camera.as_str()).cloned().unwrap_or_default(),
                    bbox: place.place.bbox,
                    lead: Some(place.lead.clone()),
                    decision: place.decision,
                    by: place.by.clone(),
                    since: place.since,
                    until: place.until,
                    count: place.count,
                })
                .collect();
        }
        for lead in told.output.changed.iter().filter(|lead| is_shown(lead)) {
            self.tell(ChangeKind::Lead(Box::new(lead.clone())));
        }
        for ring in &told.output.rings {
            tracing::warn!(kind = ring.kind, lead = ring.lead.as_ref().map(|id| id.0.as_str()), text = ring.text, "ring");
            self.tell(ChangeKind::Ring(ring.clone()));
        }
        let readings = self.readings();
        let conditions: Vec<CameraCondition> = readings.iter().map(|reading| reading.condition.clone()).collect();
        let differ = lock(&self.shown).conditions != conditions;
        if differ {
            lock(&self.shown).conditions = conditions;
            self.tell(ChangeKind::Cameras);
            // A camera that cannot see rings now, not when the house next looks round.
            self.watch_promises(&readings);
        }
        for (request, answer) in &told.output.answers {
            if let Some(waiting) = lock(&self.asked).remove(request) {
                // A page that was closed meanwhile does not hear its answer; the change stands all the same.
                waiting.send(answer.clone().map_err(|refusal| refusal.to_string())).ok();
            }
        }
        for id in told.callbacks {
            for waiting in lock(&self.called).remove(id).unwrap_or_default() {
                waiting.send(Ok(())).ok();
            }
        }
    }

    /// Rings about the system itself; the same kind at most once a minute.
    pub(crate) fn alarm(&self, kind: &str, text: String) {
        let now = self.clock.now();
        {
            let mut alarmed = lock(&self.alarmed);
            if alarmed.get(kind).is_some_and(|last| sight::rang_within(*last, ALARM_EVERY, now)) {
                tracing::error!(kind, text, "alarm, which rang a moment ago");
                return;
            }
            alarmed.insert(kind.to_owned(), now);
        }
        self.ring_house(now, kind, text);
    }

    /// Rings the house; nobody in particular.
    fn ring_house(&self, now: WallTime, kind: &str, text: String) {
        tracing::error!(kind, text, "alarm");
        self.tell(ChangeKind::Ring(Ring { at: now, lead: None, camera: None, kind: kind.to_owned(), text, leader: true }));
    }

    fn tell(&self, kind: ChangeKind) {
        // Numbered and sent under one lock: pages drop what comes out of order, and the desk and the house both tell.
        let mut newest = lock(&self.change_id);
        *newest += 1;
        // Nobody may be listening.
        self.changes.send(Change { id: *newest, kind }).ok();
    }

    /// Hands a verified callback to the desk; `committed` is told once it is kept. Blocks while the desk's queue is full.
    pub(crate) fn call(&self, callback: CaseCallback, committed: oneshot::Sender<Result<(), String>>) {
        {
            let mut called = lock(&self.called);
            // Whoever gave up waiting is forgotten.
            called.retain(|_, waiting| {
                waiting.retain(|waiting| !waiting.is_closed());
                !waiting.is_empty()
            });
            called.entry(callback.callback_id.clone()).or_default().push(committed);
        }
        self.send(DeskEvent::Callback(callback));
    }

    /// Hands an event to the desk. Blocks while its queue is full; after the end it is dropped, and said so.
    pub(crate) fn send(&self, event: DeskEvent) {
        if self.live.get().is_none_or(|(_, door)| !door.tell(event)) {
            tracing::warn!("the desk has ended; an event comes too late");
        }
    }

    pub(crate) fn readings(&self) -> Vec<CameraReading> {
        self.live.get().map_or_else(Vec::new, |(gauge, _)| gauge.cameras())
    }

    /// Messages that have not reached the city yet.
    pub(crate) fn outbox_waiting(&self) -> u64 {
        lock_store(&self.store).outbox_counts().map_or(0, |counts| counts.waiting)
    }

    /// Urgent leads whose case is under way at the city.
    pub(crate) fn underway(&self) -> Vec<Lead> {
        use LeadState::{Accepted, Arrived, Dispatched, Handled, Pushed};
        let shown = lock(&self.shown);
        let underway = |lead: &&Lead| lead.tier <= Tier::B && matches!(lead.state, Pushed | Accepted | Dispatched | Arrived | Handled);
        shown.leads.values().filter(underway).cloned().collect()
    }

    /// Leads that ended long ago leave the page; the store keeps them.
    pub(crate) fn forget(&self, now: WallTime) {
        lock(&self.shown).leads.retain(|_, lead| lead.state.is_open() || now.since(lead.state_since) < SHOWN_FOR);
    }

    /// Cameras were read anew.
    pub(crate) fn set_camera_names(&self, names: BTreeMap<String, String>) {
        lock(&self.shown).camera_names = names;
        self.tell(ChangeKind::Cameras);
    }

    pub(crate) fn shown_leads(&self) -> Vec<Lead> {
        lock(&self.shown).leads.values().cloned().collect()
    }
}

fn is_shown(lead: &Lead) -> bool {
    !matches!(lead.state, LeadState::Candidate | LeadState::Expired)
}

impl Office for Board {
    fn leads(&self) -> Vec<Lead> {
        self.shown_leads()
    }

    fn lead(&self, id: &LeadId) -> Option<Lead> {
        lock(&self.shown).leads.get(id).cloned()
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    fn cameras(&self) -> Vec<CameraStatus> {
        self.readings().into_iter().map(status).collect()
    }

    fn evidence(&self, sha256: &str) -> Result<Option<Vec<u8>>, String> {
        lock(&self.reader).evidence(sha256).map_err(|error| error.to_string())
    }

    fn log_viewing(&self, by: &str, reason: &str, what: &str, lead: Option<&LeadId>) -> Result<(), String> {
        let viewing = Viewing {
            by: by.to_owned(),
            reason: reason.to_owned(),
            what: what.to_owned(),
            lead: lead.cloned(),
            unit: self.unit.clone(),
            at: self.clock.now(),
        };
        lock_store(&self.store).log_viewing(&viewing).map_err(|error| error.to_string())
    }

    fn command(&self, command: OfficerCommand) -> Answer {
        let request = self.request_id.fetch_add(1, Ordering::Relaxed) + 1;
        let (answer, answered) = oneshot::channel();
        {
            let mut asked = lock(&self.asked);
            asked.retain(|_, waiting| !waiting.is_closed());
            asked.insert(request, answer);
        }
        let door = self.live.get().map(|(_, door)| door.clone());
        Box::pin(async move {
            // The queue may be full for a moment; a page's thread must not wait for it.
            let sent =
                tokio::task::spawn_blocking(move || door.is_some_and(|door| door.tell(DeskEvent::Officer { request, command }))).await;
            if !matches!(sent, Ok(true)) {
                return Err("值班台暂时无法接收,请重试".to_owned());
            }
            answered.await.unwrap_or_else(|_| Err("系统正在停止,操作未被接收".to_owned()))
        })
    }

    fn look_now(&self, camera: &CameraId) -> Pin<Box<dyn Future<Output = Result<FreshLook, String>> + Send>> {
        match self.live.get() {
            Some((gauge, _)) => camera_view::look_now(gauge, camera),
            None => Box::pin(async { Err(STARTING.to_owned()) }),
        }
    }

    fn live_view(&self, camera: &CameraId) -> Result<LiveView, String> {
        self.live.get().ok_or_else(|| STARTING.to_owned()).and_then(|(gauge, _)| camera_view::live_view(gauge, camera))
    }

    fn suppressed(&self) -> Vec<SuppressedView> {
        lock(&self.shown).suppressed.clone()
    }

    fn weather(&self) -> Option<WeatherView> {
        lock(&self.shown).weather.clone()
    }

    fn metrics(&self) -> String {
        let outbox = lock_store(&self.store).outbox_counts().unwrap_or_default();
        let (load, timing) = self.live.get().map(|(gauge, _)| (gauge.load(), gauge.timing())).unwrap_or_default();
        telemetry::metrics(&self.readings(), (&load, &timing), &self.shown_leads(), &outbox)
    }

    fn readiness(&self) -> Vec<Check> {
        let Some((gauge, _)) = self.live.get() else {
            return vec![Check { name: "system".into(), ok: false, detail: "starting".into() }];
        };
        let cameras = gauge.cameras();
        let seeing = cameras.iter().filter(|reading| reading.condition == CameraCondition::Seeing).count();
        let longest = gauge.longest_look();
        vec![
            Check {
                name: "store".into(),
                ok: gauge.archive_ok(),
                detail: if gauge.archive_ok() { "writable" } else { "cannot be written" }.into(),
            },
            Check {
                name: "desk".into(),
                ok: gauge.desk_alive(),
                detail: if gauge.desk_alive() { "considering" } else { "has ended; restart" }.into(),
            },
            Check {
                name: "workers".into(),
                ok: longest < LOOK_STUCK,
                detail: format!("longest running look {:.1} s", longest.as_secs_f64()),
            },
            Check { name: "cameras".into(), ok: seeing > 0, detail: format!("{seeing} of {} seeing", cameras.len()) },
        ]
    }
}

fn status(reading: CameraReading) -> CameraStatus {
    let camera = &reading.camera;
    let seen = reading.tally.of(Outcome::Examined) + reading.tally.of(Outcome::Unchanged) > 0;
    // Pictures that cannot be judged keep no promise, however short a while that has been so.
    let cannot_see = matches!(reading.condition, CameraCondition::CannotSee { .. });
    CameraStatus {
        id: camera.id.clone(),
        name: camera.name.clone(),
        modality: camera.modality,
        condition: reading.condition,
        blind_s: seen.then_some(reading.blind.as_secs_f64()),
        unexamined_s: (reading.tally.of(Outcome::Examined) > 0).then_some(reading.unexamined.as_secs_f64()),
        look_every_s: camera.promise.look_every.as_secs_f64(),
        look_limit_s: camera.promise.look_limit.as_secs_f64(),
        look_every_now_s: reading.look_every.as_secs_f64(),
        lane: reading.lane.name().to_owned(),
        promise_broken: cannot_see || reading.blind > camera.promise.look_limit,
        pictures: reading.tally.total(),
        outcomes: reading.tally.iter().map(|(outcome, count)| (outcome.name().to_owned(), count)).collect(),
        last_error: reading.last_error,
        link: reading.link,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
