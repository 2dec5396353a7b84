//! By what a view of a turning camera is known again: where its edges are, coarsely, whatever the light.
//!
//! The logarithm of the mean step between neighbouring pixels, over a grid of the picture; two are compared by their correlation. In rendered
//! scenes one view has 0.79 and more with itself through settling snow, failing lamps, sweeping headlights and from lamps to infrared light
//! (0.49 for a moment, while a car fills the picture or the filter swings); the presets of a tour have at most 0.54 with one another.

use crate::luma;
use patrol_core::{Picture, PixelFormat};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::ops::Range;

const COLUMNS: usize = 32;
const ROWS: usize = 24;
/// Pixels looked at per row: edges of a body's size, and the same cost for every resolution.
const WORK_WIDTH: usize = 320;
/// The sum of a square of so many rows fits 16 bits.
const SUMMED_ROWS_MAX: usize = 16;
/// Steps below half a grey level are noise: they all count alike.
const STEP_FLOOR: f32 = 0.5;

/// Spread of the logarithms below which there is nothing but noise, which is like nothing: 0.35 and more in rendered scenes, 0.03 in noise alone.
const SPREAD_MIN: f32 = 0.12;

/// The edges of one view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ViewSign {
    /// Row by row; mean 0, in units of 1/127 of the largest.
    grid: Vec<i8>,
    /// Standard deviation of the logarithms.
    spread: f32,
}

/// Buffers of one thread; nothing is carried from picture to picture.
#[derive(Debug, Default)]
struct Scratch {
    full: Vec<f32>,
    /// Of whole columns, in the rows of a line.
    sums: Vec<u16>,
    line: Vec<f32>,
    above: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

impl Scratch {
    /// Fills `line` with the means of squares of the picture.
    fn fill_line(&mut self, picture: &Picture, rows: Range<usize>, columns: usize) {
        let side = rows.len();
        let part = 1.0 / (side * side) as f32;
        self.line.clear();
        if side <= SUMMED_ROWS_MAX && matches!(picture.format(), PixelFormat::I420 | PixelFormat::Nv12 | PixelFormat::Gray8) {
            self.sums.clear();
            self.sums.resize(columns * side, 0);
            for y in rows {
                for (sum, &level) in self.sums.iter_mut().zip(picture.row(0, y)) {
                    *sum += u16::from(level);
                }
            }
            let mean = |cell: &[u16]| f32::from(cell.iter().sum::<u16>()) * part;
            match side {
                // The widths of most cameras, with a length that the compiler knows.
                2 => self.line.extend(self.sums.as_chunks::<2>().0.iter().map(|cell| mean(cell))),
                4 => self.line.extend(self.sums.as_chunks::<4>().0.iter().map(|cell| mean(cell))),
                6 => self.line.extend(self.sums.as_chunks::<6>().0.iter().map(|cell| mean(cell))),
                _ => self.line.extend(self.sums.chunks_exact(side).map(mean)),
            }
            return;
        }
        self.full.resize(picture.size().width as usize, 0.0);
        self.line.resize(columns, 0.0);
        for y in rows {
            luma::row_into(picture, y, &mut self.full);
            for (mean, pixels) in self.line.iter_mut().zip(self.full.chunks_exact(side)) {
                *mean += pixels.iter().sum::<f32>() * part;
            }
        }
    }
}

impl ViewSign {
    /// `None`: the picture is smaller than the grid.
    pub fn take(picture: &Picture) -> Option<Self> {
        let (w, h) = (picture.size().width as usize, picture.size().height as usize);
        let stride = (w as f32 / WORK_WIDTH as f32).round().max(1.0) as usize;
        let (columns, rows) = (w / stride, h / stride);
        if columns < COLUMNS * 2 || rows < ROWS * 2 {
            return None;
        }
        SCRATCH.with_borrow_mut(|scratch| Some(Self::take_in(scratch, picture, stride, (columns, rows))))
    }

    fn take_in(scratch: &mut Scratch, picture: &Picture, stride: usize, (columns, rows): (usize, usize)) -> Self {
        let mut sums = [0.0_f32; COLUMNS * ROWS];
        let mut counts = [0.0_f32; COLUMNS * ROWS];
        for y in 0..rows {
            scratch.fill_line(picture, y * stride..(y + 1) * stride, columns);
            let Scratch { line, above, .. } = scratch;
            let row = y * ROWS / rows * COLUMNS;
            for column in 0..COLUMNS {
                let cell = row + column;
                let across_cell = (column * columns).div_ceil(COLUMNS)..((column + 1) * columns).div_ceil(COLUMNS);
                counts[cell] += across_cell.len() as f32;
                for x in across_cell {
                    let across = if x + 1 < columns { (line[x + 1] - line[x]).abs() } else { 0.0 };
                    let down = if y > 0 { (line[x] - above[x]).abs() } else { 0.0 };
                    sums[cell] += across + down;
                }
            }
            std::mem::swap(line, above);
        }
        let steps: [f32; COLUMNS * ROWS] = std::array::from_fn(|cell| sums[cell] / counts[cell].max(1.0));
        let smooth: [f32; COLUMNS * ROWS] = std::array::from_fn(|cell| (around(&steps, cell) + STEP_FLOOR).ln());
        let mean = smooth.iter().sum::<f32>() / smooth.len() as f32;
        let largest = smooth.iter().map(|value| (value - mean).abs()).fold(f32::MIN_POSITIVE, f32::max);
        let spread = (smooth.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / smooth.len() as f32).sqrt();
        Self { spread, grid: smooth.iter().map(|value| ((value - mean) / largest * 127.0).round() as i8).collect() }
    }

    /// −1 to 1: correlation of the two; `None` where one of them has nothing to be known by.
    pub fn likeness(&self, other: &Self) -> Option<f32> {
        if self.grid.len() != other.grid.len() || self.spread.min(other.spread) < SPREAD_MIN {
            return None;
        }
        let product = |a: &[i8], b: &[i8]| a.iter().zip(b).map(|(a, b)| f32::from(*a) * f32::from(*b)).sum::<f32>();
        let length = (product(&self.grid, &self.grid) * product(&other.grid, &other.grid)).sqrt();
        (length > 0.0).then(|| product(&self.grid, &other.grid) / length)
    }
}

/// Mean of a cell and its neighbours: a preset is never met to the pixel.
fn around(steps: &[f32], cell: usize) -> f32 {
    let (x, y) = (cell % COLUMNS, cell / COLUMNS);
    let (mut sum, mut count) = (0.0, 0.0);
    for y in y.saturating_sub(1)..=(y + 1).min(ROWS - 1) {
        for x in x.saturating_sub(1)..=(x + 1).min(COLUMNS - 1) {
            sum += steps[y * COLUMNS + x];
            count += 1.0;
        }
    }
    sum / count
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{MediaTime, PictureSize, PixelFormat, WallEstimate, WallTime};

    /// A dozen walls and kerbs; `shift` turns the camera, gain and offset are AGC's.
    fn view(seed: u32, shift: u32, gain: f32, offset: f32) -> Picture {
        let size = PictureSize::new(640, 512);
        let mut dice = seed;
        let mut roll = |most: u32| {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (dice >> 16) % most
        };
        let mut scene = vec![60.0_f32; 640 * 512];
        for _ in 0..12 {
            let (x, y, w, h, level) = (roll(600) + shift, roll(480), 20 + roll(200), 10 + roll(150), roll(90) as f32);
            for y in y..(y + h).min(512) {
                for x in x..(x + w).min(640) {
                    scene[(y * 640 + x) as usize] = 40.0 + level;
                }
            }
        }
        let mut noise = || roll(4) as f32;
        let pixels = scene.iter().map(|value| (value * gain + offset + noise()).clamp(0.0, 255.0) as u8).collect();
        let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
        Picture::from_planes(size, PixelFormat::Gray8, vec![pixels], 0, MediaTime::ZERO, captured).expect("a picture")
    }

    #[test]
    fn a_view_is_known_again_in_other_light_and_another_is_not_taken_for_it() {
        let sign = |seed, shift, gain, offset| ViewSign::take(&view(seed, shift, gain, offset)).expect("large enough");
        let here = sign(1, 0, 1.0, 0.0);
        let (again, another) = (here.likeness(&sign(1, 2, 0.6, 40.0)), here.likeness(&sign(99, 0, 1.0, 0.0)));
        assert!(again.is_some_and(|likeness| likeness > 0.8) && another.is_some_and(|likeness| likeness < 0.6), "{again:?} {another:?}");
    }

    #[test]
    fn even_and_tiny_pictures_are_like_nothing() {
        let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
        let even = |w: u32, h: u32| {
            let pixels = vec![vec![90; (w * h) as usize]];
            Picture::from_planes(PictureSize::new(w, h), PixelFormat::Gray8, pixels, 0, MediaTime::ZERO, captured).expect("a picture")
        };
        let flat = ViewSign::take(&even(640, 512)).expect("large enough");
        assert_eq!((flat.likeness(&flat), ViewSign::take(&even(1, 1))), (None, None));
    }
}
