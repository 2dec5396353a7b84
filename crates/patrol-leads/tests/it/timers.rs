//! Nothing leaves the queue unread.

use crate::scene::{Scene, has_history};
use patrol_core::desk::{OfficerAction, PushOp};
use patrol_core::lead::Decision;
use patrol_core::{LeadState, Posture};

#[test]
fn an_a_goes_to_the_leader_after_a_minute_and_is_pushed_after_two() {
    let mut scene = Scene::pushing(-20.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.run(59);
    assert_eq!(scene.rang("unanswered"), 0);
    scene.run(3);
    assert!(scene.rings.iter().any(|ring| ring.kind == "unanswered" && ring.leader));
    assert!(scene.outbox.is_empty());
    scene.run(60);
    assert_eq!(scene.ops(), [(PushOp::Create, 1)]);
    let lead = scene.lead();
    assert_eq!(lead.review.map(|review| review.decision), Some(Decision::Timeout));
    scene.delivered();
    assert_eq!(scene.lead().state, LeadState::Pushed);
}

#[test]
fn at_most_three_in_ten_minutes_are_pushed_unreviewed() {
    let mut scene = Scene::pushing(-20.0);
    for n in 0..5 {
        scene.someone(n, Posture::Lying, (n as f32 * 4.0 - 8.0, 0.0));
    }
    scene.minutes(9);
    assert_eq!(scene.outbox.iter().filter(|item| item.op == PushOp::Create).count(), 3);
    assert!(scene.rang("unanswered") > 10, "the others ring every minute");
    scene.minutes(5);
    assert_eq!(scene.outbox.iter().filter(|item| item.op == PushOp::Create).count(), 5);
}

#[test]
fn without_permission_or_certainty_it_rings_every_minute_until_answered() {
    for mut scene in [Scene::new(-20.0), Scene::pushing(-20.0), Scene::pushing(-20.0)] {
        let number = scene.rings.len();
        scene.someone(1, Posture::Lying, (0.0, 0.0));
        if scene.config.on_timeout == patrol_leads::OnTimeout::Push {
            (scene.actor(1).confidence, scene.actor(1).resolved) = if number == 0 { (0.4, true) } else { (0.9, false) };
        }
        scene.minutes(10);
        assert!(scene.outbox.is_empty());
        assert!((9..=10).contains(&scene.rang("unanswered")), "{}", scene.rang("unanswered"));
        let lead = scene.lead().id;
        scene.order(OfficerAction::Acknowledge { lead }).expect("answered");
        assert_eq!(scene.lead().ringing, None);
    }
}

#[test]
fn a_b_goes_to_the_leader_after_three_minutes_and_every_three() {
    let mut scene = Scene::new(4.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(2);
    scene.air_c = 0.0;
    scene.run(1);
    scene.minutes(11);
    assert!(scene.rings.iter().all(|ring| ring.kind != "unanswered" || ring.leader));
    assert!((1..=3).contains(&scene.rang("unanswered")), "{}", scene.rang("unanswered"));
}

#[test]
fn a_c_goes_on_the_round_list_and_stays() {
    let mut scene = Scene::new(20.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(25);
    let lead = scene.lead();
    assert_eq!(lead.state, LeadState::Review);
    assert!(has_history(&lead, "round-list"));
    assert_eq!(scene.rang("unanswered"), 0);
}

#[test]
fn missing_weather_rings_once_until_it_is_back() {
    let mut scene = Scene::new(-2.0);
    scene.has_weather = false;
    scene.minutes(30);
    assert_eq!(scene.rang("weather-assumed"), 1);
    assert!(scene.desk.weather().1);
    scene.has_weather = true;
    scene.minutes(11);
    assert!(!scene.desk.weather().1);
    scene.has_weather = false;
    scene.minutes(185);
    assert_eq!(scene.rang("weather-assumed"), 2);
}

#[test]
fn a_case_that_does_not_come_is_urged() {
    let mut scene = Scene::reported(-20.0);
    scene.minutes(32);
    assert_eq!(scene.rang("urge"), 1, "5 minutes without dispatch");
    assert!(scene.rings.iter().any(|ring| ring.kind == "arrive-overdue" && ring.leader), "30 minutes without arrival");
}

#[test]
fn pushed_without_a_case_number_rings_after_a_minute() {
    let mut scene = Scene::new(-20.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(1);
    scene.confirm();
    scene.deliver(patrol_core::desk::DeliveryResult::Delivered { case_id: None });
    scene.run(61);
    assert_eq!(scene.rang("no-case-id"), 1);
}
