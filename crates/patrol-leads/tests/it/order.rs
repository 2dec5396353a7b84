//! Same events, same leads: whatever their order within a tick, and however often the desk is stopped and started.

use crate::scene::Scene;
use patrol_core::desk::CameraCondition;
use patrol_core::lead::Decision;
use patrol_core::{Lead, LeadState, Posture};
use patrol_leads::DeskEvent;
use proptest::prelude::*;

/// What may happen to somebody, and when.
#[derive(Debug, Clone)]
enum Act {
    Lie(u64, i8),
    Sit(u64, i8),
    Walk(u64),
    Break(u64),
    Leave(u64),
    Empty(u64),
    Confirm,
    Object,
    Lost,
    Seeing,
    Handled,
}

fn act() -> impl Strategy<Value = Act> {
    let place = -8i8..8;
    prop_oneof![
        3 => (0u64..5, place.clone()).prop_map(|(track, at)| Act::Lie(track, at)),
        1 => (0u64..5, place).prop_map(|(track, at)| Act::Sit(track, at)),
        1 => (0u64..5).prop_map(Act::Walk),
        2 => (0u64..5).prop_map(Act::Break),
        1 => (0u64..5).prop_map(Act::Leave),
        1 => (0u64..5).prop_map(Act::Empty),
        2 => Just(Act::Confirm),
        1 => Just(Act::Object),
        1 => Just(Act::Lost),
        1 => Just(Act::Seeing),
        1 => Just(Act::Handled),
    ]
}

fn play(scene: &mut Scene, acts: &[(Act, u16)]) -> Vec<Lead> {
    let mut next = 100;
    // Who is playing under which track now.
    let mut cast: std::collections::BTreeMap<u64, u64> = std::collections::BTreeMap::new();
    for (act, seconds) in acts {
        match act {
            Act::Lie(who, at) | Act::Sit(who, at) => {
                let posture = if matches!(act, Act::Lie(..)) { Posture::Lying } else { Posture::Sitting };
                if let Some(track) = cast.get(who).copied() {
                    scene.becomes(track, posture);
                } else {
                    next += 1;
                    cast.insert(*who, next);
                    scene.someone(next, posture, (f32::from(*at), 0.0));
                }
            }
            Act::Walk(who) => {
                if let Some(track) = cast.get(who).copied() {
                    scene.becomes(track, Posture::Walking);
                    scene.actor(track).at_m.0 += 3.0;
                }
            }
            Act::Break(who) => {
                if let Some(track) = cast.get_mut(who) {
                    next += 1;
                    scene.breaks(*track, next);
                    *track = next;
                }
            }
            Act::Leave(who) => {
                if let Some(track) = cast.remove(who) {
                    scene.leaves(track);
                }
            }
            Act::Empty(who) => {
                if let Some(track) = cast.remove(who) {
                    scene.seen_empty(track);
                }
            }
            Act::Confirm | Act::Object => {
                let decision = if matches!(act, Act::Confirm) { Decision::Confirmed } else { Decision::Object };
                let waiting = scene.leads().into_iter().find(|lead| lead.state == LeadState::Review && lead.review.is_none());
                if let Some(lead) = waiting {
                    assert_eq!(scene.decide(&lead.id, decision), Ok(()));
                    if decision == Decision::Confirmed {
                        scene.delivered();
                    }
                }
            }
            Act::Lost => scene.camera(CameraCondition::Lost),
            Act::Seeing => scene.camera(CameraCondition::Seeing),
            Act::Handled => {
                next += 1;
                if !scene.leads().is_empty() {
                    scene.callback(next as u32, next as i64, Some(LeadState::Handled), Some("SUPPLIES_REFUSED"));
                }
            }
        }
        scene.run(u64::from(*seconds));
    }
    scene.leads()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn neither_arrival_order_nor_restarts_change_a_lead(acts in prop::collection::vec((act(), 1u16..200), 1..25), every in 1u64..90) {
        let plain = play(&mut Scene::pushing(-6.0), &acts);
        let mut turned = Scene::pushing(-6.0);
        turned.shuffle = Some(|events: &mut Vec<DeskEvent>| { events.reverse(); let middle = events.len() / 3; events.rotate_left(middle); });
        prop_assert_eq!(&play(&mut turned, &acts), &plain);
        // Whoever has lain for three minutes since the last act, on a camera that sees, is on record.
        let mut last = Scene::pushing(-6.0);
        play(&mut last, &acts);
        last.camera(CameraCondition::Seeing);
        last.run(200);
        for actor in last.actors.iter().filter(|actor| actor.posture == Posture::Lying) {
            prop_assert!(last.is_on_record(actor), "{:?} {:?}", actor, last.leads());
        }
        let mut restarted = Scene::pushing(-6.0);
        restarted.restart_every = Some(every);
        prop_assert_eq!(&play(&mut restarted, &acts), &plain);
    }
}
