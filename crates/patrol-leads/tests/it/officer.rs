//! What officers decide.

use crate::scene::{Scene, has_history};
use patrol_core::desk::{OfficerAction, PushOp};
use patrol_core::lead::{Decision, DeliveryState};
use patrol_core::{CameraId, LeadId, LeadState, PictureSize, PixelBox, Posture, Tier};

fn two_leads() -> (Scene, LeadId, LeadId) {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.someone(2, Posture::Lying, (5.0, 0.0));
    scene.minutes(3);
    let ids: Vec<LeadId> = scene.leads().into_iter().map(|lead| lead.id).collect();
    (scene, ids[0].clone(), ids[1].clone())
}

#[test]
fn confirming_twice_tells_the_city_once() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(3);
    let id = scene.confirm();
    assert_eq!((scene.lead().state, scene.lead().delivery), (LeadState::Review, DeliveryState::Waiting));
    assert_eq!(scene.decide(&id, Decision::Confirmed), Ok(()));
    assert_eq!(scene.ops(), [(PushOp::Create, 1)]);
    scene.delivered();
    let lead = scene.lead();
    assert_eq!((lead.state, lead.delivery, lead.case.case_id.as_deref()), (LeadState::Pushed, DeliveryState::Delivered, Some("case-1")));
}

#[test]
fn refusals_say_what_is_wrong() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(3);
    let id = scene.lead().id;
    let nobody = LeadId("XL-20260105-000099".to_owned());
    assert!(scene.decide(&nobody, Decision::Confirmed).is_err_and(|text| text.contains("不存在")));
    assert!(scene.decide(&id, Decision::Timeout).is_err());
    scene.decide(&id, Decision::Worker).expect("rejected");
    let refusal = scene.decide(&id, Decision::Confirmed).expect_err("somebody else decided");
    assert!(refusal.contains("u1021") && refusal.contains("工作人员"), "{refusal}");
    assert!(scene.order(OfficerAction::Merge { from: id.clone(), into: id }).is_err());
}

#[test]
fn rejecting_after_the_push_cancels() {
    let mut scene = Scene::reported(-2.0);
    let id = scene.lead().id;
    scene.decide(&id, Decision::PasserBy).expect("rejected");
    assert_eq!(scene.ops().last(), Some(&(PushOp::Cancel, 2)));
    scene.minutes(20);
    assert_eq!(scene.lead().state, LeadState::Rejected, "the same track makes no new lead");
}

#[test]
fn whoever_lies_down_where_a_worker_was_is_a_new_lead() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Curled, (0.0, 0.0));
    scene.minutes(3);
    let id = scene.lead().id;
    scene.decide(&id, Decision::Worker).expect("rejected");
    scene.breaks(1, 2);
    scene.minutes(3);
    assert_eq!(scene.leads().len(), 2);
}

#[test]
fn an_object_is_silent_comes_back_once_at_c_and_a_moved_one_is_none() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(3);
    let id = scene.lead().id;
    scene.decide(&id, Decision::Object).expect("rejected");
    scene.minutes(10);
    scene.breaks(1, 2);
    scene.minutes(10);
    assert_eq!(scene.lead().state, LeadState::Rejected);
    assert!(scene.desk.suppressed()[0].count > 1000);
    scene.minutes(11);
    let lead = scene.lead();
    assert_eq!((lead.state, lead.tier, scene.rang("came-back")), (LeadState::Review, Tier::C, 1));
    scene.decide(&id, Decision::Object).expect("again");
    scene.minutes(60);
    assert_eq!((scene.lead().state, scene.rang("came-back")), (LeadState::Rejected, 1));
    // It gets up: no object. A lead of its own, at its full tier.
    scene.actor(2).at_m.0 = 6.0;
    scene.minutes(3);
    assert_eq!(scene.leads().len(), 2);
    assert!(scene.leads()[1].tier < Tier::C);
}

#[test]
fn a_suppression_ends_when_the_place_is_seen_empty() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(3);
    let id = scene.lead().id;
    scene.decide(&id, Decision::Animal).expect("rejected");
    scene.minutes(1);
    scene.seen_empty(1);
    scene.minutes(1);
    assert!(scene.desk.suppressed().is_empty());
    scene.someone(2, Posture::Lying, (0.0, 0.0));
    scene.minutes(3);
    let leads = scene.leads();
    assert_eq!((leads.len(), &leads[1].linked), (2, &vec![id]), "a new lead, linked to the old");
}

#[test]
fn merge_and_split_and_undo() {
    let (mut scene, one, two) = two_leads();
    scene.decide(&one, Decision::Confirmed).expect("confirmed");
    scene.order(OfficerAction::Merge { from: one.clone(), into: two.clone() }).expect("merged");
    let leads = scene.leads();
    assert_eq!((leads[0].state, leads[0].merged_into.as_ref()), (LeadState::Merged, Some(&two)));
    assert_eq!(leads[1].people, 2, "seen at once: both count");
    assert_eq!(scene.ops(), [(PushOp::Create, 1), (PushOp::Create, 1), (PushOp::Merge, 2)]);
    let refusal = scene.decide(&one, Decision::Worker).expect_err("merged");
    assert!(refusal.contains(&two.0));
    scene.minutes(2);
    assert_eq!(scene.leads().len(), 2);
    scene.order(OfficerAction::Undo { lead: two.clone() }).expect("undone");
    let leads = scene.leads();
    assert_eq!((leads[0].merged_into.as_ref(), leads[0].people, leads[1].people), (None, 1, 1));
    scene.minutes(2);
    assert_eq!(scene.leads().len(), 2);
}

#[test]
fn undoing_a_confirmation_cancels_and_puts_it_back_into_the_queue() {
    let mut scene = Scene::reported(-2.0);
    let lead = scene.lead().id;
    scene.order(OfficerAction::Undo { lead: lead.clone() }).expect("undone");
    assert_eq!((scene.lead().state, scene.lead().review), (LeadState::Review, None));
    assert_eq!(scene.ops().last(), Some(&(PushOp::Cancel, 2)));
    scene.decide(&lead, Decision::Confirmed).expect("confirmed again");
    assert_eq!(scene.ops().last(), Some(&(PushOp::Create, 3)));
    scene.order(OfficerAction::Undo { lead: lead.clone() }).expect("undone");
    assert!(scene.order(OfficerAction::Undo { lead }).is_err(), "only the last step");
}

/// The verdict was about somebody who sat and waited.
#[test]
fn a_passer_by_who_lies_down_later_is_told_of() {
    let mut scene = Scene::new(-15.0);
    scene.someone(1, Posture::Sitting, (0.0, 0.0));
    scene.minutes(15);
    let id = scene.lead().id;
    scene.decide(&id, Decision::PasserBy).expect("rejected");
    scene.minutes(20);
    assert_eq!(scene.leads().len(), 1);
    scene.becomes(1, Posture::Lying);
    scene.minutes(4);
    assert_eq!((scene.leads().len(), scene.leads()[1].posture), (2, Posture::Lying));
}

/// A bench, told and judged; whoever comes to it loses his track as he lies down on it, and what is found there then has its outline.
#[test]
fn whoever_lies_down_on_what_was_judged_a_thing_is_told_of() {
    for comes in [false, true] {
        let mut scene = Scene::new(-15.0);
        scene.someone(1, Posture::Lying, (0.0, 0.0));
        scene.minutes(3);
        let id = scene.lead().id;
        scene.decide(&id, Decision::Object).expect("rejected");
        scene.minutes(5);
        if comes {
            scene.someone(2, Posture::Walking, (6.0, 0.0));
            for step in 0..5 {
                scene.actor(2).at_m = (6.0 - 1.1 * step as f32, 0.0);
                scene.run(1);
            }
            scene.actors.retain(|actor| actor.track != 2);
        }
        // The bench's track breaks as well; the next has its outline.
        scene.breaks(1, 3);
        scene.minutes(4);
        assert_eq!(scene.leads().len(), if comes { 2 } else { 1 }, "somebody comes: {comes}");
    }
}

#[test]
fn whoever_lies_down_beside_what_was_judged_a_thing_has_a_lead_of_his_own() {
    let mut scene = Scene::new(-15.0);
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(3);
    let id = scene.lead().id;
    scene.decide(&id, Decision::Object).expect("rejected");
    scene.minutes(32);
    assert_eq!(scene.rang("came-back"), 1);
    scene.someone(2, Posture::Lying, (1.5, 0.5));
    scene.minutes(4);
    let leads = scene.leads();
    assert_eq!((leads.len(), leads[0].people), (2, 1));
    assert!(leads[1].tier < leads[0].tier, "not held at C with the thing");
}

#[test]
fn a_box_drawn_in_a_picture_of_another_size_is_where_it_was_drawn() {
    let mut scene = Scene::new(-2.0);
    scene.someone(1, Posture::Standing, (0.0, 0.0));
    scene.run(3);
    let camera = CameraId::new("a");
    // Looks have 1280×720.
    let drawn = |bbox, size| OfficerAction::New { camera: camera.clone(), bbox, size, people: 1 };
    let size = Some(PictureSize::new(2560, 1440));
    scene.order(drawn(PixelBox::new(2000.0, 1200.0, 200.0, 60.0), size)).expect("made");
    assert_eq!(scene.lead().place.bbox, PixelBox::new(1000.0, 600.0, 100.0, 30.0));
    for outside in [PixelBox::new(1e25, 500.0, 50.0, 50.0), PixelBox::new(-90.0, 10.0, 50.0, 50.0), PixelBox::new(f32::NAN, 1.0, 1.0, 1.0)]
    {
        assert!(scene.order(drawn(outside, None)).is_err(), "{outside:?}");
    }
}

#[test]
fn a_person_pointed_out_is_a_lead_and_the_track_found_there_is_its_update() {
    let mut scene = Scene::new(-2.0);
    let camera = CameraId::new("a");
    scene
        .order(OfficerAction::New { camera: camera.clone(), bbox: PixelBox::new(589.0, 330.0, 102.0, 30.0), size: None, people: 2 })
        .expect("made");
    assert!(has_history(&scene.lead(), "pointed-out"));
    assert_eq!((scene.lead().state, scene.lead().people), (LeadState::Review, 2));
    scene.run(1);
    let nowhere = CameraId::new("z");
    assert!(scene.order(OfficerAction::New { camera: nowhere, bbox: PixelBox::new(0.0, 0.0, 1.0, 1.0), size: None, people: 1 }).is_err());
    assert!(scene.order(OfficerAction::New { camera, bbox: PixelBox::new(0.0, 0.0, 0.0, 1.0), size: None, people: 1 }).is_err());
    scene.someone(1, Posture::Lying, (0.0, 0.0));
    scene.minutes(3);
    assert_eq!(scene.lead().posture, Posture::Lying);
}
