//! Whatever a detector says, the tracks stay sound.

use super::SIZE;
use patrol_core::{Detection, DetectionSource, MediaTime, PictureTransform, PixelBox, PixelPoint};
use patrol_track::{Tracker, TrackerConfig};
use proptest::prelude::*;
use std::collections::HashSet;

fn any_side() -> impl Strategy<Value = f32> {
    prop_oneof![
        8 => -200.0..1500.0_f32,
        4 => 0.0..80.0_f32,
        1 => prop_oneof![Just(f32::NAN), Just(f32::INFINITY), Just(f32::NEG_INFINITY), Just(0.0), Just(f32::MAX), Just(f32::MIN_POSITIVE)],
    ]
}

fn any_detection() -> impl Strategy<Value = Detection> {
    let score = prop_oneof![9 => 0.0..1.0_f32, 1 => Just(f32::NAN)];
    (any_side(), any_side(), any_side(), any_side(), score).prop_map(|(x, y, w, h, score)| Detection {
        bbox: PixelBox::new(x, y, w, h),
        score,
        source: DetectionSource::Network,
        resolved: true,
        blob: None,
    })
}

/// How the camera moved before a look: mostly not, or as drones do, or as none does.
fn any_motion() -> impl Strategy<Value = Option<PictureTransform>> {
    let centre = PixelPoint { x: 640.0, y: 360.0 };
    let flown = (0.8..1.25_f64, -0.2..0.2_f64, -300.0..300.0_f64, -300.0..300.0_f64)
        .prop_map(move |(scale, turn, x, y)| Some(PictureTransform::similarity(scale, turn, centre, (x, y))));
    let wild = proptest::array::uniform9(-2.0..2.0_f64)
        .prop_map(|m| PictureTransform::homography([[m[0], m[1], m[2]], [m[3], m[4], m[5]], [m[6], m[7], m[8]]]));
    prop_oneof![6 => Just(None), 3 => flown, 1 => wild]
}

fn any_look() -> impl Strategy<Value = (f64, Vec<Detection>, Option<PictureTransform>)> {
    let step = prop_oneof![6 => Just(0.04), 3 => Just(0.5), 2 => Just(10.0), 1 => -5.0..4000.0_f64, 1 => Just(0.0)];
    (step, proptest::collection::vec(any_detection(), 0..12), any_motion())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn ids_are_unique_boxes_finite_and_each_detection_is_used_once(
        looks in proptest::collection::vec(any_look(), 1..40),
        scale in prop_oneof![Just(None), Just(Some(30.0_f32)), Just(Some(f32::NAN)), Just(Some(0.0))],
    ) {
        let mut tracker = Tracker::new(TrackerConfig::default(), 5);
        let mut t = 0.0;
        let (mut known, mut gone) = (HashSet::new(), HashSet::new());
        let mut hits_before = std::collections::HashMap::new();
        for (step, detections, motion) in looks {
            t += step;
            let at = MediaTime::from_secs_f64(t);
            if let Some(motion) = motion {
                tracker.carry(&motion);
            }
            let tracks = tracker.update(at, SIZE, &detections, &|_| scale).to_vec();
            prop_assert!(tracks.windows(2).all(|pair| pair[0].id < pair[1].id));
            let mut used = 0;
            for track in &tracks {
                prop_assert!(!gone.contains(&track.id), "{:?} came back", track.id);
                prop_assert!(track.bbox.is_finite() && track.bbox.w > 0.0 && track.bbox.h > 0.0, "{:?}", track);
                prop_assert!(track.speed_px_s.is_finite() && track.score_mean.is_finite(), "{:?}", track);
                prop_assert!(track.first_seen <= at && track.last_seen <= at && track.hits <= track.looks, "{:?}", track);
                used += track.hits - hits_before.insert(track.id, track.hits).unwrap_or(0);
                known.insert(track.id);
            }
            prop_assert!(used as usize <= detections.len());
            let live: HashSet<_> = tracks.iter().map(|track| track.id).collect();
            for ended in tracker.ended() {
                prop_assert!(!live.contains(&ended.track.id) && gone.insert(ended.track.id));
            }
            gone.extend(known.difference(&live));
        }
        prop_assert!(known.iter().all(|id| (5..tracker.next_id()).contains(&id.0)));
    }
}
