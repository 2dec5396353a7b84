//! Whether anything in a box is warmer than around it.
//!
//! A network that must find people in black-hot pictures, too, takes a cold thing of a person's shape for one: a puddle, a window, a parked car. Before a camera of which
//! it is known that brighter is warmer, whoever lives is warmer somewhere: at his face and hands when nowhere else.

use crate::luma;
use patrol_core::{Picture, PixelBox};
use std::cell::RefCell;

/// A person is warmer than the middle of his surroundings on average, or his warmest fiftieth is: by so many of their σ, and than what nine tenths of them are (a box
/// may hold a piece of the wall beside it). So is every one of 1 223 people whom `thermal-person-s` finds in HIT-UAV `val` at 0.3 and of 1 273 at 0.2; of 793 boxes
/// where nobody is labelled 107 are not. A face is a twentieth of who lies there covered up.
const ABOVE_MIDDLE_SIGMA: f32 = 1.5;
const WARMEST: f32 = 0.98;
const MOST: f32 = 0.9;
/// Surroundings: so many times the longer side of the box on each side of it.
const AROUND_PART: f32 = 0.75;
/// Least σ, levels or counts: an even wall has none of its own.
const SIGMA_MIN: f32 = 1.0;
/// Values along a side that are looked at.
const SAMPLES: usize = 64;

#[derive(Default)]
struct Scratch {
    row: Vec<f32>,
    inside: Vec<f32>,
    around: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Whether nothing in `bbox` is warmer than around it. In `picture` brighter is warmer. A box outside of the picture, or with nothing around, is not judged: `false`.
pub fn is_nowhere_warmer(picture: &Picture, bbox: &PixelBox) -> bool {
    SCRATCH.with_borrow_mut(|scratch| {
        let Scratch { row, inside, around } = scratch;
        inside.clear();
        around.clear();
        let own = pixels(&bbox.clipped(picture.size()));
        let all = pixels(&bbox.grown(AROUND_PART * bbox.w.max(bbox.h)).clipped(picture.size()));
        let ([left, top, right, bottom], [across_from, down_from, across_to, down_to]) = (own, all);
        if !bbox.is_finite() || left >= right || top >= bottom {
            return false;
        }
        let step = |from: usize, to: usize| ((to - from) / SAMPLES).max(1);
        row.resize(across_to - across_from, 0.0);
        for y in (down_from..down_to).step_by(step(down_from, down_to)) {
            luma::part_into(picture, across_from, y, row);
            for (x, &level) in (across_from..across_to).zip(&*row).step_by(step(across_from, across_to)) {
                let is_inside = (left..right).contains(&x) && (top..bottom).contains(&y);
                if is_inside { &mut *inside } else { &mut *around }.push(level);
            }
        }
        if inside.is_empty() || around.is_empty() {
            return false;
        }
        let middle = rank(around, 0.5);
        let most = rank(around, MOST);
        let mean = inside.iter().sum::<f32>() / inside.len() as f32;
        for level in around.iter_mut() {
            *level = (*level - middle).abs();
        }
        // Median of the deviations to σ of normal noise.
        let sigma = (1.4826 * rank(around, 0.5)).max(SIGMA_MIN);
        mean < middle && rank(inside, WARMEST) < (middle + ABOVE_MIDDLE_SIGMA * sigma).max(most)
    })
}

/// Left, top, right and bottom.
fn pixels(bbox: &PixelBox) -> [usize; 4] {
    [bbox.x.floor() as usize, bbox.y.floor() as usize, bbox.right().ceil() as usize, bbox.bottom().ceil() as usize]
}

fn rank(values: &mut [f32], part: f32) -> f32 {
    let at = (part * (values.len() - 1) as f32).round() as usize;
    *values.select_nth_unstable_by(at, f32::total_cmp).1
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{MediaTime, PictureSize, PixelFormat, WallEstimate, WallTime};

    /// Ground of 80 ± 3 levels; in a box at 60, 40 of 20 × 12 pixels, what `level` says of each pixel.
    fn picture(level: impl Fn(usize, usize) -> Option<u8>) -> Picture {
        let ground = |index: usize| 77 + (index * 7919 % 13 % 7) as u8;
        let inside = |x: usize, y: usize| if (60..80).contains(&x) && (40..52).contains(&y) { level(x - 60, y - 40) } else { None };
        let pixels = (0..160 * 120).map(|index| inside(index % 160, index / 160).unwrap_or_else(|| ground(index))).collect();
        let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
        Picture::from_planes(PictureSize::new(160, 120), PixelFormat::Gray8, vec![pixels], 0, MediaTime::ZERO, captured).expect("good")
    }

    #[test]
    fn a_cold_thing_is_nowhere_warmer_and_a_hidden_body_is_at_its_face() {
        let bbox = PixelBox::new(60.0, 40.0, 20.0, 12.0);
        assert!(is_nowhere_warmer(&picture(|_, _| Some(50)), &bbox), "a puddle");
        // Around a cold thing the network draws a loose box.
        assert!(is_nowhere_warmer(&picture(|x, _| (x > 4).then_some(40)), &bbox), "with ground beside it");
        assert!(!is_nowhere_warmer(&picture(|_, _| Some(110)), &bbox), "a body");
        assert!(
            !is_nowhere_warmer(&picture(|x, y| Some(if x < 3 && y < 4 { 110 } else { 70 })), &bbox),
            "a face above a cold quilt, a twentieth of all"
        );
    }

    #[test]
    fn what_cannot_be_judged_is_not_called_cold() {
        let cold = picture(|_, _| Some(50));
        for bbox in [
            PixelBox::new(-50.0, -50.0, 20.0, 20.0),
            PixelBox::new(60.0, 40.0, 0.0, 12.0),
            PixelBox::new(f32::NAN, 40.0, 20.0, 12.0),
            PixelBox::new(60.0, 40.0, f32::INFINITY, 12.0),
            PixelBox::new(0.0, 0.0, 160.0, 120.0),
        ] {
            assert!(!is_nowhere_warmer(&cold, &bbox), "{bbox:?}");
        }
    }
}
