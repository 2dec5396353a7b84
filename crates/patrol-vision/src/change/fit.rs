//! Brightness and contrast of one picture against another (AGC, dusk), whatever has changed in it.

/// Fits end after so many rounds of leaving out what does not agree.
const ROUNDS: usize = 6;
/// What agrees: within so many σ.
const AGREES_SIGMA: f32 = 2.5;
/// Contrast is believed within these; beyond, pictures do not compare.
const GAIN_RANGE: (f32, f32) = (0.4, 2.5);
/// σ of a normal distribution per median absolute deviation.
pub(super) const SIGMA_PER_MAD: f32 = 1.4826;

/// `now ≈ gain · before + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Light {
    pub(super) gain: f32,
    pub(super) offset: f32,
}

impl Light {
    pub(super) const SAME: Self = Self { gain: 1.0, offset: 0.0 };

    pub(super) fn apply(self, before: f32) -> f32 {
        self.gain * before + self.offset
    }

    /// The light of now against `earlier`, both known against the same picture.
    pub(super) fn since(self, earlier: Self) -> Self {
        let gain = self.gain / earlier.gain;
        Self { gain, offset: self.offset - gain * earlier.offset }
    }

    /// Fits `(before, now)` pairs; `floor` is the σ that is always allowed. Trimmed least squares, drawn towards an unchanged contrast
    /// where the scene has no contrast of its own.
    pub(super) fn fit(pairs: &[(f32, f32)], floor: f32, buffer: &mut Vec<f32>) -> Self {
        if pairs.is_empty() {
            return Self::SAME;
        }
        buffer.clear();
        buffer.extend(pairs.iter().map(|(before, now)| now - before));
        let mut light = Self { gain: 1.0, offset: quantile(buffer, 0.5) };
        for _ in 0..ROUNDS {
            buffer.clear();
            buffer.extend(pairs.iter().map(|&(before, now)| (now - light.apply(before)).abs()));
            let sigma = (SIGMA_PER_MAD * quantile(buffer, 0.5)).max(floor);
            let next = light.refit(pairs, sigma);
            let settled = (next.gain - light.gain).abs() < 5e-4 && (next.offset - light.offset).abs() < 0.1 * floor;
            light = next;
            if settled {
                break;
            }
        }
        light
    }

    fn refit(self, pairs: &[(f32, f32)], sigma: f32) -> Self {
        let centre = pairs[pairs.len() / 2];
        let (mut n, mut sx, mut sy, mut sxx, mut sxy) = (0.0_f32, 0.0_f32, 0.0_f32, 0.0_f32, 0.0_f32);
        for &(before, now) in pairs {
            if (now - self.apply(before)).abs() <= AGREES_SIGMA * sigma {
                let (x, y) = (before - centre.0, now - centre.1);
                (n, sx, sy, sxx, sxy) = (n + 1.0, sx + x, sy + y, sxx + x * x, sxy + x * y);
            }
        }
        if n < 2.0 {
            return self;
        }
        let (vx, cxy, noise) = (sxx / n - (sx / n).powi(2), sxy / n - sx * sy / (n * n), sigma * sigma);
        let gain = ((cxy + noise) / (vx + noise).max(f32::MIN_POSITIVE)).clamp(GAIN_RANGE.0, GAIN_RANGE.1);
        Self { gain, offset: centre.1 + sy / n - gain * (centre.0 + sx / n) }
    }
}

/// The value below which `part` of `values` lies; 0 of none. Reorders them.
pub(super) fn quantile(values: &mut [f32], part: f32) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let rank = ((values.len() - 1) as f32 * part) as usize;
    *values.select_nth_unstable_by(rank, f32::total_cmp).1
}
