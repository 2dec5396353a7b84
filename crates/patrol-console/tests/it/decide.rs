//! The queue and the decisions: the right lead, by the right person, answered after the desk has it.

use crate::fake::lead;
use crate::{LEAD, NOW, desk, one_lead};
use axum::http::StatusCode;
use patrol_core::Tier;
use patrol_core::desk::{OfficerAction, OfficerCommand};
use patrol_core::lead::{Decision, DeliveryState, LeadId, LeadState};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn the_queue_is_best_first_and_what_needs_nobody_comes_after() {
    let mut done = lead(1, Tier::A, 99.0, 1.0, NOW);
    done.state = LeadState::Closed;
    let mut under_way = lead(2, Tier::A, 98.0, 1.0, NOW);
    under_way.state = LeadState::Dispatched;
    let mut parked = lead(3, Tier::B, 60.0, 0.9, NOW);
    (parked.state, parked.delivery) = (LeadState::Pushed, DeliveryState::Parked);
    let mut candidate = lead(4, Tier::A, 97.0, 1.0, NOW);
    candidate.state = LeadState::Candidate;
    // Same tier: S·√p decides, so 70 at 0.9 stands before 75 at 0.5.
    let desk = desk(vec![
        done,
        under_way,
        candidate,
        lead(5, Tier::A, 75.0, 0.5, NOW),
        lead(6, Tier::A, 70.0, 0.9, NOW),
        parked,
        lead(7, Tier::C, 90.0, 1.0, NOW),
    ]);
    let list = desk.get("/api/v1/leads").await.json();
    let order: Vec<u64> =
        list["leads"].as_array().unwrap().iter().map(|lead| lead["id"].as_str().unwrap()[12..].parse().unwrap()).collect();
    assert_eq!(order, [6, 5, 3, 7, 4, 2, 1]);
    assert_eq!(list["counts"], json!({ "waiting": 4, "candidate": 1, "underway": 1, "closed": 1 }));
}

#[tokio::test]
async fn the_json_of_a_lead_keeps_its_names() {
    let desk = one_lead();
    let list = desk.get("/api/v1/leads").await.json();
    assert_eq!(keys(&list), ["as_of", "counts", "leads", "left_out"].into());
    let summary = "address advice as_of bbox camera camera_name case confidence crop_sha256 decidable delivery first_seen group id last_seen linked \
                   made_at merged_into people pictures posture rank resolved review revision ringing score size state state_since still_since street \
                   tier w_eff_c weather_assumed";
    assert_eq!(keys(&list["leads"][0]), summary.split_whitespace().collect());
    let detail = "address advice camera_code camera_name case confidence decidable delivery evidence first_seen grid group history id last_seen linked \
                  made_at merged_from merged_into people place position posture rank resolved review revision ringing score state state_since \
                  still_since street tier";
    let lead = desk.get(&format!("/api/v1/leads/{LEAD}")).await.json();
    assert_eq!(keys(&lead), detail.split_whitespace().collect());
    // Motionless, A, severe cold: the telephone comes first.
    assert_eq!(lead["advice"][0]["kind"], "call-120-110-first");
    assert_eq!(desk.get("/api/v1/leads/XL-20260105-999999").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_list_is_no_export_of_where_people_are() {
    let text = String::from_utf8(one_lead().get("/api/v1/leads").await.body).unwrap();
    assert!(!text.contains("lon") && !text.contains("121.48"), "{text}");
}

#[tokio::test]
async fn a_review_reaches_the_desk_and_brings_the_newest_snapshot() {
    let desk = one_lead();
    let answer = desk
        .post(&format!("/api/v1/leads/{LEAD}/review"), &json!({ "decision": "confirmed", "reason": "", "by": "王芳", "revision": 1 }))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    let done = answer.json();
    assert_eq!((done["lead"]["state"].as_str(), &done["changed_since"]), (Some("PUSHED"), &json!(false)));
    let expected = OfficerCommand {
        by: "王芳".to_owned(),
        reason: "确认派单".to_owned(),
        action: OfficerAction::Review { lead: LeadId(LEAD.to_owned()), decision: Decision::Confirmed },
    };
    assert_eq!(*desk.office.commands.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn a_decision_on_what_has_changed_is_taken_and_said() {
    let desk = one_lead();
    let mut newer = desk.office.leads.lock().unwrap()[0].clone();
    (newer.revision, newer.people) = (4, 2);
    desk.office.put(newer);
    let done =
        desk.post(&format!("/api/v1/leads/{LEAD}/review"), &json!({ "decision": "passer-by", "by": "王芳", "revision": 1 })).await.json();
    assert_eq!((&done["changed_since"], &done["lead"]["people"]), (&json!(true), &json!(2)));
}

#[tokio::test]
async fn the_desks_refusal_is_shown_in_its_own_words() {
    let desk = one_lead();
    *desk.office.refusal.lock().unwrap() = Some("该线索已由李强确认".to_owned());
    let answer = desk.post(&format!("/api/v1/leads/{LEAD}/review"), &json!({ "decision": "animal", "by": "王芳" })).await;
    assert_eq!((answer.status, answer.json()["error"].as_str()), (StatusCode::CONFLICT, Some("该线索已由李强确认")));
}

#[tokio::test]
async fn what_is_no_decision_of_a_person_never_reaches_the_desk() {
    let desk = one_lead();
    let path = format!("/api/v1/leads/{LEAD}/review");
    for (body, status) in [
        (json!({ "decision": "timeout", "by": "王芳" }), StatusCode::BAD_REQUEST),
        (json!({ "decision": "perhaps", "by": "王芳" }), StatusCode::BAD_REQUEST),
        (json!({ "decision": "confirmed" }), StatusCode::BAD_REQUEST),
        (json!({ "decision": "confirmed", "by": "  " }), StatusCode::BAD_REQUEST),
        (json!({ "decision": "confirmed", "by": "王\u{7}芳" }), StatusCode::BAD_REQUEST),
        (json!({ "decision": "confirmed", "by": "王芳", "reson": "x" }), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(desk.post(&path, &body).await.status, status, "{body}");
    }
    let unknown = desk.post("/api/v1/leads/XL-1/review", &json!({ "decision": "confirmed", "by": "王芳" })).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    let cookie = format!("patrol_operator={}", hex::encode("李强"));
    let body = json!({ "decision": "confirmed", "by": "王芳" }).to_string();
    assert_eq!(desk.post_with(&path, body, &[("cookie", &cookie)]).await.json()["code"], "name-differs");
    assert!(desk.office.commands.lock().unwrap().is_empty());
}

#[tokio::test]
async fn merge_split_undo_acknowledge_and_new_are_commands_of_the_officer_on_duty() {
    let desk = desk(vec![lead(1, Tier::A, 80.0, 0.8, NOW), lead(2, Tier::B, 60.0, 0.8, NOW)]);
    let cookie = format!("patrol_operator={}", hex::encode("李强"));
    let (one, two) = (LeadId(LEAD.to_owned()), LeadId("XL-20260105-000002".to_owned()));
    let bbox = json!({ "x": 10.0, "y": 20.0, "w": 30.0, "h": 40.0 });
    for (path, body) in [
        (format!("/api/v1/leads/{LEAD}/merge"), json!({ "into": two, "reason": "同一人" })),
        (format!("/api/v1/leads/{LEAD}/split"), json!({})),
        (format!("/api/v1/leads/{LEAD}/undo"), json!({})),
        (format!("/api/v1/leads/{LEAD}/acknowledge"), json!({})),
        ("/api/v1/leads".to_owned(), json!({ "camera": "cam-1", "bbox": bbox, "people": 2 })),
    ] {
        let answer = desk.post_with(&path, body.to_string(), &[("cookie", &cookie)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&answer.body));
    }
    let commands = desk.office.commands.lock().unwrap().clone();
    assert!(commands.iter().all(|command| command.by == "李强"));
    let actions: Vec<&OfficerAction> = commands.iter().map(|command| &command.action).collect();
    assert_eq!(actions[0], &OfficerAction::Merge { from: one.clone(), into: two });
    assert_eq!(
        actions[1..4],
        [
            &OfficerAction::Split { lead: one.clone() },
            &OfficerAction::Undo { lead: one.clone() },
            &OfficerAction::Acknowledge { lead: one }
        ]
    );
    assert!(matches!(actions[4], OfficerAction::New { people: 2, .. }));
    for (path, body) in [
        (format!("/api/v1/leads/{LEAD}/merge"), json!({ "into": LEAD, "by": "李强" })),
        ("/api/v1/leads".to_owned(), json!({ "camera": "cam-1", "bbox": bbox, "people": 0, "by": "李强" })),
    ] {
        assert_eq!(desk.post(&path, &body).await.status, StatusCode::BAD_REQUEST, "{path}");
    }
}

#[tokio::test]
async fn the_page_reads_scene_time_cameras_and_suppressed_places() {
    let desk = one_lead();
    desk.clock.advance(Duration::from_secs(9));
    assert_eq!(desk.get("/api/v1/time").await.json(), json!({ "now_ms": 1_767_550_370_000_i64, "speed": 0.0 }));
    let site = desk.get("/api/v1/site").await.json();
    assert_eq!(
        (site["name"].as_str(), &site["operator"], site["suppressed"][0]["count"].as_u64()),
        (Some("黄浦区"), &Value::Null, Some(14))
    );
    let cameras = desk.get("/api/v1/cameras").await.json();
    let broken: Vec<bool> =
        cameras["cameras"].as_array().unwrap().iter().map(|camera| camera["promise_broken"].as_bool().unwrap()).collect();
    assert_eq!((broken, &cameras["promises_broken"]), (vec![true, true, false, false, false], &json!(2)));
    assert_eq!(cameras["cameras"][0]["condition"], json!({ "state": "cannot-see", "why": "covered" }));
    let skew: Vec<&Value> = cameras["cameras"].as_array().unwrap().iter().map(|camera| &camera["link"]["clock_skew_s"]).collect();
    // Lost: no session yet. A file has no link at all.
    assert_eq!(skew, [&json!(-1.6), &Value::Null, &json!(7.4), &json!(0.2), &Value::Null]);
    assert_eq!((&cameras["cameras"][2]["link"]["codec"], &cameras["cameras"][4]["link"]), (&json!("H.265"), &Value::Null));
}
