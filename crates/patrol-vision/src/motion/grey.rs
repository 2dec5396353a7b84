//! Small grey pictures of any format: what motion is looked for in.

use crate::luma::{self, Stretch, StretchFinder};
use crate::vectors::widest;
use patrol_core::{Picture, PixelFormat};

/// Flow is followed in pictures of at most this width: half of a 640-pixel thermal picture, a quarter of 1080p.
const WORK_WIDTH_MAX: usize = 480;
/// From this reduction on every second row is enough: four and more samples a pixel are left.
const SKIP_ROWS_FROM: usize = 4;
/// Raw counts keep their scale until the scene's range has moved by this part of it.
const STRETCH_KEPT_PART: f32 = 0.25;

/// One plane of grey levels without padding.
#[derive(Debug, Clone, Default)]
pub(super) struct Grey {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Pixels of the full picture along a side of a pixel here.
    pub(super) factor: usize,
    pub(super) pixels: Vec<u8>,
}

/// Contrast and brightness are read at the quartiles, as in `quiet::light`: flakes and headlights lie outside.
const DARK_PART: f32 = 0.25;
/// Quartiles nearer to one another than this are in one light, grey levels: noise, and what a slow gain changes between two looks, which flow bears.
const LIGHT_APART: f32 = 3.0;
/// Of an even picture only the brightness can be told; and the most that a gain changes at once. As in `quiet::light`.
const CONTRAST_MIN: f32 = 4.0;
const GAIN_MAX: f32 = 4.0;

impl Grey {
    /// Into `out`: this picture in the light of `other`, if both show the same: Lucas and Kanade take every change of a level for motion, and a gain control changes all of
    /// them from one picture to the next. `false`, and `out` untouched: the light is the same. Where the sky leaves the picture its quartiles change, too, and the light has not.
    pub(super) fn lit_like(&self, other: &Self, out: &mut Self) -> bool {
        let ((low, high), (other_low, other_high)) = (self.light(), other.light());
        if (low - other_low).abs() < LIGHT_APART && (high - other_high).abs() < LIGHT_APART {
            return false;
        }
        let (contrast, wanted) = (high - low, other_high - other_low);
        let gain = if contrast.min(wanted) < CONTRAST_MIN { 1.0 } else { (wanted / contrast).clamp(1.0 / GAIN_MAX, GAIN_MAX) };
        let middle = |low: f32, high: f32| f32::midpoint(low, high);
        let (from, to) = (middle(low, high), middle(other_low, other_high));
        let table: [u8; 256] = std::array::from_fn(|level| ((level as f32 - from) * gain + to).round().clamp(0.0, 255.0) as u8);
        (out.width, out.height, out.factor) = (self.width, self.height, self.factor);
        out.pixels.clear();
        out.pixels.extend(self.pixels.iter().map(|level| table[usize::from(*level)]));
        true
    }

    /// The levels below which [`DARK_PART`] of the pixels lie, and above which as many do.
    fn light(&self) -> (f32, f32) {
        let mut counts = [0_u32; 256];
        for level in &self.pixels {
            counts[usize::from(*level)] += 1;
        }
        let below = |part: f32| {
            let wanted = part * self.pixels.len() as f32;
            let mut sum = 0.0;
            for (level, count) in counts.iter().enumerate() {
                let next = sum + *count as f32;
                if next >= wanted && *count > 0 {
                    return level as f32 - 0.5 + (wanted - sum) / *count as f32;
                }
                sum = next;
            }
            255.0
        };
        (below(DARK_PART), below(1.0 - DARK_PART))
    }
}

/// Makes [`Grey`] pictures; keeps its buffers.
#[derive(Debug, Default)]
pub(super) struct GreyMaker {
    finder: StretchFinder,
    row: Vec<f32>,
    levels: Vec<u8>,
    sums: Vec<u16>,
    threes: Vec<u16>,
}

impl GreyMaker {
    /// The mean of `factor` × `factor` pixels each, into `out`; raw counts on the scale of `stretch`.
    pub(super) fn make(&mut self, picture: &Picture, stretch: Option<Stretch>, out: &mut Grey) {
        let (w, h) = (picture.size().width as usize, picture.size().height as usize);
        let factor = w.div_ceil(WORK_WIDTH_MAX).max(1);
        (out.width, out.height, out.factor) = (w / factor, h / factor, factor);
        out.pixels.resize(out.width * out.height, 0);
        let row_step = if factor >= SKIP_ROWS_FROM { 2 } else { 1 };
        let samples = (factor * factor.div_ceil(row_step)) as u32;
        // Fixed-point division, rounded to nearest: exact for sums of 255 · 256 samples at most.
        let (inverse, half) = ((1_u32 << 16).div_ceil(samples), samples / 2);
        let is_8_bit = matches!(picture.format(), PixelFormat::I420 | PixelFormat::Nv12 | PixelFormat::Gray8);
        let plane = picture.rows(0);
        for (y, out) in out.pixels.chunks_exact_mut(out.width.max(1)).enumerate() {
            let row = |of: usize| plane.row(y * factor + of);
            match factor {
                // The reductions that matter most: 640 and 720 pixels, 720p, 1080p. Two of them want rows that are whole words.
                2 if is_8_bit && w.is_multiple_of(8) => halve(row(0), row(1), out),
                3 if is_8_bit => self.third([row(0), row(1), row(2)], out),
                4 if is_8_bit && w.is_multiple_of(8) => quarter(row(0), row(2), out),
                _ => {
                    self.sums.clear();
                    self.sums.resize(w, 0);
                    for from in (y * factor..(y + 1) * factor).step_by(row_step) {
                        self.add_row(picture, stretch, from);
                    }
                    for (mean, cell) in out.iter_mut().zip(self.sums.chunks_exact(factor)) {
                        let sum: u32 = cell.iter().map(|&sum| u32::from(sum)).sum();
                        *mean = (((sum + half) * inverse) >> 16).min(255) as u8;
                    }
                }
            }
        }
    }

    /// Looks whether raw counts need another scale; `true` when pictures made before no longer compare.
    pub(super) fn rescale(&mut self, picture: &Picture, stretch: &mut Option<Stretch>) -> bool {
        if picture.format() != PixelFormat::Gray16Le {
            return false;
        }
        let now = self.finder.find(picture);
        let kept = stretch.is_some_and(|old| {
            let tolerance = STRETCH_KEPT_PART * (f32::from(old.white) - f32::from(old.black));
            let near = |a: u16, b: u16| (f32::from(a) - f32::from(b)).abs() <= tolerance;
            near(old.black, now.black) && near(old.white, now.white)
        });
        if !kept {
            *stretch = Some(now);
        }
        !kept
    }

    /// Means of 3 × 3 pixels: of every three neighbours, in lanes of 16 bits, of which every third is wanted.
    fn third(&mut self, [above, here, below]: [&[u8]; 3], out: &mut [u8]) {
        const SAMPLES: u32 = 9;
        const INVERSE: u32 = (1_u32 << 16).div_ceil(SAMPLES);
        let rows = above.iter().zip(here).zip(below);
        self.sums.clear();
        self.sums.extend(rows.map(|((a, b), c)| u16::from(*a) + u16::from(*b) + u16::from(*c)));
        let beside = self.sums.iter().zip(&self.sums[1..]).zip(&self.sums[2..]);
        self.threes.clear();
        self.threes.extend(beside.map(|((a, b), c)| ((u32::from(a + b + c + SAMPLES as u16 / 2) * INVERSE) >> 16) as u16));
        for (mean, &three) in out.iter_mut().zip(self.threes.iter().step_by(3)) {
            *mean = three as u8;
        }
    }

    fn add_row(&mut self, picture: &Picture, stretch: Option<Stretch>, y: usize) {
        let levels = match picture.format() {
            PixelFormat::I420 | PixelFormat::Nv12 | PixelFormat::Gray8 => picture.row(0, y),
            PixelFormat::Gray16Le | PixelFormat::Rgb8 => {
                self.row.resize(picture.size().width as usize, 0.0);
                luma::row_into(picture, y, &mut self.row);
                self.levels.clear();
                match stretch.filter(|_| picture.format() == PixelFormat::Gray16Le) {
                    Some(stretch) => self.levels.extend(self.row.iter().map(|&count| stretch.grey(count) as u8)),
                    None => self.levels.extend(self.row.iter().map(|&level| level as u8)),
                }
                &self.levels
            }
        };
        for (sum, &level) in self.sums.iter_mut().zip(levels) {
            *sum += u16::from(level);
        }
    }
}

/// Every second byte of eight, and every second pair.
const BYTES: u64 = 0x00ff_00ff_00ff_00ff;
const PAIRS: u64 = 0x0000_ffff_0000_ffff;

/// Sums of neighbours in two rows of eight pixels: four of 16 bits.
fn sums_of_four(above: [u8; 8], below: [u8; 8]) -> u64 {
    let [a, b] = [above, below].map(u64::from_le_bytes);
    (a & BYTES) + ((a >> 8) & BYTES) + (b & BYTES) + ((b >> 8) & BYTES)
}

/// Means of 2 × 2 pixels.
fn halve(above: &[u8], below: &[u8], out: &mut [u8]) {
    let words = above.as_chunks::<8>().0.iter().zip(below.as_chunks::<8>().0);
    widest(|| {
        for (out, (above, below)) in out.as_chunks_mut::<4>().0.iter_mut().zip(words) {
            let means = ((sums_of_four(*above, *below) + 0x0002_0002_0002_0002) >> 2) & BYTES;
            let [a, _, b, _, c, _, d, _] = means.to_le_bytes();
            *out = [a, b, c, d];
        }
    });
}

/// Means of 4 pixels of two rows.
fn quarter(above: &[u8], below: &[u8], out: &mut [u8]) {
    let words = above.as_chunks::<8>().0.iter().zip(below.as_chunks::<8>().0);
    widest(|| {
        for (out, (above, below)) in out.as_chunks_mut::<2>().0.iter_mut().zip(words) {
            let fours = sums_of_four(*above, *below);
            let means = ((fours & PAIRS) + ((fours >> 16) & PAIRS) + 0x0000_0004_0000_0004) >> 3;
            let [a, _, _, _, b, _, _, _] = means.to_le_bytes();
            *out = [a, b];
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{MediaTime, PictureSize, WallEstimate, WallTime};

    #[test]
    fn every_way_rounds_alike() {
        let mut dice = 12_345_u32;
        let mut roll = || {
            dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (dice >> 24) as u8
        };
        // Reduced by 2, 3 and 4, in whole words and not.
        for w in [640_usize, 642, 968, 1280, 1282, 1920, 1914] {
            let pixels: Vec<u8> = (0..w * 24).map(|_| roll()).collect();
            let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
            let size = PictureSize::new(w as u32, 24);
            let picture = Picture::from_planes(size, PixelFormat::Gray8, vec![pixels.clone()], 0, MediaTime::ZERO, captured).expect("good");
            let mut grey = Grey::default();
            GreyMaker::default().make(&picture, None, &mut grey);
            let factor = grey.factor;
            let rows: Vec<usize> = (0..factor).step_by(if factor == 4 { 2 } else { 1 }).collect();
            for (index, mean) in grey.pixels.iter().enumerate() {
                let (x, y) = (index % grey.width * factor, index / grey.width * factor);
                let cell = rows.iter().flat_map(|row| &pixels[(y + row) * w + x..][..factor]);
                let (sum, count) = cell.fold((0.0_f64, 0.0), |(sum, count), level| (sum + f64::from(*level), count + 1.0));
                assert_eq!(f64::from(*mean), (sum / count + 0.5).floor(), "{w}: {x}, {y}");
            }
        }
    }

    #[test]
    fn each_pixel_is_the_mean_of_its_square() {
        for (w, h) in [(640, 512), (1920, 1080), (1280, 720), (417, 301)] {
            let pixels: Vec<u8> = (0..w * h).map(|index| (index % w * 200 / w + index / w * 50 / h) as u8).collect();
            let size = PictureSize::new(w as u32, h as u32);
            let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
            let picture = Picture::from_planes(size, PixelFormat::Gray8, vec![pixels], 0, MediaTime::ZERO, captured).expect("good");
            let mut grey = Grey::default();
            GreyMaker::default().make(&picture, None, &mut grey);
            assert!(grey.width <= 480 && grey.pixels.len() == grey.width * grey.height, "{w}: {}", grey.width);
            for (x, y) in [(0, 0), (grey.width / 2, grey.height / 3), (grey.width - 1, grey.height - 1)] {
                let (fx, fy) = ((x as f32 + 0.5) * grey.factor as f32, (y as f32 + 0.5) * grey.factor as f32);
                let expected = fx * 200.0 / w as f32 + fy * 50.0 / h as f32;
                assert!((f32::from(grey.pixels[y * grey.width + x]) - expected).abs() < 2.0, "{w}: {x}, {y}");
            }
        }
    }
}
