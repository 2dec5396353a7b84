//! The live stream over a real connection: what a page hears, and what it hears after it was away.

use crate::{Desk, LEAD, NOW, desk, fake::lead, one_lead};
use http_body_util::BodyExt;
use patrol_console::{ChangeKind, ConsoleConfig, ConsoleError, Office, serve};
use patrol_core::Tier;
use patrol_core::desk::Ring;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower::ServiceExt;

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Served {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) stop: watch::Sender<bool>,
    server: JoinHandle<Result<(), ConsoleError>>,
}

pub(crate) async fn served(desk: &Desk) -> Served {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = ConsoleConfig { listen: address, site_name: String::new(), now: desk.clock.clone() };
    let (stop, stopped) = watch::channel(false);
    let server = tokio::spawn(serve(config, listener, Arc::clone(&desk.office) as Arc<dyn Office>, stopped));
    Served { address, stop, server }
}

/// A page's event source, reduced to what matters.
struct Page(BufReader<TcpStream>);

#[derive(Debug, Default, Clone, PartialEq)]
struct Event {
    name: String,
    id: String,
    data: String,
}

impl Page {
    async fn open(served: &Served, last_event_id: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(served.address).await.unwrap();
        let last = last_event_id.map_or(String::new(), |id| format!("Last-Event-ID: {id}\r\n"));
        let request = format!("GET /api/v1/stream HTTP/1.1\r\nHost: {}\r\n{last}\r\n", served.address);
        stream.write_all(request.as_bytes()).await.unwrap();
        Self(BufReader::new(stream))
    }

    /// The next event; `None` when the connection has ended.
    async fn event(&mut self) -> Option<Event> {
        let mut event = Event::default();
        loop {
            let mut line = String::new();
            if tokio::time::timeout(PATIENCE, self.0.read_line(&mut line)).await.expect("an event in time").unwrap() == 0 {
                return None;
            }
            // Chunk sizes and headers look like nothing below.
            match line.trim_end().split_once(": ") {
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("id", id)) => event.id = id.to_owned(),
                Some(("data", data)) => event.data = data.to_owned(),
                _ if line.trim_end().is_empty() && !event.name.is_empty() => return Some(event),
                _ => {}
            }
        }
    }
}

fn ring(text: &str) -> ChangeKind {
    ChangeKind::Ring(Ring { at: NOW, lead: None, camera: None, kind: "camera-lost".to_owned(), text: text.to_owned(), leader: false })
}

#[tokio::test]
async fn a_page_hears_of_every_change_and_resumes_after_a_break() {
    let desk = one_lead();
    let served = served(&desk).await;
    let mut page = Page::open(&served, None).await;
    assert_eq!(page.event().await.unwrap().name, "hello");
    desk.office.put(lead(2, Tier::B, 60.0, 0.8, NOW));
    let second = page.event().await.unwrap();
    assert_eq!(second.name, "lead");
    assert!(second.data.contains("XL-20260105-000002") && !second.data.contains("121.48"), "{}", second.data);
    drop(page);
    desk.office.tell(ring("无画面"));
    desk.office.tell(ChangeKind::Cameras);
    let mut page = Page::open(&served, Some(&second.id)).await;
    let missed = [page.event().await.unwrap(), page.event().await.unwrap()];
    assert_eq!(missed.clone().map(|event| event.name), ["ring", "cameras"]);
    assert!(missed[0].data.contains("无画面"));
    desk.office.put(lead(1, Tier::A, 90.0, 0.8, NOW));
    assert!(page.event().await.unwrap().data.contains(LEAD));
}

#[tokio::test]
async fn a_page_from_before_a_restart_or_too_long_ago_is_told_to_load_again() {
    let desk = desk(vec![]);
    let served = served(&desk).await;
    let mut page = Page::open(&served, None).await;
    page.event().await.unwrap();
    desk.office.tell(ChangeKind::Cameras);
    let first = page.event().await.unwrap().id;
    assert_eq!(Page::open(&served, Some("0badcafe-1")).await.event().await.unwrap().name, "reset");
    // Read along, so that all have arrived before the next page comes.
    for number in 0..1100 {
        desk.office.tell(ring(&number.to_string()));
        page.event().await.unwrap();
    }
    assert_eq!(Page::open(&served, Some(&first)).await.event().await.unwrap().name, "reset");
}

#[tokio::test]
async fn a_page_that_does_not_read_is_dropped_rather_than_queued_for() {
    let desk = desk(vec![]);
    let request = axum::http::Request::get("/api/v1/stream").header("host", "localhost").body(axum::body::Body::empty()).unwrap();
    let page = desk.app.clone().oneshot(request).await.unwrap().into_body();
    for number in 0..400 {
        desk.office.tell(ring(&number.to_string()));
        tokio::task::yield_now().await;
    }
    let read = tokio::time::timeout(PATIENCE, page.collect()).await.expect("the stream ends").unwrap().to_bytes();
    let text = String::from_utf8(read.to_vec()).unwrap();
    assert!(text.contains("event: hello") && !text.contains("event: ring"), "{text}");
    let metrics = String::from_utf8(desk.get("/metrics").await.body).unwrap();
    assert!(metrics.contains("patrol_console_slow_pages_total 1") && metrics.contains("patrol_console_pages 0"), "{metrics}");
}

#[tokio::test]
async fn stop_ends_the_streams_and_the_server() {
    let desk = one_lead();
    let served = served(&desk).await;
    let mut page = Page::open(&served, None).await;
    assert_eq!(page.event().await.unwrap().name, "hello");
    served.stop.send_replace(true);
    assert_eq!(page.event().await, None);
    tokio::time::timeout(PATIENCE, served.server).await.expect("the server ends in time").unwrap().unwrap();
}
