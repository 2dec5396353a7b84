//! The server: what it is made of, where it may listen, how it ends.

use crate::hub::{Hub, pump};
use crate::live::{Views, live};
use crate::look::{LOOKS_MAX, look};
use crate::office::Office;
use crate::officer::sign_in;
use crate::reply::Refusal;
use crate::site::Counters;
use crate::stream::{STREAMS_MAX, stream};
use crate::viewing::{Viewings, evidence};
use crate::{assets, commands, guard, leads, site};
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Router, middleware};
use patrol_core::Clock;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// The largest command is a review with 500 characters of reason.
const BODY_BYTES_MAX: usize = 16 * 1024;
/// How long open requests may take to end after `stop`.
const DRAIN: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub struct ConsoleConfig {
    /// Loopback only.
    pub listen: SocketAddr,
    /// Shown in the page's header.
    pub site_name: String,
    pub now: Arc<dyn Clock>,
}

impl ConsoleConfig {
    /// Refuses any address but loopback: there are no accounts yet, and pictures of people are behind it.
    pub fn check(&self) -> Result<(), ConsoleError> {
        check_loopback(self.listen)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    #[error(
        "console: found listen address {0}, wanted a loopback address such as 127.0.0.1:8460; until there are accounts the console serves this machine only, reach it from elsewhere by an SSH tunnel"
    )]
    NotLoopback(SocketAddr),
    #[error("console on {listen}: {source}")]
    Io { listen: SocketAddr, source: std::io::Error },
}

/// What every handler shares.
pub(crate) struct Console {
    pub(crate) office: Arc<dyn Office>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) site_name: String,
    pub(crate) hub: Arc<Hub>,
    pub(crate) viewings: tokio::sync::Mutex<Viewings>,
    pub(crate) counters: Counters,
    pub(crate) streams: Arc<Semaphore>,
    /// Looks that officers wait for.
    pub(crate) looks: Semaphore,
    pub(crate) views: Arc<Views>,
    pub(crate) stop: watch::Receiver<bool>,
    pump: JoinHandle<()>,
}

impl Drop for Console {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

/// All routes. Must be called inside a tokio runtime: it starts the task that carries changes to the pages, which ends
/// when the router is dropped. Streams end with their clients; use [`serve`] for an orderly end.
pub fn router(config: &ConsoleConfig, office: Arc<dyn Office>) -> Router {
    let (_, never) = watch::channel(false);
    routes(config, office, never)
}

/// Serves until `stop` turns true or its sender is dropped, then lets open requests end for at most 5 s.
pub async fn serve(
    config: ConsoleConfig,
    listener: TcpListener,
    office: Arc<dyn Office>,
    stop: watch::Receiver<bool>,
) -> Result<(), ConsoleError> {
    config.check()?;
    let at = |source| ConsoleError::Io { listen: config.listen, source };
    check_loopback(listener.local_addr().map_err(at)?)?;
    let (stopping, stop_streams) = watch::channel(false);
    let app = routes(&config, office, stop_streams);
    let mut asked = stop.clone();
    let ended = async move {
        // An error is a dropped sender: nobody is left who could stop us later.
        asked.wait_for(|stop| *stop).await.ok();
        stopping.send_replace(true);
    };
    let mut deadline = stop;
    let overdue = async move {
        deadline.wait_for(|stop| *stop).await.ok();
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = async { axum::serve(listener, app).with_graceful_shutdown(ended).await } => served.map_err(at),
        () = overdue => {
            tracing::warn!(drain_s = DRAIN.as_secs(), "console connections cut off");
            Ok(())
        }
    }
}

/// Returns when the console is to stop; never for a router that nobody stops.
pub(crate) async fn stopped(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn check_loopback(address: SocketAddr) -> Result<(), ConsoleError> {
    if address.ip().to_canonical().is_loopback() { Ok(()) } else { Err(ConsoleError::NotLoopback(address)) }
}

fn routes(config: &ConsoleConfig, office: Arc<dyn Office>, stop: watch::Receiver<bool>) -> Router {
    let hub = Arc::new(Hub::new());
    let console = Arc::new(Console {
        clock: Arc::clone(&config.now),
        site_name: config.site_name.clone(),
        viewings: tokio::sync::Mutex::default(),
        counters: Counters::default(),
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
        looks: Semaphore::new(LOOKS_MAX),
        views: Arc::default(),
        stop,
        pump: tokio::spawn(pump(office.changes(), Arc::clone(&hub), Arc::clone(&config.now))),
        hub,
        office,
    });
    Router::new()
        .merge(assets::routes())
        .route("/api/v1/leads", get(leads::list).post(commands::new))
        .route("/api/v1/leads/{id}", get(leads::detail))
        .route("/api/v1/leads/{id}/review", post(commands::review))
        .route("/api/v1/leads/{id}/merge", post(commands::merge))
        .route("/api/v1/leads/{id}/split", post(commands::split))
        .route("/api/v1/leads/{id}/undo", post(commands::undo))
        .route("/api/v1/leads/{id}/acknowledge", post(commands::acknowledge))
        .route("/api/v1/stream", get(stream))
        .route("/api/v1/cameras", get(site::cameras))
        .route("/api/v1/cameras/{id}/look", post(look))
        .route("/api/v1/cameras/{id}/live", get(live))
        .route("/api/v1/site", get(site::site))
        .route("/api/v1/time", get(site::time))
        .route("/api/v1/operator", post(sign_in))
        .route("/evidence/{name}", get(evidence))
        .route("/metrics", get(site::metrics))
        .route("/healthz", get(site::healthz))
        .route("/readyz", get(site::readyz))
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "no-such-page", "没有此页面", "no such page"))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(guard::guard))
        .with_state(console)
}
