//! What may be paired with what, and at which cost.
//!
//! A walker is sought where his speed takes him: by the distance from there in deviations of the filter, which works when a small box
//! no longer overlaps its last one, and by IoU, which works when half of him is hidden. One who was still, and everybody after a gap, is sought
//! at his place only: a walker who passes a lying person must not take over that track.

use crate::live::Live;
use crate::stillness::{JITTER_PX, forgiving_iou};
use crate::tracker::SET_OFF_STILL_MAX_S;
use patrol_core::{Detection, PictureSize, PixelBox};

/// Not pairing costs this much: any allowed pair of a confirmed track is cheaper.
pub(crate) const UNPAIRED_COST: f32 = 1.3;
/// Farther from the predicted centre than so many deviations only an overlap can pair.
const DISTANCE_MAX_SIGMA: f32 = 3.5;
const IOU_MIN_MOVING: f32 = 0.3;
/// An unsure detection continues a track only where it is expected. ByteTrack asks the same.
const IOU_MIN_UNSURE: f32 = 0.5;
/// One whose speed is known is not farther from where it takes him than this, metres, and so much more for every second unseen: the filter's
/// own spread of some metres after a second would give his track to whoever enters there next.
const SURPRISE_M: f32 = 0.6;
const SURPRISE_M_S: f32 = 0.4;
/// Hits after which a speed is known.
const SPEED_KNOWN_HITS: u32 = 3;
/// A person bends, turns or is half hidden between looks; beyond this ratio of heights it is another one.
const HEIGHT_RATIO_MAX: f32 = 2.0;
/// Overlap that is the same place; a person lying who sits up keeps about 0.35.
const IOU_MIN_PLACE: f32 = 0.25;
/// The same for one who has been hidden for some looks, or has long been still: whoever comes by meanwhile is not him unless he fits as one who kept his place does.
const IOU_MIN_HIDDEN: f32 = 0.5;
const HIDDEN_LOOKS: u32 = 4;
/// A place of which the picture shows less is sought as a whole, and so not found.
const SHOWN_PART_MIN: f32 = 0.2;
/// Weight of the detector's score: ByteTrack fuses it likewise, so that of two boxes the surer one continues the track.
const SCORE_WEIGHT: f32 = 0.1;
/// A track that is not yet confirmed, or was not seen in the last look, gives way to one that was.
const TENTATIVE_HANDICAP: f32 = 0.2;
const LOST_HANDICAP: f32 = 0.05;
/// Weight of a change of shape.
const SHAPE_WEIGHT: f32 = 0.15;
/// A person who was still may set off at this speed, m/s.
const SETTING_OFF_M_S: f32 = 1.6;
/// Shape of one who sets off must agree so well: standing people start walking, a lying one does not become a walker between two looks.
const SETTING_OFF_SHAPE_IOU: f32 = 0.6;

/// Cost of continuing `live` with `detection` in a picture of `size`, or infinity.
pub(crate) fn cost(live: &Live, detection: &Detection, place_only: bool, size: PictureSize) -> f32 {
    let near = if place_only || live.is_still() { place_cost(live, &detection.bbox, size) } else { motion_cost(live, &detection.bbox) };
    let handicap = match (live.is_tentative(), live.missed) {
        (true, _) => TENTATIVE_HANDICAP,
        (false, 0) => 0.0,
        (false, _) => LOST_HANDICAP,
    };
    near + handicap + SCORE_WEIGHT * (1.0 - detection.score)
}

fn motion_cost(live: &Live, seen: &PixelBox) -> f32 {
    let expected = live.filter.bbox();
    if live.missed > 0 && live.track.hits >= SPEED_KNOWN_HITS {
        let (p, q) = (expected.centre(), seen.centre());
        let surprise_m = SURPRISE_M + SURPRISE_M_S * live.unseen_s;
        if (p.x - q.x).hypot(p.y - q.y) > surprise_m * live.px_per_m + JITTER_PX {
            return f32::INFINITY;
        }
    }
    let shape = (seen.h / expected.h).ln().abs();
    let iou = expected.iou(seen);
    let (d2, spread) = live.filter.distance2(seen);
    if (d2 > DISTANCE_MAX_SIGMA * DISTANCE_MAX_SIGMA || shape > HEIGHT_RATIO_MAX.ln()) && iou < IOU_MIN_MOVING {
        return f32::INFINITY;
    }
    // The negative log likelihood, 1 at the gate of a sharp expectation.
    let far = ((0.5 * d2 + spread) / (0.5 * DISTANCE_MAX_SIGMA * DISTANCE_MAX_SIGMA)).min(1.2);
    f32::midpoint(1.0 - iou, far) + SHAPE_WEIGHT * shape.min(1.0)
}

fn place_cost(live: &Live, seen: &PixelBox, size: PictureSize) -> f32 {
    // Of a place at the edge of the picture no more can be found than is in it: a camera that flies or sways cuts off now more and now less.
    let (here, seen) = (shown(&live.filter.bbox(), size), &seen.clipped(size));
    // Half hidden in the last look his box has shrunk: the place he kept for long counts as well.
    let rest = live.stillness.resting_box().map(|rest| shown(&rest, size));
    let place = rest.filter(|rest| forgiving_iou(rest, seen) > forgiving_iou(&here, seen)).unwrap_or(here);
    let iou = forgiving_iou(&place, seen);
    let hidden = live.missed >= HIDDEN_LOOKS;
    // A passer-by in front of one who has long kept his place makes one box of both, and would walk off with his track.
    let settled = live.still_before_lost().as_secs_f64() >= SET_OFF_STILL_MAX_S;
    if iou < if hidden || settled { IOU_MIN_HIDDEN } else { IOU_MIN_PLACE } {
        return f32::INFINITY;
    }
    let (p, q) = (place.centre(), seen.centre());
    let off = ((p.x - q.x).hypot(p.y - q.y) - JITTER_PX).max(0.0) / (0.5 * place.w.max(place.h));
    f32::midpoint(1.0 - iou, off.min(1.0))
}

/// Cost of `live`, still until the look before, having set off and being `detection` now, `dt` seconds after; or infinity.
pub(crate) fn setting_off_cost(live: &Live, detection: &Detection, dt: f32) -> f32 {
    let (here, seen) = (live.filter.bbox(), &detection.bbox);
    let (p, q) = (here.centre(), seen.centre());
    let moved = (p.x - q.x).hypot(p.y - q.y);
    let reach = SETTING_OFF_M_S * live.px_per_m * dt + JITTER_PX;
    let (w, h) = (here.w.min(seen.w), here.h.min(seen.h));
    let shape_iou = w * h / (here.area() + seen.area() - w * h);
    if moved > reach || shape_iou < SETTING_OFF_SHAPE_IOU { f32::INFINITY } else { moved / reach }
}

/// Cost of an unsure detection in a picture of `size` keeping a track that has found no better one, or infinity.
pub(crate) fn unsure_cost(live: &Live, detection: &Detection, size: PictureSize) -> f32 {
    let iou = forgiving_iou(&shown(&live.filter.bbox(), size), &detection.bbox.clipped(size));
    if iou < IOU_MIN_UNSURE { f32::INFINITY } else { 1.0 - iou }
}

/// What a picture of `size` shows of a place, if that is enough to tell whose it is: any two slivers at the edge are alike.
fn shown(place: &PixelBox, size: PictureSize) -> PixelBox {
    let part = place.clipped(size);
    if part.area() >= SHOWN_PART_MIN * place.area() { part } else { *place }
}

/// Part of `inner` that lies inside `outer`.
pub(crate) fn part_inside(inner: &PixelBox, outer: &PixelBox) -> f32 {
    let area = inner.area();
    if area > 0.0 { inner.intersection(outer) / area } else { 1.0 }
}
