//! Whether two places are one.

use patrol_core::sighting::Place;
use patrol_core::{PictureTransform, PixelBox, Position};

/// Same place on the same camera, metres between the feet (design §6; half a body).
pub(super) const SAME_PLACE_M: f32 = 1.0;
/// The same once the camera has flown or panned on in between: over a square to and fro, what is left of its motions put one who lay there 1.4 and 2.2 m from
/// himself (`sim scene drone-flight`). Whoever else lies so near is found with him.
const SAME_AFTER_FLIGHT_M: f32 = 3.0;
/// People down within this are a group (design §2).
pub(super) const GROUP_M: f32 = 2.0;
/// Boxes that overlap so much are at one place whatever the ground says: far away, a pixel of the foot is metres of ground.
const SAME_PLACE_IOU: f32 = 0.3;
/// Where one of two tracks is only held by the picture of its place, boxes that overlap so much are one body: of two real ones it is found in another box than
/// before. So is a box of which so much lies in a box of four times its area, a face beside the quilt that covers the rest.
const SAME_BODY_IOU: f32 = 0.4;
const PART_INSIDE: f32 = 0.7;
const PART_AREA: f32 = 0.25;
/// Positions of a larger error only propose a merge (design §6).
pub(super) const MERGE_ERROR_MAX_M: f32 = 10.0;
/// Long side of a person in any posture, metres: the scale of a camera of unknown view.
const BODY_LENGTH_M: f32 = 1.7;

/// A camera whose corners went less far between two pictures, in parts of the picture's width, looks where it looked: a mast that sways goes less, and what is
/// left of its motions adds up over hours. Then pixels and ground are taken as they are.
const MOVED_PART: f32 = 0.1;

fn is_one_view(a: &Place, b: &Place) -> bool {
    a.camera == b.camera && a.preset == b.preset
}

/// How the camera moved from the picture of `from` to that of `to`; `None` if it did not.
fn motion(from: &Place, to: &Place) -> Option<PictureTransform> {
    // Each is in the pixels of its own size, and after a change of size everything begins anew.
    if from.now_from_begin == to.now_from_begin || from.size != to.size {
        return None;
    }
    let moved = from.now_from_begin.inverse()?.then(&to.now_from_begin);
    (moved.corner_shift(to.size) > MOVED_PART * to.size.width as f32).then_some(moved)
}

/// `other`'s box as if it were seen in the picture of `place`, which may be far outside; `None` for another view, or beyond the horizon. A main stream and its
/// sub-stream differ in size only.
fn box_in(place: &Place, other: &Place) -> Option<PixelBox> {
    if !is_one_view(place, other) {
        return None;
    }
    if place.size != other.size {
        return Some(other.bbox.to_unit(other.size).to_pixels(place.size));
    }
    motion(other, place).map_or(Some(other.bbox), |moved| moved.bbox(&other.bbox).filter(PixelBox::is_finite))
}

pub(super) fn overlap(a: &Place, b: &Place) -> f32 {
    box_in(a, b).map_or(0.0, |other| a.bbox.iou(&other))
}

/// Whether two tracks of one picture are one body, or one is a part of the other's. `held`: one of them is not found, but its place has not changed.
pub(super) fn is_one_body(a: &Place, b: &Place, held: bool) -> bool {
    let Some(other) = box_in(a, b) else { return false };
    let (smaller, larger) = if a.bbox.area() <= other.area() { (&a.bbox, &other) } else { (&other, &a.bbox) };
    let is_part = smaller.area() <= PART_AREA * larger.area() && smaller.intersection(larger) >= PART_INSIDE * smaller.area();
    is_part || (held && a.bbox.iou(&other) >= SAME_BODY_IOU)
}

/// Metres between two places of one camera and view, infinite for others: on the ground where the view is known, else from the size of the bodies.
pub(super) fn apart_m(a: &Place, b: &Place) -> f32 {
    let Some(other) = box_in(a, b) else { return f32::INFINITY };
    // The ground is measured from under the camera.
    if let (Some(here), Some(there)) = (&a.ground, &b.ground)
        && motion(b, a).is_none()
    {
        return here.distance_m(there);
    }
    let (p, q) = (a.bbox.centre(), other.centre());
    let length_px = a.bbox.w.max(a.bbox.h).max(other.w.max(other.h)).max(1.0);
    let scale = a.pixels_per_metre.filter(|scale| *scale > 0.0).unwrap_or(length_px / BODY_LENGTH_M);
    (p.x - q.x).hypot(p.y - q.y) / scale
}

pub(super) fn is_same(a: &Place, b: &Place) -> bool {
    let same_m = if is_one_view(a, b) && motion(b, a).is_some() { SAME_AFTER_FLIGHT_M } else { SAME_PLACE_M };
    overlap(a, b) >= SAME_PLACE_IOU || apart_m(a, b) <= same_m
}

/// Whether two positions of different sensors may be one place: ground distance ≤ 2·√(σ₁² + σ₂²). Gives the distance, metres.
pub(super) fn meeting_m(a: &Position, b: &Position) -> Option<f64> {
    let distance = a.to_wgs84().distance_m(&b.to_wgs84());
    (distance <= 2.0 * f64::from(a.error_m.hypot(b.error_m))).then_some(distance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{CameraId, Crs, GroundPoint, PictureSize};

    fn place(x: f32, y: f32) -> Place {
        let bbox = PixelBox::new(x, y, 85.0, 30.0);
        Place {
            camera: CameraId::new("a"),
            preset: 0,
            now_from_begin: PictureTransform::IDENTITY,
            bbox,
            size: PictureSize::new(640, 480),
            ground: None,
            position: None,
            pixels_per_metre: Some(50.0),
        }
    }

    #[test]
    fn distance_comes_from_the_ground_before_the_picture() {
        let (mut a, mut b) = (place(100.0, 100.0), place(300.0, 100.0));
        assert!((apart_m(&a, &b) - 4.0).abs() < 1e-3 && !is_same(&a, &b));
        let ground = |north_m| Some(GroundPoint { east_m: 0.0, north_m, error_m: 0.2 });
        (a.ground, b.ground) = (ground(5.0), ground(5.5));
        assert!((apart_m(&a, &b) - 0.5).abs() < 1e-6 && is_same(&a, &b));
        b.preset = 1;
        assert!(!is_same(&a, &b), "another view of a camera that turns");
        (b.preset, b.camera) = (0, CameraId::new("b"));
        assert!(!is_same(&a, &b));
    }

    #[test]
    fn a_face_is_part_of_the_body_it_lies_in_and_a_neighbour_is_not() {
        let body = place(100.0, 100.0);
        let part = |x: f32, y: f32, w: f32, h: f32| Place { bbox: PixelBox::new(x, y, w, h), ..body.clone() };
        let is_part = |other: &Place| (is_one_body(&body, other, false), is_one_body(other, &body, false));
        assert_eq!(is_part(&part(170.0, 108.0, 18.0, 18.0)), (true, true), "a face that looks out of the box");
        assert_eq!(is_part(&part(180.0, 108.0, 18.0, 18.0)), (false, false), "most of it outside");
        assert_eq!(is_part(&part(110.0, 88.0, 60.0, 24.0)), (false, false), "somebody further back");
        let beside = part(110.0, 104.0, 80.0, 30.0);
        assert_eq!(is_part(&beside), (false, false), "both are found: two who lie against one another");
        assert!(is_one_body(&body, &beside, true), "the same box, nearly, of a track that is only held");
        assert_eq!(is_part(&Place { preset: 1, ..body.clone() }), (false, false), "another view");
    }

    #[test]
    fn a_sub_stream_shows_the_same_place() {
        let a = place(100.0, 100.0);
        let half = Place { bbox: PixelBox::new(50.0, 50.0, 42.5, 15.0), size: PictureSize::new(320, 240), ..a.clone() };
        assert!(overlap(&a, &half) > 0.99 && is_same(&a, &half));
    }

    /// A drone flies on by 240 pixels: who lies where another has lain in the picture is another, and who was carried along with the ground is the same.
    #[test]
    fn pixels_of_a_camera_that_moves_are_carried_along() {
        let before = place(100.0, 300.0);
        let after = |x: f32, y: f32| Place { now_from_begin: PictureTransform::shift(0.0, -240.0), ..place(x, y) };
        assert!(overlap(&after(100.0, 300.0), &before) < 0.01 && !is_same(&after(100.0, 300.0), &before));
        assert!((apart_m(&after(100.0, 300.0), &before) - 240.0 / 50.0).abs() < 1e-3);
        assert!(overlap(&after(100.0, 60.0), &before) > 0.99 && is_same(&before, &after(100.0, 60.0)));
        assert!(is_same(&before, &after(200.0, 60.0)) && !is_same(&before, &after(260.0, 60.0)), "2 m and 3.2 m away");
        // The ground is measured from under the camera, which has moved.
        let ground = Some(GroundPoint { east_m: 0.0, north_m: 8.0, error_m: 0.2 });
        let (here, there) = (Place { ground, ..after(100.0, 300.0) }, Place { ground, ..before.clone() });
        assert!(!is_same(&here, &there));
        // A mast that sways stands where it stood, also when it has swayed for hours.
        let further = Some(GroundPoint { east_m: 0.0, north_m: 11.0, error_m: 0.2 });
        let swayed = |ground| Place { now_from_begin: PictureTransform::shift(9.0, -4.0), ground, ..place(102.0, 299.0) };
        assert!(apart_m(&swayed(ground), &there) < 1e-6 && (apart_m(&swayed(further), &there) - 3.0).abs() < 1e-6);
        assert!(overlap(&swayed(ground), &there) > 0.85);
        let half = Place { bbox: PixelBox::new(50.0, 150.0, 42.5, 15.0), size: PictureSize::new(320, 240), ..after(0.0, 0.0) };
        assert!(overlap(&before, &half) > 0.99, "another size of the stream");
    }

    #[test]
    fn cameras_meet_within_twice_their_common_error() {
        let here = Position { lon: 121.0, lat: 31.0, crs: Crs::Wgs84, error_m: 3.0 };
        let at = |north_m| Position { error_m: 4.0, ..here.offset(&GroundPoint { east_m: 0.0, north_m, error_m: 0.0 }) };
        assert!(meeting_m(&here, &at(9.9)).is_some() && meeting_m(&here, &at(10.1)).is_none());
    }
}
