//! What a pixel of a field holds: kelvin above the air, or light in red, green and blue.

use std::ops::{Add, AddAssign, Mul, Sub};

pub(crate) trait Value:
    Copy + Default + Add<Output = Self> + Sub<Output = Self> + AddAssign + Mul<f32, Output = Self> + Send + Sync + 'static
{
}

impl Value for f32 {}

/// Linear light; 1 is about what a lit pavement sends back.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Rgb(pub(crate) [f32; 3]);

impl Value for Rgb {}

impl Rgb {
    pub(crate) const fn grey(value: f32) -> Self {
        Self([value; 3])
    }
    /// Channel by channel: light on a surface.
    pub(crate) fn on(self, surface: Self) -> Self {
        Self([self.0[0] * surface.0[0], self.0[1] * surface.0[1], self.0[2] * surface.0[2]])
    }
    /// Weights of ITU-R BT.601.
    pub(crate) fn luminance(self) -> f32 {
        0.299 * self.0[0] + 0.587 * self.0[1] + 0.114 * self.0[2]
    }
}

impl Add for Rgb {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self([self.0[0] + other.0[0], self.0[1] + other.0[1], self.0[2] + other.0[2]])
    }
}
impl AddAssign for Rgb {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}
impl Sub for Rgb {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self([self.0[0] - other.0[0], self.0[1] - other.0[1], self.0[2] - other.0[2]])
    }
}
impl Mul<f32> for Rgb {
    type Output = Self;
    fn mul(self, k: f32) -> Self {
        Self([self.0[0] * k, self.0[1] * k, self.0[2] * k])
    }
}
