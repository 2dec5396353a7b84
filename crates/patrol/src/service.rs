//! The whole system running: cameras, desk, store, city and console. Used by `run` and by `demo`.

use crate::archive::{SharedStore, StoreArchive, lock, missed_deliveries};
use crate::config::{CameraPlan, CityPlan, Plan};
use crate::failpoint;
use crate::kept::KeptMemories;
use crate::office::Board;
use crate::system;
use anyhow::Context as _;
use patrol_city::{CallbackConfig, Courier, Outbox, Outlet, ReceivedCallback, Signer, callback_router, serve_callbacks};
use patrol_console::ConsoleConfig;
use patrol_core::desk::{CaseCallback, OutboxItem};
use patrol_core::{CameraId, Clock, Lead, WallTime, Weather};
use patrol_leads::{Desk, DeskEvent};
use patrol_pipeline::DeskRoom;
use patrol_pipeline::live::{Live, LiveCamera, LiveConfig, MakeEyes, OnLook, Told};
use patrol_store::StoreError;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, mpsc, watch};

/// Reports and callbacks that may wait for the desk; their senders wait when it is full.
const REPORTS_BOUND: usize = 64;
/// Threads for HTTP: pages, callbacks and deliveries are few.
const HTTP_THREADS: usize = 2;
/// The weather of the file is told again this often, well before it would count as missing (3 h).
const WEATHER_EVERY: Duration = Duration::from_hours(1);
/// How often the city is asked after a case of which nothing was heard.
const POLL_EVERY: Duration = Duration::from_mins(1);
/// Expired evidence is looked for this often.
const EXPIRE_EVERY: Duration = Duration::from_hours(1);
/// Real time between two looks at the calendar.
const HOUSE_PAUSE: Duration = Duration::from_secs(1);

pub(crate) struct Parts<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) cameras: Vec<LiveCamera>,
    pub(crate) make_eyes: MakeEyes,
    pub(crate) desk: Desk,
    pub(crate) store: SharedStore,
    pub(crate) on_look: Option<OnLook>,
}

pub(crate) struct Service {
    pub(crate) board: Arc<Board>,
    /// Where the console really listens.
    pub(crate) console: Option<SocketAddr>,
    live: Live,
    runtime: Runtime,
    stop: watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    threads: Vec<JoinHandle<()>>,
    /// The way to the city, when there is one.
    outlet: Option<Arc<Outlet>>,
}

impl Service {
    pub(crate) fn start(parts: Parts<'_>) -> anyhow::Result<Self> {
        let Parts { plan, clock, cameras, make_eyes, desk, store, on_look } = parts;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(HTTP_THREADS).thread_name("http").enable_all().build()?;
        let console = plan.console.map(|address| listen(&runtime, address, "console")).transpose()?;
        let callback = plan.city.as_ref().and_then(|city| city.callback_listen);
        let callback = callback.map(|address| listen(&runtime, address, "city.callback_listen")).transpose()?;

        let names = camera_names(&plan.cameras);
        let board = Board::new(&desk, store.clone(), clock.clone(), plan.site_name.clone(), names)?;
        let wake = Arc::new(Notify::new());
        let on_told = {
            let (board, wake) = (board.clone(), wake.clone());
            Box::new(move |told: &Told<'_>| {
                board.publish(told);
                if !told.output.outbox.is_empty() {
                    wake.notify_one();
                }
            })
        };
        let missed = missed_deliveries(&store, clock.now())?;
        let alarmed = board.clone();
        let archive = StoreArchive::new(store.clone(), Box::new(move |kind, text| alarmed.alarm(kind, text))).writing_ahead()?;
        let room = DeskRoom::new(desk, Box::new(archive));
        let workers = plan.workers.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, Into::into));
        let kept = KeptMemories::new(store.clone());
        let config = LiveConfig { workers, memories: Some(kept.memories()) };
        let live = Live::start(&config, clock.clone(), cameras, &make_eyes, room, on_told, on_look.as_ref()).map_err(anyhow::Error::msg)?;
        board.connect(live.gauge(), live.door());
        for report in missed {
            board.send(DeskEvent::Delivery(report));
        }

        let (stop, stopped) = watch::channel(false);
        let mut service = Self {
            console: console.as_ref().map(TcpListener::local_addr).transpose()?,
            board,
            live,
            runtime,
            stop,
            tasks: Vec::new(),
            threads: Vec::new(),
            outlet: None,
        };
        service.keep_house(plan.weather, clock.clone(), store.clone(), kept, stopped.clone())?;
        if let Some(listener) = console {
            service.open_console(plan, listener, clock.clone(), stopped.clone())?;
        }
        if let Some(city) = &plan.city {
            service.connect_city(plan, city, Links { clock, store, wake, callback, stopped })?;
        }
        Ok(service)
    }

    /// Tells the file's weather before it counts as old, deletes what has expired, and writes what was learnt of cameras.
    fn keep_house(
        &mut self,
        weather: Option<Weather>,
        clock: Arc<dyn Clock>,
        store: SharedStore,
        kept: Arc<KeptMemories>,
        stopped: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let board = self.board.clone();
        let thread = Builder::new().name("house".into()).spawn(move || {
            let (mut told, mut expired): (Option<WallTime>, Option<WallTime>) = (None, None);
            while !*stopped.borrow() {
                let now = clock.now();
                if let Some(weather) = weather.filter(|_| told.is_none_or(|last| now.since(last) >= WEATHER_EVERY)) {
                    told = Some(now);
                    board.send(DeskEvent::Weather(Weather { observed_at: now, ..weather }));
                }
                if expired.is_none_or(|last| now.since(last) >= EXPIRE_EVERY) {
                    expired = Some(now);
                    board.forget(now);
                    match lock(&store).expire(now) {
                        Ok(report) if report.not_deleted == 0 => tracing::debug!(?report, "expired evidence deleted"),
                        Ok(report) => board.alarm(
                            "evidence-not-deleted",
                            format!("有 {} 张到期图片未能删除:{}", report.not_deleted, report.error.unwrap_or_default()),
                        ),
                        Err(error) => board.alarm("evidence-not-deleted", format!("到期图片未能清理:{error}")),
                    }
                }
                board.watch_cameras();
                kept.write();
                std::thread::park_timeout(HOUSE_PAUSE);
            }
            // No worker looks any more.
            kept.write();
        })?;
        self.threads.push(thread);
        Ok(())
    }

    fn open_console(
        &mut self,
        plan: &Plan,
        listener: TcpListener,
        clock: Arc<dyn Clock>,
        stopped: watch::Receiver<bool>,
    ) -> anyhow::Result<()> {
        let config = ConsoleConfig { listen: listener.local_addr()?, site_name: plan.site_name.clone(), now: clock };
        let office = self.board.clone();
        self.tasks.push(self.runtime.spawn(async move {
            if let Err(error) = patrol_console::serve(config, listener, office, stopped).await {
                tracing::error!(%error, "the console ended");
            }
        }));
        Ok(())
    }

    /// Deliveries out; their reports, and the city's callbacks, in.
    fn connect_city(&mut self, plan: &Plan, city: &CityPlan, links: Links) -> anyhow::Result<()> {
        let Links { clock, store, wake, callback, stopped } = links;
        let (reports, mut reported) = mpsc::channel(REPORTS_BOUND);
        let outlet = Arc::new(system::outlet(plan, city)?);
        self.outlet = Some(outlet.clone());
        let courier = Courier::new(outlet.clone(), clock.clone());
        self.tasks.push(self.runtime.spawn(poll_cases(outlet, self.board.clone(), clock.clone(), stopped.clone())));
        let outbox = Box::new(StoreOutbox(store));
        self.tasks.push(self.runtime.spawn(courier.run(outbox, reports, wake, stopped.clone())));
        let board = self.board.clone();
        self.threads.push(Builder::new().name("city-reports".into()).spawn(move || {
            while let Some(report) = reported.blocking_recv() {
                board.send(DeskEvent::Delivery(report));
            }
        })?);

        let Some(listener) = callback else { return Ok(()) };
        let (sink, mut received) = mpsc::channel::<ReceivedCallback>(REPORTS_BOUND);
        let signer = Signer::new(city.app_key.clone(), city.secret.clone());
        let router = callback_router(CallbackConfig { signer, mapping: city.mapping.clone(), clock }, sink);
        self.tasks.push(self.runtime.spawn(async move {
            if let Err(error) = serve_callbacks(listener, router, stopped).await {
                tracing::error!(%error, "the door for callbacks closed");
            }
        }));
        let board = self.board.clone();
        self.threads.push(Builder::new().name("city-callbacks".into()).spawn(move || {
            while let Some(ReceivedCallback { callback, committed }) = received.blocking_recv() {
                board.call(callback, committed);
            }
        })?);
        Ok(())
    }

    /// Cameras were read anew: `all` of them as they shall be, those that come or come back changed, and the ids of those that go for
    /// good or to be replaced. The others are not touched.
    pub(crate) fn take_over(&self, all: &[CameraPlan], coming: Vec<LiveCamera>, going: &[CameraId]) {
        let returns: BTreeSet<CameraId> = coming.iter().map(|camera| camera.camera.id.clone()).collect();
        for id in going {
            self.live.retire(id, !returns.contains(id));
        }
        for plan in all.iter().filter(|plan| !returns.contains(&plan.camera.id)) {
            self.live.update(plan.camera.clone());
        }
        self.live.register(all.iter().map(|plan| plan.camera.clone()).collect());
        self.board.set_camera_names(camera_names(all));
        if let Some(outlet) = &self.outlet {
            outlet.set_sensors(system::sensors(all));
        }
        for camera in coming {
            let id = camera.camera.id.clone();
            if let Err(error) = self.live.admit(camera) {
                self.board.alarm("camera-not-started", format!("摄像机 {id} 未能启动:{error}"));
            }
        }
    }

    pub(crate) fn desk_alive(&self) -> bool {
        self.live.gauge().desk_alive()
    }

    pub(crate) fn all_feeds_ended(&self) -> bool {
        self.live.gauge().all_ended()
    }

    /// Feeds, workers and desk first, so that what was seen is written; then what is under way to the city; then the pages.
    /// `Err` says what of the last changes was not written.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        let written = self.live.stop().map_err(anyhow::Error::msg);
        self.stop.send_replace(true);
        let tasks = self.tasks;
        self.runtime.block_on(async move {
            for task in tasks {
                // A task that ended by panic was logged when it did.
                task.await.ok();
            }
        });
        self.runtime.shutdown_timeout(Duration::from_secs(1));
        for thread in self.threads {
            thread.thread().unpark();
            if thread.join().is_err() {
                tracing::error!("a thread had panicked");
            }
        }
        written
    }
}

fn camera_names(cameras: &[CameraPlan]) -> BTreeMap<String, String> {
    cameras.iter().map(|plan| (plan.camera.id.to_string(), plan.camera.name.clone())).collect()
}

struct Links {
    clock: Arc<dyn Clock>,
    store: SharedStore,
    wake: Arc<Notify>,
    callback: Option<TcpListener>,
    stopped: watch::Receiver<bool>,
}

/// Platforms drop callbacks: asks after every urgent case of which nothing was heard for a while (`integration.md` §3.4).
async fn poll_cases(outlet: Arc<Outlet>, board: Arc<Board>, clock: Arc<dyn Clock>, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(clock.real_wait(POLL_EVERY)) => {}
            _ = stopped.wait_for(|stop| *stop) => return,
        }
        let now = clock.now();
        for lead in board.underway() {
            let heard = lead.case.last_at.map_or(lead.state_since, |at| at.max(lead.state_since));
            let Some(case_id) = lead.case.case_id.as_ref().filter(|_| now.since(heard) >= POLL_EVERY) else { continue };
            match outlet.poll_case(case_id, now).await {
                Ok(Some(mut callback)) => {
                    if callback.seq == 0 {
                        if tells_nothing_new(&callback, &lead) {
                            continue;
                        }
                        // An answer without a number is as new as its time says.
                        callback.seq = lead.case.last_seq.unwrap_or(0);
                    }
                    let board = board.clone();
                    // The desk takes what is new and ignores the rest; nobody waits for its word.
                    tokio::task::spawn_blocking(move || board.send(DeskEvent::Callback(callback))).await.ok();
                }
                Ok(None) => tracing::warn!(case_id, lead = %lead.id, "the city does not know this case"),
                Err(error) => tracing::debug!(case_id, %error, "the case could not be asked after"),
            }
        }
    }
}

/// An answer that says what is known: told again it would begin the clocks of its state anew, and ring anew.
fn tells_nothing_new(answer: &CaseCallback, lead: &Lead) -> bool {
    let is_known = |said: &Option<String>, known: &Option<String>| said.is_none() || said == known;
    answer.state == Some(lead.state) && is_known(&answer.result, &lead.case.result) && is_known(&answer.unit, &lead.case.unit)
}

/// A message that is there no more needs no words.
fn heard<T>(said: Result<T, StoreError>) -> Result<(), String> {
    match said {
        Ok(_) | Err(StoreError::UnknownRow { .. }) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn listen(runtime: &Runtime, address: SocketAddr, what: &str) -> anyhow::Result<TcpListener> {
    runtime.block_on(TcpListener::bind(address)).with_context(|| {
        format!("{what}: {address} cannot be listened on; another program may hold it (`ss -ltnp` shows which), or choose another port")
    })
}

/// The store's outbox as the courier needs it.
struct StoreOutbox(SharedStore);

impl Outbox for StoreOutbox {
    fn due(&mut self, now: WallTime, limit: usize) -> Result<Vec<OutboxItem>, String> {
        let rows = lock(&self.0).outbox_due(now, limit).map_err(|error| error.to_string())?;
        Ok(rows.into_iter().map(|row| row.item).collect())
    }
    fn delivered(&mut self, sequence: i64, at: WallTime, case_id: Option<&str>) -> Result<(), String> {
        failpoint::reached("before-mark");
        heard(lock(&self.0).outbox_delivered(sequence, at, case_id))?;
        failpoint::reached("after-mark");
        Ok(())
    }
    fn retry(&mut self, sequence: i64, not_before: WallTime, why: &str) -> Result<(), String> {
        heard(lock(&self.0).outbox_retry(sequence, not_before, why))
    }
    fn parked(&mut self, sequence: i64, at: WallTime, why: &str) -> Result<(), String> {
        heard(lock(&self.0).outbox_parked(sequence, at, why))
    }
    fn next_due(&mut self) -> Result<Option<WallTime>, String> {
        lock(&self.0).next_outbox_time().map_err(|error| error.to_string())
    }
}
