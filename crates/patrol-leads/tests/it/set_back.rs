//! The machine's clock was wrong, and is set right.

use crate::scene::Scene;
use patrol_core::desk::PushOp;
use patrol_core::lead::Decision;
use patrol_core::{LeadState, Posture, WallTime};
use std::time::Duration;

const AHEAD: Duration = Duration::from_hours(8);

/// Sets the clock back; those in the picture have been there for as long as before.
fn set_back(scene: &mut Scene) {
    scene.now = scene.now - AHEAD;
    for actor in &mut scene.actors {
        (actor.since, actor.class_since) = (actor.since - AHEAD, actor.class_since - AHEAD);
    }
}

fn ahead(mut scene: Scene) -> Scene {
    scene.now = scene.now + AHEAD;
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene
}

#[test]
fn an_a_is_pushed_in_time_although_the_clock_was_set_back() {
    for restart_every in [None, Some(20)] {
        let mut scene = ahead(Scene::pushing(-20.0));
        scene.restart_every = restart_every;
        scene.run(30);
        set_back(&mut scene);
        scene.run(150);
        assert_eq!((scene.rang("clock-set-back"), scene.ops()), (1, vec![(PushOp::Create, 1)]), "restarted {restart_every:?}");
        let lead = scene.lead();
        let times = [lead.first_seen, lead.last_seen, lead.made_at, lead.state_since];
        assert!(times.iter().all(|at| *at <= scene.now), "{times:?}");
    }
}

#[test]
fn who_is_seen_while_the_clock_is_set_back_is_one_lead() {
    let mut scene = ahead(Scene::new(4.0));
    scene.minutes(5);
    set_back(&mut scene);
    scene.minutes(60);
    let lead = scene.lead();
    assert_eq!(lead.state, LeadState::Review);
    assert!(scene.now.since(lead.last_seen) < Duration::from_secs(5), "{:?}", lead.last_seen);
}

/// A picture that was taken before carries a time that has not come yet.
#[test]
fn a_picture_of_before_makes_nobody_seen_in_the_future() {
    let mut scene = ahead(Scene::new(4.0));
    scene.minutes(3);
    let old = scene.now;
    set_back(&mut scene);
    let actors = std::mem::take(&mut scene.actors);
    scene.actors = actors.clone();
    let now = std::mem::replace(&mut scene.now, old);
    let late = scene.sighting(&actors[0]);
    scene.now = now;
    scene.event(patrol_leads::DeskEvent::Sighting(Box::new(late)));
    scene.actors.clear();
    scene.run(2);
    assert!(scene.lead().last_seen <= scene.now);
}

/// A few milliseconds are nobody's business.
#[test]
fn a_clock_that_is_slewed_rings_for_nobody() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(3);
    scene.now = WallTime(scene.now.0 - 1_900_000_000);
    scene.minutes(1);
    assert_eq!(scene.rang("clock-set-back"), 0);
}

#[test]
fn a_verdict_on_a_thing_does_not_outlast_its_four_hours() {
    let mut scene = ahead(Scene::new(-2.0));
    scene.minutes(3);
    let id = scene.lead().id;
    scene.decide(&id, Decision::Object).expect("rejected");
    set_back(&mut scene);
    scene.run(1);
    let until = scene.desk.suppressed()[0].until;
    assert!(until.since(scene.now) <= Duration::from_hours(4), "{until:?}");
}
