//! Who may ask, and what machines that watch over us are told.

use crate::{LEAD, one_lead};
use axum::http::StatusCode;
use patrol_console::{ConsoleConfig, ConsoleError, Office, serve};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::net::TcpListener;
use tokio::sync::watch;

#[tokio::test]
async fn any_address_but_loopback_is_refused() {
    let desk = one_lead();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for listen in ["0.0.0.0:8460", "192.168.1.4:8460", "[::]:8460"] {
        let config = ConsoleConfig { listen: listen.parse().unwrap(), site_name: String::new(), now: desk.clock.clone() };
        let error = config.check().unwrap_err();
        assert!(matches!(error, ConsoleError::NotLoopback(_)));
        assert!(error.to_string().contains(listen) && error.to_string().contains("127.0.0.1:8460"), "{error}");
    }
    let config = ConsoleConfig { listen: "0.0.0.0:0".parse().unwrap(), site_name: String::new(), now: desk.clock.clone() };
    let (_keep, stop) = watch::channel(false);
    assert!(serve(config, listener, Arc::clone(&desk.office) as Arc<dyn Office>, stop).await.is_err());
}

#[tokio::test]
async fn another_host_name_is_refused_also_for_the_page() {
    let desk = one_lead();
    for path in ["/", "/api/v1/leads", "/healthz"] {
        let request = axum::http::Request::get(path).header("host", "patrol.evil.example:8460").body(axum::body::Body::empty()).unwrap();
        let answer = desk.ask(request).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (StatusCode::MISDIRECTED_REQUEST, Some("host-refused")), "{path}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_can_neither_decide_nor_read() {
    let desk = one_lead();
    let body = json!({ "decision": "confirmed", "by": "王芳" }).to_string();
    let path = format!("/api/v1/leads/{LEAD}/review");
    for header in [
        ("origin", "http://evil.example"),
        ("origin", "http://127.0.0.1:9999"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        assert_eq!(desk.post_with(&path, body.clone(), &[header]).await.status, StatusCode::FORBIDDEN, "{header:?}");
        assert_eq!(desk.get_with("/api/v1/leads", &[header]).await.status, StatusCode::FORBIDDEN, "{header:?}");
    }
    let plain = axum::http::Request::post(&path)
        .header("host", "127.0.0.1:8460")
        .header("content-type", "text/plain")
        .body(axum::body::Body::from(body.clone()))
        .unwrap();
    assert_eq!(desk.ask(plain).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(desk.office.commands.lock().unwrap().is_empty());
    let own = [("origin", "http://127.0.0.1:8460"), ("sec-fetch-site", "same-origin")];
    assert_eq!(desk.post_with(&path, body, &own).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere_and_is_not_sent_twice() {
    let desk = one_lead();
    let page = desk.get("/").await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(page.header("x-content-type-options"), "nosniff");
    for path in [
        "/",
        "/app.js",
        "/list.js",
        "/detail.js",
        "/seen.js",
        "/clip.js",
        "/sound.js",
        "/site.js",
        "/words.js",
        "/dom.js",
        "/style.css",
        "/icon.svg",
    ] {
        let answer = desk.get(path).await;
        let text = String::from_utf8(answer.body.clone()).unwrap().replace("http://www.w3.org/2000/svg", "");
        assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("innerHTML"), "{path}");
        let again = desk.get_with(path, &[("if-none-match", answer.header("etag"))]).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
    }
}

#[tokio::test]
async fn a_large_body_is_refused() {
    let desk = one_lead();
    let body = json!({ "decision": "confirmed", "by": "王芳", "reason": "长".repeat(20_000) }).to_string();
    assert_eq!(desk.post_with(&format!("/api/v1/leads/{LEAD}/review"), body, &[]).await.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn readiness_names_what_is_wrong() {
    let desk = one_lead();
    assert_eq!(desk.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(desk.get("/readyz").await.status, StatusCode::OK);
    desk.office.ready.store(false, Ordering::SeqCst);
    let answer = desk.get("/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["checks"][0], json!({ "name": "store", "ok": false, "detail": "磁盘已满" }));
}

#[tokio::test]
async fn metrics_are_prometheus_text_of_patrol_and_console() {
    let desk = one_lead();
    desk.post(&format!("/api/v1/leads/{LEAD}/review"), &json!({ "decision": "confirmed", "by": "王芳" })).await;
    let answer = desk.get("/metrics").await;
    assert_eq!(answer.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = String::from_utf8(answer.body).unwrap();
    for line in ["patrol_leads_total{state=\"REVIEW\"} 2", "patrol_console_commands_total{result=\"done\"} 1", "patrol_console_pages 0"] {
        assert!(text.lines().any(|found| found == line), "{line} not in\n{text}");
    }
}
