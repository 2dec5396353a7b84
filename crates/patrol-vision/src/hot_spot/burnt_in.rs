//! Letters, crosshairs and plates that a camera writes over its picture: white, even, and sharp as no lens is.
//!
//! Looked for where a candidate stands, without memory. `ThermalNormaliser` learns overlays over many pictures and fills them; this is for
//! pictures that did not pass through it. A warm body is blurred by optics, so that from one pixel to the next its edge falls by half of
//! its contrast at most, and more only where the gain clips what is far hotter than its surroundings.

use patrol_core::PixelBox;

/// Writing is white, on full or on limited range, less what a codec takes from it.
const WHITE: u16 = 225;
/// Pixels this much below the brightest belong to it.
const WEAKER: u16 = 30;
/// Writing stands out by this much, levels.
const CONTRAST_MIN: f32 = 60.0;
/// Widest stroke at 640 pixels.
const WIDEST_AT_640: usize = 4;
/// Part of the bright pixels that lies in strokes.
const STROKES_PART: f32 = 0.7;
/// Mean part of the contrast that falls from one pixel to the next at the edges: a lens with a blur of σ 0.7 px leaves 0.52, and up to 0.76 of
/// far bodies that are two or three pixels wide and clipped to a half or a tenth of their warmth. What looks like writing is not told, so that doubt is a body's.
const SHARP_STROKE: f32 = 0.8;
const SHARP_PLATE: f32 = 0.9;
/// A plate is all of one level: the gain of an AGC that clips a body leaves some of its pixels below.
const PLATE_EVEN: u16 = 4;
const PLATE_PART: f32 = 0.95;

#[derive(Debug, Default)]
struct Edges {
    bright: usize,
    even: usize,
    in_strokes: usize,
    ends: usize,
    fall: f32,
}

/// `raw`: 8-bit levels, `width` to a row; `bbox`: of the candidate.
pub(super) fn is_burnt_in(raw: &[u16], width: usize, bbox: &PixelBox) -> bool {
    let height = raw.len() / width.max(1);
    let (left, top) = (bbox.x.max(0.0) as usize, bbox.y.max(0.0) as usize);
    let (right, bottom) = ((bbox.right().max(0.0) as usize).min(width), (bbox.bottom().max(0.0) as usize).min(height));
    if right <= left || bottom <= top {
        return false;
    }
    let inside = (top..bottom).flat_map(|y| &raw[y * width + left..y * width + right]);
    let (low, high) = inside.fold((u16::MAX, 0), |(low, high), &level| (low.min(level), high.max(level)));
    let contrast = f32::from(high) - f32::from(low);
    if high < WHITE || contrast < CONTRAST_MIN {
        return false;
    }
    let bright = high - WEAKER;
    let widest = (width * WIDEST_AT_640).div_ceil(640).max(3);
    let mut edges = Edges::default();
    for y in top..bottom {
        for x in left..right {
            let level = raw[y * width + x];
            if level < bright {
                continue;
            }
            edges.bright += 1;
            edges.even += usize::from(level + PLATE_EVEN >= high);
            let across = run(x, width, widest, bright, |x| raw[y * width + x]);
            let down = run(y, height, widest, bright, |y| raw[y * width + x]);
            edges.in_strokes += usize::from(across.length.min(down.length) <= widest);
            for end in across.falls.into_iter().chain(down.falls).flatten() {
                edges.ends += 1;
                edges.fall += f32::from(end);
            }
        }
    }
    let sharp = edges.fall / (edges.ends.max(1) as f32 * contrast);
    let part = |count: usize| count as f32 / edges.bright as f32;
    part(edges.in_strokes) >= STROKES_PART && sharp >= SHARP_STROKE || part(edges.even) >= PLATE_PART && sharp >= SHARP_PLATE
}

/// Bright pixels in line with one.
struct Run {
    /// At most one more than asked for on each side.
    length: usize,
    /// At an end beside the pixel itself: by how much the level falls to the next.
    falls: [Option<u16>; 2],
}

fn run(at: usize, length: usize, widest: usize, bright: u16, level: impl Fn(usize) -> u16) -> Run {
    let back = (1..=widest.min(at)).take_while(|&d| level(at - d) >= bright).count();
    let on = (1..=widest.min(length - 1 - at)).take_while(|&d| level(at + d) >= bright).count();
    let here = level(at);
    let fall = |beside: bool, next: Option<usize>| next.filter(|_| beside).map(|next| here.saturating_sub(level(next)));
    Run { length: back + 1 + on, falls: [fall(back == 0, at.checked_sub(1)), fall(on == 0, Some(at + 1).filter(|&next| next < length))] }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 40;

    /// Levels by position from the middle; the box is 24 × 16 in its middle.
    fn check(level: impl Fn(f32, f32) -> f32) -> bool {
        let raw: Vec<u16> = (0..SIDE * SIDE)
            .map(|index| level((index % SIDE) as f32 - 20.0, (index / SIDE) as f32 - 20.0).clamp(0.0, 255.0) as u16)
            .collect();
        is_burnt_in(&raw, SIDE, &PixelBox::new(8.0, 12.0, 24.0, 16.0))
    }

    /// A bar with the profile of a blur of σ pixels.
    fn bar(x: f32, half: f32, sigma: f32) -> f32 {
        let edge = |d: f32| 1.0 / (1.0 + (-1.7 * d / sigma).exp());
        edge(x + half) * edge(half - x)
    }

    #[test]
    fn letters_crosshairs_and_plates_are() {
        for white in [235.0, 255.0] {
            assert!(check(|x, y| if x.rem_euclid(6.0) < 2.0 && y.abs() < 6.0 { white } else { 70.0 }), "letters");
            assert!(check(|x, y| if x.abs() < 1.0 || y.abs() < 1.0 { white } else { 90.0 }), "crosshair");
            assert!(check(|x, y| if x.abs() < 9.0 && y.abs() < 6.0 { white } else { 90.0 }), "plate");
        }
    }

    #[test]
    fn blurred_bodies_are_not() {
        for half in [1.5, 2.5, 5.0] {
            for peak in [150.0, 200.0, 260.0] {
                assert!(!check(|x, y| 70.0 + peak * bar(x, 9.0, 0.8) * bar(y, half, 0.8)), "{half}, {peak}");
            }
        }
        assert!(!check(|x, y| 70.0 + 120.0 * bar(x, 8.0, 0.3) * bar(y, 3.0, 0.3)), "not white");
    }

    #[test]
    fn far_bodies_that_the_gain_clips_are_not() {
        for half in [1.0, 1.5] {
            for peak in [300.0, 500.0, 900.0, 2000.0] {
                for sigma in [0.7, 0.9] {
                    for off in [0.0, 0.3, 0.5] {
                        let level = |x: f32, y: f32| 70.0 + peak * bar(x + off, 4.0, sigma) * bar(y + off, half, sigma);
                        assert!(!check(level), "{half}, {peak}, {sigma}, {off}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_box_outside_is_no_trouble() {
        assert!(!is_burnt_in(&[255; SIDE * SIDE], SIDE, &PixelBox::new(-9.0, -9.0, 4.0, 4.0)));
        assert!(!is_burnt_in(&[255; SIDE * SIDE], SIDE, &PixelBox::new(30.0, 30.0, 40.0, 40.0)));
    }
}
