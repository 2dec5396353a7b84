//! For tests: numbers that look random and are the same on every run.

use std::f32::consts::TAU;

/// Repeatable numbers (splitmix64).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// 0..1.
    pub(super) fn part(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 24) as f32
    }
    pub(super) fn between(&mut self, least: f32, most: f32) -> f32 {
        least + (most - least) * self.part()
    }
    pub(super) fn normal(&mut self) -> f32 {
        (-2.0 * self.part().max(1e-7).ln()).sqrt() * (TAU * self.part()).cos()
    }
}
