//! What the city says, and what the camera says to that.

use crate::scene::{Scene, has_history};
use patrol_core::desk::{AbsenceKind, DeliveryResult, OfficerAction, PushOp};
use patrol_core::lead::{Decision, DeliveryState};
use patrol_core::{LeadState, Posture};

#[test]
fn callbacks_are_applied_by_number_whatever_their_order() {
    let mut scene = Scene::reported(-2.0);
    scene.callback(3, 3, Some(LeadState::Arrived), None);
    scene.callback(2, 2, Some(LeadState::Dispatched), None);
    scene.callback(3, 3, Some(LeadState::Arrived), None);
    let lead = scene.lead();
    assert_eq!((lead.state, lead.case.last_seq), (LeadState::Arrived, Some(3)));
    assert_eq!(lead.history.iter().filter(|line| line.kind.starts_with("callback")).count(), 2, "the repeated one leaves no trace");
    assert!(has_history(&lead, "callback-late"));
    scene.callback(4, 4, None, None);
    assert_eq!((scene.lead().state, scene.rang("mapping-alarm")), (LeadState::Arrived, 1));
}

#[test]
fn a_result_that_the_camera_contradicts_reopens() {
    let mut scene = Scene::reported(-2.0);
    scene.callback(1, 1, Some(LeadState::Handled), Some("NOT_FOUND"));
    scene.run(50);
    assert_eq!(scene.lead().state, LeadState::Handled);
    scene.run(15);
    assert_eq!((scene.lead().state, scene.rang("reopened")), (LeadState::Review, 1));
    assert_eq!(scene.lead().review, None);
}

#[test]
fn a_result_that_nothing_contradicts_is_verified() {
    let mut scene = Scene::reported(-2.0);
    scene.leaves(1);
    scene.callback(1, 1, Some(LeadState::Handled), Some("ESCORTED_STATION"));
    scene.minutes(9);
    assert_eq!(scene.lead().state, LeadState::Handled);
    scene.minutes(2);
    assert_eq!(scene.lead().state, LeadState::Verified);
    scene.someone(7, Posture::Lying, (0.0, 0.0));
    scene.minutes(3);
    let leads = scene.leads();
    assert_eq!((leads.len(), leads[1].linked.len()), (2, 1), "whoever lies there next is a new lead");
}

#[test]
fn a_case_closed_over_somebody_who_is_still_there_reopens() {
    let mut scene = Scene::reported(-2.0);
    scene.callback(1, 1, Some(LeadState::Closed), Some("LEFT"));
    scene.minutes(2);
    assert_eq!(scene.lead().state, LeadState::Review);
}

#[test]
fn a_refusal_is_watched_silently_and_revisited() {
    let mut scene = Scene::reported(-8.0);
    scene.minutes(30);
    scene.callback(1, 1, Some(LeadState::Handled), Some("SUPPLIES_REFUSED"));
    let before = scene.rings.len();
    scene.minutes(25);
    assert_eq!(scene.rings.len(), before, "{:?}", &scene.rings[before..]);
    scene.minutes(6);
    assert_eq!(scene.rang("watch-still"), 1, "30 minutes without movement");
    scene.minutes(95);
    assert_eq!(scene.rang("revisit"), 1, "every two hours in the cold");
    assert_eq!(scene.lead().state, LeadState::Handled);
    scene.someone(2, Posture::Lying, (1.5, 0.0));
    scene.run(3);
    assert!(scene.rang("one-more") + scene.rang("watch-changed") >= 1, "one more rings at once");
}

/// He refused and is left in peace; whoever sits down beside him has refused nothing.
#[test]
fn whoever_is_due_beside_one_who_refused_has_a_lead_of_his_own() {
    let mut scene = Scene::reported(-8.0);
    scene.minutes(30);
    scene.callback(1, 1, Some(LeadState::Handled), Some("SUPPLIES_REFUSED"));
    scene.someone(2, Posture::Sitting, (1.5, 0.0));
    let before = scene.rang("new-lead");
    scene.minutes(12);
    assert_eq!((scene.leads().len(), scene.rang("new-lead") - before), (2, 1));
}

#[test]
fn a_watch_ends_in_the_morning_and_rings_for_who_is_still_there() {
    let mut scene = Scene::reported(-1.0);
    scene.callback(1, 1, Some(LeadState::Handled), Some("SUPPLIES_REFUSED"));
    scene.minutes(7 * 60 + 5);
    assert_eq!(scene.rang("revisit"), 1, "once at 04–06 in milder weather");
    assert_eq!((scene.leads()[0].state, scene.rang("reopened")), (LeadState::Review, 1));
}

#[test]
fn a_parked_lead_rings_until_answered() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(3);
    scene.confirm();
    scene.deliver(DeliveryResult::Parked { why: "422".to_owned() });
    scene.run(130);
    assert_eq!((scene.lead().delivery, scene.rang("delivery-parked")), (DeliveryState::Parked, 3));
    scene.confirm();
    assert_eq!(scene.ops(), [(PushOp::Create, 1), (PushOp::Create, 2)], "confirmed again, it is told anew");
    assert_eq!((scene.outbox[1].again, scene.lead().delivery), (true, DeliveryState::Waiting), "in the place of what was refused");
}

#[test]
fn news_of_a_lead_that_was_refused_are_not_on_their_way_until_somebody_sends_it_again() {
    let mut scene = Scene::reported(-2.0);
    scene.someone(2, Posture::Lying, (1.0, 0.0));
    scene.minutes(3);
    assert_eq!(scene.ops().last().map(|(op, _)| *op), Some(PushOp::Update));
    scene.deliver(DeliveryResult::Parked { why: "422".to_owned() });
    let told = scene.outbox.len();
    scene.someone(3, Posture::Lying, (0.5, 1.5));
    scene.minutes(3);
    assert!(scene.outbox.len() > told && scene.outbox.iter().all(|item| !item.again));
    assert_eq!(scene.lead().delivery, DeliveryState::Parked);
    scene.confirm();
    assert_eq!((scene.lead().delivery, scene.outbox.last().map(|item| item.again)), (DeliveryState::Waiting, Some(true)));
}

#[test]
fn a_case_that_was_sent_back_is_told_again_when_it_is_confirmed_again() {
    for state in [LeadState::Returned, LeadState::NotAccepted] {
        let mut scene = Scene::reported(-20.0);
        // A crew was there, and it was not theirs.
        scene.callback(1, 1, Some(LeadState::Arrived), None);
        scene.callback(2, 2, Some(state), None);
        let told = scene.outbox.len();
        scene.confirm();
        assert_eq!((scene.lead().state, scene.outbox.len()), (LeadState::Review, told + 1), "{state:?}");
        assert!(has_history(&scene.lead(), "sent-again"));
        scene.delivered();
        assert_eq!(scene.lead().state, LeadState::Pushed);
        scene.minutes(6);
        assert!(scene.rang("urge") > 0, "its clocks begin anew");
        scene.minutes(25);
        assert!(scene.rang("arrive-overdue") > 0);
    }
}

#[test]
fn a_result_is_not_verified_of_somebody_who_was_only_lost_from_sight() {
    let mut scene = Scene::reported(-2.0);
    scene.actors.clear();
    scene.absent(1, AbsenceKind::Broke);
    scene.callback(1, 1, Some(LeadState::Handled), Some("NOT_FOUND"));
    scene.minutes(30);
    assert_eq!(scene.lead().state, LeadState::Handled);
    assert_eq!(scene.lead().ringing.map(|ringing| ringing.why), Some("unjudged".to_owned()));
    let lead = scene.lead().id;
    scene.order(OfficerAction::Acknowledge { lead }).expect("answered");
    assert_eq!(scene.lead().state, LeadState::Verified);
}

#[test]
fn a_lead_into_which_one_is_merged_takes_the_place_of_what_was_refused_of_it() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.someone(2, Posture::Lying, (5.0, 0.0));
    scene.minutes(3);
    let (one, two) = (scene.leads()[0].id.clone(), scene.leads()[1].id.clone());
    scene.decide(&one, Decision::Confirmed).expect("confirmed");
    scene.deliver(DeliveryResult::Parked { why: "422".to_owned() });
    scene.decide(&two, Decision::Confirmed).expect("confirmed");
    scene.delivered();
    scene.order(OfficerAction::Merge { from: two, into: one }).expect("merged");
    let told: Vec<(PushOp, bool)> = scene.outbox.iter().skip(2).map(|item| (item.op, item.again)).collect();
    assert_eq!(told, [(PushOp::Create, true), (PushOp::Merge, false)]);
    assert_eq!(scene.leads()[0].delivery, DeliveryState::Waiting);
}

#[test]
fn a_refused_key_rings_once_for_all() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(3);
    scene.confirm();
    for _ in 0..5 {
        scene.deliver(DeliveryResult::Unauthorised { why: "401".to_owned() });
    }
    assert_eq!(scene.rang("delivery-unauthorised"), 1);
    for _ in 0..5 {
        scene.deliver(DeliveryResult::Delayed { why: "timeout".to_owned(), attempts: 9, alarm: true });
    }
    assert_eq!(scene.rang("delivery-delayed"), 1);
}

#[test]
fn an_a_that_is_not_accepted_needs_a_countersign() {
    let mut scene = Scene::reported(-20.0);
    scene.callback(1, 1, Some(LeadState::NotAccepted), None);
    assert!(scene.rings.iter().any(|ring| ring.kind == "countersign" && ring.leader));
    scene.callback(2, 2, Some(LeadState::Returned), None);
    assert_eq!(scene.rang("returned"), 1);
}

#[test]
fn a_case_of_a_lead_nobody_knows_rings_once() {
    let mut scene = Scene::reported(-20.0);
    let mut callback = patrol_core::desk::CaseCallback {
        callback_id: "cb-9".to_owned(),
        case_id: "c".to_owned(),
        event_id: patrol_core::LeadId("XL-20250101-000001".to_owned()),
        seq: 1,
        state: Some(LeadState::Closed),
        raw_state: "CLOSED".to_owned(),
        at: scene.now,
        unit: None,
        result: None,
        note: String::new(),
    };
    for seq in 1..4 {
        callback.seq = seq;
        scene.event(patrol_leads::DeskEvent::Callback(callback.clone()));
        scene.tick();
    }
    assert_eq!(scene.rang("callback-unknown-lead"), 1);
}
