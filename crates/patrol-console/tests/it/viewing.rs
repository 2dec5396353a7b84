//! No picture without a line in the log, and no more lines than an auditor can read.

use crate::fake::{lead, sha};
use crate::{Desk, LEAD, NOW, desk, one_lead};
use axum::http::StatusCode;
use patrol_core::Tier;
use serde_json::json;
use std::sync::atomic::Ordering;
use std::time::Duration;

fn with_pictures(desk: Desk) -> Desk {
    let mut pictures = desk.office.pictures.lock().unwrap();
    for number in 100..114 {
        pictures.insert(sha(number), vec![0xff, 0xd8, number as u8]);
    }
    drop(pictures);
    desk
}

fn path(number: u32, lead: &str) -> String {
    format!("/evidence/{}.jpg?lead={lead}", sha(number))
}

fn cookie(name: &str) -> String {
    format!("patrol_operator={}", hex::encode(name))
}

#[tokio::test]
async fn each_person_is_logged_once_per_lead_and_kind_of_picture_in_a_shift() {
    let desk = with_pictures(one_lead());
    let (wang, li) = (cookie("王芳"), cookie("李强"));
    for number in [101, 101, 100, 102, 103, 104] {
        let answer = desk.get_with(&path(number, LEAD), &[("cookie", &wang)]).await;
        assert_eq!((answer.status, answer.header("content-type")), (StatusCode::OK, "image/jpeg"));
        assert_eq!(answer.header("cache-control"), "private, max-age=43200, immutable");
        assert_eq!(answer.header("vary"), "Cookie");
        assert_eq!(answer.body[2], number as u8);
    }
    assert_eq!(desk.get_with(&path(100, LEAD), &[("cookie", &li)]).await.status, StatusCode::OK);
    let entry = |by: &str, what: &str| (by.to_owned(), "线上巡屏复核".to_owned(), what.to_owned(), Some(LEAD.to_owned()));
    assert_eq!(
        *desk.office.viewings.lock().unwrap(),
        [entry("王芳", "线索裁剪图"), entry("王芳", "线索全图与预览"), entry("李强", "线索全图与预览")]
    );
    desk.clock.advance(Duration::from_hours(13));
    desk.get_with(&path(100, LEAD), &[("cookie", &wang)]).await;
    assert_eq!(desk.office.viewings.lock().unwrap().len(), 4, "the next shift is a new viewing");
}

#[tokio::test]
async fn no_log_no_picture() {
    let desk = with_pictures(one_lead());
    desk.office.log_broken.store(true, Ordering::SeqCst);
    let answer = desk.get_with(&path(100, LEAD), &[("cookie", &cookie("王芳"))]).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (StatusCode::SERVICE_UNAVAILABLE, Some("log-failed")));
    desk.office.log_broken.store(false, Ordering::SeqCst);
    assert_eq!(desk.get_with(&path(100, LEAD), &[("cookie", &cookie("王芳"))]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_picture_needs_a_name_a_lead_and_to_be_of_that_lead() {
    let desk = with_pictures(desk(vec![lead(1, Tier::A, 80.0, 0.8, NOW), lead(2, Tier::B, 60.0, 0.8, NOW)]));
    let by = "&by=u1021";
    let short = format!("/evidence/{}.jpg?lead={LEAD}{by}", "0".repeat(63));
    for (path, status) in [
        (path(100, LEAD), StatusCode::UNAUTHORIZED),
        (format!("/evidence/{}.jpg?by=u1021", sha(100)), StatusCode::BAD_REQUEST),
        (format!("{}{by}", path(100, "XL-20260105-000002")), StatusCode::NOT_FOUND),
        (format!("{}{by}", path(100, "XL-9")), StatusCode::NOT_FOUND),
        (format!("{}{by}", path(999, LEAD)), StatusCode::NOT_FOUND),
        (short, StatusCode::BAD_REQUEST),
        (format!("/evidence/..%2F..%2Fpatrol.db?lead={LEAD}{by}"), StatusCode::BAD_REQUEST),
        (format!("{}{by}%07", path(100, LEAD)), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(desk.get(&path).await.status, status, "{path}");
    }
    assert!(desk.office.viewings.lock().unwrap().is_empty());
    let answer = desk.get(&format!("{}{by}&reason=%E5%AE%A1%E8%AE%A1", path(100, LEAD))).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(desk.office.viewings.lock().unwrap()[0].1, "审计");
}

#[tokio::test]
async fn a_name_is_entered_once_per_shift() {
    let desk = one_lead();
    let answer = desk.post("/api/v1/operator", &json!({ "name": " 王芳 " })).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let set = answer.header("set-cookie").to_owned();
    assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
    let site = desk.get_with("/api/v1/site", &[("cookie", set.split(';').next().unwrap())]).await.json();
    assert_eq!(site["operator"], "王芳");
    assert_eq!(desk.post("/api/v1/operator", &json!({ "name": "名".repeat(40) })).await.status, StatusCode::BAD_REQUEST);
}
