//! Every picture ends in exactly one outcome, and promises are measured from captures.

use crate::world::{Tape, camera, picture, replay};
use patrol_core::{Outcome, UnusableKind};
use patrol_pipeline::Offer;
use proptest::prelude::*;

#[test]
fn pictures_that_are_not_due_end_stale_and_the_blind_interval_stays_within_the_promise() {
    let (cameras, _, told) = replay(vec![(camera("a", 2.0), Tape::of(60.0, 5.0, |_| vec![]))]);
    let tally = &cameras[0].account.tally;
    assert_eq!(tally.total(), 300);
    assert_eq!(tally.of(Outcome::Examined) + tally.of(Outcome::Unchanged), 30, "one look every two seconds");
    assert_eq!(tally.of(Outcome::Stale), 270);
    assert_eq!(told.outcomes.len(), 30);
    let blind_s = cameras[0].account.blind.max_blind().as_secs_f64();
    assert!(blind_s <= 2.5, "{blind_s}");
}

#[test]
fn a_frozen_picture_keeps_no_promise() {
    let mut tape = Tape::of(10.0, 1.0, |_| vec![]);
    for number in 10..40_u64 {
        // The same noise again and again: bit-equal pictures.
        tape.0.push_back(Ok(Offer::Picture { picture: picture(7, number as f64, &[]), discontinuity: false }));
    }
    let (cameras, ..) = replay(vec![(camera("a", 0.0), tape)]);
    assert!(cameras[0].account.tally.of(Outcome::Unusable(UnusableKind::Frozen)) >= 27);
    assert!(cameras[0].account.blind.max_blind().as_secs_f64() >= 27.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Whatever a source does, outcomes sum to what it offered, and it never stops the others.
    #[test]
    fn outcomes_sum_to_the_pictures_offered(kinds in prop::collection::vec(0..4_u8, 1..80), look_every_s in 0.0..5.0_f64) {
        let mut tape = Tape::of(0.0, 1.0, |_| vec![]);
        let mut offered = 0;
        for (number, kind) in kinds.iter().enumerate() {
            let t_s = number as f64 * 0.4;
            offered += 1;
            tape.0.push_back(match kind {
                0 => Ok(Offer::Undecodable { media_time: None, why: "damaged".into() }),
                1 => Ok(Offer::Picture { picture: picture(1, t_s, &[]), discontinuity: false }),
                2 => Ok(Offer::Picture { picture: picture(number as u64, t_s, &[]), discontinuity: true }),
                _ => Ok(Offer::Picture { picture: picture(number as u64, t_s, &[]), discontinuity: false }),
            });
        }
        tape.0.push_back(Err("the cable was cut".into()));
        let (cameras, ..) = replay(vec![(camera("broken", look_every_s), tape), (camera("whole", 1.0), Tape::of(20.0, 2.0, |_| vec![]))]);
        prop_assert_eq!(cameras[0].account.tally.total(), offered);
        prop_assert_eq!(cameras[1].account.tally.total(), 40);
        let tally = &cameras[1].account.tally;
        prop_assert!(tally.of(Outcome::Examined) + tally.of(Outcome::Unchanged) >= 19);
    }
}
