//! Puts what the networks and `hot-spot` saw into one list.

use patrol_core::{Detection, DetectionSource, PixelBox};

/// Boxes of the two differ in kind (a network draws the whole person, `hot-spot` the warm part), so that overlap is
/// measured against the smaller one as well.
const SAME_IOU: f32 = 0.3;
const SAME_CONTAINED: f32 = 0.6;
/// A part that holds less than this of the other's area is a face or a bag, not the same body.
const CONTAINED_AREA_MIN: f32 = 0.15;

/// How many of the boxes of a score are people: what is between two points lies on a line. One-to-one at an overlap of 0.5, 897 pictures of HIT-UAV
/// `train`, mean of those with and without the distance.
const CALIBRATION: [(f32, f32); 11] = [
    (0.0, 0.0),
    (0.075, 0.015),
    (0.15, 0.04),
    (0.25, 0.08),
    (0.35, 0.15),
    (0.45, 0.23),
    (0.55, 0.365),
    (0.65, 0.49),
    (0.75, 0.68),
    (0.85, 0.805),
    (1.0, 0.92),
];

/// What is left of it beside a network, which has seen the same pixels: taken as independent, agreement and lone regions lower AP50 of
/// `thermal-person-s` on HIT-UAV `val` from 0.665 to 0.621; with this part it rises to 0.670, and 0.1 and 0.5 do not as well (its first weights;
/// the present ones rise from 0.685 to 0.693 with it).
const BESIDE_NETWORK: f32 = 0.3;

/// Where a network is in use, `hot-spot`'s score becomes a part of the probability that it is a person, so that they can stand
/// in one list. Agreement becomes one detection of source `Both` with the network's box, the warm region's shape and a raised score:
/// 1 − (1 − a)(1 − b). What only `hot-spot` saw is `resolved` only where no network is in use:
/// where one is, a person decides (and where `hot-spot` itself is in doubt). Appends to `out`, best first.
pub fn combine(network: &[Detection], hot: &[Detection], network_in_use: bool, out: &mut Vec<Detection>) {
    let first = out.len();
    out.extend_from_slice(network);
    for warm in hot {
        let score = if network_in_use { BESIDE_NETWORK * calibrated(warm.score) } else { warm.score };
        // Only network boxes not yet taken: two bodies in one box stay two.
        let best = out[first..]
            .iter_mut()
            .filter(|seen| seen.source == DetectionSource::Network)
            .map(|seen| (agreement(&seen.bbox, &warm.bbox), seen))
            .filter(|(agreement, _)| *agreement > 0.0)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, seen)) = best {
            seen.source = DetectionSource::Both;
            seen.score = 1.0 - (1.0 - seen.score) * (1.0 - score);
            seen.blob = warm.blob;
        } else {
            out.push(Detection { score, resolved: warm.resolved && !network_in_use, ..*warm });
        }
    }
    out[first..].sort_by(|a, b| b.score.total_cmp(&a.score));
}

fn calibrated(score: f32) -> f32 {
    let after = CALIBRATION.partition_point(|point| point.0 <= score).clamp(1, CALIBRATION.len() - 1);
    let ((from, low), (to, high)) = (CALIBRATION[after - 1], CALIBRATION[after]);
    low + (high - low) * ((score - from) / (to - from)).clamp(0.0, 1.0)
}

/// 0 when they are not the same; else how well they agree.
fn agreement(network: &PixelBox, warm: &PixelBox) -> f32 {
    let iou = network.iou(warm);
    let smaller = network.area().min(warm.area());
    let contained = if smaller > 0.0 { network.intersection(warm) / smaller } else { 0.0 };
    let comparable = smaller >= CONTAINED_AREA_MIN * network.area().max(warm.area());
    if iou >= SAME_IOU || (contained >= SAME_CONTAINED && comparable) { iou + contained } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(x: f32, w: f32, score: f32, source: DetectionSource) -> Detection {
        Detection { bbox: PixelBox::new(x, 0.0, w, 20.0), score, source, resolved: true, blob: None }
    }

    fn check(network: &[Detection], hot: &[Detection], in_use: bool, wanted: &[(f32, DetectionSource, bool)]) {
        let mut out = Vec::new();
        combine(network, hot, in_use, &mut out);
        let found: Vec<_> = out.iter().map(|seen| ((seen.score * 100.0).round() / 100.0, seen.source, seen.resolved)).collect();
        assert_eq!(found, wanted);
    }

    #[test]
    fn agreement_raises_the_score() {
        let (network, warm) = (seen(0.0, 10.0, 0.5, DetectionSource::Network), seen(2.0, 6.0, 0.6, DetectionSource::HotSpot));
        check(&[network], &[warm], true, &[(0.56, DetectionSource::Both, true)]);
    }

    #[test]
    fn a_warm_region_that_no_network_confirms_is_unresolved() {
        let warm = seen(50.0, 10.0, 0.9, DetectionSource::HotSpot);
        check(&[], &[warm], true, &[(0.25, DetectionSource::HotSpot, false)]);
        check(&[], &[warm], false, &[(0.9, DetectionSource::HotSpot, true)]);
    }

    #[test]
    fn two_warm_bodies_in_one_box_stay_two() {
        let network = seen(0.0, 30.0, 0.5, DetectionSource::Network);
        let warm = [seen(0.0, 10.0, 0.6, DetectionSource::HotSpot), seen(20.0, 10.0, 0.5, DetectionSource::HotSpot)];
        check(&[network], &warm, true, &[(0.56, DetectionSource::Both, true), (0.09, DetectionSource::HotSpot, false)]);
    }

    #[test]
    fn calibration_rises_and_ends_where_it_should() {
        let values: Vec<f32> = (0_u8..=100).map(|percent| calibrated(f32::from(percent) / 100.0)).collect();
        assert!(values.windows(2).all(|pair| pair[0] < pair[1]), "{values:?}");
        assert!(values[0] == 0.0 && values[100] == 0.92, "{values:?}");
        assert!((calibrated(0.6) - 0.4275).abs() < 1e-4);
    }
}
