use super::*;
use crate::{OutletConfig, Secret, Signer, sample};
use patrol_core::ManualClock;
use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Mutex, MutexGuard};

#[test]
fn the_wait_doubles_from_one_second_to_a_minute() {
    let waits: Vec<u64> = (1..=9).map(|attempts| backoff(attempts).as_secs()).collect();
    assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    assert_eq!(backoff(u32::MAX), BACKOFF_LAST);
}

/// What the stub city does with a message.
#[derive(Clone, Copy)]
enum Answer {
    Status(u16, &'static str, &'static str),
    /// Takes the message and closes the connection without a word.
    Drop,
    /// Never answers.
    Silence,
}

const RECEIPT: Answer = Answer::Status(200, "", r#"{"code":0,"case_id":"case-1"}"#);

/// A city on a loopback port. Answers as scripted for a lead, then with a receipt; keeps `Idempotency-Key` and nonce of every message.
#[derive(Default)]
struct City {
    script: Mutex<HashMap<String, VecDeque<Answer>>>,
    taken: Mutex<Vec<(String, String)>>,
}

impl City {
    fn open(script: &[(&str, &[Answer])]) -> (Arc<Self>, SocketAddr) {
        let script = script.iter().map(|(lead, answers)| ((*lead).to_owned(), answers.iter().copied().collect())).collect();
        let city = Arc::new(Self { script: Mutex::new(script), taken: Mutex::default() });
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let door = Arc::clone(&city);
        let serve = move || {
            for stream in listener.incoming().flatten() {
                let city = Arc::clone(&door);
                let handle = std::thread::Builder::new().name("stub-line".into()).spawn(move || city.answer(&stream));
                handle.expect("a thread");
            }
        };
        std::thread::Builder::new().name("stub-city".into()).spawn(serve).expect("a thread");
        (city, address)
    }

    fn answer(&self, mut stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        let mut headers = HashMap::new();
        let mut line = String::new();
        while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
            if let Some((name, value)) = line.split_once(": ") {
                headers.insert(name.to_lowercase(), value.trim().to_owned());
            }
            line.clear();
        }
        let mut body = vec![0; headers["content-length"].parse().expect("a length")];
        reader.read_exact(&mut body).expect("a body");
        let event: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        let lead = event["event_id"].as_str().expect("a lead");
        lock(&self.taken).push((headers["idempotency-key"].clone(), headers["x-nonce"].clone()));
        let answer = lock(&self.script).get_mut(lead).and_then(VecDeque::pop_front).unwrap_or(RECEIPT);
        match answer {
            Answer::Drop => {}
            Answer::Silence => drop(reader.read(&mut [0])),
            Answer::Status(status, header, body) => {
                let length = body.len();
                write!(stream, "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n{header}\r\n{body}").expect("sent");
            }
        }
    }

    fn keys(&self) -> Vec<String> {
        lock(&self.taken).iter().map(|(key, _)| key.clone()).collect()
    }
}

#[derive(Clone, Default)]
struct Rows(Arc<Mutex<Memory>>);

#[derive(Default)]
struct Memory {
    rows: Vec<(OutboxItem, WallTime)>,
    parked: Vec<i64>,
    /// So many receipts cannot be written.
    broken_receipts: u32,
}

impl Outbox for Rows {
    fn due(&mut self, now: WallTime, limit: usize) -> Result<Vec<OutboxItem>, String> {
        let memory = lock(&self.0);
        let mut seen = Vec::new();
        let mut due = Vec::new();
        for (item, at) in &memory.rows {
            if !seen.contains(&item.lead.id) {
                seen.push(item.lead.id.clone());
                if *at <= now && due.len() < limit {
                    due.push(item.clone());
                }
            }
        }
        Ok(due)
    }
    fn delivered(&mut self, sequence: i64, _at: WallTime, _case_id: Option<&str>) -> Result<(), String> {
        let mut memory = lock(&self.0);
        if memory.broken_receipts > 0 {
            memory.broken_receipts -= 1;
            return Err("disk full".into());
        }
        memory.rows.retain(|(item, _)| item.sequence != sequence);
        Ok(())
    }
    fn retry(&mut self, sequence: i64, not_before: WallTime, _why: &str) -> Result<(), String> {
        for (_, at) in lock(&self.0).rows.iter_mut().filter(|(item, _)| item.sequence == sequence) {
            *at = not_before;
        }
        Ok(())
    }
    fn parked(&mut self, sequence: i64, _at: WallTime, _why: &str) -> Result<(), String> {
        let mut memory = lock(&self.0);
        memory.rows.retain(|(item, _)| item.sequence != sequence);
        memory.parked.push(sequence);
        Ok(())
    }
    fn next_due(&mut self) -> Result<Option<WallTime>, String> {
        Ok(lock(&self.0).rows.iter().map(|(_, at)| *at).min())
    }
}

/// A courier at work between an outbox in memory and a stub city, under a clock that stands still.
struct Office {
    city: Arc<City>,
    rows: Rows,
    clock: Arc<ManualClock>,
    reports: mpsc::Receiver<DeliveryReport>,
    wake: Arc<Notify>,
    stop: watch::Sender<bool>,
    running: tokio::task::JoinHandle<()>,
}

fn config(address: SocketAddr) -> OutletConfig {
    OutletConfig {
        base: format!("http://{address}"),
        mapping: sample::mapping(),
        signer: Signer::new("patrol", Secret::new("secret-demo")),
        site: sample::site(),
        media_base: None,
        timeout: Duration::from_millis(500),
    }
}

fn office(script: &[(&str, &[Answer])], items: Vec<OutboxItem>) -> Office {
    let (city, address) = City::open(script);
    let clock = Arc::new(ManualClock::new(sample::REPORTED));
    let rows = Rows::default();
    lock(&rows.0).rows = items.into_iter().map(|item| (item, sample::REPORTED)).collect();
    let courier = Courier::new(Outlet::new(config(address)).expect("sound"), clock.clone());
    let (sender, reports) = mpsc::channel(16);
    let (stop, stopped) = watch::channel(false);
    let wake = Arc::new(Notify::new());
    let running = tokio::spawn(courier.run(Box::new(rows.clone()), sender, Arc::clone(&wake), stopped));
    Office { city, rows, clock, reports, wake, stop, running }
}

impl Office {
    async fn report(&mut self) -> DeliveryReport {
        tokio::time::timeout(Duration::from_secs(20), self.reports.recv()).await.expect("a report in time").expect("a courier")
    }
    /// Seconds until the row may be sent again, once that is written.
    fn waits_s(&self) -> Vec<f64> {
        lock(&self.rows.0).rows.iter().map(|(_, at)| at.seconds_since(self.clock.now())).collect()
    }
    fn advance_s(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn numbered(leads: &[&str], revisions: u32) -> Vec<OutboxItem> {
    let mut items: Vec<_> = (1..=revisions).flat_map(|revision| leads.iter().map(move |lead| sample::item(lead, revision))).collect();
    for (number, item) in items.iter_mut().enumerate() {
        item.sequence = number as i64 + 1;
    }
    items
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn delivered() -> DeliveryResult {
    DeliveryResult::Delivered { case_id: Some("case-1".into()) }
}

#[tokio::test]
async fn a_city_that_fails_gets_the_message_once_it_is_back() {
    let busy = Answer::Status(500, "", "");
    let mut office = office(&[("XL-1", &[busy, busy])], numbered(&["XL-1"], 1));
    for (attempts, wait_s) in [(1, 1), (2, 2)] {
        let result = office.report().await.result;
        assert_eq!(result, DeliveryResult::Delayed { why: "HTTP 500: no explanation".into(), attempts, alarm: false });
        assert_eq!(office.waits_s(), [wait_s as f64]);
        office.advance_s(wait_s);
    }
    assert_eq!(office.report().await.result, delivered());
    assert_eq!(office.city.keys(), ["XL-1#1"; 3]);
    assert!(lock(&office.rows.0).rows.is_empty());
}

#[tokio::test]
async fn the_city_says_how_long_to_wait() {
    let mut office = office(&[("XL-1", &[Answer::Status(429, "Retry-After: 7\r\n", "")])], numbered(&["XL-1"], 1));
    assert!(matches!(office.report().await.result, DeliveryResult::Delayed { .. }));
    assert_eq!(office.waits_s(), [7.0]);
    office.advance_s(7);
    assert_eq!(office.report().await.result, delivered());
}

#[tokio::test]
async fn a_refused_lead_is_parked_and_the_others_go_on() {
    let refusal = Answer::Status(422, "", r#"{"code":422,"message":"unknown grid"}"#);
    let mut office = office(&[("XL-1", &[refusal])], numbered(&["XL-1", "XL-2", "XL-3"], 1));
    let mut results = HashMap::new();
    for _ in 0..3 {
        let report = office.report().await;
        results.insert(report.lead.0, report.result);
    }
    assert_eq!(results["XL-1"], DeliveryResult::Parked { why: "HTTP 422: unknown grid".into() });
    assert_eq!((&results["XL-2"], &results["XL-3"]), (&delivered(), &delivered()));
    assert_eq!(lock(&office.rows.0).parked, [1]);
}

#[tokio::test]
async fn an_answer_lost_on_the_way_is_asked_for_with_the_same_key_and_a_new_nonce() {
    let mut office = office(&[("XL-1", &[Answer::Drop])], numbered(&["XL-1"], 1));
    assert!(matches!(office.report().await.result, DeliveryResult::Delayed { attempts: 1, .. }));
    office.advance_s(1);
    assert_eq!(office.report().await.result, delivered());
    let taken = lock(&office.city.taken).clone();
    assert_eq!((taken[0].0.as_str(), taken[1].0.as_str()), ("XL-1#1", "XL-1#1"));
    assert_ne!(taken[0].1, taken[1].1);
}

#[tokio::test]
async fn revisions_of_a_lead_keep_their_order() {
    let leads = ["XL-1", "XL-2", "XL-3", "XL-4", "XL-5", "XL-6", "XL-7", "XL-8", "XL-9", "XL-10", "XL-11"];
    let mut office = office(&[], numbered(&leads, 4));
    for _ in 0..leads.len() * 4 {
        assert_eq!(office.report().await.result, delivered());
    }
    for lead in leads {
        let prefix = format!("{lead}#");
        let revisions: Vec<_> = office.city.keys().iter().filter_map(|key| key.strip_prefix(&prefix).map(str::to_owned)).collect();
        assert_eq!(revisions, ["1", "2", "3", "4"], "{lead}");
    }
}

#[tokio::test]
async fn a_silent_city_holds_one_lead_and_not_the_others() {
    let mut office = office(&[("XL-1", &[Answer::Silence])], numbered(&["XL-1", "XL-2"], 1));
    let first = office.report().await;
    assert_eq!((first.lead.0.as_str(), first.result), ("XL-2", delivered()));
    let DeliveryResult::Delayed { why, .. } = office.report().await.result else { panic!("delayed") };
    assert!(why.contains("no answer in time"), "{why}");
}

#[tokio::test]
async fn a_lead_that_waits_a_minute_rings_although_no_try_is_due() {
    let put_off = Answer::Status(503, "Retry-After: 300\r\n", "");
    let mut office = office(&[("XL-1", &[put_off])], numbered(&["XL-1"], 1));
    assert!(matches!(office.report().await.result, DeliveryResult::Delayed { alarm: false, .. }));
    office.advance_s(60);
    let alarm = office.report().await;
    assert!(matches!(alarm.result, DeliveryResult::Delayed { attempts: 1, alarm: true, .. }), "{alarm:?}");
    assert_eq!((office.city.keys().len(), office.waits_s()), (1, vec![240.0]));
    office.advance_s(240);
    assert_eq!(office.report().await.result, delivered());
}

#[tokio::test]
async fn a_refused_key_is_tried_again_after_a_minute() {
    let mut office = office(&[("XL-1", &[Answer::Status(401, "", r#"{"message":"key expired"}"#)])], numbered(&["XL-1"], 1));
    assert_eq!(office.report().await.result, DeliveryResult::Unauthorised { why: "HTTP 401: key expired".into() });
    assert_eq!(office.waits_s(), [60.0]);
    office.advance_s(60);
    assert_eq!(office.report().await.result, delivered());
}

#[tokio::test]
async fn a_receipt_that_cannot_be_written_is_written_later_and_nothing_is_sent_twice() {
    let (script, items) = ([], numbered(&["XL-1"], 1));
    let mut office = office(&script, Vec::new());
    {
        let mut memory = lock(&office.rows.0);
        memory.broken_receipts = 5;
        memory.rows = items.into_iter().map(|item| (item, sample::REPORTED)).collect();
    }
    office.wake.notify_one();
    assert_eq!(office.report().await.result, delivered());
    assert_eq!(office.city.keys(), ["XL-1#1"]);
    let memory = lock(&office.rows.0);
    assert_eq!((memory.broken_receipts, memory.rows.len()), (0, 0), "told only once it is written");
}

#[tokio::test]
async fn a_stop_ends_the_courier_and_leaves_the_rest_in_the_outbox() {
    let mut office = office(&[("XL-1", &[Answer::Status(503, "", "")])], numbered(&["XL-1"], 1));
    office.report().await;
    office.stop.send(true).expect("a courier");
    office.running.await.expect("ended");
    assert_eq!(lock(&office.rows.0).rows.len(), 1);
}

#[tokio::test]
async fn a_case_can_be_asked_for() {
    // The stub looks at bodies only, so that a city of two lines answers here.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let case = r#"{"code":0,"case":{"callback_id":"cb-1","case_id":"7/8","event_id":"XL-1","seq":2,"state":"DISPATCHED"}}"#;
    let router = axum::Router::new().route(
        "/api/v1/cases/{id}",
        axum::routing::get(move |axum::extract::Path(id): axum::extract::Path<String>| async move {
            if id == "7/8" { (axum::http::StatusCode::OK, case) } else { (axum::http::StatusCode::NOT_FOUND, "") }
        }),
    );
    tokio::spawn(async move { axum::serve(listener, router).await });
    let outlet = Outlet::new(OutletConfig { base, ..config(SocketAddr::from(([127, 0, 0, 1], 0))) }).expect("sound");
    let told = outlet.poll_case("7/8", sample::REPORTED).await.expect("an answer").expect("a case");
    assert_eq!((told.case_id.as_str(), told.seq, told.state), ("7/8", 2, Some(patrol_core::LeadState::Dispatched)));
    assert_eq!(told.at, sample::REPORTED, "an answer without a time is of now");
    assert_eq!(outlet.poll_case("9", sample::REPORTED).await.expect("an answer"), None);
}
