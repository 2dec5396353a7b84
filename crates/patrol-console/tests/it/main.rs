//! What operators, auditors and programs see of the console, over a made-up office.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test's helpers fail the test")]

mod decide;
mod fake;
mod live;
mod look;
mod trust;
mod viewing;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use fake::FakeOffice;
use http_body_util::BodyExt;
use patrol_console::{ConsoleConfig, router};
use patrol_core::lead::Lead;
use patrol_core::{Clock, ManualClock, Tier, WallTime};
use serde_json::Value;
use std::sync::Arc;
use tower::ServiceExt;

const NOW: WallTime = WallTime(1_767_550_361_000_000_000);

struct Desk {
    office: Arc<FakeOffice>,
    clock: Arc<ManualClock>,
    app: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// A console over these leads, at [`NOW`].
fn desk(leads: Vec<Lead>) -> Desk {
    let clock = Arc::new(ManualClock::new(NOW));
    let office = FakeOffice::new(Arc::clone(&clock) as Arc<dyn Clock>, leads);
    let config = ConsoleConfig {
        listen: "127.0.0.1:8460".parse().unwrap(),
        site_name: "黄浦区".to_owned(),
        now: Arc::clone(&clock) as Arc<dyn Clock>,
    };
    Desk { app: router(&config, Arc::clone(&office) as Arc<dyn patrol_console::Office>), office, clock }
}

fn one_lead() -> Desk {
    desk(vec![fake::lead(1, Tier::A, 80.0, 0.8, NOW)])
}

const LEAD: &str = "XL-20260105-000001";

impl Desk {
    async fn ask(&self, request: Request<Body>) -> Answer {
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        Answer { status: parts.status, headers: parts.headers, body: body.collect().await.unwrap().to_bytes().to_vec() }
    }
    async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }
    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path).header("host", "127.0.0.1:8460");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.ask(request.body(Body::empty()).unwrap()).await
    }
    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.post_with(path, body.to_string(), &[]).await
    }
    async fn post_with(&self, path: &str, body: String, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::post(path).header("host", "127.0.0.1:8460").header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.ask(request.body(Body::from(body)).unwrap()).await
    }
}
