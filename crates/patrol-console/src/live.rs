//! `GET /api/v1/cameras/{id}/live`: JPEGs of a camera for as long as an officer looks on, at most five a second.
//!
//! An auditor asks who watched which camera, when, for how long and why. So a line is logged before the first picture, one
//! every ten minutes while it goes on (a crash then hides no more than that), and one at the end with its length and the
//! pictures shown. Where the first or a later line cannot be written, no further picture leaves.

use crate::look::{SeenCamera, seen_camera};
use crate::office::{LivePicture, Office};
use crate::officer::{viewer, viewing_reason};
use crate::reply::Refusal;
use crate::server::{Console, stopped};
use crate::viewing;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::unfold;
use patrol_core::lead::LeadId;
use serde::Deserialize;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// Views open at once: each makes its camera continuous, which takes from the promises of the others.
const VIEWS_MAX: usize = 8;
/// Of one officer. A browser keeps at most six connections to one server, for all its pages: each page's stream takes one, each
/// view another, and a decision must not wait for either.
const VIEWS_OF_ONE_MAX: usize = 2;
/// Five pictures a second.
const PICTURE_EVERY: Duration = Duration::from_millis(200);
const LOG_EVERY: Duration = Duration::from_mins(10);
const MIXED: &str = "multipart/x-mixed-replace; boundary=picture";

#[derive(Debug, Deserialize)]
pub(crate) struct LiveQuery {
    by: Option<String>,
    reason: Option<String>,
    /// The lead it is watched for, if any; goes into the log.
    lead: Option<String>,
}

/// Open views by officer.
#[derive(Default)]
pub(crate) struct Views(Mutex<HashMap<String, usize>>);

impl Views {
    pub(crate) fn open(&self) -> usize {
        self.counts().values().sum()
    }

    fn counts(&self) -> std::sync::MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the open views; given back when dropped.
struct Seat {
    views: Arc<Views>,
    by: String,
}

impl Seat {
    fn take(views: &Arc<Views>, by: &str) -> Result<Self, Refusal> {
        let mut counts = views.counts();
        let too_many = |zh: String, en: String| Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too-many-views", zh, en);
        if counts.get(by).is_some_and(|of_one| *of_one >= VIEWS_OF_ONE_MAX) {
            return Err(too_many(
                format!("您已打开 {VIEWS_OF_ONE_MAX} 路实时画面,请先关闭一路"),
                format!("you have {VIEWS_OF_ONE_MAX} live views open, close one first"),
            ));
        }
        if counts.values().sum::<usize>() >= VIEWS_MAX {
            return Err(too_many(
                format!("本机已打开 {VIEWS_MAX} 路实时画面,请稍候再试"),
                format!("{VIEWS_MAX} live views are open here, try again later"),
            ));
        }
        *counts.entry(by.to_owned()).or_default() += 1;
        drop(counts);
        Ok(Self { views: Arc::clone(views), by: by.to_owned() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut counts = self.views.counts();
        if let Some(of_one) = counts.get_mut(&self.by) {
            *of_one -= 1;
            if *of_one == 0 {
                counts.remove(&self.by);
            }
        }
    }
}

pub(crate) async fn live(
    State(console): State<Arc<Console>>,
    Path(id): Path<String>,
    Query(query): Query<LiveQuery>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let lead = query.lead.map(LeadId);
    let camera = seen_camera(&console, &id, lead.as_ref())?;
    let by = viewer(&headers, query.by)?;
    let reason = viewing_reason(query.reason.as_deref())?;
    let seat = Seat::take(&console.views, &by)?;
    let view = console.office.live_view(&camera.id).map_err(|words| {
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "live-refused", format!("无法打开实时画面:{words}"), format!("no live view: {words}"))
    })?;
    let mut pictures = view.pictures;
    // The newest picture may be there already; it is one, too.
    pictures.mark_changed();
    let now = Instant::now();
    let mut record = Record { console: Arc::clone(&console), camera, by, reason, lead, opened: now, shown: 0, ended: true };
    record.log(&record.words("开始")).await?;
    record.ended = false;
    let viewer = Viewer { pictures, stop: console.stop.clone(), due: now, log_due: now + LOG_EVERY, begun: false, record, _seat: seat };
    let mut response = Body::from_stream(unfold(viewer, next)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MIXED));
    Ok(response)
}

struct Viewer {
    pictures: watch::Receiver<Option<LivePicture>>,
    stop: watch::Receiver<bool>,
    /// No picture before this.
    due: Instant,
    log_due: Instant,
    begun: bool,
    record: Record,
    _seat: Seat,
}

async fn next(mut viewer: Viewer) -> Option<(Result<Bytes, Infallible>, Viewer)> {
    loop {
        let due = viewer.due;
        let pictures = &mut viewer.pictures;
        let newer = async {
            // First the pause, then the newest: what a slow page or a fast camera leaves out is skipped, not queued.
            sleep_until(due).await;
            pictures.changed().await
        };
        tokio::select! {
            () = stopped(&mut viewer.stop) => break,
            () = sleep_until(viewer.log_due) => {
                viewer.log_due += LOG_EVERY;
                if viewer.record.log(&viewer.record.words("持续")).await.is_err() {
                    break;
                }
            }
            changed = newer => {
                if changed.is_err() {
                    break;
                }
                let newest = viewer.pictures.borrow_and_update().clone();
                if let Some(picture) = newest {
                    viewer.due = Instant::now() + PICTURE_EVERY;
                    viewer.record.shown += 1;
                    viewer.record.console.counters.live_pictures.fetch_add(1, Ordering::Relaxed);
                    let bytes = part(&picture, !viewer.begun);
                    viewer.begun = true;
                    return Some((Ok(bytes), viewer));
                }
            }
        }
    }
    viewer.record.end().await;
    None
}

/// One part. The boundary comes after the picture, so that a browser shows it at once rather than with the one that follows.
fn part(picture: &LivePicture, first: bool) -> Bytes {
    let head = format!(
        "{}Content-Type: image/jpeg\r\nContent-Length: {}\r\nX-Captured-Ms: {}\r\n\r\n",
        if first { "--picture\r\n" } else { "" },
        picture.jpeg.len(),
        picture.captured.0.div_euclid(1_000_000),
    );
    [head.as_bytes(), &picture.jpeg, b"\r\n--picture\r\n"].concat().into()
}

/// What the log is told of one view.
struct Record {
    console: Arc<Console>,
    camera: SeenCamera,
    by: String,
    reason: String,
    lead: Option<LeadId>,
    opened: Instant,
    shown: u64,
    /// Nothing is left to log.
    ended: bool,
}

impl Record {
    fn words(&self, what: &str) -> String {
        let SeenCamera { id, name } = &self.camera;
        let open_s = self.opened.elapsed().as_secs();
        if open_s == 0 && self.shown == 0 {
            return format!("实时画面 {name}({id}):{what}");
        }
        format!("实时画面 {name}({id}):{what},{} 分 {} 秒,{} 幅", open_s / 60, open_s % 60, self.shown)
    }

    async fn log(&self, words: &str) -> Result<(), Refusal> {
        viewing::log(&self.console, self.by.clone(), self.reason.clone(), words.to_owned(), self.lead.clone()).await
    }

    async fn end(&mut self) {
        self.ended = true;
        // It has been logged as an error already, and there is nobody left to refuse a picture to.
        self.log(&self.words("结束")).await.ok();
    }
}

impl Drop for Record {
    /// The page went away: the server drops the stream, which cannot wait for the disk.
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let office: Arc<dyn Office> = Arc::clone(&self.console.office);
        let (by, reason, words, lead) = (self.by.clone(), self.reason.clone(), self.words("结束"), self.lead.clone());
        runtime.spawn_blocking(move || {
            if let Err(why) = office.log_viewing(&by, &reason, &words, lead.as_ref()) {
                tracing::error!(%why, "the end of a live view could not be logged");
            }
        });
    }
}
