//! The city's doors, and what stands behind them.

use super::books::{Books, Taken};
use super::faults::{Blow, Faults};
use super::line::Line;
use super::wire::{Target, fits, rfc3339};
use super::{CallbackPlan, MockCityConfig, MockCityError};
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use patrol_core::WallTime;
use serde_json::{Value, json};
use std::collections::hash_map::RandomState;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::hash::BuildHasher as _;
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Accepted distance of a timestamp, and how long a nonce is kept (`integration.md` §3.3).
const WINDOW_S: u64 = 300;
const NONCE_KEPT: Duration = Duration::from_mins(10);
/// Largest event taken, bytes.
const BODY_MAX_BYTES: usize = 1024 * 1024;
const CALLBACK_PATH: &str = "/api/v1/callbacks/case";

pub(super) struct City {
    config: MockCityConfig,
    target: Option<Target>,
    stop: watch::Receiver<bool>,
    random: RandomState,
    ledger: Mutex<Ledger>,
}

/// Everything that changes.
pub(super) struct Ledger {
    pub(super) books: Books,
    pub(super) faults: Faults,
    pub(super) callbacks_sent: u64,
    pub(super) callbacks_failed: u64,
    pub(super) callbacks_lost: u64,
    attempts: u64,
    /// By status; 0 for connections closed without an answer.
    answers: BTreeMap<u16, u64>,
    nonces: HashMap<String, WallTime>,
    nonces_given: u64,
    log: Option<File>,
}

/// What the log keeps of an attempt.
#[derive(Default)]
struct Attempt {
    event_id: Option<String>,
    revision: Option<u64>,
    op: Option<String>,
    case_id: Option<String>,
    fault: Option<&'static str>,
}

pub(super) fn router(city: Arc<City>) -> Router {
    Router::new()
        .route("/api/v1/events", post(take_event))
        .route("/api/v1/cases/{id}", get(show_case))
        .route("/admin/state", get(show_state))
        .route("/admin/faults", post(set_faults))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        .with_state(city)
}

async fn take_event(
    State(city): State<Arc<City>>,
    ConnectInfo(line): ConnectInfo<Line>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let now = city.now();
    let mut attempt = Attempt::default();
    let (status, answer, blow) = city.judge_event(uri.path(), &headers, &body, now, &mut attempt).await;
    city.log(&headers, now, &attempt, if blow.drop_connection { None } else { Some(status) });
    if blow.drop_connection {
        line.cut();
    }
    if blow.malformed {
        return (status, "{\"code\":0,\"case_").into_response();
    }
    match blow.retry_after_s {
        Some(seconds) => (status, [(RETRY_AFTER, seconds.to_string())], Json(answer)).into_response(),
        None => (status, Json(answer)).into_response(),
    }
}

async fn show_case(State(city): State<Arc<City>>, Path(case_id): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    if let Err(why) = city.verify("GET", uri.path(), &headers, b"", city.now()) {
        return refusal(StatusCode::UNAUTHORIZED, &why);
    }
    match city.ledger().books.case(&case_id) {
        Some(case) => Json(json!({ "code": 0, "case": case.json() })).into_response(),
        None => refusal(StatusCode::NOT_FOUND, "no such case"),
    }
}

async fn show_state(State(city): State<Arc<City>>) -> Json<Value> {
    let ledger = city.ledger();
    let events = ledger.books.cases.values().map(|case| {
        let event = json!({ "case_id": case.id, "revisions": case.revisions, "withdrawn": case.withdrawn, "event": case.event });
        (case.event_id.clone(), event)
    });
    let cases = ledger.books.cases.values().map(|case| {
        let mut told = case.json();
        told["steps"] = json!(case.steps);
        (case.id.clone(), told)
    });
    let (events, cases): (serde_json::Map<_, _>, serde_json::Map<_, _>) = (events.collect(), cases.collect());
    let callbacks = json!({ "sent": ledger.callbacks_sent, "failed": ledger.callbacks_failed, "lost": ledger.callbacks_lost });
    Json(json!({
        "attempts": ledger.attempts, "answers": ledger.answers, "events": events, "cases": cases, "callbacks": callbacks, "faults": ledger.faults,
    }))
}

async fn set_faults(State(city): State<Arc<City>>, body: Bytes) -> Response {
    let faults = serde_json::from_slice::<Faults>(&body).map_err(|error| error.to_string());
    match faults.and_then(|faults| faults.checked().map_err(|error| error.to_string())) {
        Ok(faults) => {
            city.ledger().faults = faults;
            Json(json!({ "code": 0 })).into_response()
        }
        Err(why) => refusal(StatusCode::BAD_REQUEST, &why),
    }
}

fn refusal(status: StatusCode, why: &str) -> Response {
    (status, Json(refused(status, why))).into_response()
}

fn refused(status: StatusCode, why: &str) -> Value {
    json!({ "code": status.as_u16(), "message": why })
}

impl City {
    pub(super) fn open(config: MockCityConfig, stop: watch::Receiver<bool>) -> Result<Arc<Self>, MockCityError> {
        let target = match &config.callback_url {
            Some(url) => Some(Target::parse(url, CALLBACK_PATH).ok_or_else(|| MockCityError::CallbackUrl { url: url.clone() })?),
            None => None,
        };
        let books = config.state.as_deref().map_or_else(|| Ok(Books::default()), Books::read)?;
        let log = match &config.log {
            Some(path) => {
                let opened = File::options().create(true).append(true).open(path);
                Some(opened.map_err(|source| MockCityError::File { path: path.clone(), source })?)
            }
            None => None,
        };
        let ledger = Ledger {
            books,
            faults: config.faults.clone().checked()?,
            callbacks_sent: 0,
            callbacks_failed: 0,
            callbacks_lost: 0,
            attempts: 0,
            answers: BTreeMap::new(),
            nonces: HashMap::new(),
            nonces_given: 0,
            log,
        };
        Ok(Arc::new(Self { config, target, stop, random: RandomState::new(), ledger: Mutex::new(ledger) }))
    }

    /// Takes up the cases of an earlier life.
    pub(super) fn resume(self: &Arc<Self>) {
        let events: Vec<String> = self.ledger().books.cases.keys().cloned().collect();
        for event_id in events {
            tokio::spawn(Arc::clone(self).follow(event_id));
        }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(super) fn now(&self) -> WallTime {
        self.config.clock.now()
    }
    pub(super) fn real_wait(&self, scene: Duration) -> Duration {
        self.config.clock.real_wait(scene)
    }
    pub(super) fn stop(&self) -> watch::Receiver<bool> {
        self.stop.clone()
    }
    pub(super) fn plan(&self) -> CallbackPlan {
        self.config.callbacks.clone()
    }
    pub(super) fn target(&self) -> Option<&Target> {
        self.target.as_ref()
    }
    pub(super) fn has_callbacks(&self) -> bool {
        self.target.is_some()
    }
    pub(super) fn key(&self) -> (&str, &str) {
        (&self.config.app_key, &self.config.secret)
    }
    pub(super) fn is_out_of_order(&self) -> bool {
        self.ledger().faults.out_of_order
    }
    pub(super) fn nonce(&self) -> String {
        let mut ledger = self.ledger();
        ledger.nonces_given += 1;
        format!("{:016x}", self.random.hash_one(ledger.nonces_given))
    }

    /// Writes the books, where they are to be kept.
    pub(super) fn keep(&self, ledger: &Ledger) {
        if let Some(path) = &self.config.state
            && let Err(error) = ledger.books.write(path)
        {
            tracing::error!(%error, "the mock city's state was not written");
        }
    }

    async fn judge_event(
        self: &Arc<Self>,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
        now: WallTime,
        attempt: &mut Attempt,
    ) -> (StatusCode, Value, Blow) {
        let sound = |status, why: &str| (status, refused(status, why), Blow::default());
        if let Err(why) = self.verify("POST", path, headers, body, now) {
            return sound(StatusCode::UNAUTHORIZED, &why);
        }
        let event: Value = match serde_json::from_slice(body) {
            Ok(event) => event,
            Err(error) => return sound(StatusCode::BAD_REQUEST, &format!("not JSON: {error}")),
        };
        let fields = (event["event_id"].as_str(), event["revision"].as_u64(), event["op"].as_str());
        let (Some(event_id), Some(revision), Some(op @ ("create" | "update" | "cancel" | "merge"))) = fields else {
            return sound(StatusCode::UNPROCESSABLE_ENTITY, "event_id, revision and op are needed");
        };
        *attempt = Attempt { event_id: Some(event_id.into()), revision: Some(revision), op: Some(op.into()), ..Attempt::default() };
        if header(headers, "idempotency-key") != Some(&format!("{event_id}#{revision}")) {
            return sound(StatusCode::BAD_REQUEST, "the idempotency key is not event_id#revision");
        }
        let blow = self.ledger().faults.strike(event_id);
        attempt.fault = blow.name();
        if blow.slow_ms > 0 {
            tokio::time::sleep(Duration::from_millis(blow.slow_ms)).await;
        }
        if let Some(status) = blow.status.and_then(|status| StatusCode::from_u16(status).ok()) {
            return (status, refused(status, "a fault on demand"), blow);
        }
        let Taken { case_id, accepted_at, is_new, is_duplicate } = {
            let mut ledger = self.ledger();
            let taken = ledger.books.take(event_id, revision, op, &event, now);
            self.keep(&ledger);
            taken
        };
        if is_new {
            tokio::spawn(Arc::clone(self).follow(event_id.to_owned()));
        }
        attempt.case_id = Some(case_id.clone());
        (StatusCode::OK, json!({ "code": 0, "case_id": case_id, "accepted_at": accepted_at, "duplicate": is_duplicate }), blow)
    }

    fn verify(&self, method: &str, path: &str, headers: &HeaderMap, body: &[u8], now: WallTime) -> Result<(), String> {
        let get = |name| header(headers, name).ok_or_else(|| format!("the header {name} is missing"));
        let (key, timestamp, nonce, signature) = (get("x-app-key")?, get("x-timestamp")?, get("x-nonce")?, get("x-signature")?);
        if key != self.config.app_key {
            return Err("x-app-key is unknown".into());
        }
        let sent: i64 = timestamp.parse().map_err(|_| "x-timestamp is not Unix seconds".to_owned())?;
        if sent.abs_diff(now.unix_secs()) > WINDOW_S {
            return Err(format!("x-timestamp is {} s off", sent.abs_diff(now.unix_secs())));
        }
        if !fits(&self.config.secret, [method, path, timestamp, nonce], body, signature) {
            return Err("x-signature does not fit".into());
        }
        let mut ledger = self.ledger();
        ledger.nonces.retain(|_, at| now.since(*at) <= NONCE_KEPT);
        match ledger.nonces.insert(nonce.to_owned(), now) {
            Some(_) => Err("x-nonce was used before".into()),
            None => Ok(()),
        }
    }

    /// `status` is `None` where the connection is closed without an answer.
    fn log(&self, headers: &HeaderMap, now: WallTime, attempt: &Attempt, status: Option<StatusCode>) {
        let mut ledger = self.ledger();
        ledger.attempts += 1;
        *ledger.answers.entry(status.map_or(0, |status| status.as_u16())).or_default() += 1;
        let Some(log) = &mut ledger.log else { return };
        let line = json!({
            "received_at": rfc3339(now), "event_id": attempt.event_id, "revision": attempt.revision, "op": attempt.op,
            "idempotency_key": header(headers, "idempotency-key"), "nonce": header(headers, "x-nonce"),
            "status": status.map(|status| status.as_u16()), "case_id": attempt.case_id, "fault": attempt.fault,
        });
        if let Err(error) = log.write_all(format!("{line}\n").as_bytes()) {
            tracing::error!(%error, "the mock city's log was not written");
        }
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}
