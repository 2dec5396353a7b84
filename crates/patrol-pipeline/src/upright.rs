//! Learns how tall an upright person is at each height of the picture, from people who walk.
//!
//! For cameras whose position and tilt nobody has written down. Only walkers teach: who walks is upright.

use serde::{Deserialize, Serialize};

/// Rows of the picture are learnt in this many bands; people change little in size within one.
const BANDS: usize = 12;
/// Heights kept per band, newest replacing oldest: enough for a median, small enough to follow a turned camera in a night.
const KEPT_PER_BAND: usize = 32;
/// A band speaks after this many walkers' pictures.
const ENOUGH: usize = 5;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UprightHeights {
    bands: Vec<Vec<f32>>,
    next: Vec<usize>,
}

impl UprightHeights {
    /// A walker's box: feet at `foot_row` (part of the picture's height, 0–1), `height_px` tall.
    pub fn learn(&mut self, foot_row: f32, height_px: f32) {
        if self.bands.is_empty() {
            self.bands = (0..BANDS).map(|_| Vec::with_capacity(KEPT_PER_BAND)).collect();
            self.next = vec![0; BANDS];
        }
        let band = band_of(foot_row);
        if self.bands[band].len() < KEPT_PER_BAND {
            self.bands[band].push(height_px);
        } else {
            self.bands[band][self.next[band]] = height_px;
            self.next[band] = (self.next[band] + 1) % KEPT_PER_BAND;
        }
    }

    /// Upright height in pixels for feet at `foot_row`: the median of that band, or between the nearest bands that know.
    pub fn at(&self, foot_row: f32) -> Option<f32> {
        if self.bands.is_empty() {
            return None;
        }
        let band = band_of(foot_row);
        let median = |index: usize| median_of(&self.bands[index]);
        let below = (0..=band).rev().find_map(|index| median(index).map(|height| (index, height)));
        let above = (band..BANDS).find_map(|index| median(index).map(|height| (index, height)));
        match (below, above) {
            (Some((low, a)), Some((high, b))) if high > low => Some(a + (b - a) * (band - low) as f32 / (high - low) as f32),
            // Farther than one band from anyone who walked, the size is a guess, and a guess is not given.
            (Some((index, height)), _) | (None, Some((index, height))) if index.abs_diff(band) <= 1 => Some(height),
            _ => None,
        }
    }
}

fn band_of(foot_row: f32) -> usize {
    ((foot_row.clamp(0.0, 1.0) * BANDS as f32) as usize).min(BANDS - 1)
}

fn median_of(heights: &[f32]) -> Option<f32> {
    if heights.len() < ENOUGH {
        return None;
    }
    let mut sorted = [0.0; KEPT_PER_BAND];
    let sorted = &mut sorted[..heights.len()];
    sorted.copy_from_slice(heights);
    sorted.sort_unstable_by(f32::total_cmp);
    Some(sorted[sorted.len() / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heights_are_learnt_between_bands_and_not_guessed_far_from_them() {
        let mut heights = UprightHeights::default();
        assert_eq!(heights.at(0.5), None);
        for _ in 0..ENOUGH {
            heights.learn(0.45, 60.0);
            heights.learn(0.95, 120.0);
        }
        assert_eq!(heights.at(0.46), Some(60.0));
        let between = heights.at(0.7).expect("between two known bands");
        assert!(between > 80.0 && between < 100.0, "{between}");
        assert_eq!(heights.at(0.1), None, "nobody walked there");
    }

    #[test]
    fn one_wrong_box_does_not_move_the_median() {
        let mut heights = UprightHeights::default();
        for _ in 0..10 {
            heights.learn(0.5, 80.0);
        }
        heights.learn(0.5, 500.0);
        assert_eq!(heights.at(0.5), Some(80.0));
    }
}
