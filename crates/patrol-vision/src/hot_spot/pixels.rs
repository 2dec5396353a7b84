//! A picture as whole numbers, without its border and without stuck pixels.

use super::{Active, SIDE_MIN};
use crate::luma;
use patrol_core::{Picture, PixelFormat};

/// Grey levels (8 bit) or counts (16 bit) by which a border row may vary: what a codec leaves of a flat border.
const BORDER_RANGE_8: u16 = 3;
const BORDER_RANGE_16: u16 = 0;
/// A border is at most this part of the picture on each side.
const BORDER_PERCENT: usize = 45;
/// A stuck pixel stands so many σ of the sensor's noise above the hottest of its eight neighbours, and at least so many levels or counts.
/// Noise alone does that once in 10⁹ pixels.
const STUCK_SIGMA: f32 = 6.0;
const STUCK_MIN: u16 = 4;
/// And above the hottest neighbour by this part of what it stands above their mean: optics spread even a point of light over its neighbours.
const STUCK_PART: f32 = 0.75;
/// Pixels tested together.
const LANES: usize = 32;

/// Levels or counts of `picture`, row by row.
pub(super) fn read(picture: &Picture, out: &mut Vec<u16>) {
    let (w, h) = (picture.size().width as usize, picture.size().height as usize);
    out.resize(w * h, 0);
    for (y, out) in out.chunks_exact_mut(w).enumerate() {
        luma::levels_into(picture, y, |luma| (luma + 0.5) as u16, out);
    }
}

/// Leaves out flat rows and columns at the edges; `None` when nothing else is there.
pub(super) fn active_part(raw: &[u16], w: usize, h: usize, format: PixelFormat) -> Option<Active> {
    if w < SIDE_MIN || h < SIDE_MIN {
        return None;
    }
    let range = if format == PixelFormat::Gray16Le { BORDER_RANGE_16 } else { BORDER_RANGE_8 };
    let row = |y: usize| is_flat(raw[y * w..(y + 1) * w].iter().copied(), range);
    let most_rows = h * BORDER_PERCENT / 100;
    let top = (0..most_rows).take_while(|&y| row(y)).count();
    let bottom = h - (0..most_rows).take_while(|&up| row(h - 1 - up)).count();
    let column = |x: usize| is_flat((top..bottom).map(|y| raw[y * w + x]), range);
    let most_columns = w * BORDER_PERCENT / 100;
    let left = (0..most_columns).take_while(|&x| column(x)).count();
    let right = w - (0..most_columns).take_while(|&back| column(w - 1 - back)).count();
    let flat_inside = left == most_columns && top == most_rows;
    (!flat_inside && right - left >= SIDE_MIN && bottom - top >= SIDE_MIN).then_some(Active { left, top, right, bottom })
}

fn is_flat(mut values: impl Iterator<Item = u16>, range: u16) -> bool {
    let (mut low, mut high) = (u16::MAX, 0);
    values.all(|value| {
        low = low.min(value);
        high = high.max(value);
        high - low <= range
    })
}

/// Replaces stuck-hot pixels by the mean of their neighbours; whatever covers two pixels side by side stays.
pub(super) fn unstick(raw: &mut [u16], w: usize, active: Active) {
    let least = ((STUCK_SIGMA * noise(raw, w, active)) as u16).max(STUCK_MIN);
    for y in active.top..active.bottom {
        // Beyond the first and last row, the row on the other side.
        let above = if y > active.top { y - 1 } else { y + 1 };
        let below = if y + 1 < active.bottom { y + 1 } else { y - 1 };
        for x in (active.left..active.right).step_by(LANES) {
            let to = (x + LANES).min(active.right);
            // At both ends of the row a neighbour is missing: looked at one by one.
            let inner = x > active.left && x + LANES < active.right;
            let lanes = |x: usize, y: usize| raw[y * w + x..].first_chunk::<LANES>();
            let beside = [(x.max(1) - 1, y), (x + 1, y), (x, above), (x, below)].map(|(x, y)| if inner { lanes(x, y) } else { None });
            let quiet = match (lanes(x, y), beside) {
                (Some(here), [Some(a), Some(b), Some(c), Some(d)]) => !any_peak(here, [a, b, c, d], least),
                _ => false,
            };
            if !quiet {
                for x in x..to {
                    unstick_at(raw, w, active, x, y, least);
                }
            }
        }
    }
}

/// Whether a pixel may be `least` above the four beside it. Halves: vectors of signed words have a maximum and a comparison.
fn any_peak(here: &[u16; LANES], beside: [&[u16; LANES]; 4], least: u16) -> bool {
    let half = |value: u16| (value >> 1) as i16;
    let [a, b, c, d] = beside;
    let least = half(least);
    let mut peaks = [0_i16; LANES];
    for lane in 0..LANES {
        let hottest = half(a[lane]).max(half(b[lane])).max(half(c[lane]).max(half(d[lane])));
        peaks[lane] = i16::from(half(here[lane]) - hottest >= least);
    }
    peaks.iter().fold(0, |all, peak| all | peak) != 0
}

fn unstick_at(raw: &mut [u16], w: usize, active: Active, x: usize, y: usize, least: u16) {
    let here = raw[y * w + x];
    if x > active.left && here <= raw[y * w + x - 1].saturating_add(least) {
        return;
    }
    let (mut hottest, mut sum, mut count) = (0_u16, 0_u32, 0_u32);
    for near_y in y.max(active.top + 1) - 1..(y + 2).min(active.bottom) {
        for near_x in x.max(active.left + 1) - 1..(x + 2).min(active.right) {
            if (near_x, near_y) != (x, y) {
                let near = raw[near_y * w + near_x];
                hottest = hottest.max(near);
                sum += u32::from(near);
                count += 1;
            }
        }
    }
    let mean = sum as f32 / count.max(1) as f32;
    let above = f32::from(here) - f32::from(hottest);
    if above > f32::from(least) && above > STUCK_PART * (f32::from(here) - mean) {
        raw[y * w + x] = mean.round() as u16;
    }
}

/// σ of the noise of single pixels, as [`super::background`] has it of smoothed ones.
fn noise(raw: &[u16], w: usize, active: Active) -> f32 {
    const LAG: usize = 2;
    const SAMPLES: usize = 1024;
    let (across, down) = (active.right - active.left - 2 * LAG, active.bottom - active.top);
    let step = (across * down / SAMPLES).max(1);
    let mut differences = [0_u32; SAMPLES];
    let mut count = 0;
    for index in (0..across * down).step_by(step).take(SAMPLES) {
        let at = (active.top + index / across) * w + active.left + LAG + index % across;
        differences[count] = (2 * u32::from(raw[at])).abs_diff(u32::from(raw[at - LAG]) + u32::from(raw[at + LAG]));
        count += 1;
    }
    // Twice the difference; its variance is 4 + 1 + 1 times that of a pixel.
    let differences = &mut differences[..count];
    super::background::SIGMA_OF_MAD * *differences.select_nth_unstable(count / 2).1 as f32 / 6.0_f32.sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIDE: usize = 64;
    const WHOLE: Active = Active { left: 0, top: 0, right: SIDE, bottom: SIDE };

    /// Levels of 80–85 by position.
    fn ground() -> Vec<u16> {
        (0..SIDE * SIDE).map(|index| 80 + (index * 7919 % 13 % 6) as u16).collect()
    }

    #[test]
    fn a_stuck_pixel_goes_anywhere_and_two_stay() {
        for (x, y) in [(0, 0), (63, 63), (31, 0), (0, 20), (32, 32), (33, 63)] {
            let mut raw = ground();
            raw[y * SIDE + x] = 255;
            unstick(&mut raw, SIDE, WHOLE);
            assert!(raw.iter().all(|level| (80..=85).contains(level)), "{x}, {y}");
        }
        let mut raw = ground();
        raw[2000] = 255;
        raw[2001] = 250;
        let before = raw.clone();
        unstick(&mut raw, SIDE, WHOLE);
        assert_eq!(raw, before);
    }

    #[test]
    fn a_point_of_light_behind_a_lens_is_no_stuck_pixel() {
        let mut raw = ground();
        for (dx, dy, level) in [(0, 0, 200), (1, 0, 140), (0, 1, 140), (2, 1, 140), (1, 2, 140)] {
            raw[(30 + dy) * SIDE + 30 + dx] += level / 2;
        }
        raw[31 * SIDE + 31] = 250;
        let before = raw.clone();
        unstick(&mut raw, SIDE, WHOLE);
        assert_eq!(raw, before);
    }

    #[test]
    fn a_border_is_left_out_and_a_flat_picture_is_none() {
        let mut raw = ground();
        raw[..SIDE * 10].fill(16);
        assert_eq!(active_part(&raw, SIDE, SIDE, PixelFormat::Gray8), Some(Active { left: 0, top: 10, right: SIDE, bottom: SIDE }));
        for level in [0, 128, 255] {
            assert_eq!(active_part(&[level; SIDE * SIDE], SIDE, SIDE, PixelFormat::Gray8), None);
        }
        for (w, h) in [(1, 1), (1, 90), (90, 1), (23, 90)] {
            assert_eq!(active_part(&ground()[..w * h], w, h, PixelFormat::Gray8), None);
        }
    }
}
