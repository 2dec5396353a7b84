//! When a lead is made, and when it is not: one person, one lead.

use crate::scene::{Scene, has_history};
use patrol_core::desk::CameraCondition;
use patrol_core::{LeadState, Posture, Tier};

#[test]
fn two_minutes_lying_make_one_lead() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.run(115);
    assert!(scene.leads().is_empty());
    scene.run(10);
    let lead = scene.lead();
    assert_eq!((lead.state, lead.people, lead.id.0.as_str()), (LeadState::Review, 1, "XL-20260105-000001"));
    assert_eq!(scene.rang("new-lead"), 1);
    assert_eq!(lead.history.first().map(|line| line.kind.as_str()), Some("candidate"));
    scene.minutes(30);
    assert_eq!(scene.lead().tier, Tier::A, "20 minutes still below 0 °C");
}

#[test]
fn a_broken_track_is_the_same_person() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    for track in 1..12 {
        scene.run(50);
        scene.breaks(track, track + 1);
        scene.run(7);
    }
    let lead = scene.lead();
    assert!(lead.still_since.is_some_and(|since| scene.now.minutes_since(since) > 9.0), "the clock of stillness goes on");
}

#[test]
fn two_people_five_metres_apart_are_two_leads() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.someone(2, Posture::Lying, (5.0, 0.0));
    scene.minutes(5);
    let leads = scene.leads();
    assert_eq!(leads.iter().map(|lead| lead.people).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn three_people_down_within_two_metres_are_one_group() {
    let mut scene = Scene::new(-2.0);
    for (track, x) in [(1, 0.0), (2, 1.5), (3, 3.0)] {
        scene.someone(track, Posture::Lying, (x, 0.0));
    }
    scene.minutes(5);
    assert_eq!(scene.lead().people, 3);
}

/// Two who covered themselves at once: of unknown posture both, a metre apart.
#[test]
fn whoever_is_due_beside_a_lead_belongs_to_it() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Unknown, (0.0, 0.0));
    scene.run(40);
    scene.someone(2, Posture::Unknown, (1.1, 0.0));
    scene.run(590);
    assert_eq!((scene.lead().people, scene.rang("one-more")), (1, 0), "the first is due after ten minutes");
    scene.minutes(1);
    assert_eq!((scene.lead().people, scene.rang("one-more")), (2, 1));
}

#[test]
fn whoever_sits_further_away_than_two_metres_has_a_lead_of_his_own() {
    let mut scene = Scene::new(-4.0);
    scene.someone(1, Posture::Sitting, (0.0, 0.0));
    scene.someone(2, Posture::Sitting, (1.5, 0.0));
    scene.someone(3, Posture::Sitting, (4.0, 0.0));
    scene.minutes(15);
    assert_eq!(scene.leads().iter().map(|lead| lead.people).collect::<Vec<_>>(), [2, 1]);
}

/// The head-count is the most seen at once and does not rise by him: whoever comes rings all the same.
#[test]
fn whoever_takes_the_place_of_one_who_left_rings() {
    let mut scene = Scene::new(-4.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.someone(2, Posture::Lying, (1.5, 0.0));
    scene.minutes(4);
    scene.leaves(2);
    scene.someone(3, Posture::Sitting, (-1.5, 0.0));
    scene.minutes(11);
    assert_eq!((scene.lead().people, scene.rang("one-more"), scene.rang("one-fewer")), (2, 1, 1));
}

/// A track that lives on beside its successor, and a face beside the quilt that covers the rest.
#[test]
fn two_tracks_of_one_body_are_one_person() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.someone(2, Posture::Lying, (0.3, 0.1)).held = true;
    scene.minutes(5);
    assert_eq!(scene.lead().people, 1);
    scene.actor(2).held = false;
    scene.run(5);
    assert_eq!((scene.lead().people, scene.rang("one-more")), (2, 1), "both are found at once");
    scene.leaves(2);
    scene.someone(3, Posture::Lying, (1.0, 0.1));
    scene.run(5);
    assert_eq!((scene.lead().people, scene.rang("one-more")), (2, 1), "as many as at most");
}

#[test]
fn waiting_and_passing_people_make_none() {
    let mut scene = Scene::new(-10.0);
    scene.someone(1, Posture::Standing, (0.0, 0.0));
    scene.someone(2, Posture::Walking, (-8.0, 0.0));
    for _ in 0..900 {
        scene.actor(2).at_m.0 += 0.01;
        scene.run(1);
    }
    assert!(scene.leads().is_empty());
}

#[test]
fn sitting_in_the_cold_makes_one_after_ten_minutes() {
    let mut scene = Scene::new(-4.0);
    scene.someone(1, Posture::Sitting, (0.0, 0.0));
    scene.minutes(9);
    assert!(scene.leads().is_empty());
    scene.minutes(2);
    assert_eq!(scene.lead().state, LeadState::Review);
}

#[test]
fn an_a_is_made_at_once() {
    let mut scene = Scene::new(-20.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.run(1);
    assert_eq!((scene.lead().tier, scene.lead().state), (Tier::A, LeadState::Review));
}

#[test]
fn in_the_warm_a_person_down_is_logged_then_a_c_after_ten_minutes() {
    let mut scene = Scene::new(20.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(5);
    assert_eq!((scene.lead().state, scene.lead().tier), (LeadState::Candidate, Tier::D));
    assert_eq!(scene.rings, []);
    scene.minutes(6);
    let lead = scene.lead();
    assert_eq!((lead.state, lead.tier, lead.score.value), (LeadState::Review, Tier::C, 0.0));
    assert_eq!(scene.rang("new-lead"), 1);
}

#[test]
fn a_candidate_unseen_for_fifteen_minutes_expires_but_not_while_its_camera_is_blind() {
    let mut scene = Scene::new(20.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(5);
    scene.actors.clear();
    scene.camera(CameraCondition::Lost);
    scene.minutes(30);
    assert_eq!(scene.lead().state, LeadState::Candidate);
    scene.camera(CameraCondition::Seeing);
    scene.minutes(14);
    assert_eq!(scene.lead().state, LeadState::Candidate);
    scene.minutes(2);
    assert_eq!(scene.lead().state, LeadState::Expired);
}

#[test]
fn two_cameras_that_see_one_person_make_one_lead() {
    let mut scene = Scene::new(-4.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0)).error_m = Some(2.0);
    scene.run(40);
    let other = scene.someone(2, Posture::Lying, (3.0, 0.0));
    (other.camera, other.error_m) = ("b", Some(2.0));
    scene.minutes(5);
    let lead = scene.lead();
    assert_eq!(lead.people, 1);
    assert!(has_history(&lead, "merged-by-ground"));
}

#[test]
fn two_people_seen_at_once_by_the_second_camera_stay_two() {
    let mut scene = Scene::new(-4.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0)).error_m = Some(2.0);
    for (track, x) in [(2, 0.5), (3, 4.5)] {
        let other = scene.someone(track, Posture::Lying, (x, 0.0));
        (other.camera, other.error_m) = ("b", Some(2.0));
    }
    scene.minutes(5);
    assert_eq!(scene.leads().len(), 2);
}

#[test]
fn a_large_error_only_proposes() {
    let mut scene = Scene::new(-4.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0)).error_m = Some(12.0);
    let other = scene.someone(2, Posture::Lying, (1.0, 0.0));
    (other.camera, other.error_m) = ("b", Some(12.0));
    scene.minutes(5);
    let leads = scene.leads();
    assert_eq!(leads.len(), 2);
    assert!(leads.iter().any(|lead| has_history(lead, "merge-proposed")));
}

#[test]
fn evidence_keeps_the_first_picture_and_the_newest_nineteen() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(40);
    let lead = scene.lead();
    assert_eq!(lead.evidence.len(), 20);
    assert_eq!(lead.evidence[0].whole_sha256, "120");
    assert_eq!(lead.evidence[19].whole_sha256, "2400");
    assert_eq!(scene.evidence, 39, "each picture is handed on once");
}

#[test]
fn a_camera_lost_with_a_lead_open_goes_to_a_human_at_once() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(3);
    scene.camera(CameraCondition::Lost);
    scene.tick();
    assert_eq!(scene.rang("camera-lost"), 1);
    assert!(scene.lead().ringing.is_some_and(|ringing| ringing.why == "camera-lost"));
}

#[test]
fn the_time_of_a_restart_is_not_time_without_motion() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.run(60);
    scene.comes_back = false;
    scene.restart_every = Some(61);
    scene.tick();
    scene.restart_every = None;
    // Ten minutes pass before the first picture: then only the two minutes that were seen count.
    scene.now = scene.now + std::time::Duration::from_mins(10);
    scene.camera(CameraCondition::Seeing);
    scene.run(30);
    assert!(scene.leads().iter().all(|lead| lead.state != LeadState::Review), "a minute and a half has been seen");
    scene.run(60);
    assert_eq!(scene.lead().state, LeadState::Review);
}

#[test]
fn a_camera_that_does_not_come_back_after_a_restart_rings() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(3);
    scene.comes_back = false;
    scene.restart_every = Some(181);
    scene.tick();
    scene.restart_every = None;
    scene.actors.clear();
    scene.camera(CameraCondition::Lost);
    scene.run(2);
    assert_eq!(scene.rang("camera-lost"), 1);
}
