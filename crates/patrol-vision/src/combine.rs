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

/// A network draws one box around two who lie side by side. Warm regions in it are people each, not parts of one, when each looks like a body by himself with
/// this score, lies in the box with this part of his own, is as long as this part of the box's longer side (two legs, or a trunk before them, are half of it), and
/// the smaller has this part of the larger one's pixels. Of shorter ones (pixels) a head and a pair of legs are as much like two: with people of HIT-UAV `val`
/// parted as well, AP50 fell from 0.785 to 0.750.
const BODY_SCORE_MIN: f32 = 0.3;
const BODY_LENGTH_MIN_PX: f32 = 20.0;
const INSIDE_MIN: f32 = 0.7;
const LENGTH_PART_MIN: f32 = 0.6;
const COMPANION_AREA_MIN: f32 = 0.4;

/// Where a network is in use, `hot-spot`'s score becomes a part of the probability that it is a person, so that they can stand
/// in one list. Agreement becomes one detection of source `Both` with the network's box, the warm region's shape and a raised score:
/// 1 − (1 − a)(1 − b). Several bodies in one box become one detection each, with their own boxes. What only `hot-spot` saw is `resolved` only where no network is in use:
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
            seen.score = either(seen.score, score);
            seen.blob = warm.blob;
        } else if let Some((index, companion)) = companion_of(warm, network, &out[first..], hot) {
            out[first + index].bbox = companion.bbox;
            let (score, resolved) = (either(network[index].score, score), network[index].resolved);
            out.push(Detection { score, resolved, source: DetectionSource::Both, ..*warm });
        } else {
            out.push(Detection { score, resolved: warm.resolved && !network_in_use, ..*warm });
        }
    }
    out[first..].sort_by(|a, b| b.score.total_cmp(&a.score));
}

/// Two independent probabilities of the same thing.
fn either(a: f32, b: f32) -> f32 {
    1.0 - (1.0 - a) * (1.0 - b)
}

/// How sure the network was of one whom both found with `score`, and `hot-spot` by itself with `warm_score`: what [`combine`] made one number of, taken apart.
pub fn network_score(score: f32, warm_score: f32) -> f32 {
    (1.0 - (1.0 - score) / (1.0 - BESIDE_NETWORK * calibrated(warm_score))).max(0.0)
}

/// The network's box that holds `warm` and, before him, somebody else: its index, and that one as `hot-spot` saw him.
fn companion_of<'a>(warm: &Detection, network: &[Detection], seen: &[Detection], hot: &'a [Detection]) -> Option<(usize, &'a Detection)> {
    let holds_both = |index: usize| {
        let found = seen[index].blob.filter(|_| seen[index].source == DetectionSource::Both)?;
        let companion = hot.iter().find(|other| other.blob == Some(found))?;
        let around = &network[index].bbox;
        (is_body_in(around, companion) && is_body_in(around, warm) && are_alike(companion, warm)).then_some((index, companion))
    };
    let overlap = |index: usize| network[index].bbox.iou(&warm.bbox);
    (0..network.len()).filter_map(holds_both).max_by(|a, b| overlap(a.0).total_cmp(&overlap(b.0)))
}

fn is_body_in(network: &PixelBox, warm: &Detection) -> bool {
    let long_enough = BODY_LENGTH_MIN_PX.max(LENGTH_PART_MIN * network.w.max(network.h));
    let is_body = warm.blob.is_some_and(|blob| blob.body_like && blob.score >= BODY_SCORE_MIN && blob.major_px >= long_enough);
    is_body && network.intersection(&warm.bbox) >= INSIDE_MIN * warm.bbox.area()
}

fn are_alike(a: &Detection, b: &Detection) -> bool {
    let area = |warm: &Detection| warm.blob.map_or(0.0, |blob| blob.area_px);
    area(a).min(area(b)) >= COMPANION_AREA_MIN * area(a).max(area(b))
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
    use patrol_core::{Blob, PixelPoint};

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
    fn what_the_network_said_can_be_told_again() {
        let (network, warm) = (seen(0.0, 10.0, 0.41, DetectionSource::Network), seen(2.0, 6.0, 0.95, DetectionSource::HotSpot));
        let mut out = Vec::new();
        combine(&[network], &[warm], true, &mut out);
        assert!((out[0].score - 0.57).abs() < 0.01 && (network_score(out[0].score, 0.95) - 0.41).abs() < 1e-5, "{out:?}");
        assert_eq!(network_score(0.1, 0.95), 0.0, "of a score that is none of both");
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

    fn body(x: f32, y: f32, major_px: f32, score: f32) -> Detection {
        let blob = Blob {
            area_px: major_px * 8.0,
            centroid: PixelPoint { x: x + major_px / 2.0, y: y + 5.0 },
            major_px,
            minor_px: 9.0,
            angle_rad: 0.0,
            contrast_sigma: 20.0,
            score,
            body_like: true,
        };
        Detection { bbox: PixelBox::new(x, y, major_px, 10.0), score, source: DetectionSource::HotSpot, resolved: true, blob: Some(blob) }
    }

    fn boxes(network: &[Detection], hot: &[Detection]) -> Vec<(PixelBox, DetectionSource)> {
        let mut out = Vec::new();
        combine(network, hot, true, &mut out);
        out.iter().map(|seen| (seen.bbox, seen.source)).collect()
    }

    #[test]
    fn two_who_lie_side_by_side_in_one_box_are_two_with_boxes_of_their_own() {
        let around_both = Detection { bbox: PixelBox::new(0.0, 0.0, 44.0, 24.0), ..seen(0.0, 44.0, 0.8, DetectionSource::Network) };
        let (upper, lower) = (body(2.0, 1.0, 40.0, 0.7), body(3.0, 13.0, 38.0, 0.5));
        let mut out = Vec::new();
        combine(&[around_both], &[upper, lower], true, &mut out);
        let found: Vec<_> = out.iter().map(|seen| (seen.bbox, seen.source, seen.resolved, seen.score > 0.8)).collect();
        assert_eq!(found, [(upper.bbox, DetectionSource::Both, true, true), (lower.bbox, DetectionSource::Both, true, true)]);
    }

    #[test]
    fn a_part_of_somebody_is_not_another_one() {
        let around = Detection { bbox: PixelBox::new(0.0, 0.0, 44.0, 24.0), ..seen(0.0, 44.0, 0.8, DetectionSource::Network) };
        let (trunk, doubtful) = (body(2.0, 1.0, 40.0, 0.7), body(3.0, 13.0, 38.0, 0.2));
        let beyond = body(30.0, 13.0, 38.0, 0.6);
        let head =
            Detection { blob: body(3.0, 13.0, 38.0, 0.6).blob.map(|blob| Blob { area_px: 100.0, ..blob }), ..body(3.0, 13.0, 38.0, 0.6) };
        let unlike =
            Detection { blob: body(3.0, 13.0, 38.0, 0.6).blob.map(|blob| Blob { body_like: false, ..blob }), ..body(3.0, 13.0, 38.0, 0.6) };
        let legs = [body(3.0, 1.0, 22.0, 0.7), body(3.0, 13.0, 22.0, 0.6)];
        let pairs = [[trunk, doubtful], [trunk, head], [trunk, unlike], [trunk, beyond], legs];
        for pair in pairs {
            let wanted = [(around.bbox, DetectionSource::Both), (pair[1].bbox, DetectionSource::HotSpot)];
            assert_eq!(boxes(&[around], &pair), wanted, "{pair:?}");
        }
    }

    #[test]
    fn parts_of_somebody_too_short_to_be_told_apart_stay_one() {
        let around =
            |long: f32| Detection { bbox: PixelBox::new(0.0, 0.0, long + 4.0, 24.0), ..seen(0.0, 44.0, 0.8, DetectionSource::Network) };
        let sources = |long: f32| {
            let found = boxes(&[around(long)], &[body(2.0, 1.0, long, 0.7), body(2.0, 13.0, long, 0.6)]);
            found.into_iter().map(|(_, source)| source).collect::<Vec<_>>()
        };
        assert_eq!(sources(19.0), [DetectionSource::Both, DetectionSource::HotSpot]);
        assert_eq!(sources(21.0), [DetectionSource::Both, DetectionSource::Both]);
    }

    #[test]
    fn a_warm_bench_that_reaches_out_of_the_box_is_nobody() {
        let around = Detection { bbox: PixelBox::new(10.0, 0.0, 44.0, 24.0), ..seen(0.0, 44.0, 0.8, DetectionSource::Network) };
        let (bench, person) = (body(0.0, 1.0, 80.0, 0.9), body(12.0, 13.0, 38.0, 0.5));
        assert_eq!(boxes(&[around], &[bench, person]), [(around.bbox, DetectionSource::Both), (person.bbox, DetectionSource::HotSpot)]);
    }

    #[test]
    fn two_whom_the_network_sees_as_two_keep_its_boxes() {
        let network = [(0.0, 0.9), (12.0, 0.8)]
            .map(|(y, score)| Detection { bbox: PixelBox::new(0.0, y, 44.0, 12.0), ..seen(0.0, 44.0, score, DetectionSource::Network) });
        let found = boxes(&network, &[body(2.0, 1.0, 40.0, 0.7), body(3.0, 13.0, 38.0, 0.5)]);
        assert_eq!(found, network.map(|seen| (seen.bbox, DetectionSource::Both)));
    }

    #[test]
    fn calibration_rises_and_ends_where_it_should() {
        let values: Vec<f32> = (0_u8..=100).map(|percent| calibrated(f32::from(percent) / 100.0)).collect();
        assert!(values.windows(2).all(|pair| pair[0] < pair[1]), "{values:?}");
        assert!(values[0] == 0.0 && values[100] == 0.92, "{values:?}");
        assert!((calibrated(0.6) - 0.4275).abs() < 1e-4);
    }
}
