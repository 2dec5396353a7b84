//! `GET /api/v1/stream`: server-sent events `lead`, `ring`, `cameras`, after a first `hello` (load the list), `reset`
//! (load it again) or what was missed since `Last-Event-ID`.

use crate::hub::{Hub, Item, Start, Told};
use crate::reply::Refusal;
use crate::server::{Console, stopped};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{Stream, unfold};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, broadcast, watch};

/// Pages connected at once: a wall of screens and some to spare.
pub(crate) const STREAMS_MAX: usize = 64;
/// Shorter than the idle limits of common proxies (30–60 s).
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// After how long a page that lost its connection tries again.
const RETRY: Duration = Duration::from_secs(2);

struct Client {
    console: Arc<Console>,
    first: VecDeque<Event>,
    live: broadcast::Receiver<Told>,
    stop: watch::Receiver<bool>,
    _permit: OwnedSemaphorePermit,
}

pub(crate) async fn stream(
    State(console): State<Arc<Console>>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Refusal> {
    let permit = Arc::clone(&console.streams).try_acquire_owned().map_err(|_| {
        Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too-many-pages",
            format!("已有 {STREAMS_MAX} 个页面连接,请关闭不用的页面"),
            format!("{STREAMS_MAX} pages are connected already, close those not in use"),
        )
    })?;
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let (start, live) = console.hub.join(last);
    let mut first: VecDeque<Event> = match start {
        Start::Fresh => [signal(&console.hub, "hello")].into(),
        Start::Reset => [signal(&console.hub, "reset")].into(),
        Start::Resumed(items) => items.iter().map(|item| written(&console.hub, item)).collect(),
    };
    if let Some(event) = first.pop_front() {
        first.push_front(event.retry(RETRY));
    }
    let client = Client { first, live, stop: console.stop.clone(), _permit: permit, console };
    Ok(Sse::new(unfold(client, next)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE).text("keep-alive")))
}

async fn next(mut client: Client) -> Option<(Result<Event, Infallible>, Client)> {
    if let Some(event) = client.first.pop_front() {
        return Some((Ok(event), client));
    }
    let told = tokio::select! {
        () = stopped(&mut client.stop) => return None,
        told = client.live.recv() => told,
    };
    match told {
        Ok(Told::Item(item)) => Some((Ok(written(&client.console.hub, &item)), client)),
        Ok(Told::Reset) => Some((Ok(signal(&client.console.hub, "reset")), client)),
        Err(broadcast::error::RecvError::Lagged(missed)) => {
            // Not queued without bound: it is dropped, and comes back with its last event id.
            client.console.counters.slow_pages.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            tracing::warn!(missed, "slow page dropped");
            None
        }
        Err(broadcast::error::RecvError::Closed) => None,
    }
}

fn written(hub: &Hub, item: &Item) -> Event {
    Event::default().event(item.event).id(hub.event_id(item.id)).data(&item.data)
}

fn signal(hub: &Hub, name: &str) -> Event {
    let event = Event::default().event(name).data("{}");
    match hub.newest_event_id() {
        Some(id) => event.id(id),
        None => event,
    }
}
