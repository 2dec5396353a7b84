//! The palettes that thermal cameras offer, as curves through colour.
//!
//! Makers publish pictures of their palettes, not tables, and no two irons are the same: a few control points each, read off the scale
//! bars of makers' manuals. What fits none of them closely is estimated from the picture (`cloud`).

use serde::{Deserialize, Serialize};

/// Points of a curve: one for each intensity.
pub(super) const POINTS: usize = 256;

/// Colours from coldest to hottest, in Y, U, V as decoded.
pub(super) type Curve = [[f32; 3]; POINTS];

/// How a thermal camera colours its picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Palette {
    /// Found from the pictures.
    #[default]
    Auto,
    /// Brightness alone is read, whatever the colours.
    Grey,
    Iron,
    Rainbow,
    RainbowHc,
    Lava,
    Arctic,
    Glowbow,
    Medical,
    Green,
    Sepia,
    Amber,
    Red,
    Blue,
}

impl Palette {
    /// Those that have colours.
    pub(super) const COLOURED: [Self; 12] = [
        Self::Iron,
        Self::Rainbow,
        Self::RainbowHc,
        Self::Lava,
        Self::Arctic,
        Self::Glowbow,
        Self::Medical,
        Self::Green,
        Self::Sepia,
        Self::Amber,
        Self::Red,
        Self::Blue,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "unknown",
            Self::Grey => "grey",
            Self::Iron => "iron",
            Self::Rainbow => "rainbow",
            Self::RainbowHc => "rainbow-hc",
            Self::Lava => "lava",
            Self::Arctic => "arctic",
            Self::Glowbow => "glowbow",
            Self::Medical => "medical",
            Self::Green => "green",
            Self::Sepia => "sepia",
            Self::Amber => "amber",
            Self::Red => "red",
            Self::Blue => "blue",
        }
    }

    /// Red, green and blue at even distances from coldest to hottest.
    fn control(self) -> &'static [[u8; 3]] {
        match self {
            Self::Auto | Self::Grey => &[[0, 0, 0], [255, 255, 255]],
            Self::Iron => &[
                [0, 0, 10],
                [28, 0, 110],
                [86, 0, 150],
                [150, 0, 156],
                [196, 26, 120],
                [226, 68, 40],
                [245, 120, 4],
                [253, 176, 14],
                [255, 226, 90],
                [255, 255, 246],
            ],
            Self::Rainbow => {
                &[[0, 0, 110], [0, 40, 230], [0, 170, 210], [0, 190, 60], [170, 220, 0], [250, 190, 0], [240, 60, 0], [170, 0, 0]]
            }
            Self::RainbowHc => &[
                [10, 0, 30],
                [90, 0, 150],
                [20, 20, 235],
                [0, 170, 220],
                [0, 180, 40],
                [230, 230, 0],
                [250, 90, 0],
                [220, 0, 40],
                [255, 240, 245],
            ],
            Self::Lava => {
                &[[0, 0, 15], [15, 60, 115], [90, 50, 130], [170, 25, 80], [215, 40, 20], [245, 130, 15], [255, 215, 90], [255, 255, 240]]
            }
            Self::Arctic => &[
                [8, 8, 80],
                [25, 60, 200],
                [60, 150, 240],
                [150, 205, 225],
                [140, 130, 110],
                [190, 125, 30],
                [240, 175, 40],
                [255, 235, 180],
            ],
            Self::Glowbow => &[[0, 0, 0], [85, 8, 8], [180, 34, 10], [232, 95, 10], [246, 165, 40], [252, 220, 120], [255, 255, 235]],
            Self::Medical => &[
                [0, 0, 0],
                [110, 0, 120],
                [40, 20, 200],
                [0, 130, 230],
                [0, 200, 160],
                [60, 210, 20],
                [240, 240, 0],
                [250, 110, 0],
                [230, 0, 0],
                [255, 225, 225],
            ],
            Self::Green => &[[0, 10, 0], [20, 140, 15], [170, 255, 150]],
            Self::Sepia => &[[15, 8, 2], [150, 105, 62], [255, 232, 195]],
            Self::Amber => &[[5, 2, 0], [150, 90, 0], [255, 200, 60]],
            Self::Red => &[[5, 0, 0], [150, 15, 15], [255, 150, 140]],
            Self::Blue => &[[0, 0, 10], [20, 50, 160], [150, 200, 255]],
        }
    }

    /// As a decoder gives it.
    pub(super) fn curve(self, coding: Coding) -> Curve {
        let control = self.control();
        let mut curve = [[0.0; 3]; POINTS];
        for (index, point) in curve.iter_mut().enumerate() {
            let place = index as f32 / (POINTS - 1) as f32 * (control.len() - 1) as f32;
            let before = (place as usize).min(control.len() - 2);
            let part = place - before as f32;
            let mut rgb = [0.0; 3];
            for (channel, value) in rgb.iter_mut().enumerate() {
                *value = f32::from(control[before][channel]) * (1.0 - part) + f32::from(control[before + 1][channel]) * part;
            }
            *point = coding.yuv(rgb);
        }
        curve
    }
}

/// How red, green and blue were coded. A decoder's picture does not say it, and cameras are careless with it: the best fit decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// ITU-R BT.601, limited range.
    Bt601,
    /// ITU-R BT.709, limited range.
    Bt709,
    /// ITU-R BT.601, full range: JPEG.
    Jpeg,
}

impl Coding {
    pub(super) const ALL: [Self; 3] = [Self::Bt601, Self::Bt709, Self::Jpeg];

    pub(super) fn yuv(self, [r, g, b]: [f32; 3]) -> [f32; 3] {
        let (kr, kb) = if self == Self::Bt709 { (0.2126, 0.0722) } else { (0.299, 0.114) };
        let luma = kr * r + (1.0 - kr - kb) * g + kb * b;
        let (black, gain_y, gain_c) = if self == Self::Jpeg { (0.0, 1.0, 1.0) } else { (16.0, 219.0 / 255.0, 224.0 / 255.0) };
        [black + gain_y * luma, 128.0 + gain_c * 0.5 * (b - luma) / (1.0 - kb), 128.0 + gain_c * 0.5 * (r - luma) / (1.0 - kr)]
    }
}
