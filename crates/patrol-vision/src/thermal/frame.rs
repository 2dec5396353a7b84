//! Borders: flat bands at the edges, with square or rounded corners.
//!
//! Found anew in every picture and never remembered: what is flat shows nobody at this moment, whatever it is.

use serde::Serialize;

/// Levels by which a border may vary: what a codec leaves of it.
const FLAT: u8 = 4;
/// A border ends at content: within this many rows, which a codec's block may ring over, the levels of a row spread by so much. Even sky and even ground end softly, and are
/// no border.
const EDGE_ROWS: usize = 10;
const CONTENT_SPREAD: u8 = 14;
/// Widest border, percent of the side.
const WIDEST_PERCENT: usize = 45;
/// Rows that the codec has mixed with the border.
const MIXED: usize = 2;
/// Corners whose radius differs by more than this part are not cut by a frame.
const CORNER_SPREAD: f32 = 0.3;
const CORNER_MIN: usize = 4;
/// Levels by which a codec's ringing changes the border beside a round corner.
const RINGING: u8 = 14;

/// Pixels of border on each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Border {
    pub left: u32,
    pub top: u32,
    pub right: u32,
    pub bottom: u32,
    /// Radius of the corners; 0: square.
    pub corner_px: u32,
}

impl Border {
    pub(super) fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Left, top, right and bottom of what lies inside.
    pub(super) fn inside(&self, width: usize, height: usize) -> [usize; 4] {
        [self.left as usize, self.top as usize, width - self.right as usize, height - self.bottom as usize]
    }
}

fn range(values: impl Iterator<Item = u8>) -> (u8, u8) {
    values.fold((255, 0), |(low, high), value| (low.min(value), high.max(value)))
}

/// Measures the border of rows of `width` levels.
pub(super) fn find<'a>(width: usize, height: usize, row: impl Fn(usize) -> &'a [u8]) -> Border {
    if width < 32 || height < 32 {
        return Border::default();
    }
    let row_range = |y: usize| range(row(y).iter().copied());
    let top = band(height, row_range);
    let bottom = band(height, |y| row_range(height - 1 - y));
    let (from, to) = (top, height - bottom);
    // Every fourth row first: most columns are no border.
    let column_range = |x: usize| {
        let coarse = range((from..to).step_by(4).map(|y| row(y)[x]));
        if coarse.1 - coarse.0 > FLAT { coarse } else { range((from..to).map(|y| row(y)[x])) }
    };
    let left = band(width, column_range);
    let right = band(width, |x| column_range(width - 1 - x));
    let corner = corner(width - left - right, height - top - bottom, |x, y| row(top + y)[left + x]);
    let [left, top, right, bottom] = [left, top, right, bottom].map(|band| if band == 0 { 0 } else { (band + MIXED) as u32 });
    Border { left, top, right, bottom, corner_px: corner as u32 }
}

/// Rows of border before the first row of content.
fn band(count: usize, range_of: impl Fn(usize) -> (u8, u8)) -> usize {
    let (mut low, mut high) = range_of(0);
    if high - low > FLAT {
        return 0;
    }
    let most = count * WIDEST_PERCENT / 100;
    for index in 2..most {
        let next = range_of(index);
        (low, high) = (low.min(next.0), high.max(next.1));
        if high - low > FLAT {
            let content = (index..(index + EDGE_ROWS).min(count)).find(|row| {
                let (low, high) = range_of(*row);
                let before = range_of(row - 2);
                // Or it is even too, and another level at one step.
                high - low >= CONTENT_SPREAD
                    || low >= before.1.saturating_add(CONTENT_SPREAD)
                    || high <= before.0.saturating_sub(CONTENT_SPREAD)
            });
            return content.unwrap_or(0);
        }
    }
    0
}

/// Radius of the corners, when all four are cut alike.
fn corner(width: usize, height: usize, level: impl Fn(usize, usize) -> u8) -> usize {
    let most = width.min(height) / 2;
    let outer = level(0, 0);
    let mut radii = [0_usize; 4];
    for (index, radius) in radii.iter_mut().enumerate() {
        let at =
            |x: usize, y: usize| level(if index % 2 == 1 { width - 1 - x } else { x }, if index / 2 == 1 { height - 1 - y } else { y });
        let is_outer = |x: usize, y: usize| at(x, y).abs_diff(outer) <= RINGING;
        // A circle of radius r leaves r along both edges and (1 − π/4) r² in the corner.
        let across = (0..most).take_while(|x| is_outer(*x, 0)).count();
        let down = (0..most).take_while(|y| is_outer(0, *y)).count();
        let mut area = 0;
        let mut run = across;
        for y in 0..down {
            run = (0..run).take_while(|x| is_outer(*x, y)).count();
            area += run;
        }
        let wanted = (1.0 - std::f32::consts::FRAC_PI_4) * (across * down) as f32;
        let round = (area as f32 - wanted).abs() <= 0.35 * wanted + (across + down) as f32 * 0.6;
        *radius = if across >= CORNER_MIN && down >= CORNER_MIN && round { usize::midpoint(across, down) } else { 0 };
    }
    let (least, greatest) = radii.iter().fold((usize::MAX, 0), |(low, high), radius| (low.min(*radius), high.max(*radius)));
    if least >= CORNER_MIN && (greatest - least) as f32 <= CORNER_SPREAD * greatest as f32 + 2.0 { greatest + MIXED } else { 0 }
}

/// How many pixels of row `y` (from the top of the inside) a corner of `radius` covers at each end.
pub(super) fn corner_run(radius: usize, y: usize, height: usize) -> usize {
    let from_edge = y.min(height - 1 - y);
    if from_edge >= radius {
        return 0;
    }
    let (r, up) = (radius as f32, radius as f32 - from_edge as f32 - 0.5);
    (r - (r * r - up * up).max(0.0).sqrt()).ceil() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(paint: impl Fn(usize, usize) -> Option<u8>) -> Vec<Vec<u8>> {
        (0..96).map(|y| (0..128).map(|x| paint(x, y).unwrap_or((40 + (x * 37 + y * 59) % 97) as u8)).collect()).collect()
    }

    fn check(paint: impl Fn(usize, usize) -> Option<u8>, wanted: [u32; 4], corner: std::ops::RangeInclusive<u32>) {
        let rows = scene(paint);
        let border = find(128, 96, |y| &rows[y]);
        assert_eq!([border.left, border.top, border.right, border.bottom], wanted);
        assert!(corner.contains(&border.corner_px), "{border:?}");
    }

    #[test]
    fn bands_of_any_level_are_measured() {
        check(|_, _| None, [0; 4], 0..=0);
        check(|_, y| (!(10..84).contains(&y)).then_some(16), [0, 12, 0, 14], 0..=0);
        check(|x, _| (x < 7).then_some(200), [9, 0, 0, 0], 0..=0);
        check(|x, y| (x < 7 || y > 90).then_some(128), [9, 0, 0, 7], 0..=0);
    }

    #[test]
    fn rounded_corners_are_measured() {
        let cut = |x: usize, y: usize| {
            let (dx, dy) = (20.0 - (x.min(127 - x) as f32 + 0.5), 20.0 - (y.min(95 - y) as f32 + 0.5));
            (dx > 0.0 && dy > 0.0 && dx.hypot(dy) > 20.0).then_some(16)
        };
        check(cut, [0; 4], 17..=23);
    }

    #[test]
    fn a_clipped_sky_with_someone_before_it_is_no_border() {
        check(|x, y| (y < 40 && !((60..64).contains(&x) && y > 30)).then_some(16), [0, 33, 0, 0], 0..=0);
        check(|_, y| (y < 40).then_some(16 + y as u8), [0; 4], 0..=0);
    }
}
