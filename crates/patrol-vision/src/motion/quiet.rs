//! The cheap question, asked of every picture: does the camera still look where it looked?
//!
//! The picture is taken down to at most 160 pixels across and compared block by block with one from before. In each block that has enough
//! structure, brightness and contrast are fitted away (AGC) together with the shift that best explains what is left: one step of Lucas and Kanade
//! (1981). A block agrees when it looks alike and its shift is small. People, cars and snow take a minority of the blocks with them; a
//! camera that moves takes all.

use super::grey::Grey;
use patrol_core::{PictureTransform, PixelPoint};

const WIDTH_MAX: usize = 160;
/// Side of a block: 256 pixels average noise of σ 6 in a 640-pixel picture down to a shift of 0.07 where structure is just enough.
const BLOCK: usize = 16;
/// Mean squared slope of a block in its weakest direction, (grey levels per pixel)², from which a shift can be told. The same noise alone has 0.1.
const SLOPE2_MIN: f32 = 0.4;
/// Shift of a block that is none, pixels here: 1 pixel of a 640-pixel picture.
const SHIFT_MAX: f32 = 0.25;
/// Correlation of a block that looks alike.
const ALIKE: f32 = 0.7;
/// The same for a block carried over by an estimated motion, which is not exact everywhere.
const ALIKE_CARRIED: f32 = 0.6;
/// Part of the blocks that must agree.
const AGREE_PART: f32 = 0.6;
/// With fewer blocks of any structure there is nothing to see a motion by.
const BLOCKS_MIN: usize = 4;
/// Middle difference, grey levels, that noise of σ 6, compression and AGC leave between two pictures of one even scene.
const EVEN_DIFFERENCE: f32 = 1.5;
/// A shift that a moving camera easily makes, pixels here, and the part of its effect that is no evidence of one.
const ASIDE: usize = 3;
const ASIDE_PART: f32 = 0.5;
/// Part of the blocks that must be without evidence.
const UNTOUCHED_PART: f32 = 0.5;

/// What the comparison says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It looks where it looked.
    Quiet,
    /// Something else: motion of the camera, or much motion before it.
    Ask,
    /// There is too little structure to tell by, and no great difference either.
    Even,
}

/// How many blocks of structure look alike under an estimated motion, and under none; how many rather under the one or the other, and how many
/// there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Explained {
    pub(super) carried: usize,
    pub(super) unmoved: usize,
    pub(super) rather_carried: usize,
    pub(super) rather_unmoved: usize,
    pub(super) blocks: usize,
}

/// A picture from before, with what can be computed of it beforehand.
#[derive(Debug, Default)]
pub(super) struct Reference {
    small: Small,
    blocks: Vec<Block>,
}

/// Grey levels at most [`WIDTH_MAX`] across.
#[derive(Debug, Clone, Default)]
pub(super) struct Small {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Pixels of the full picture along a side of a pixel here.
    pub(super) factor: usize,
    pub(super) pixels: Vec<f32>,
}

/// Buffers of [`Small::fill`].
#[derive(Debug, Default)]
pub(super) struct SmallMaker {
    means: Vec<f32>,
    sums: Vec<u16>,
}

/// Buffers of medians: levels, differences, and differences a little aside.
#[derive(Debug, Default)]
pub(super) struct Middles {
    levels: Vec<f32>,
    differences: Vec<f32>,
    asides: Vec<f32>,
}

#[derive(Debug, Clone, Copy)]
struct Block {
    left: usize,
    top: usize,
    mean: f32,
    /// Σ (level − mean)².
    energy: f32,
    /// Sums of the slopes across and down.
    slopes: (f32, f32),
    /// Inverse of the normal equations of (contrast, shift across, shift down).
    inverse: [[f32; 3]; 3],
}

impl Small {
    /// Means, smoothed by the binomial (1 2 1) both ways: what is left of noise has no slope to speak of.
    pub(super) fn fill(&mut self, grey: &Grey, maker: &mut SmallMaker) {
        let factor = grey.width.div_ceil(WIDTH_MAX).max(1);
        let (w, h) = (grey.width / factor, grey.height / factor);
        (self.width, self.height, self.factor) = (w, h, grey.factor * factor);
        maker.means.clear();
        let part = 1.0 / (factor * factor) as f32;
        for rows in grey.pixels.chunks_exact(grey.width.max(1) * factor).take(h) {
            maker.sums.clear();
            maker.sums.resize(grey.width, 0);
            for row in rows.chunks_exact(grey.width) {
                for (sum, &level) in maker.sums.iter_mut().zip(row) {
                    *sum += u16::from(level);
                }
            }
            let mean = |cell: &[u16]| cell.iter().map(|&sum| u32::from(sum)).sum::<u32>() as f32 * part;
            match factor {
                // Lengths that the compiler knows.
                2 => maker.means.extend(maker.sums.as_chunks::<2>().0.iter().map(|cell| mean(cell))),
                3 => maker.means.extend(maker.sums.as_chunks::<3>().0.iter().map(|cell| mean(cell))),
                _ => maker.means.extend(maker.sums.chunks_exact(factor).map(mean)),
            }
        }
        self.smooth(&maker.means);
    }

    fn smooth(&mut self, means: &[f32]) {
        let (w, h) = (self.width, self.height);
        self.pixels.clear();
        self.pixels.reserve_exact(w * h);
        for y in 0..h {
            let row = |y: usize| &means[y * w..(y + 1) * w];
            let (above, here, below) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(h - 1)));
            self.pixels.extend(above.iter().zip(here).zip(below).map(|((a, b), c)| 0.25 * (a + c) + 0.5 * b));
        }
        for row in self.pixels.chunks_exact_mut(w.max(1)) {
            let mut left = row[0];
            for x in 0..w - 1 {
                let here = row[x];
                row[x] = 0.25 * (left + row[x + 1]) + 0.5 * here;
                left = here;
            }
        }
    }

    fn at(&self, x: usize, y: usize) -> f32 {
        self.pixels[y * self.width + x]
    }

    /// Slope across and down, grey levels per pixel.
    fn slope(&self, x: usize, y: usize) -> (f32, f32) {
        (0.5 * (self.at(x + 1, y) - self.at(x - 1, y)), 0.5 * (self.at(x, y + 1) - self.at(x, y - 1)))
    }

    /// The level between pixels; `None` outside.
    fn between(&self, x: f32, y: f32) -> Option<f32> {
        let (left, top) = (x.floor(), y.floor());
        if left < 0.0 || top < 0.0 || left as usize + 1 >= self.width || top as usize + 1 >= self.height {
            return None;
        }
        let (i, j, u, v) = (left as usize, top as usize, x - left, y - top);
        let mix = |row: usize| self.at(i, row) * (1.0 - u) + self.at(i + 1, row) * u;
        Some(mix(j) * (1.0 - v) + mix(j + 1) * v)
    }
}

impl Reference {
    pub(super) fn small(&self) -> &Small {
        &self.small
    }

    /// Takes `small` for what later pictures are compared with. `small` gets the old one's buffer.
    pub(super) fn set(&mut self, small: &mut Small) {
        std::mem::swap(&mut self.small, small);
        self.blocks.clear();
        let (w, h) = (self.small.width, self.small.height);
        // One pixel of edge is left for the slopes.
        for top in (1..h.saturating_sub(BLOCK)).step_by(BLOCK) {
            for left in (1..w.saturating_sub(BLOCK)).step_by(BLOCK) {
                self.blocks.extend(Block::of(&self.small, left, top));
            }
        }
    }

    pub(super) fn judge(&self, now: &Small, middles: &mut Middles) -> Verdict {
        if self.blocks.len() < BLOCKS_MIN {
            return if self.hardly_differs(now, middles) { Verdict::Even } else { Verdict::Ask };
        }
        let agree = self.blocks.iter().filter(|block| block.agrees(&self.small, now)).count();
        if agree as f32 >= AGREE_PART * self.blocks.len() as f32 { Verdict::Quiet } else { Verdict::Ask }
    }

    /// Whether nothing shows that the camera moved: most of the picture differs much less from before than it would a little aside, however many
    /// flakes and lights there are; or the scene is so even that neither is more than noise.
    pub(super) fn hardly_differs(&self, now: &Small, middles: &mut Middles) -> bool {
        let Middles { levels, differences, asides } = middles;
        let (gain, offset) = light(&self.small, now, levels);
        let (w, h) = (self.small.width, self.small.height);
        let mut compare = |left: usize, top: usize, right: usize, bottom: usize| {
            differences.clear();
            asides.clear();
            for y in (top..bottom.min(h.saturating_sub(ASIDE))).step_by(2) {
                for x in (left..right.min(w.saturating_sub(ASIDE))).step_by(2) {
                    let before = self.small.at(x, y);
                    differences.push((now.at(x, y) - gain * before - offset).abs());
                    asides.push((self.small.at(x + ASIDE, y + ASIDE) - before).abs() * gain);
                }
            }
            (middle(differences), middle(asides))
        };
        if self.blocks.len() < BLOCKS_MIN {
            let (difference, aside) = compare(0, 0, w, h);
            return difference <= ASIDE_PART * aside || difference.max(aside) <= EVEN_DIFFERENCE;
        }
        let untouched = self.blocks.iter().filter(|block| {
            let (difference, aside) = compare(block.left, block.top, block.left + BLOCK, block.top + BLOCK);
            difference <= ASIDE_PART * aside
        });
        untouched.count() as f32 >= UNTOUCHED_PART * self.blocks.len() as f32
    }

    /// Compares under `motion` (pixels of the full picture). Blocks that it carries out of view are not counted.
    pub(super) fn explained(&self, now: &Small, motion: &PictureTransform) -> Explained {
        let mut explained = Explained::default();
        let factor = self.small.factor as f32;
        let carry = |x: usize, y: usize| {
            let from = PixelPoint { x: (x as f32 + 0.5) * factor, y: (y as f32 + 0.5) * factor };
            motion.point(from).and_then(|to| now.between(to.x / factor - 0.5, to.y / factor - 0.5))
        };
        for block in &self.blocks {
            let Some(carried) = block.correlation(&self.small, carry) else { continue };
            let unmoved = block.correlation(&self.small, |x, y| Some(now.at(x, y))).unwrap_or_default();
            explained.blocks += 1;
            explained.carried += usize::from(carried >= ALIKE_CARRIED);
            explained.unmoved += usize::from(unmoved >= ALIKE_CARRIED);
            explained.rather_carried += usize::from(carried > unmoved);
            explained.rather_unmoved += usize::from(unmoved > carried);
        }
        explained
    }
}

/// Contrast and brightness of `now` against `before`, by the quartiles: they do not heed flakes and headlights.
fn light(before: &Small, now: &Small, levels: &mut Vec<f32>) -> (f32, f32) {
    let mut quartiles = |small: &Small| {
        levels.clear();
        levels.extend(small.pixels.iter().step_by(5));
        let mut at = |part: usize| {
            let rank = levels.len() * part / 4;
            if rank < levels.len() { *levels.select_nth_unstable_by(rank, f32::total_cmp).1 } else { 0.0 }
        };
        (at(1), at(2), at(3))
    };
    let ((low, mid, high), (now_low, now_mid, now_high)) = (quartiles(before), quartiles(now));
    // Of an even scene only the brightness can be told.
    let gain = if high - low > 4.0 { ((now_high - now_low) / (high - low)).clamp(0.25, 4.0) } else { 1.0 };
    (gain, now_mid - gain * mid)
}

fn middle(values: &mut [f32]) -> f32 {
    let rank = values.len() / 2;
    if values.is_empty() { 0.0 } else { *values.select_nth_unstable_by(rank, f32::total_cmp).1 }
}

impl Block {
    /// `None` without enough structure.
    fn of(small: &Small, left: usize, top: usize) -> Option<Self> {
        let n = (BLOCK * BLOCK) as f32;
        let pixels = || (top..top + BLOCK).flat_map(move |y| (left..left + BLOCK).map(move |x| (x, y)));
        let mean = pixels().map(|(x, y)| small.at(x, y)).sum::<f32>() / n;
        let mut normal = [[0.0_f32; 3]; 3];
        let mut slopes = (0.0, 0.0);
        for (x, y) in pixels() {
            let (gx, gy) = small.slope(x, y);
            slopes = (slopes.0 + gx, slopes.1 + gy);
            let terms = [small.at(x, y) - mean, gx, gy];
            for (row, a) in normal.iter_mut().zip(terms) {
                for (sum, b) in row.iter_mut().zip(terms) {
                    *sum += a * b;
                }
            }
        }
        let sums = [0.0, slopes.0, slopes.1];
        for (row, a) in normal.iter_mut().zip(sums) {
            for (value, b) in row.iter_mut().zip(sums) {
                *value -= a * b / n;
            }
        }
        let (xx, xy, yy) = (normal[1][1], normal[1][2], normal[2][2]);
        let weakest = 0.5 * (xx + yy - ((xx - yy).powi(2) + 4.0 * xy * xy).sqrt()) / n;
        let energy = normal[0][0];
        (weakest >= SLOPE2_MIN).then(|| inverted(&normal)).flatten().map(|inverse| Self { left, top, mean, energy, slopes, inverse })
    }

    fn agrees(&self, before: &Small, now: &Small) -> bool {
        let n = (BLOCK * BLOCK) as f32;
        let (mut sum, mut sum2, mut with) = (0.0_f32, 0.0_f32, [0.0_f32; 3]);
        for y in self.top..self.top + BLOCK {
            let row = |y: usize| &before.pixels[y * before.width + self.left - 1..][..BLOCK + 2];
            let (above, here, below) = (row(y - 1), row(y), row(y + 1));
            let levels = &now.pixels[y * now.width + self.left..][..BLOCK];
            for x in 0..BLOCK {
                let level = levels[x];
                sum += level;
                sum2 += level * level;
                with[0] += level * (here[x + 1] - self.mean);
                with[1] += level * (here[x + 2] - here[x]);
                with[2] += level * (below[x + 1] - above[x + 1]);
            }
        }
        (with[1], with[2]) = (0.5 * with[1], 0.5 * with[2]);
        let energy = sum2 - sum * sum / n;
        let alike = with[0] / (energy * self.energy).sqrt().max(f32::MIN_POSITIVE);
        if alike < ALIKE {
            return false;
        }
        // Brightness is fitted away: every term counts from its mean in the block.
        let with = [with[0], with[1] - self.slopes.0 * sum / n, with[2] - self.slopes.1 * sum / n];
        let [contrast, across, down] = self.inverse.map(|row| row.iter().zip(with).map(|(a, b)| a * b).sum::<f32>());
        contrast > 0.0 && across.hypot(down) <= SHIFT_MAX * contrast
    }

    /// Correlation with levels given elsewhere, on every second pixel of every second row; `None` if one is not to be had.
    fn correlation(&self, before: &Small, now: impl Fn(usize, usize) -> Option<f32>) -> Option<f32> {
        let (mut n, mut a1, mut b1, mut a2, mut b2, mut ab) = (0.0_f32, 0.0_f32, 0.0_f32, 0.0_f32, 0.0_f32, 0.0_f32);
        for y in (self.top..self.top + BLOCK).step_by(2) {
            for x in (self.left..self.left + BLOCK).step_by(2) {
                let (a, b) = (before.at(x, y) - self.mean, now(x, y)? - self.mean);
                n += 1.0;
                a1 += a;
                b1 += b;
                a2 += a * a;
                b2 += b * b;
                ab += a * b;
            }
        }
        let (va, vb) = (a2 - a1 * a1 / n, b2 - b1 * b1 / n);
        Some((ab - a1 * b1 / n) / (va * vb).sqrt().max(f32::MIN_POSITIVE))
    }
}

/// Inverse of a symmetric 3 × 3 matrix.
fn inverted(m: &[[f32; 3]; 3]) -> Option<[[f32; 3]; 3]> {
    let m = m.map(|row| row.map(f64::from));
    let minor = |a: usize, b: usize| {
        let (r, s) = ((a + 1) % 3, (a + 2) % 3);
        let (c, d) = ((b + 1) % 3, (b + 2) % 3);
        m[r][c] * m[s][d] - m[r][d] * m[s][c]
    };
    let determinant: f64 = (0..3).map(|b| m[0][b] * minor(0, b)).sum();
    let mut inverse = [[0.0_f32; 3]; 3];
    for (a, row) in inverse.iter_mut().enumerate() {
        for (b, value) in row.iter_mut().enumerate() {
            *value = (minor(b, a) / determinant) as f32;
        }
    }
    inverse.iter().flatten().all(|value| value.is_finite()).then_some(inverse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quartiles_give_contrast_and_brightness() {
        let level = |index: usize| (40 + index * 7919 % 120) as u8;
        let small = |gain: f32, offset: f32| {
            let pixels = (0..320 * 256).map(|index| (f32::from(level(index / 64)) * gain + offset) as u8).collect();
            let mut small = Small::default();
            small.fill(&Grey { width: 320, height: 256, factor: 2, pixels }, &mut SmallMaker::default());
            small
        };
        for (gain, offset) in [(1.0, 0.0), (1.3, -30.0), (0.7, 40.0)] {
            let (found, brightness) = light(&small(1.0, 0.0), &small(gain, offset), &mut Vec::new());
            assert!((found - gain).abs() < 0.05 && (brightness - offset).abs() < 4.0, "{found} {brightness}, wanted {gain} {offset}");
        }
    }
}
