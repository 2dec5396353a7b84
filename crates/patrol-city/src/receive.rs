//! The door for the city's callbacks: who may knock, and what is answered when.

use crate::callback::parse_callback;
use crate::mapping::Mapping;
use crate::sign::{APP_KEY, NONCE, SIGNATURE, SIGNATURE_WINDOW, Signer, TIMESTAMP};
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use patrol_core::desk::CaseCallback;
use patrol_core::{Clock, WallTime};
use serde_json::json;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

pub const CALLBACK_PATH: &str = "/api/v1/callbacks/case";

/// Largest callback taken; those of the reference are below 1 KiB.
const BODY_MAX_BYTES: usize = 64 * 1024;
/// How long a nonce is remembered: the whole window of accepted timestamps (`integration.md` §3.3).
const NONCE_KEPT: Duration = Duration::from_mins(10);
/// Most nonces remembered; beyond it the oldest go. 100 callbacks a second for 10 min.
const NONCES_MAX: usize = 60_000;
/// Longest nonce taken, bytes.
const NONCE_MAX_BYTES: usize = 128;
/// Real time the desk has to keep a callback, before the city is told to come again.
const COMMIT_TIMEOUT: Duration = Duration::from_secs(10);

pub struct CallbackConfig {
    /// Checks the city's signatures; its key must be the one in `X-App-Key`.
    pub signer: Signer,
    pub mapping: Mapping,
    pub clock: Arc<dyn Clock>,
}

/// A verified callback on its way to the desk.
#[derive(Debug)]
pub struct ReceivedCallback {
    pub callback: CaseCallback,
    /// Told once the callback is kept for good, or why it cannot be: only then is the city answered. A duplicate is kept: `Ok`.
    pub committed: oneshot::Sender<Result<(), String>>,
}

/// Takes `POST /api/v1/callbacks/case`; answers `{"code":0}` after the desk has kept it, 400 and 401 with words, 503 when the desk cannot.
pub fn callback_router(config: CallbackConfig, sink: mpsc::Sender<ReceivedCallback>) -> Router {
    let door = Arc::new(Door { config, sink, nonces: Mutex::default() });
    Router::new().route(CALLBACK_PATH, post(receive)).layer(DefaultBodyLimit::max(BODY_MAX_BYTES)).with_state(door)
}

struct Door {
    config: CallbackConfig,
    sink: mpsc::Sender<ReceivedCallback>,
    nonces: Mutex<Nonces>,
}

struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "code": self.0.as_u16(), "message": self.1 }))).into_response()
    }
}

async fn receive(State(door): State<Arc<Door>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Result<Response, Refusal> {
    let now = door.config.clock.now();
    let nonce = door.verified(uri.path(), &headers, &body, now).map_err(|why| {
        tracing::warn!(why, "callback refused");
        Refusal(StatusCode::UNAUTHORIZED, why)
    })?;
    let taken = door.take(&body, now).await;
    if let Err(refusal) = &taken {
        // The city may come again with the very same message.
        door.nonces().forget(&nonce);
        tracing::warn!(status = refusal.0.as_u16(), why = refusal.1, "callback not taken");
    }
    taken.map(|()| Json(json!({ "code": 0 })).into_response())
}

impl Door {
    /// The nonce, once key, time, signature and nonce are in order; otherwise what is wrong.
    fn verified(&self, path: &str, headers: &HeaderMap, body: &[u8], now: WallTime) -> Result<String, String> {
        let header =
            |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).ok_or_else(|| format!("the header {name} is missing"));
        let (key, timestamp, nonce, signature) = (header(APP_KEY)?, header(TIMESTAMP)?, header(NONCE)?, header(SIGNATURE)?);
        let signer = &self.config.signer;
        if key != signer.app_key() {
            return Err(format!("{APP_KEY} is not the one agreed"));
        }
        let sent: i64 = timestamp.parse().map_err(|_| format!("{TIMESTAMP} is not Unix seconds"))?;
        let off_s = sent.abs_diff(now.unix_secs());
        if off_s > SIGNATURE_WINDOW.as_secs() {
            return Err(format!(
                "{TIMESTAMP} is {off_s} s from our clock, at most {} are allowed: set the clock",
                SIGNATURE_WINDOW.as_secs()
            ));
        }
        if nonce.is_empty() || nonce.len() > NONCE_MAX_BYTES {
            return Err(format!("{NONCE} is empty or longer than {NONCE_MAX_BYTES} bytes"));
        }
        // Only a signed nonce is remembered: strangers cannot fill the memory.
        if !signer.verify("POST", path, timestamp, nonce, body, signature) {
            return Err(format!("{SIGNATURE} does not fit method, path, timestamp, nonce and body"));
        }
        if !self.nonces().remember(nonce, now) {
            return Err(format!("{NONCE} was used before: give every message its own"));
        }
        Ok(nonce.to_owned())
    }

    async fn take(&self, body: &[u8], now: WallTime) -> Result<(), Refusal> {
        let busy = |why: &str| Refusal(StatusCode::SERVICE_UNAVAILABLE, why.to_owned());
        let mut callback =
            parse_callback(body, &self.config.mapping).map_err(|error| Refusal(StatusCode::BAD_REQUEST, error.to_string()))?;
        if callback.at == WallTime::default() {
            callback.at = now;
        }
        if callback.state.is_none() {
            tracing::warn!(state = callback.raw_state, event_id = callback.event_id.0, "callback with a state the mapping does not know");
        }
        let (committed, answer) = oneshot::channel();
        let kept = async {
            self.sink.send(ReceivedCallback { callback, committed }).await.map_err(|_| busy("the desk is closing, come again"))?;
            match answer.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(why)) => Err(busy(&format!("not kept, come again: {why}"))),
                Err(_) => Err(busy("the desk is closing, come again")),
            }
        };
        tokio::time::timeout(COMMIT_TIMEOUT, kept).await.unwrap_or_else(|_| Err(busy("not kept in time, come again")))
    }

    fn nonces(&self) -> std::sync::MutexGuard<'_, Nonces> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Nonces of the last 10 min, oldest first.
#[derive(Default)]
struct Nonces {
    known: HashSet<Arc<str>>,
    order: VecDeque<(WallTime, Arc<str>)>,
}

impl Nonces {
    /// False when it is known already.
    fn remember(&mut self, nonce: &str, now: WallTime) -> bool {
        while let Some((at, oldest)) = self.order.front() {
            if now.since(*at) <= NONCE_KEPT && self.order.len() < NONCES_MAX {
                break;
            }
            self.known.remove(oldest);
            self.order.pop_front();
        }
        let nonce: Arc<str> = nonce.into();
        if !self.known.insert(Arc::clone(&nonce)) {
            return false;
        }
        self.order.push_back((now, nonce));
        true
    }

    fn forget(&mut self, nonce: &str) {
        self.known.remove(nonce);
        // It is one of the newest, so that the search is short.
        if let Some(index) = self.order.iter().rposition(|(_, one)| one.as_ref() == nonce) {
            self.order.remove(index);
        }
    }
}

#[cfg(test)]
mod tests;
