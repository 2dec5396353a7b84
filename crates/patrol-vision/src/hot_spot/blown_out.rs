//! Regions that the camera shows at the top of its range nearly all over: an engine's bonnet, a lamp.
//!
//! Winter clothes hide most of a body's warmth, so that face and clothes differ and only the face comes near the top. Where the
//! camera's gain clips whole bodies this says nothing, and so nobody is refused for it: such a region is `unresolved`, and
//! whoever has walked to his place is told all the same.

use patrol_core::PixelBox;

/// Levels from here on are clipped: 255, and what an encoder makes of it.
const CLIPPED: u16 = 250;
/// Of what is hotter than half-way from the surroundings to the hottest, this part is clipped. In six rendered streets of ten
/// minutes: people down at most 0.50, walkers at most 0.58 (who is seen walking is told all the same), lamps and bonnets of more than ten
/// pixels at least 0.56.
const CLIPPED_PART: f32 = 0.55;
/// The box is grown by this much, so that its edge shows the surroundings.
const MARGIN_PX: f32 = 3.0;
/// Less contrast than this is not a clipped thing on a darker ground, levels.
const CONTRAST_MIN: f32 = 20.0;

/// `raw`: 8-bit levels, `width` to a row.
pub(super) fn is_blown_out(raw: &[u16], width: usize, bbox: &PixelBox) -> bool {
    let height = raw.len() / width.max(1);
    let around = bbox.grown(MARGIN_PX);
    let (left, top) = (around.x.max(0.0) as usize, around.y.max(0.0) as usize);
    let (right, bottom) = ((around.right().max(0.0) as usize).min(width), (around.bottom().max(0.0) as usize).min(height));
    if right < left + 3 || bottom < top + 3 {
        return false;
    }
    let row = |y: usize| &raw[y * width + left..y * width + right];
    // The median of the edge, by counting levels: a box may be large, its levels are 256.
    let mut counts = [0_u32; 256];
    let mut edge = 0;
    for y in top..bottom {
        let whole = y == top || y + 1 == bottom;
        for (x, &level) in row(y).iter().enumerate() {
            if whole || x == 0 || x + 1 == right - left {
                counts[usize::from(level.min(255))] += 1;
                edge += 1;
            }
        }
    }
    let mut below = 0;
    let surroundings = counts.iter().position(|&count| {
        below += count;
        2 * below >= edge
    });
    let surroundings = surroundings.unwrap_or(0) as f32;
    let hottest = f32::from((top..bottom).flat_map(row).copied().max().unwrap_or(0));
    if hottest < surroundings + CONTRAST_MIN {
        return false;
    }
    let half = f32::midpoint(surroundings, hottest);
    let hot = (top..bottom).flat_map(row).filter(|&&level| f32::from(level) >= half).count();
    let clipped = (top..bottom).flat_map(row).filter(|&&level| level >= CLIPPED).count();
    clipped as f32 >= CLIPPED_PART * hot as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture of 40 × 40 with levels by position; the box is 24 × 12 in its middle.
    fn check(level: impl Fn(f32, f32) -> f32) -> bool {
        let raw: Vec<u16> = (0..1600).map(|index| level((index % 40) as f32 - 20.0, (index / 40) as f32 - 20.0) as u16).collect();
        is_blown_out(&raw, 40, &PixelBox::new(8.0, 14.0, 24.0, 12.0))
    }

    #[test]
    fn a_bonnet_is_and_a_face_with_clothes_is_not() {
        let inside = |x: f32, y: f32| (x / 12.0).hypot(y / 6.0) < 1.0;
        assert!(check(|x, y| if inside(x, y) { 255.0 } else { 60.0 }));
        assert!(!check(|x, y| if !inside(x, y) {
            60.0
        } else if x > 7.0 {
            255.0
        } else {
            170.0
        }));
        assert!(!check(|x, y| if inside(x, y) { 235.0 } else { 60.0 }), "evenly warm is not blown out");
    }

    #[test]
    fn a_box_at_the_edge_or_outside_is_no_trouble() {
        let raw = vec![60; 1600];
        for bbox in [PixelBox::new(-9.0, -9.0, 4.0, 4.0), PixelBox::new(38.0, 38.0, 9.0, 9.0), PixelBox::new(90.0, 0.0, 5.0, 5.0)] {
            assert!(!is_blown_out(&raw, 40, &bbox));
        }
    }
}
