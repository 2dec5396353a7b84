//! Puts what the networks and `hot-spot` saw into one list.

use patrol_core::{Detection, DetectionSource, PixelBox};

/// Boxes of the two differ in kind (a network draws the whole person, `hot-spot` the warm part), so that overlap is
/// measured against the smaller one as well.
const SAME_IOU: f32 = 0.3;
const SAME_CONTAINED: f32 = 0.6;
/// A part that holds less than this of the other's area is a face or a bag, not the same body.
const CONTAINED_AREA_MIN: f32 = 0.15;

/// Agreement becomes one detection of source `Both` with the network's box, the warm region's shape and a raised score:
/// 1 − (1 − a)(1 − b), both taken as independent. What only `hot-spot` saw is `resolved` only where no network is in use:
/// where one is, a person decides (and where `hot-spot` itself is in doubt). Appends to `out`, best first.
pub fn combine(network: &[Detection], hot: &[Detection], network_in_use: bool, out: &mut Vec<Detection>) {
    let first = out.len();
    out.extend_from_slice(network);
    for warm in hot {
        // Only network boxes not yet taken: two bodies in one box stay two.
        let best = out[first..]
            .iter_mut()
            .filter(|seen| seen.source == DetectionSource::Network)
            .map(|seen| (agreement(&seen.bbox, &warm.bbox), seen))
            .filter(|(agreement, _)| *agreement > 0.0)
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((_, seen)) = best {
            seen.source = DetectionSource::Both;
            seen.score = 1.0 - (1.0 - seen.score) * (1.0 - warm.score);
            seen.blob = warm.blob;
        } else {
            out.push(Detection { resolved: warm.resolved && !network_in_use, ..*warm });
        }
    }
    out[first..].sort_by(|a, b| b.score.total_cmp(&a.score));
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
        check(&[network], &[warm], true, &[(0.8, DetectionSource::Both, true)]);
    }

    #[test]
    fn a_warm_region_that_no_network_confirms_is_unresolved() {
        let warm = seen(50.0, 10.0, 0.9, DetectionSource::HotSpot);
        check(&[], &[warm], true, &[(0.9, DetectionSource::HotSpot, false)]);
        check(&[], &[warm], false, &[(0.9, DetectionSource::HotSpot, true)]);
    }

    #[test]
    fn two_warm_bodies_in_one_box_stay_two() {
        let network = seen(0.0, 30.0, 0.5, DetectionSource::Network);
        let warm = [seen(0.0, 10.0, 0.6, DetectionSource::HotSpot), seen(20.0, 10.0, 0.5, DetectionSource::HotSpot)];
        check(&[network], &warm, true, &[(0.8, DetectionSource::Both, true), (0.5, DetectionSource::HotSpot, false)]);
    }
}
