use super::wire::{Answer, Target, request, signature};
use super::*;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Json, Router, routing};
use patrol_core::{ManualClock, WallTime};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// 2026-01-05T02:12:41+08:00.
const START: WallTime = WallTime(1_767_550_361_000_000_000);
/// Longer than the default plan takes.
const WHOLE_CASE: Duration = Duration::from_secs(601);
const ALL_STATES: [&str; 5] = ["ACCEPTED", "DISPATCHED", "ARRIVED", "HANDLED", "CLOSED"];

struct Town {
    base: String,
    clock: Arc<ManualClock>,
    stop: watch::Sender<bool>,
    served: tokio::task::JoinHandle<Result<(), MockCityError>>,
    nonces: AtomicU64,
}

async fn town(change: impl FnOnce(&mut MockCityConfig)) -> Town {
    let clock = Arc::new(ManualClock::new(START));
    let mut config = MockCityConfig {
        app_key: "patrol".into(),
        secret: "secret-demo".into(),
        callback_url: None,
        callbacks: CallbackPlan::default(),
        log: None,
        state: None,
        faults: Faults::default(),
        clock: clock.clone(),
    };
    change(&mut config);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let (stop, stopped) = watch::channel(false);
    Town { base, clock, stop, served: tokio::spawn(serve(config, listener, stopped)), nonces: AtomicU64::new(0) }
}

impl Town {
    fn target(&self, path: &str) -> Target {
        Target::parse(&format!("{}{path}", self.base), "/").expect("an address")
    }

    fn signed(&self, method: &str, path: &str, body: &str) -> String {
        let (timestamp, nonce) = (self.clock.now().unix_secs().to_string(), format!("n{}", self.nonces.fetch_add(1, Ordering::Relaxed)));
        let signed = signature("secret-demo", method, path, &timestamp, &nonce, body.as_bytes());
        format!("X-App-Key: patrol\r\nX-Timestamp: {timestamp}\r\nX-Nonce: {nonce}\r\nX-Signature: {signed}\r\n")
    }

    async fn push(&self, event_id: &str, revision: u32, op: &str) -> std::io::Result<Answer> {
        let body = json!({ "event_id": event_id, "revision": revision, "op": op }).to_string();
        let headers = format!("{}Idempotency-Key: {event_id}#{revision}\r\n", self.signed("POST", "/api/v1/events", &body));
        request("POST", &self.target("/api/v1/events"), &headers, body.as_bytes()).await
    }

    async fn pushed(&self, event_id: &str, revision: u32, op: &str) -> (u16, Value) {
        let answer = self.push(event_id, revision, op).await.expect("an answer");
        (answer.status, serde_json::from_slice(&answer.body).expect("JSON"))
    }

    async fn faults(&self, faults: Value) -> u16 {
        request("POST", &self.target("/admin/faults"), "", faults.to_string().as_bytes()).await.expect("an answer").status
    }

    async fn state(&self) -> Value {
        let answer = request("GET", &self.target("/admin/state"), "", b"").await.expect("an answer");
        serde_json::from_slice(&answer.body).expect("JSON")
    }

    async fn close(self) {
        self.stop.send(true).expect("a city");
        self.served.await.expect("ended").expect("well");
    }
}

/// A receiver of callbacks that refuses as many as `refusals` says.
#[derive(Default)]
struct Desk {
    refusals: AtomicU64,
    taken: Mutex<Vec<Value>>,
    arrived: tokio::sync::Notify,
    refused: tokio::sync::Notify,
}

async fn desk(refusals: u64) -> (Arc<Desk>, String) {
    async fn take(State(desk): State<Arc<Desk>>, headers: HeaderMap, body: String) -> Json<Value> {
        let header = |name: &str| headers[name].to_str().expect("text");
        let signed = signature("secret-demo", "POST", "/api/v1/callbacks/case", header("x-timestamp"), header("x-nonce"), body.as_bytes());
        assert_eq!(header("x-signature"), signed);
        if desk.refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
            desk.refused.notify_one();
            return Json(json!({ "code": 503 }));
        }
        desk.taken.lock().expect("not poisoned").push(serde_json::from_str(&body).expect("JSON"));
        desk.arrived.notify_one();
        Json(json!({ "code": 0 }))
    }
    let desk = Arc::new(Desk { refusals: AtomicU64::new(refusals), ..Desk::default() });
    let router = Router::new().route("/api/v1/callbacks/case", routing::post(take)).with_state(desk.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (desk, url)
}

impl Desk {
    /// Waits for so many callbacks; gives their states.
    async fn states(&self, count: usize) -> Vec<String> {
        let enough = async {
            while self.taken.lock().expect("not poisoned").len() < count {
                self.arrived.notified().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), enough).await.expect("callbacks in time");
        self.taken.lock().expect("not poisoned").iter().map(|one| one["state"].as_str().expect("a state").to_owned()).collect()
    }
}

#[tokio::test]
async fn an_event_is_one_case_however_often_it_is_told() {
    let town = town(|_| {}).await;
    let (status, first) = town.pushed("XL-1", 1, "create").await;
    assert_eq!((status, &first["code"], &first["case_id"]), (200, &json!(0), &json!("2026010500001")));
    for (revision, op, is_duplicate) in [(1, "create", true), (3, "update", false), (2, "update", true)] {
        let (status, again) = town.pushed("XL-1", revision, op).await;
        assert_eq!((status, &again["case_id"], &again["duplicate"]), (200, &first["case_id"], &json!(is_duplicate)));
    }
    assert_eq!(town.pushed("XL-2", 1, "create").await.1["case_id"], "2026010500002");
    let state = town.state().await;
    let revisions = state["events"]["XL-1"]["revisions"].as_array().expect("revisions").iter().map(|one| one["revision"].clone());
    assert_eq!((revisions.collect::<Vec<_>>(), &state["attempts"]), (vec![json!(1), json!(3)], &json!(5)));
    town.close().await;
}

#[tokio::test]
async fn what_is_not_signed_now_and_once_is_refused() {
    let town = town(|_| {}).await;
    let body = json!({ "event_id": "XL-1", "revision": 1, "op": "create" }).to_string();
    let headers = format!("{}Idempotency-Key: XL-1#1\r\n", town.signed("POST", "/api/v1/events", &body));
    let events = town.target("/api/v1/events");
    let status = async |headers: &str, body: &str| request("POST", &events, headers, body.as_bytes()).await.expect("an answer").status;
    assert_eq!(status("", &body).await, 401);
    assert_eq!(status(&headers, &body.replace('1', "2")).await, 401);
    assert_eq!(status(&headers, &body).await, 200);
    assert_eq!(status(&headers, &body).await, 401, "the nonce was used");
    let late = format!("{}Idempotency-Key: XL-1#1\r\n", town.signed("POST", "/api/v1/events", &body));
    town.clock.advance(Duration::from_secs(301));
    assert_eq!(status(&late, &body).await, 401, "the time is over");
    assert_eq!(status(&format!("{}Idempotency-Key: XL-1#2\r\n", town.signed("POST", "/api/v1/events", &body)), &body).await, 400);
    let empty = format!("{}Idempotency-Key: XL-1#1\r\n", town.signed("POST", "/api/v1/events", "{}"));
    assert_eq!(status(&empty, "{}").await, 422);
    assert_eq!(town.state().await["answers"], json!({ "200": 1, "400": 1, "401": 4, "422": 1 }));
}

#[tokio::test]
async fn faults_befall_as_many_as_was_asked() {
    let town = town(|_| {}).await;
    assert_eq!(town.faults(json!({ "status": 429, "count": 2, "retry_after_s": 7 })).await, 200);
    for _ in 0..2 {
        let answer = town.push("XL-1", 1, "create").await.expect("an answer");
        assert!(answer.status == 429 && answer.head.to_lowercase().contains("retry-after: 7"), "{answer:?}");
    }
    assert!(town.state().await["events"]["XL-1"].is_null(), "nothing was taken");
    assert_eq!(town.pushed("XL-1", 1, "create").await.0, 200);
    town.faults(json!({ "status": 422, "event_id": "XL-2" })).await;
    assert_eq!((town.pushed("XL-2", 1, "create").await.0, town.pushed("XL-3", 1, "create").await.0), (422, 200));
    town.faults(json!({ "malformed": true, "count": 1 })).await;
    let answer = town.push("XL-4", 1, "create").await.expect("an answer");
    assert!(answer.status == 200 && serde_json::from_slice::<Value>(&answer.body).is_err());
    assert_eq!(town.faults(json!({ "statsu": 500 })).await, 400, "a fault that is not known");
    assert_eq!(town.faults(json!({ "status": 200 })).await, 400);
}

#[tokio::test]
async fn a_dropped_connection_has_taken_the_event() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("attempts.jsonl");
    let town = town(|config| config.log = Some(log.clone())).await;
    town.faults(json!({ "drop_connection": true, "count": 1 })).await;
    assert!(town.push("XL-1", 1, "create").await.is_err(), "no answer");
    let (_, again) = town.pushed("XL-1", 1, "create").await;
    assert_eq!((&again["case_id"], &again["duplicate"]), (&json!("2026010500001"), &json!(true)));
    let lines: Vec<Value> = lines(&log);
    assert_eq!((&lines[0]["status"], &lines[0]["fault"], &lines[1]["status"]), (&Value::Null, &json!("drop"), &json!(200)));
    assert_eq!((&lines[0]["idempotency_key"], &lines[0]["case_id"]), (&lines[1]["idempotency_key"], &lines[1]["case_id"]));
    assert_ne!(lines[0]["nonce"], lines[1]["nonce"]);
    assert_eq!(lines[0]["received_at"], "2026-01-05T02:12:41+08:00");
}

fn lines(path: &Path) -> Vec<Value> {
    std::fs::read_to_string(path).expect("a log").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[tokio::test]
async fn a_case_runs_through_its_states_and_can_be_asked_for() {
    let (desk, url) = desk(2).await;
    let town = town(|config| config.callback_url = Some(url)).await;
    let (_, answer) = town.pushed("XL-1", 1, "create").await;
    town.clock.advance(WHOLE_CASE);
    // The desk refuses twice; each time the city comes again a little later.
    for wait_s in [1, 2] {
        desk.refused.notified().await;
        while town.state().await["callbacks"]["failed"] != json!(wait_s) {
            tokio::task::yield_now().await;
        }
        town.clock.advance(Duration::from_secs(wait_s));
    }
    assert_eq!(desk.states(5).await, ALL_STATES);
    let taken = desk.taken.lock().expect("not poisoned").clone();
    assert_eq!((&taken[3]["result"], &taken[3]["seq"], &taken[0]["result"]), (&json!("ESCORTED_STATION"), &json!(4), &Value::Null));
    let path = format!("/api/v1/cases/{}", answer["case_id"].as_str().expect("a case"));
    let case = request("GET", &town.target(&path), &town.signed("GET", &path, ""), b"").await.expect("an answer");
    let case: Value = serde_json::from_slice(&case.body).expect("JSON");
    assert_eq!((&case["case"]["state"], &case["case"]["event_id"]), (&json!("CLOSED"), &json!("XL-1")));
    let unknown = request("GET", &town.target("/api/v1/cases/7"), &town.signed("GET", "/api/v1/cases/7", ""), b"").await;
    assert_eq!(unknown.expect("an answer").status, 404);
}

#[tokio::test]
async fn callbacks_are_doubled_swapped_and_lost_on_demand() {
    for (faults, wanted) in [
        (json!({ "duplicate_callbacks": true }), ALL_STATES.iter().flat_map(|state| [*state, *state]).collect::<Vec<_>>()),
        (json!({ "out_of_order": true }), vec!["DISPATCHED", "ACCEPTED", "HANDLED", "ARRIVED", "CLOSED"]),
        (json!({ "lose_callbacks": 2 }), vec!["ARRIVED", "HANDLED", "CLOSED"]),
    ] {
        let (desk, url) = desk(0).await;
        let town = town(|config| config.callback_url = Some(url)).await;
        town.faults(faults.clone()).await;
        town.pushed("XL-1", 1, "create").await;
        town.clock.advance(WHOLE_CASE);
        assert_eq!(desk.states(wanted.len()).await, wanted, "{faults}");
    }
}

#[tokio::test]
async fn a_city_that_died_knows_its_cases_and_goes_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let state = folder.path().join("city.json");
    let first = town(|config| config.state = Some(state.clone())).await;
    let (_, before) = first.pushed("XL-1", 1, "create").await;
    first.served.abort();
    drop(first.stop);
    let (desk, url) = desk(0).await;
    let second = town(|config| (config.state, config.callback_url) = (Some(state), Some(url))).await;
    assert_eq!(second.pushed("XL-1", 1, "create").await.1["case_id"], before["case_id"]);
    second.clock.advance(WHOLE_CASE);
    assert_eq!(desk.states(5).await, ALL_STATES);
}

#[tokio::test]
async fn a_withdrawn_event_moves_no_crew() {
    let (desk, url) = desk(0).await;
    let town = town(|config| config.callback_url = Some(url)).await;
    town.pushed("XL-1", 1, "create").await;
    town.pushed("XL-1", 2, "cancel").await;
    town.pushed("XL-2", 1, "create").await;
    town.clock.advance(WHOLE_CASE);
    assert_eq!(desk.states(5).await, ALL_STATES);
    assert!(desk.taken.lock().expect("not poisoned").iter().all(|one| one["event_id"] == "XL-2"));
}
