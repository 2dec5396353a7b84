//! Learns how tall an upright person is at each height of the picture, from people who walk.
//!
//! For cameras whose position and tilt nobody has written down. Only walkers teach: who walks is upright. Kept over restarts (`memory.rs`), and
//! forgotten when the view has become another one (`stage.rs`).

use patrol_leads::posture::UprightPx;
use serde::{Deserialize, Serialize};

/// Rows of the picture are learnt in this many bands; people change little in size within one.
const BANDS: usize = 12;
/// Heights kept per band, newest replacing oldest: enough for a median, small enough to follow a turned camera in a night.
const KEPT_PER_BAND: usize = 32;
/// A band speaks after this many walkers' pictures.
const ENOUGH: usize = 5;
/// People differ in height by so much, relative, however alike the walkers of a band were.
const STATURE_SIGMA: f32 = 0.06;
/// A band away from those that know, people are so much smaller or larger, relative: at half the picture's height a twelfth of it is a sixth of the way
/// to the horizon.
const NEIGHBOUR_SIGMA: f32 = 0.17;

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

    /// Upright height for feet at `foot_row`: the median of that band, or between the nearest bands that know.
    pub fn at(&self, foot_row: f32) -> Option<UprightPx> {
        if self.bands.is_empty() {
            return None;
        }
        let band = band_of(foot_row);
        let known = |index: usize| known_of(&self.bands[index]).map(|known| (index, known));
        match ((0..=band).rev().find_map(known), (band..BANDS).find_map(known)) {
            (Some((low, a)), Some((high, b))) if high > low => {
                let between = |a: f32, b: f32| a + (b - a) * (band - low) as f32 / (high - low) as f32;
                Some(UprightPx { height: between(a.height, b.height), sigma: between(a.sigma, b.sigma) })
            }
            (Some((index, known)), _) | (None, Some((index, known))) if index == band => Some(known),
            // Farther than one band from anyone who walked, the size is a guess, and a guess is not given.
            (Some((index, known)), _) | (None, Some((index, known))) if index.abs_diff(band) == 1 => {
                Some(UprightPx { sigma: known.sigma.hypot(NEIGHBOUR_SIGMA * known.height), ..known })
            }
            _ => None,
        }
    }
}

fn band_of(foot_row: f32) -> usize {
    ((foot_row.clamp(0.0, 1.0) * BANDS as f32) as usize).min(BANDS - 1)
}

/// Median, and the error of one person's height against it: the walkers' spread by their median deviation, and that of the median itself.
fn known_of(heights: &[f32]) -> Option<UprightPx> {
    if heights.len() < ENOUGH {
        return None;
    }
    let mut sorted = [0.0; KEPT_PER_BAND];
    let sorted = &mut sorted[..heights.len()];
    sorted.copy_from_slice(heights);
    let height = median_of(sorted);
    for value in sorted.iter_mut() {
        *value = (*value - height).abs();
    }
    let spread = (1.483 * median_of(sorted)).max(STATURE_SIGMA * height);
    // A median's variance is π/2 times a mean's.
    Some(UprightPx { height, sigma: spread * (1.0 + std::f32::consts::FRAC_PI_2 / heights.len() as f32).sqrt() })
}

fn median_of(values: &mut [f32]) -> f32 {
    values.sort_unstable_by(f32::total_cmp);
    values[values.len() / 2]
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
        let known = heights.at(0.46).expect("somebody walked there");
        assert!(known.height == 60.0 && known.sigma > 3.6 && known.sigma < 5.0, "{known:?}");
        let between = heights.at(0.7).expect("between two known bands");
        assert!(between.height > 80.0 && between.height < 100.0, "{between:?}");
        let beside = heights.at(0.38).expect("beside a known band");
        assert!(beside.height == 60.0 && beside.sigma > 10.0, "{beside:?}");
        assert_eq!(heights.at(0.1), None, "nobody walked there");
    }

    #[test]
    fn one_wrong_box_does_not_move_the_median() {
        let mut heights = UprightHeights::default();
        for _ in 0..10 {
            heights.learn(0.5, 80.0);
        }
        let before = heights.at(0.5);
        heights.learn(0.5, 500.0);
        let after = heights.at(0.5).expect("somebody walked there");
        assert!(after.height == 80.0 && before.is_some_and(|before| after.sigma <= before.sigma), "{after:?}");
    }

    #[test]
    fn walkers_who_differ_make_it_less_certain() {
        let (mut alike, mut unlike) = (UprightHeights::default(), UprightHeights::default());
        for n in 0..20 {
            alike.learn(0.5, 80.0 + (n % 3) as f32);
            unlike.learn(0.5, 60.0 + 10.0 * (n % 5) as f32);
        }
        let sigma = |heights: &UprightHeights| heights.at(0.5).map(|known| known.sigma);
        assert!(sigma(&alike) < Some(6.0) && sigma(&unlike) > Some(12.0), "{:?} {:?}", sigma(&alike), sigma(&unlike));
    }
}
