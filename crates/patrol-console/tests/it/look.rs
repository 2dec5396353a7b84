//! A look now, a live view and a clip: logged before they are shown, bounded, and over when nobody looks.

use crate::fake::{fresh_look, lead, sha};
use crate::live::{Served, served};
use crate::{Answer, Desk, LEAD, NOW, desk, one_lead};
use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode};
use futures_util::StreamExt;
use patrol_console::LivePicture;
use patrol_core::{CameraId, Tier};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower::ServiceExt;

const JPEG: &[u8] = &[0xff, 0xd8, 0xff, 0xd9];
const LOOK: &str = "/api/v1/cameras/cam-1/look";
const LIVE: &str = "/api/v1/cameras/cam-1/live?by=%E7%8E%8B%E8%8A%B3&reason=%E6%A0%B8%E5%AE%9E";

fn finds(desk: &Desk) {
    *desk.office.fresh.lock().unwrap() = Some(Ok(fresh_look(JPEG, NOW)));
}

fn viewed(desk: &Desk) -> Vec<(String, String, String, Option<String>)> {
    desk.office.viewings.lock().unwrap().clone()
}

fn viewing(by: &str, reason: &str, what: &str, lead: Option<&str>) -> (String, String, String, Option<String>) {
    (by.to_owned(), reason.to_owned(), what.to_owned(), lead.map(str::to_owned))
}

// ---- look now ----

#[tokio::test(start_paused = true)]
async fn a_look_now_is_logged_and_answered_in_time() {
    let desk = one_lead();
    finds(&desk);
    *desk.office.look_takes.lock().unwrap() = Duration::from_millis(1900);
    desk.clock.advance(Duration::from_secs(1));
    let from = Instant::now();
    let answer = desk.post(LOOK, &json!({ "by": "王芳", "reason": "群众来电", "lead": LEAD })).await;
    assert!(from.elapsed() < Duration::from_secs(2));
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-store"));
    let mut looked = answer.json();
    assert_eq!(looked["people"][0].as_object_mut().unwrap().remove("confidence").map(|p| p.as_f64().unwrap() > 0.7), Some(true));
    assert_eq!(
        looked,
        json!({
            "camera": "cam-1", "camera_name": "人民路地下通道1号口热像", "picture": "/9j/2Q==", "size": { "width": 640, "height": 512 },
            "captured": NOW.0, "age_s": 1.0, "outcome": "examined",
            "people": [{ "bbox": { "x": 268.0, "y": 300.0, "w": 112.0, "h": 44.0 }, "posture": "lying", "still_s": 1394.0 }],
        })
    );
    assert_eq!(viewed(&desk), [viewing("王芳", "群众来电", "立即查看 人民路地下通道1号口热像(cam-1)", Some(LEAD))]);
    // Each look is a viewing of its own.
    desk.post(LOOK, &json!({ "by": "王芳" })).await;
    assert_eq!(viewed(&desk)[1], viewing("王芳", "线上巡屏复核", "立即查看 人民路地下通道1号口热像(cam-1)", None));
}

#[tokio::test]
async fn a_look_or_a_live_view_that_cannot_be_logged_shows_nothing() {
    let desk = one_lead();
    finds(&desk);
    let live = desk.office.live("cam-1");
    live.send_replace(Some(LivePicture { jpeg: JPEG.into(), captured: NOW }));
    desk.office.log_broken.store(true, Ordering::SeqCst);
    for answer in [desk.post(LOOK, &json!({ "by": "王芳" })).await, desk.get(LIVE).await] {
        assert_eq!((answer.status, answer.json()["code"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, Some("log-failed")));
        assert!(answer.json()["error"].as_str().unwrap().contains("磁盘已满"));
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains("/9j/") && !answer.body.windows(2).any(|two| two == [0xff, 0xd8]), "{text}");
    }
    assert_eq!(live.receiver_count(), 0, "the camera is not kept busy for nobody");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_finds_no_picture_says_why_and_is_no_viewing() {
    let desk = one_lead();
    let answer = desk.post(LOOK, &json!({ "by": "王芳" })).await;
    assert_eq!((answer.status, answer.json()["error"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, Some("未能查看:摄像机无画面")));
    // An office that never answers does not keep the officer waiting.
    *desk.office.fresh.lock().unwrap() = None;
    let from = Instant::now();
    let answer = desk.post(LOOK, &json!({ "by": "王芳" })).await;
    assert!(from.elapsed() < Duration::from_secs(3));
    assert_eq!((answer.status, answer.json()["error"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, Some("未能查看:2 秒内没有得到新画面")));
    assert!(viewed(&desk).is_empty());
    let metrics = String::from_utf8(desk.get("/metrics").await.body).unwrap();
    assert!(metrics.contains("patrol_console_looks_total{result=\"refused\"} 2"), "{metrics}");
}

#[tokio::test]
async fn who_may_look_and_where() {
    let mut elsewhere = lead(2, Tier::B, 60.0, 0.8, NOW);
    elsewhere.place.camera = CameraId::new("cam-3");
    elsewhere.evidence[0].camera = CameraId::new("cam-3");
    let desk = desk(vec![lead(1, Tier::A, 80.0, 0.8, NOW), elsewhere]);
    finds(&desk);
    for (path, body, status, code) in [
        ("/api/v1/cameras/cam-9/look", json!({ "by": "王芳" }), StatusCode::NOT_FOUND, "no-such-camera"),
        (LOOK, json!({}), StatusCode::UNAUTHORIZED, "name-missing"),
        (LOOK, json!({ "by": " " }), StatusCode::BAD_REQUEST, "name-refused"),
        (LOOK, json!({ "by": "王芳", "reason": "长".repeat(101) }), StatusCode::BAD_REQUEST, "reason-refused"),
        (LOOK, json!({ "by": "王芳", "why": "" }), StatusCode::BAD_REQUEST, "bad-body"),
        (LOOK, json!({ "by": "王芳", "lead": "XL-9" }), StatusCode::NOT_FOUND, "no-such-lead"),
        (LOOK, json!({ "by": "王芳", "lead": "XL-20260105-000002" }), StatusCode::BAD_REQUEST, "not-of-this-lead"),
    ] {
        let answer = desk.post(path, &body).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (status, Some(code)), "{path} {body}");
    }
    for (path, status) in [
        ("/api/v1/cameras/cam-9/live?by=u1", StatusCode::NOT_FOUND),
        ("/api/v1/cameras/cam-1/live", StatusCode::UNAUTHORIZED),
        ("/api/v1/cameras/cam-1/live?by=u1&lead=XL-9", StatusCode::NOT_FOUND),
        ("/api/v1/cameras/cam-4/live?by=u1", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        assert_eq!(desk.get(path).await.status, status, "{path}");
    }
    // The name on duty and the name in the request are one.
    let cookie = format!("patrol_operator={}", hex::encode("李强"));
    let answer = desk.post_with(LOOK, json!({ "by": "王芳" }).to_string(), &[("cookie", &cookie)]).await;
    assert_eq!(answer.json()["code"], "name-differs");
    assert!(viewed(&desk).is_empty());
}

#[tokio::test]
async fn a_page_of_another_origin_can_neither_look_nor_watch() {
    let desk = one_lead();
    finds(&desk);
    let body = json!({ "by": "王芳" }).to_string();
    for header in [("origin", "http://evil.example"), ("sec-fetch-site", "cross-site")] {
        assert_eq!(desk.post_with(LOOK, body.clone(), &[header]).await.status, StatusCode::FORBIDDEN);
        assert_eq!(desk.get_with(LIVE, &[header]).await.status, StatusCode::FORBIDDEN);
    }
    let form = Request::post(LOOK).header("host", "127.0.0.1:8460").header("content-type", "text/plain").body(Body::from(body)).unwrap();
    assert_eq!(desk.ask(form).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert!(viewed(&desk).is_empty());
}

// ---- live view ----

/// A live view whose pictures are read as they come.
async fn watching(desk: &Desk, path: &str) -> Result<BodyDataStream, Answer> {
    let request = Request::get(path).header("host", "127.0.0.1:8460").body(Body::empty()).unwrap();
    let response = desk.app.clone().oneshot(request).await.unwrap();
    if response.status() == StatusCode::OK {
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert_eq!(kind, "multipart/x-mixed-replace; boundary=picture");
        assert_eq!(response.headers()["cache-control"], "no-store");
        return Ok(response.into_body().into_data_stream());
    }
    let (parts, body) = response.into_parts();
    let body = http_body_util::BodyExt::collect(body).await.unwrap().to_bytes().to_vec();
    Err(Answer { status: parts.status, headers: parts.headers, body })
}

#[tokio::test(start_paused = true)]
async fn a_live_view_shows_the_newest_pictures_five_a_second() {
    let desk = Arc::new(one_lead());
    let mut page = watching(&desk, &format!("{LIVE}&lead={LEAD}")).await.ok().unwrap();
    assert_eq!(
        viewed(&desk),
        [viewing("王芳", "核实", "实时画面 人民路地下通道1号口热像(cam-1):开始", Some(LEAD))],
        "logged before any picture"
    );
    let from = Arc::clone(&desk);
    let camera = tokio::spawn(async move {
        // 25 pictures a second for 10 s.
        for number in 0..250_u8 {
            from.office.live("cam-1").send_replace(Some(LivePicture { jpeg: [number].into(), captured: NOW }));
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    });
    let mut seen = Vec::new();
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(10) {
        let Ok(Some(part)) = tokio::time::timeout(Duration::from_secs(1), page.next()).await else { break };
        let part = part.unwrap();
        let text = String::from_utf8_lossy(&part).into_owned();
        assert_eq!(text.starts_with("--picture\r\n"), seen.is_empty(), "{text}");
        assert!(
            text.contains(&format!("Content-Type: image/jpeg\r\nContent-Length: 1\r\nX-Captured-Ms: {}\r\n\r\n", NOW.0 / 1_000_000)),
            "{text}"
        );
        assert!(text.ends_with("\r\n--picture\r\n"), "{text}");
        seen.push(part[part.len() - "x\r\n--picture\r\n".len()]);
    }
    camera.await.unwrap();
    assert!((48..=51).contains(&seen.len()), "{} pictures in 10 s", seen.len());
    assert!(seen.windows(2).all(|two| (4..=6).contains(&(two[1] - two[0]))), "the newest each time: {seen:?}");
    // A page that did not read for a while gets what is newest now, not what it missed.
    desk.office.live("cam-1").send_replace(Some(LivePicture { jpeg: [7].into(), captured: NOW }));
    desk.office.live("cam-1").send_replace(Some(LivePicture { jpeg: [9].into(), captured: NOW }));
    let part = page.next().await.unwrap().unwrap();
    assert_eq!(part[part.len() - "x\r\n--picture\r\n".len()], 9);
}

#[tokio::test(start_paused = true)]
async fn a_long_live_view_is_logged_again_and_ends_when_it_cannot_be() {
    let desk = one_lead();
    let live = desk.office.live("cam-1");
    let mut page = watching(&desk, LIVE).await.ok().unwrap();
    live.send_replace(Some(LivePicture { jpeg: JPEG.into(), captured: NOW }));
    page.next().await.unwrap().unwrap();
    // Nothing new for 25 minutes: it is still open, and an auditor sees that.
    assert!(tokio::time::timeout(Duration::from_mins(25), page.next()).await.is_err());
    let what: Vec<String> = viewed(&desk).into_iter().map(|(_, _, what, _)| what).collect();
    let name = "实时画面 人民路地下通道1号口热像(cam-1)";
    assert_eq!(what, [format!("{name}:开始"), format!("{name}:持续,10 分 0 秒,1 幅"), format!("{name}:持续,20 分 0 秒,1 幅")]);
    desk.office.log_broken.store(true, Ordering::SeqCst);
    assert!(tokio::time::timeout(Duration::from_mins(6), page.next()).await.expect("it ends").is_none());
    drop(page);
    assert_eq!(live.receiver_count(), 0);
}

#[tokio::test]
async fn a_camera_that_is_taken_away_ends_its_views() {
    let desk = one_lead();
    let mut page = watching(&desk, LIVE).await.ok().unwrap();
    desk.office.live.lock().unwrap().clear();
    assert!(page.next().await.is_none());
    assert_eq!(viewed(&desk)[1].2, "实时画面 人民路地下通道1号口热像(cam-1):结束");
}

#[tokio::test]
async fn live_views_are_bounded_for_one_officer_and_for_all() {
    let desk = one_lead();
    let mut open = Vec::new();
    for _ in 0..2 {
        open.push(watching(&desk, LIVE).await.ok().unwrap());
    }
    let refused = watching(&desk, LIVE).await.err().unwrap();
    assert_eq!((refused.status, refused.json()["code"].as_str()), (StatusCode::TOO_MANY_REQUESTS, Some("too-many-views")));
    assert!(refused.json()["error"].as_str().unwrap().contains("请先关闭一路"));
    for by in ["u2", "u2", "u3", "u3", "u4", "u4"] {
        open.push(watching(&desk, &format!("/api/v1/cameras/cam-3/live?by={by}")).await.ok().unwrap());
    }
    assert_eq!(watching(&desk, "/api/v1/cameras/cam-3/live?by=u5").await.err().unwrap().status, StatusCode::TOO_MANY_REQUESTS);
    let metrics = String::from_utf8(desk.get("/metrics").await.body).unwrap();
    assert!(metrics.contains("patrol_console_live_views 8\n"), "{metrics}");
    drop(open.remove(0));
    open.push(watching(&desk, LIVE).await.ok().expect("a closed view makes room"));
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..2000 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not within 10 s: {what}");
}

async fn connect(served: &Served) -> TcpStream {
    let mut page = TcpStream::connect(served.address).await.unwrap();
    page.write_all(format!("GET {LIVE} HTTP/1.1\r\nHost: {}\r\n\r\n", served.address).as_bytes()).await.unwrap();
    page
}

#[tokio::test]
async fn a_page_that_goes_away_ends_the_view_at_the_office_and_in_the_log() {
    let desk = one_lead();
    let served = served(&desk).await;
    let live = desk.office.live("cam-1");
    let mut page = connect(&served).await;
    until("the office is asked", || live.receiver_count() == 1).await;
    live.send_replace(Some(LivePicture { jpeg: JPEG.into(), captured: NOW }));
    let mut read = Vec::new();
    while !read.windows(JPEG.len()).any(|bytes| bytes == JPEG) {
        assert_ne!(page.read_buf(&mut read).await.unwrap(), 0);
    }
    // No picture comes after this: it is the closed connection itself that is noticed.
    drop(page);
    until("the office is let go", || live.receiver_count() == 0).await;
    until("the end is logged", || viewed(&desk).len() == 2).await;
    let (by, _, what, _) = viewed(&desk).remove(1);
    assert!(by == "王芳" && what.starts_with("实时画面 人民路地下通道1号口热像(cam-1):结束,0 分 ") && what.ends_with("1 幅"), "{what}");
}

#[tokio::test]
async fn stop_ends_a_live_view_and_logs_it() {
    let desk = one_lead();
    let served = served(&desk).await;
    let live = desk.office.live("cam-1");
    let mut page = connect(&served).await;
    until("the office is asked", || live.receiver_count() == 1).await;
    served.stop.send_replace(true);
    let mut rest = Vec::new();
    tokio::time::timeout(Duration::from_secs(20), page.read_to_end(&mut rest)).await.expect("the view ends").unwrap();
    until("the end is logged", || viewed(&desk).iter().any(|(_, _, what, _)| what.ends_with("结束"))).await;
}

// ---- clip ----

fn with_clip() -> (Desk, String) {
    let mut lead = lead(1, Tier::A, 80.0, 0.8, NOW);
    lead.evidence[0].clip_sha256 = Some(sha(150));
    let desk = desk(vec![lead]);
    desk.office.pictures.lock().unwrap().insert(sha(150), (0..=255).collect());
    (desk, format!("/evidence/{}.mp4?lead={LEAD}&by=u1021", sha(150)))
}

#[tokio::test]
async fn a_clip_is_served_in_ranges_and_logged_once() {
    let (desk, path) = with_clip();
    let whole = desk.get(&path).await;
    assert_eq!((whole.status, whole.header("content-type"), whole.body.len()), (StatusCode::OK, "video/mp4", 256));
    assert_eq!((whole.header("accept-ranges"), whole.header("cache-control")), ("bytes", "no-store"));
    let name = "XL-20260105-000001_20260105-021241_cam-1.mp4";
    assert_eq!(whole.header("content-disposition"), format!("inline; filename=\"{name}\"; filename*=UTF-8''{name}"));
    for (range, status, found, bytes) in [
        ("bytes=0-", StatusCode::PARTIAL_CONTENT, "bytes 0-255/256", (0..=255).collect::<Vec<u8>>()),
        ("bytes=16-18", StatusCode::PARTIAL_CONTENT, "bytes 16-18/256", vec![16, 17, 18]),
        ("bytes=-2", StatusCode::PARTIAL_CONTENT, "bytes 254-255/256", vec![254, 255]),
        ("bytes=256-", StatusCode::RANGE_NOT_SATISFIABLE, "bytes */256", vec![]),
    ] {
        let part = desk.get_with(&path, &[("range", range)]).await;
        assert_eq!((part.status, part.header("content-range"), &part.body), (status, found, &bytes), "{range}");
    }
    let stale = desk.get_with(&path, &[("range", "bytes=0-1"), ("if-range", "\"another\"")]).await;
    assert_eq!((stale.status, stale.body.len()), (StatusCode::OK, 256));
    assert_eq!(viewed(&desk), [viewing("u1021", "线上巡屏复核", "线索录像", Some(LEAD))]);
    // A copy that leaves is another matter, each time.
    for _ in 0..2 {
        assert!(desk.get(&format!("{path}&download=1")).await.header("content-disposition").starts_with("attachment; "));
    }
    let what: Vec<String> = viewed(&desk).into_iter().map(|(_, _, what, _)| what).collect();
    assert_eq!(what, ["线索录像", "线索录像下载", "线索录像下载"]);
}

#[tokio::test]
async fn a_clip_needs_its_log_its_lead_and_its_ending() {
    let (desk, path) = with_clip();
    desk.office.log_broken.store(true, Ordering::SeqCst);
    let refused = desk.get_with(&path, &[("range", "bytes=0-")]).await;
    assert_eq!((refused.status, refused.json()["code"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, Some("log-failed")));
    desk.office.log_broken.store(false, Ordering::SeqCst);
    for (path, code) in [
        (path.replace(".mp4", ".jpg"), "not-of-this-lead"),
        (path.replace(&sha(150), &sha(100)), "not-of-this-lead"),
        (path.replace(&sha(150), "..%2F"), "bad-picture-name"),
        (path.replace("&by=u1021", ""), "name-missing"),
    ] {
        assert_eq!(desk.get(&path).await.json()["code"].as_str(), Some(code), "{path}");
    }
    desk.office.pictures.lock().unwrap().clear();
    let gone = desk.get(&path).await;
    assert_eq!((gone.status, gone.json()["code"].as_str()), (StatusCode::NOT_FOUND, Some("no-picture")));
}

#[tokio::test]
async fn a_lead_without_a_clip_says_so_in_its_json() {
    let (desk, _) = with_clip();
    let with = desk.get(&format!("/api/v1/leads/{LEAD}")).await.json();
    assert_eq!(with["evidence"][0]["clip_sha256"], json!(sha(150)));
    assert_eq!(one_lead().get(&format!("/api/v1/leads/{LEAD}")).await.json()["evidence"][0]["clip_sha256"], Value::Null);
}
