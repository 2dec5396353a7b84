//! A city platform that misbehaves on demand: signed events in, signed callbacks out (`integration.md` §3.3–3.4).
//!
//! It is an independent reading of the contract: nothing of it is shared with the side that delivers to it.
//!
//! | request | does |
//! | --- | --- |
//! | `POST /api/v1/events` | takes an event: key, time ±300 s, nonce, signature, idempotency key; one case per `event_id`, older revisions are ignored |
//! | `GET /api/v1/cases/{id}` | what has become of a case; signed like the above |
//! | `GET /admin/state` | everything it knows, for tests and people; unsigned: listen on loopback |
//! | `POST /admin/faults` | replaces the [`Faults`] in force; `{}` ends them |

mod books;
mod city;
mod crew;
mod faults;
mod line;
mod wire;

pub use crew::CallbackPlan;
pub use faults::Faults;

use patrol_core::Clock;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How the city is set up. All delays are scene time of `clock`.
pub struct MockCityConfig {
    /// For both directions.
    pub app_key: String,
    pub secret: String,
    /// Where callbacks go, `http://host:port[/path]`; without a path `/api/v1/callbacks/case`. `None`: cases move on untold.
    pub callback_url: Option<String>,
    pub callbacks: CallbackPlan,
    /// One JSON line for every attempt to deliver: `received_at, event_id, revision, op, idempotency_key, nonce, status, case_id, fault`.
    /// `status` is null where the connection was closed without an answer.
    pub log: Option<PathBuf>,
    /// Cases are kept here, so that they survive the death of the city; `None`: in memory only.
    pub state: Option<PathBuf>,
    pub faults: Faults,
    pub clock: Arc<dyn Clock>,
}

#[derive(Debug, Error)]
pub enum MockCityError {
    #[error("the mock city cannot use {}: {source}; check that its folder is there and may be written", path.display())]
    File { path: PathBuf, source: std::io::Error },
    #[error("the mock city's state in {} cannot be read: {source}; remove the file to begin anew", path.display())]
    State { path: PathBuf, source: serde_json::Error },
    #[error("the mock city's callback address `{url}` is not http://host:port[/path]")]
    CallbackUrl { url: String },
    #[error("the mock city's faults: {0}")]
    Faults(String),
    #[error("the mock city cannot serve: {0}")]
    Serve(std::io::Error),
}

/// Serves on `listener` until `stop` turns true, and takes up the cases of an earlier life.
pub async fn serve(config: MockCityConfig, listener: TcpListener, mut stop: watch::Receiver<bool>) -> Result<(), MockCityError> {
    let city = city::City::open(config, stop.clone())?;
    city.resume();
    let service = city::router(city).into_make_service_with_connect_info::<line::Line>();
    let stopped = async move {
        // A sender that is gone is a stop too.
        drop(stop.wait_for(|stop| *stop).await);
    };
    axum::serve(line::Lines(listener), service).with_graceful_shutdown(stopped).await.map_err(MockCityError::Serve)
}

#[cfg(test)]
mod tests;
