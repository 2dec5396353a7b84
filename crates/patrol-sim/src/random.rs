//! Randomness that depends on nothing but the seed and what it is for.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::OnceLock;

/// Draws for one purpose. Two purposes never share a sequence, so that adding a lamp does not move a person.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        let key = purpose.bytes().fold(seed, |key, byte| mix(key ^ u64::from(byte)));
        Self(ChaCha8Rng::seed_from_u64(key))
    }
    pub(crate) fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.0.random::<f32>()
    }
    /// A whole number from `low` to `high`, both included.
    pub(crate) fn whole(&mut self, low: usize, high: usize) -> usize {
        self.0.random_range(low..=high)
    }
    pub(crate) fn chance(&mut self, p: f32) -> bool {
        self.0.random::<f32>() < p
    }
    pub(crate) fn seed(&mut self) -> u64 {
        self.0.random()
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit of the result depends on every bit of `x`.
pub(crate) const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// −1..1 at whole coordinates.
fn lattice(x: i32, y: i32, seed: u64) -> f32 {
    let key = mix(seed ^ (u64::from(x as u32) | u64::from(y as u32) << 32));
    (key >> 40) as f32 / (1u64 << 23) as f32 - 1.0
}

/// Smooth value noise, −1..1, features about 1 unit wide.
pub(crate) fn value_noise(x: f32, y: f32, seed: u64) -> f32 {
    let (x0, y0) = (x.floor(), y.floor());
    let fade = |k: f32| k * k * (3.0 - 2.0 * k);
    let (u, v) = (fade(x - x0), fade(y - y0));
    let (i, j) = (x0 as i32, y0 as i32);
    let top = lattice(i, j, seed) + (lattice(i + 1, j, seed) - lattice(i, j, seed)) * u;
    let low = lattice(i, j + 1, seed) + (lattice(i + 1, j + 1, seed) - lattice(i, j + 1, seed)) * u;
    top + (low - top) * v
}

/// Length of the table of normal deviates; a row starts anywhere in it.
const NORMALS: usize = 1 << 18;
/// Widest picture the table serves.
const ROW_MAX: usize = 16384;

/// A row of `width` standard normal deviates, chosen by `key`.
pub(crate) fn normal_row(key: u64, width: usize) -> &'static [f32] {
    static TABLE: OnceLock<Vec<f32>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let mut dice = ChaCha8Rng::seed_from_u64(0x5EED);
        let mut table = Vec::with_capacity(NORMALS + ROW_MAX);
        while table.len() < NORMALS + ROW_MAX {
            // Box–Muller; 1 − u keeps the logarithm finite.
            let radius = (-2.0 * (1.0 - dice.random::<f64>()).ln()).sqrt();
            let (sin, cos) = (std::f64::consts::TAU * dice.random::<f64>()).sin_cos();
            table.push((radius * cos) as f32);
            table.push((radius * sin) as f32);
        }
        table
    });
    let start = (mix(key) % NORMALS as u64) as usize;
    &table[start..start + width.min(ROW_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_normal_and_noise_is_smooth() {
        let row = normal_row(7, 16000);
        let mean = row.iter().sum::<f32>() / row.len() as f32;
        let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / row.len() as f32;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        for k in 0..100 {
            let x = k as f32 * 0.37;
            assert!((value_noise(x, 2.5, 1) - value_noise(x + 0.01, 2.5, 1)).abs() < 0.04);
        }
    }
}
