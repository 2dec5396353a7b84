//! A model's own scores to scores that mean the same for every model.

use serde::{Deserialize, Serialize};

/// Points of a rising curve, straight between them and from (0, 0) and to (1, 1).
///
/// The common scale is that of YOLOX-nano on the visible validation pictures: a threshold lets through as many false boxes a picture as the same
/// threshold does there. `models/person-train/calibrate.py` measures it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// What the model says, rising, between 0 and 1.
    pub raw: Vec<f32>,
    /// What it is taken for, rising, between 0 and 1.
    pub score: Vec<f32>,
}

impl Calibration {
    /// `Err` says what is wrong.
    pub fn check(&self) -> Result<(), String> {
        let rises =
            |values: &[f32]| values.windows(2).all(|pair| pair[0] < pair[1]) && values.iter().all(|value| *value > 0.0 && *value < 1.0);
        if self.raw.len() != self.score.len() || self.raw.is_empty() || !rises(&self.raw) || !rises(&self.score) {
            return Err(format!(
                "calibration has raw {:?} and score {:?}, wanted as many of one as of the other, each rising, between 0 and 1",
                self.raw, self.score
            ));
        }
        Ok(())
    }

    pub fn score(&self, raw: f32) -> f32 {
        between(&self.raw, &self.score, raw)
    }

    /// The model's own score that is taken for `score`.
    pub fn raw(&self, score: f32) -> f32 {
        between(&self.score, &self.raw, score)
    }
}

fn between(from: &[f32], to: &[f32], value: f32) -> f32 {
    let value = value.clamp(0.0, 1.0);
    let after = from.partition_point(|point| *point < value);
    let at = |points: &[f32], index: usize| match index {
        0 => 0.0,
        index => points.get(index - 1).copied().unwrap_or(1.0),
    };
    let (low, high) = (at(from, after), at(from, after + 1));
    let part = if high > low { (value - low) / (high - low) } else { 0.0 };
    at(to, after) + part * (at(to, after + 1) - at(to, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_go_there_and_back_and_keep_their_order() {
        let curve = Calibration { raw: vec![0.2, 0.5, 0.8], score: vec![0.1, 0.3, 0.9] };
        curve.check().expect("rises");
        assert_eq!([0.0, 0.2, 0.5, 0.8, 1.0].map(|raw| curve.score(raw)), [0.0, 0.1, 0.3, 0.9, 1.0]);
        let mut last = -1.0;
        for step in 0..=1000 {
            let raw = step as f32 / 1000.0;
            let score = curve.score(raw);
            assert!(score > last && (curve.raw(score) - raw).abs() < 1e-5, "{raw} {score}");
            last = score;
        }
        assert_eq!((curve.score(-3.0), curve.score(7.0)), (0.0, 1.0));
    }

    #[test]
    fn a_curve_that_falls_or_is_cut_short_is_refused() {
        let bad = |raw: &[f32], score: &[f32]| Calibration { raw: raw.to_vec(), score: score.to_vec() }.check().is_err();
        assert!(
            bad(&[0.2, 0.1], &[0.1, 0.2]) && bad(&[0.2], &[]) && bad(&[], &[]) && bad(&[0.0], &[0.1]) && bad(&[0.5, f32::NAN], &[0.1, 0.2])
        );
    }
}
