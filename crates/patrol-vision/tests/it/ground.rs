//! Textured ground of any size, in grey levels, with bodies on it, under any light and noise.

use crate::scene::sized;
use patrol_core::{Picture, PictureSize, PixelBox, PixelFormat};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::LazyLock;

/// Normal numbers of σ 1: rows of noise start anywhere in them.
static NORMAL: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let mut random = ChaCha8Rng::seed_from_u64(99);
    (0..1 << 16).map(|_| (0..12).map(|_| random.random::<f32>()).sum::<f32>() - 6.0).collect()
});

#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) size: PictureSize,
    pub(crate) levels: Vec<f32>,
}

/// How a picture of it is taken.
#[derive(Clone, Copy)]
pub(crate) struct Shot {
    pub(crate) sigma: f32,
    pub(crate) gain: f32,
    pub(crate) offset: f32,
    pub(crate) seed: u64,
}

impl Shot {
    pub(crate) fn new(sigma: f32, seed: u64) -> Self {
        Self { sigma, gain: 1.0, offset: 0.0, seed }
    }
    pub(crate) fn light(self, gain: f32, offset: f32) -> Self {
        Self { gain, offset, ..self }
    }
}

fn hash(a: usize, b: usize, salt: u64) -> f32 {
    let z = (a as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (b as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f)
        ^ salt.wrapping_mul(0x1656_67b1_9e37_79f9);
    let z = (z ^ (z >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    ((z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 40) as f32 / (1 << 24) as f32 - 0.5
}

/// Smooth noise of ±0.5 with knots `scale` pixels apart.
fn smooth(x: usize, y: usize, scale: usize, salt: u64) -> f32 {
    let (i, j) = (x / scale, y / scale);
    let (u, v) = ((x % scale) as f32 / scale as f32, (y % scale) as f32 / scale as f32);
    let mix = |row: usize| hash(i, row, salt) * (1.0 - u) + hash(i + 1, row, salt) * u;
    mix(j) * (1.0 - v) + mix(j + 1) * v
}

impl Ground {
    /// Slopes, patches and grain, and slabs with hard edges; `roughness` 1 has grain of a few grey levels.
    pub(crate) fn new(size: PictureSize, roughness: f32, salt: u64) -> Self {
        let mut levels = Vec::with_capacity((size.width * size.height) as usize);
        for y in 0..size.height as usize {
            for x in 0..size.width as usize {
                let slab = if (x / 150 + y / 110) % 3 == 0 { 18.0 } else { 0.0 };
                let texture = 14.0 * smooth(x, y, 24, salt + 1) + 8.0 * smooth(x, y, 7, salt + 2) + 5.0 * hash(x / 2, y / 2, salt + 3);
                levels.push(100.0 + 60.0 * smooth(x, y, 160, salt) + roughness * (texture + slab));
            }
        }
        Self { size, levels }
    }

    pub(crate) fn even(size: PictureSize, level: f32) -> Self {
        Self { size, levels: vec![level; (size.width * size.height) as usize] }
    }

    fn paint(&mut self, area: &PixelBox, level: impl Fn(f32, f32, f32) -> Option<f32>) {
        let inside = area.grown(1.0).clipped(self.size);
        for y in inside.y as u32..inside.bottom().ceil() as u32 {
            for x in inside.x as u32..inside.right().ceil() as u32 {
                let (u, v) = ((x as f32 + 0.5 - area.x) / area.w, (y as f32 + 0.5 - area.y) / area.h);
                let old = &mut self.levels[(y * self.size.width + x) as usize];
                *old = level(*old, u, v).unwrap_or(*old);
            }
        }
    }

    /// Adds `contrast` all over `area`.
    pub(crate) fn add(&mut self, area: &PixelBox, contrast: f32) {
        self.paint(area, |old, u, v| ((0.0..1.0).contains(&u) && (0.0..1.0).contains(&v)).then_some(old + contrast));
    }

    /// A body that hides the ground: rounded, head at the left with more contrast, soft at its rim.
    pub(crate) fn body(&mut self, area: &PixelBox, ground: f32, contrast: f32) {
        self.paint(area, |old, u, v| {
            let radius = ((2.0 * u - 1.0).abs().powi(3) + (2.0 * v - 1.0).abs().powi(3)).cbrt();
            let cover = ((1.0 - radius) * 0.5 * area.w.min(area.h) + 0.5).clamp(0.0, 1.0);
            let warm = if u < 0.25 { 1.3 } else { 0.95 };
            Some(old + cover * (ground + contrast * warm - old))
        });
    }

    pub(crate) fn mean(&self, area: &PixelBox) -> f32 {
        let area = area.clipped(self.size);
        let mut levels = Vec::new();
        for y in area.y as u32..area.bottom() as u32 {
            levels.extend((area.x as u32..area.right() as u32).map(|x| self.levels[(y * self.size.width + x) as usize]));
        }
        levels.iter().sum::<f32>() / levels.len().max(1) as f32
    }

    fn sensed(&self, shot: Shot) -> impl Iterator<Item = f32> {
        let mut random = ChaCha8Rng::seed_from_u64(shot.seed);
        let width = self.size.width as usize;
        self.levels.chunks(width).flat_map(move |row| {
            let start = random.random_range(0..NORMAL.len());
            row.iter()
                .enumerate()
                .map(move |(x, level)| (level + NORMAL[(start + x) % NORMAL.len()] * shot.sigma) * shot.gain + shot.offset)
        })
    }

    pub(crate) fn shoot(&self, shot: Shot) -> Picture {
        let pixels = self.sensed(shot).map(|level| (level + 0.5).clamp(0.0, 255.0) as u8).collect();
        sized(self.size, PixelFormat::Gray8, vec![pixels])
    }

    /// Raw counts, `counts` per grey level.
    pub(crate) fn shoot_raw(&self, shot: Shot, counts: f32) -> Picture {
        let bytes = self.sensed(shot).flat_map(|level| ((level * counts + 7000.5) as u16).to_le_bytes()).collect();
        sized(self.size, PixelFormat::Gray16Le, vec![bytes])
    }

    /// As [`Self::shoot`], through the coarse half of an encoder: each 8 × 8 px as a DCT in steps of `step`.
    pub(crate) fn shoot_encoded(&self, shot: Shot, step: f32) -> Picture {
        let mut levels: Vec<f32> = self.sensed(shot).map(|level| (level + 0.5).clamp(0.0, 255.0).floor()).collect();
        let width = self.size.width as usize;
        let basis: [[f32; 8]; 8] = std::array::from_fn(|k| {
            let scale = if k == 0 { (1.0_f32 / 8.0).sqrt() } else { 0.5 };
            std::array::from_fn(|n| scale * ((2 * n + 1) as f32 * k as f32 * std::f32::consts::PI / 16.0).cos())
        });
        let both = |block: &[[f32; 8]; 8], inverse: bool| {
            let at = |k: usize, n: usize| if inverse { basis[n][k] } else { basis[k][n] };
            let half: [[f32; 8]; 8] = std::array::from_fn(|k| std::array::from_fn(|x| (0..8).map(|n| at(k, n) * block[n][x]).sum()));
            let all: [[f32; 8]; 8] = std::array::from_fn(|y| std::array::from_fn(|k| (0..8).map(|n| at(k, n) * half[y][n]).sum()));
            all
        };
        for top in (0..self.size.height as usize / 8 * 8).step_by(8) {
            for left in (0..width / 8 * 8).step_by(8) {
                let block: [[f32; 8]; 8] = std::array::from_fn(|y| std::array::from_fn(|x| levels[(top + y) * width + left + x]));
                let coded = both(&block, false).map(|row| row.map(|value| (value / step).round() * step));
                for (y, row) in both(&coded, true).iter().enumerate() {
                    levels[(top + y) * width + left..][..8].copy_from_slice(row);
                }
            }
        }
        let pixels = levels.iter().map(|level| (level + 0.5).clamp(0.0, 255.0) as u8).collect();
        sized(self.size, PixelFormat::Gray8, vec![pixels])
    }
}
