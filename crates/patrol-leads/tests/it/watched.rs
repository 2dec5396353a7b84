//! Whoever is kept by the picture of his place, whose place is seen empty, and whose place nobody can judge.

use crate::scene::{Scene, has_history};
use patrol_core::desk::AbsenceKind;
use patrol_core::{LeadState, Posture, Tier};

#[test]
fn one_whom_no_detector_finds_becomes_a_lead_and_stays_one() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.run(50);
    scene.actor(1).held = true;
    scene.minutes(30);
    let lead = scene.lead();
    assert_eq!((lead.state, lead.tier), (LeadState::Review, Tier::A), "his clocks go on");
    assert!(has_history(&lead, "held"));
    scene.actor(1).held = false;
    scene.run(5);
    assert!(has_history(&scene.lead(), "found-again"));
    assert_eq!(scene.rang("new-lead"), 1);
}

#[test]
fn single_misses_are_no_news() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    for second in 0..600 {
        scene.actor(1).held = second % 3 == 0;
        scene.tick();
    }
    assert!(!has_history(&scene.lead(), "held"));
}

#[test]
fn a_place_that_nobody_can_judge_goes_to_a_person_and_loses_nobody() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(5);
    scene.actors.clear();
    scene.minutes(10);
    scene.absent(1, AbsenceKind::Unjudged);
    scene.run(2);
    let ring = scene.rings.iter().find(|ring| ring.kind == "unjudged").expect("it rings");
    assert_eq!(ring.text, "a号口 最后确认 01:05,现无法判断");
    scene.minutes(60);
    assert!(scene.lead().state.is_open(), "and stays open");
    scene.absent(1, AbsenceKind::SeenEmpty);
    scene.run(2);
    assert!(has_history(&scene.lead(), "left"));
}

#[test]
fn somebody_down_who_is_no_lead_yet_and_cannot_be_judged_rings_too() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.run(60);
    scene.actors.clear();
    scene.minutes(10);
    scene.absent(1, AbsenceKind::Unjudged);
    scene.run(2);
    assert_eq!((scene.leads().len(), scene.rang("unjudged")), (0, 1));
}

#[test]
fn one_of_two_is_seen_to_have_left_and_the_other_stays() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.someone(2, Posture::Lying, (1.0, 0.0));
    scene.minutes(5);
    assert_eq!(scene.lead().people, 2);
    scene.seen_empty(1);
    scene.run(5);
    let lead = scene.lead();
    assert!(has_history(&lead, "news-one-fewer") && !has_history(&lead, "left"), "{:?}", lead.history);
    scene.seen_empty(2);
    scene.run(5);
    assert!(has_history(&scene.lead(), "left"));
}

#[test]
fn the_same_pixels_of_another_view_are_another_place() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(4);
    scene.actors.clear();
    scene.run(30);
    scene.someone(2, Posture::Lying, (0.0, 0.0)).preset = 1;
    scene.minutes(4);
    assert_eq!(scene.leads().len(), 2, "he is somewhere else");
}

#[test]
fn a_camera_that_turns_moves_nobody() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(4);
    let actor = scene.actor(1);
    (actor.preset, actor.at_m) = (1, (3.0, 1.0));
    scene.minutes(4);
    assert_eq!((scene.lead().people, scene.rang("moved")), (1, 0));
}
