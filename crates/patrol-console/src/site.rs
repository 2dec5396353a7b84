//! What the header, the camera tab and the machines that watch over us ask for.

use crate::office::Check;
use crate::officer::operator_cookie;
use crate::server::Console;
use crate::stream::STREAMS_MAX;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What the console itself has done.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) commands_done: AtomicU64,
    pub(crate) commands_refused: AtomicU64,
    pub(crate) commands_unanswered: AtomicU64,
    pub(crate) viewings_logged: AtomicU64,
    pub(crate) viewings_refused: AtomicU64,
    pub(crate) slow_pages: AtomicU64,
    pub(crate) looks_shown: AtomicU64,
    pub(crate) looks_refused: AtomicU64,
    pub(crate) live_pictures: AtomicU64,
}

/// Scene time, and how many seconds of it pass in a real second: 10 in a demo, 0 for a clock that stands still.
pub(crate) async fn time(State(console): State<Arc<Console>>) -> Json<Value> {
    Json(time_of(&console))
}

fn time_of(console: &Console) -> Value {
    let scene_s = 1.0;
    let real_s = console.clock.real_wait(Duration::from_secs(1)).as_secs_f64();
    let speed = if real_s > 0.0 { scene_s / real_s } else { 0.0 };
    json!({ "now_ms": console.clock.now().0 / 1_000_000, "speed": speed })
}

pub(crate) async fn site(State(console): State<Arc<Console>>, headers: HeaderMap) -> Json<Value> {
    Json(json!({
        "name": console.site_name,
        "version": env!("CARGO_PKG_VERSION"),
        "operator": operator_cookie(&headers),
        "time": time_of(&console),
        "weather": console.office.weather(),
        "suppressed": console.office.suppressed(),
    }))
}

pub(crate) async fn cameras(State(console): State<Arc<Console>>) -> Json<Value> {
    let mut cameras = console.office.cameras();
    // What needs a person first.
    let needs =
        |camera: &crate::office::CameraStatus| (!camera.promise_broken, camera.condition == patrol_core::desk::CameraCondition::Seeing);
    cameras.sort_by(|a, b| needs(a).cmp(&needs(b)).then_with(|| a.id.cmp(&b.id)));
    let broken = cameras.iter().filter(|camera| camera.promise_broken).count();
    Json(json!({ "cameras": cameras, "promises_broken": broken }))
}

pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

pub(crate) async fn readyz(State(console): State<Arc<Console>>) -> impl IntoResponse {
    let mut checks = console.office.readiness();
    checks.push(Check {
        name: "console-changes".to_owned(),
        ok: console.hub.is_alive(),
        detail: if console.hub.is_alive() { "changes arrive" } else { "the desk's changes have ended" }.to_owned(),
    });
    let ready = checks.iter().all(|check| check.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": ready, "checks": checks })))
}

pub(crate) async fn metrics(State(console): State<Arc<Console>>) -> impl IntoResponse {
    let mut text = console.office.metrics();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let counters = &console.counters;
    let counts = [
        ("patrol_console_commands_total{result=\"done\"}", &counters.commands_done),
        ("patrol_console_commands_total{result=\"refused\"}", &counters.commands_refused),
        ("patrol_console_commands_total{result=\"unanswered\"}", &counters.commands_unanswered),
        ("patrol_console_viewings_total{result=\"logged\"}", &counters.viewings_logged),
        ("patrol_console_viewings_total{result=\"refused\"}", &counters.viewings_refused),
        ("patrol_console_slow_pages_total", &counters.slow_pages),
        ("patrol_console_looks_total{result=\"shown\"}", &counters.looks_shown),
        ("patrol_console_looks_total{result=\"refused\"}", &counters.looks_refused),
        ("patrol_console_live_pictures_total", &counters.live_pictures),
    ];
    let mut family = "";
    for (name, count) in counts {
        let of = name.split('{').next().unwrap_or(name);
        if of != family {
            family = of;
            // Writing to a String cannot fail.
            writeln!(text, "# TYPE {family} counter").ok();
        }
        writeln!(text, "{name} {}", count.load(Ordering::Relaxed)).ok();
    }
    let pages = STREAMS_MAX - console.streams.available_permits();
    writeln!(text, "# TYPE patrol_console_pages gauge\npatrol_console_pages {pages}").ok();
    writeln!(text, "# TYPE patrol_console_live_views gauge\npatrol_console_live_views {}", console.views.open()).ok();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
