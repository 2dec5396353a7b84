//! What the joints of a body add where no view of the camera is known: which way the trunk points.
//!
//! With a view, the trunk is one more measure by which figures are weighed (`shape.rs`).

use super::{PostureInput, PostureJudgement};
use patrol_core::{Joints, PixelPoint, Posture};

/// The trunk's angle from the picture's vertical, head up. Cameras are hung level, and look down by up to some 45°: there the trunk of one who stands 20° beside the middle of the
/// view points 20° aside, and one who sits leans by 30°. From the second on he is down, or head down for a moment; from the third if his outline is that of one who stands, who
/// leans by 60° in the lower corners of a wide and steep view.
const UPRIGHT_MAX_DEG: f32 = 35.0;
const DOWN_MIN_DEG: f32 = 60.0;
const DOWN_MIN_STANDING_DEG: f32 = 70.0;
/// A trunk that is shorter than this part of the box's long side is seen along its length: its direction says little.
const TRUNK_MIN_PART: f32 = 0.12;
/// Confidence of a posture that outline and joints agree on, and that the joints say against the outline: too little to outvote that he moves.
const AGREED: f32 = 0.8;
const BY_JOINTS: f32 = 0.55;
/// What is left of a posture's confidence against which the trunk is upright.
const DISPUTED_PART: f32 = 0.5;
/// From hips to knees, of one who sits: so far from straight down.
const THIGHS_LEVEL_MIN_DEG: f32 = 50.0;

/// Degrees from the picture's vertical, 0 up, 180 down.
fn from_up_deg(from: PixelPoint, to: PixelPoint) -> f32 {
    (to.x - from.x).abs().atan2(from.y - to.y).to_degrees()
}

/// `by_outline`, corrected by the joints where they are seen.
pub(super) fn weighed(input: &PostureInput, by_outline: PostureJudgement) -> PostureJudgement {
    let Some(Joints { shoulders, hips, knees, .. }) = input.joints else { return by_outline };
    let bbox = input.track.bbox;
    let trunk_px = (shoulders.x - hips.x).hypot(shoulders.y - hips.y);
    if by_outline.why == "cut-by-edge" || trunk_px < TRUNK_MIN_PART * bbox.w.max(bbox.h) {
        return by_outline;
    }
    let told = |posture, confidence| PostureJudgement::new(posture, confidence, "joints");
    let trunk_deg = from_up_deg(hips, shoulders);
    let down_from_deg = if by_outline.posture == Posture::Standing { DOWN_MIN_STANDING_DEG } else { DOWN_MIN_DEG };
    if trunk_deg >= down_from_deg {
        return match by_outline.posture {
            posture if posture.is_down() => told(posture, AGREED),
            _ => told(Posture::Lying, BY_JOINTS),
        };
    }
    if trunk_deg > UPRIGHT_MAX_DEG {
        return by_outline;
    }
    let thighs_are_level = knees.is_some_and(|knees| 180.0 - from_up_deg(hips, knees) >= THIGHS_LEVEL_MIN_DEG);
    let is_measured = by_outline.why != "outline";
    match by_outline.posture {
        Posture::Standing => told(Posture::Standing, AGREED),
        posture if posture.is_down() && thighs_are_level && !is_measured => told(Posture::Sitting, BY_JOINTS),
        // Who lies along the line of sight, head away, has his trunk up in the picture as well; or these are another's joints.
        posture if posture.is_down() => PostureJudgement { confidence: DISPUTED_PART * by_outline.confidence, ..by_outline },
        Posture::Unknown if thighs_are_level => told(Posture::Sitting, BY_JOINTS),
        _ => by_outline,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{UprightPx, judge, tests::track};
    use super::*;
    use patrol_core::{PictureSize, PixelBox};

    /// Somebody in a box of `w` × `h` pixels, 100 px an upright height where it is known, whose trunk points `trunk_deg` from up and his thighs so far from down.
    fn judged(w: f32, h: f32, is_height_known: bool, trunk_deg: f32, thighs_deg: f32) -> (Posture, &'static str) {
        let track = track(PixelBox::new(200.0, 200.0, w, h), None, 0.0);
        let hips = PixelPoint { x: 200.0 + w / 2.0, y: 200.0 + h / 2.0 };
        let from_hips = |angle_deg: f32, px: f32| {
            let (sin, cos) = angle_deg.to_radians().sin_cos();
            PixelPoint { x: hips.x + px * sin, y: hips.y - px * cos }
        };
        let joints = Joints { shoulders: from_hips(trunk_deg, 33.0), hips, knees: Some(from_hips(180.0 - thighs_deg, 25.0)), score: 0.7 };
        let learnt_upright_px = is_height_known.then_some(UprightPx { height: 100.0, sigma: 7.0 });
        let size = PictureSize::new(640, 512);
        let judgement = judge(&PostureInput { track: &track, size, view: None, learnt_upright_px, joints: Some(joints) });
        (judgement.posture, judgement.why)
    }

    #[test]
    fn whose_trunk_is_level_lies_whatever_his_outline() {
        for (w, h) in [(90.0, 40.0), (60.0, 60.0), (40.0, 75.0)] {
            for is_height_known in [true, false] {
                for trunk_deg in [75.0, -90.0, 150.0] {
                    let (posture, why) = judged(w, h, is_height_known, trunk_deg, 90.0);
                    assert!(posture.is_down() && why == "joints", "{w}×{h}, {trunk_deg}°: {posture:?} by {why}");
                }
            }
        }
    }

    #[test]
    fn whose_trunk_is_upright_sits_or_stands() {
        assert_eq!(judged(35.0, 95.0, true, 5.0, 3.0), (Posture::Standing, "joints"));
        assert_eq!(judged(35.0, 95.0, false, -10.0, 3.0), (Posture::Standing, "joints"));
        assert_eq!(judged(55.0, 70.0, false, 10.0, 85.0), (Posture::Sitting, "joints"), "legs out");
        assert_eq!(judged(90.0, 60.0, false, 10.0, 85.0), (Posture::Sitting, "joints"), "legs out to the side: wider than high");
        // Of known height he is as low as one who lies: those may be another's joints.
        assert_eq!(judged(90.0, 40.0, true, 10.0, 85.0).0, Posture::Lying);
        assert_eq!(judged(90.0, 60.0, false, 10.0, 5.0).0, Posture::Lying, "he lies along the line of sight, head away");
        assert_eq!(judged(35.0, 95.0, true, 65.0, 3.0), (Posture::Standing, "learnt-height"), "leans, in a corner of a wide view");
    }

    #[test]
    fn what_joints_do_not_tell_is_left_to_the_outline() {
        assert_eq!(judged(90.0, 40.0, true, 45.0, 60.0), (Posture::Lying, "learnt-height"));
        assert_eq!(judged(60.0, 60.0, false, 10.0, 10.0), (Posture::Unknown, "outline"), "crouches, or lies along the line of sight");
        // His trunk is a twelfth of him: he lies with his head to the camera, or his joints are wrong.
        assert_eq!(judged(400.0, 150.0, false, 5.0, 3.0).1, "outline");
    }
}
