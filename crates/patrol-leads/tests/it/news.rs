//! What rings again within an open lead.

use crate::scene::{Scene, has_history};
use patrol_core::desk::{AbsenceKind, PushOp};
use patrol_core::{LeadState, Posture, Tier};

#[test]
fn one_more_and_one_fewer() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(3);
    scene.someone(2, Posture::Lying, (1.5, 0.0));
    scene.run(5);
    assert_eq!((scene.lead().people, scene.rang("one-more")), (2, 1));
    scene.leaves(2);
    scene.run(5);
    let lead = scene.lead();
    assert_eq!((lead.people, scene.rang("one-fewer")), (2, 1), "the most seen at once stays");
    assert_eq!(lead.state, LeadState::Review);
}

#[test]
fn tier_up_still_and_moved_ring_once_each() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(22);
    assert_eq!((scene.lead().tier, scene.rang("still-20-min")), (Tier::A, 1));
    assert!(scene.rang("tier-up") >= 1);
    scene.actor(1).at_m.0 = 4.0;
    scene.minutes(2);
    assert_eq!(scene.rang("moved"), 1);
}

#[test]
fn how_somebody_came_to_the_place_is_no_news_of_the_lead() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Walking, (30.0, 0.0));
    scene.run(5);
    scene.actor(1).at_m = (0.0, 0.0);
    scene.becomes(1, Posture::Lying);
    scene.minutes(4);
    assert_eq!((scene.leads().len(), scene.rang("moved")), (1, 0));
}

#[test]
fn who_sat_and_lies_now_is_news() {
    let mut scene = Scene::new(-4.0);
    scene.someone(1, Posture::Sitting, (0.0, 0.0));
    scene.minutes(12);
    scene.becomes(1, Posture::Lying);
    scene.minutes(2);
    assert_eq!(scene.rang("lying-now"), 1);
    assert_eq!(scene.lead().posture, Posture::Lying);
}

#[test]
fn news_of_a_lead_that_the_city_has_is_told_with_a_higher_revision() {
    let mut scene = Scene::reported(-2.0);
    assert_eq!(scene.ops(), [(PushOp::Create, 1)]);
    scene.someone(2, Posture::Lying, (1.5, 0.0));
    scene.run(3);
    assert_eq!(scene.ops(), [(PushOp::Create, 1), (PushOp::Update, 2)]);
    assert_eq!(scene.outbox[1].lead.people, 2);
}

#[test]
fn who_left_before_anybody_looked_stays_in_the_queue() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(3);
    scene.leaves(1);
    scene.minutes(30);
    let lead = scene.lead();
    assert_eq!(lead.state, LeadState::Review);
    assert!(has_history(&lead, "left"));
}

#[test]
fn a_lead_that_only_drifts_is_handed_on_every_thirty_seconds() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(3);
    scene.actors[0].since = scene.now;
    let changed: usize = (0..50).map(|_| scene.tick().changed.len()).sum();
    assert!(changed <= 3, "{changed}");
}

/// Two lay side by side and were one to the detectors; one gets up and goes.
#[test]
fn whoever_is_found_where_one_got_up_lay_beside_him() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(4);
    // He is called lying for a moment while he gets up.
    scene.actor(1).at_m = (1.8, 2.0);
    scene.run(2);
    assert_eq!(scene.rang("moved"), 1);
    scene.becomes(1, Posture::Walking);
    scene.actor(1).at_m = (3.6, 4.0);
    scene.run(2);
    scene.someone(2, Posture::Lying, (0.1, 0.0));
    scene.run(3);
    let lead = scene.lead();
    assert_eq!((lead.people, scene.rang("one-fewer"), scene.rang("new-lead")), (2, 1, 1));
    assert!(has_history(&lead, "left") && has_history(&lead, "back"));
}

/// The same, found before the other is seen to walk: nobody is said to have left whom somebody still sees.
#[test]
fn whoever_is_found_while_one_gets_up_keeps_the_lead() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(4);
    scene.actor(1).at_m = (1.8, 2.0);
    scene.run(1);
    scene.becomes(1, Posture::Walking);
    scene.someone(2, Posture::Lying, (0.1, 0.0));
    scene.run(2);
    scene.actor(1).at_m = (3.6, 4.0);
    scene.run(2);
    let lead = scene.lead();
    assert_eq!((lead.people, scene.rang("one-fewer"), scene.rang("new-lead")), (2, 1, 1));
    assert!(!has_history(&lead, "left"));
}

/// He was helped and has gone; whoever lies down there afterwards has not been helped.
#[test]
fn whoever_lies_down_where_one_was_helped_is_a_new_lead() {
    let mut scene = Scene::reported(-2.0);
    scene.minutes(5);
    scene.callback(1, 1, Some(LeadState::Handled), Some("ESCORTED_STATION"));
    scene.seen_empty(1);
    scene.minutes(1);
    let before = scene.rang("new-lead");
    scene.someone(2, Posture::Lying, (0.1, 0.0));
    scene.minutes(4);
    assert_eq!((scene.leads().len(), scene.rang("new-lead") - before), (2, 1));
}

/// A tour comes by every half hour: the same track is the same person.
#[test]
fn whom_a_camera_finds_again_each_time_it_looks_here_rings_for_nobody() {
    let mut scene = Scene::reported(-2.0);
    let actors = scene.actors.clone();
    for _ in 0..3 {
        scene.actors.clear();
        scene.minutes(30);
        scene.actors.clone_from(&actors);
        scene.minutes(1);
    }
    assert_eq!(scene.rang("back"), 0);
}

/// Nobody saw him leave, and nobody knows whether this is he.
#[test]
fn whoever_is_seen_after_long_where_a_case_is_open_rings() {
    let mut scene = Scene::reported(-2.0);
    scene.actors.clear();
    scene.absent(1, AbsenceKind::Broke);
    scene.minutes(40);
    scene.someone(9, Posture::Sitting, (0.2, 0.0));
    scene.minutes(1);
    assert_eq!((scene.rang("back"), scene.leads().len()), (1, 1));
}
