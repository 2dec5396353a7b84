use super::*;
use crate::{Secret, sample};
use patrol_core::{LeadState, ManualClock};
use std::net::SocketAddr;

const BODY: &str = r#"{"callback_id":"cb-1","case_id":"7","event_id":"XL-1","seq":1,"state":"ARRIVED","at":"2026-01-05T02:12:41+08:00"}"#;

fn signer() -> Signer {
    Signer::new("city", Secret::new("secret-demo"))
}

/// The door on a loopback port, its clock, and a desk that keeps what it gets once `keeps` is true.
struct Town {
    address: SocketAddr,
    clock: Arc<ManualClock>,
    keeps: tokio::sync::watch::Sender<bool>,
    kept: Arc<Mutex<Vec<CaseCallback>>>,
}

async fn town() -> Town {
    let clock = Arc::new(ManualClock::new(sample::REPORTED));
    let (sink, mut desk) = mpsc::channel::<ReceivedCallback>(4);
    let (keeps, wanted) = tokio::sync::watch::channel(true);
    let kept = Arc::new(Mutex::new(Vec::new()));
    let config = CallbackConfig { signer: signer(), mapping: sample::mapping(), clock: clock.clone() };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, callback_router(config, sink)).await });
    let shelf = Arc::clone(&kept);
    tokio::spawn(async move {
        while let Some(received) = desk.recv().await {
            let answer = if *wanted.borrow() { Ok(()) } else { Err("disk full".to_owned()) };
            if answer.is_ok() {
                shelf.lock().expect("not poisoned").push(received.callback);
            }
            received.committed.send(answer).expect("somebody waits");
        }
    });
    Town { address, clock, keeps, kept }
}

impl Town {
    /// Posts `body`, signed for `timestamp` and `nonce`; gives the status and the answer.
    async fn post(&self, body: &str, timestamp: i64, nonce: &str, signature: Option<&str>) -> (u16, serde_json::Value) {
        let signed = signer().sign("POST", CALLBACK_PATH, timestamp, nonce, body.as_bytes());
        let request =
            reqwest::Client::builder().no_proxy().build().expect("a client").post(format!("http://{}{CALLBACK_PATH}", self.address));
        let request = request.header(APP_KEY, "city").header(TIMESTAMP, timestamp).header(NONCE, nonce);
        let response = request.header(SIGNATURE, signature.unwrap_or(&signed)).body(body.to_owned()).send().await.expect("an answer");
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }
    fn kept(&self) -> Vec<CaseCallback> {
        self.kept.lock().expect("not poisoned").clone()
    }
    fn now(&self) -> i64 {
        self.clock.now().unix_secs()
    }
}

#[tokio::test]
async fn a_signed_callback_is_answered_once_it_is_kept() {
    let town = town().await;
    assert_eq!(town.post(BODY, town.now(), "n1", None).await, (200, json!({ "code": 0 })));
    assert_eq!(town.kept()[0].state, Some(LeadState::Arrived));
    assert_eq!(town.post(BODY, town.now(), "n2", None).await, (200, json!({ "code": 0 })), "a duplicate goes to the desk, which knows it");
}

#[tokio::test]
async fn strangers_old_messages_and_replays_are_refused_with_words() {
    let town = town().await;
    let now = town.now();
    let refused = async |timestamp, nonce: &str, signature, words: &str| {
        let (status, answer) = town.post(BODY, timestamp, nonce, signature).await;
        assert!(status == 401 && answer["message"].as_str().is_some_and(|text| text.contains(words)), "{status} {answer}");
    };
    refused(now, "n1", Some("00ff"), "x-signature").await;
    refused(now - 301, "n1", None, "301 s from our clock").await;
    refused(now + 301, "n1", None, "301 s from our clock").await;
    assert!(town.kept().is_empty());
    assert_eq!(town.post(BODY, now - 300, "n1", None).await.0, 200);
    refused(now, "n1", None, "used before").await;
    assert_eq!(town.kept().len(), 1);
}

#[tokio::test]
async fn what_the_desk_cannot_keep_may_come_again_as_it_was() {
    let town = town().await;
    town.keeps.send(false).expect("a desk");
    let (status, answer) = town.post(BODY, town.now(), "n1", None).await;
    assert!(status == 503 && answer["message"].as_str().is_some_and(|text| text.contains("disk full")), "{answer}");
    town.keeps.send(true).expect("a desk");
    assert_eq!(town.post(BODY, town.now(), "n1", None).await.0, 200);
}

#[tokio::test]
async fn odd_bodies_get_words_and_unknown_states_go_on() {
    let town = town().await;
    let (status, answer) = town.post("{\"event_id\":", town.now(), "n1", None).await;
    assert!(status == 400 && answer["message"].as_str().is_some_and(|text| text.contains("not JSON")), "{answer}");
    assert_eq!(town.post(&"x".repeat(BODY_MAX_BYTES + 1), town.now(), "n2", None).await.0, 413);
    assert_eq!(town.post(r#"{"event_id":"XL-1","state":"在路上"}"#, town.now(), "n3", None).await.0, 200);
    let kept = town.kept();
    assert_eq!((kept[0].state, kept[0].raw_state.as_str(), kept[0].at), (None, "在路上", sample::REPORTED));
}

#[test]
fn nonces_are_remembered_for_ten_minutes_and_bounded() {
    let mut nonces = Nonces::default();
    let start = WallTime::from_unix_secs(1_767_550_000);
    assert!(nonces.remember("a", start));
    assert!(!nonces.remember("a", start + NONCE_KEPT));
    assert!(nonces.remember("a", start + NONCE_KEPT + Duration::from_secs(1)));
    for number in 0..NONCES_MAX + 10 {
        assert!(nonces.remember(&number.to_string(), start));
    }
    assert_eq!((nonces.order.len(), nonces.known.len()), (NONCES_MAX, NONCES_MAX));
}

#[test]
fn a_forgotten_nonce_may_come_again() {
    let mut nonces = Nonces::default();
    assert!(nonces.remember("a", WallTime::default()));
    nonces.forget("a");
    assert!(nonces.remember("a", WallTime::default()));
    assert_eq!(nonces.order.len(), 1);
}
