//! Where a box is expected, and how surely: a Kalman filter of constant velocity over the centre, and of slow change over the size.
//!
//! With noise that does not couple the axes, the usual 8 × 8 filter falls apart into four small ones without any loss; those stand here.

use patrol_core::PixelBox;

/// Spectral density of a pedestrian's acceleration, m²/s³: after a second of no news the speed is uncertain by 0.7 m/s.
const ACCELERATION_M2_S3: f32 = 0.5;
/// Deviation of the unknown speed of a new track, m/s: brisk walking lies within 1.5 σ.
pub(crate) const NEW_SPEED_M_S: f32 = 1.0;
/// Jitter of a detector's box, in parts of its extent (ByteTrack's 1/20), and in pixels of the picture.
const JITTER_PART: f32 = 0.05;
const JITTER_PX: f32 = 1.0;
/// How much a box may change its extent in a second, in parts of it.
const SIZE_CHANGE_PART: f32 = 0.3;
/// A box is at least so large: zero extents would make every ratio infinite.
const SIDE_MIN_PX: f32 = 0.5;

/// Position and speed along one axis with their covariance.
#[derive(Debug, Clone, Copy)]
struct Axis {
    at: f32,
    speed: f32,
    var_at: f32,
    cov: f32,
    var_speed: f32,
}

impl Axis {
    fn predict(&mut self, dt: f32, density: f32) {
        self.at += self.speed * dt;
        self.var_at += dt * (2.0 * self.cov + dt * (self.var_speed + density * dt / 3.0));
        self.cov += dt * (self.var_speed + density * dt / 2.0);
        self.var_speed += density * dt;
    }
    fn correct(&mut self, measured: f32, noise: f32) {
        let (gain_at, gain_speed) = (self.var_at / (self.var_at + noise), self.cov / (self.var_at + noise));
        let off = measured - self.at;
        self.at += gain_at * off;
        self.speed += gain_speed * off;
        self.var_speed -= gain_speed * self.cov;
        self.cov *= 1.0 - gain_at;
        self.var_at *= 1.0 - gain_at;
    }
}

/// An extent of slow change.
#[derive(Debug, Clone, Copy)]
struct Extent {
    value: f32,
    variance: f32,
}

impl Extent {
    fn correct(&mut self, measured: f32, noise: f32) {
        let gain = self.variance / (self.variance + noise);
        self.value = (self.value + gain * (measured - self.value)).max(SIDE_MIN_PX);
        self.variance *= 1.0 - gain;
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct BoxFilter {
    x: Axis,
    y: Axis,
    w: Extent,
    h: Extent,
}

impl BoxFilter {
    /// A box seen for the first time, of unknown speed.
    pub(crate) fn new(bbox: &PixelBox, px_per_m: f32) -> Self {
        let centre = bbox.centre();
        let (rx, ry) = noise(bbox);
        let speed = NEW_SPEED_M_S * px_per_m;
        let axis = |at: f32, var_at: f32| Axis { at, speed: 0.0, var_at, cov: 0.0, var_speed: speed * speed };
        Self {
            x: axis(centre.x, rx),
            y: axis(centre.y, ry),
            w: Extent { value: bbox.w.max(SIDE_MIN_PX), variance: rx },
            h: Extent { value: bbox.h.max(SIDE_MIN_PX), variance: ry },
        }
    }

    /// The camera moved: the box is now `bbox`, and a small step is what `step` (a Jacobian, row by row) makes of it.
    ///
    /// The axes stay uncoupled: a turn mixes their variances, and the covariances between them, small for what is as uncertain across as down,
    /// are left out.
    pub(crate) fn carry(&mut self, bbox: &PixelBox, step: [[f32; 2]; 2]) {
        let centre = bbox.centre();
        let [[a, b], [c, d]] = step;
        let (x, y) = (self.x, self.y);
        let axis = |at: f32, [p, q]: [f32; 2]| Axis {
            at,
            speed: p * x.speed + q * y.speed,
            var_at: p * p * x.var_at + q * q * y.var_at,
            cov: p * p * x.cov + q * q * y.cov,
            var_speed: p * p * x.var_speed + q * q * y.var_speed,
        };
        (self.x, self.y) = (axis(centre.x, [a, b]), axis(centre.y, [c, d]));
        let (w, h) = (self.w.variance, self.h.variance);
        self.w = Extent { value: bbox.w.max(SIDE_MIN_PX), variance: a * a * w + b * b * h };
        self.h = Extent { value: bbox.h.max(SIDE_MIN_PX), variance: c * c * w + d * d * h };
    }

    /// Forgets the speed and stands at `bbox`.
    pub(crate) fn stop_at(&mut self, bbox: &PixelBox, px_per_m: f32) {
        *self = Self::new(bbox, px_per_m);
    }

    /// `dt` seconds pass. `keeps_place`: it has been still, and is expected where it is.
    pub(crate) fn predict(&mut self, dt: f32, px_per_m: f32, keeps_place: bool) {
        if keeps_place {
            (self.x.speed, self.y.speed) = (0.0, 0.0);
        }
        let density = ACCELERATION_M2_S3 * px_per_m * px_per_m;
        self.x.predict(dt, density);
        self.y.predict(dt, density);
        for extent in [&mut self.w, &mut self.h] {
            extent.variance += (SIZE_CHANGE_PART * extent.value).powi(2) * dt;
        }
    }

    pub(crate) fn correct(&mut self, measured: &PixelBox) {
        let centre = measured.centre();
        let (rx, ry) = noise(measured);
        self.x.correct(centre.x, rx);
        self.y.correct(centre.y, ry);
        self.w.correct(measured.w, rx);
        self.h.correct(measured.h, ry);
    }

    pub(crate) fn bbox(&self) -> PixelBox {
        PixelBox::new(self.x.at - self.w.value / 2.0, self.y.at - self.h.value / 2.0, self.w.value, self.h.value)
    }

    /// Pixels per second.
    pub(crate) fn velocity(&self) -> (f32, f32) {
        (self.x.speed, self.y.speed)
    }

    /// Squared Mahalanobis distance of the centre of `measured`, 2 degrees of freedom, and the logarithm of how much wider than the
    /// detector's own jitter the expectation is spread: what makes a vague expectation less likely than a sharp one that fits as well.
    pub(crate) fn distance2(&self, measured: &PixelBox) -> (f32, f32) {
        let centre = measured.centre();
        let (rx, ry) = noise(measured);
        let (sx, sy) = (self.x.var_at + rx, self.y.var_at + ry);
        let d2 = (centre.x - self.x.at).powi(2) / sx + (centre.y - self.y.at).powi(2) / sy;
        (d2, 0.5 * (sx * sy / (rx * ry)).ln())
    }
}

/// Variance of a measured centre, across and down, square pixels.
fn noise(bbox: &PixelBox) -> (f32, f32) {
    let variance = |side: f32| (JITTER_PART * side).powi(2) + JITTER_PX * JITTER_PX;
    // A box is uncertain by its larger side too: half hidden, it moves along that side.
    let side = f32::midpoint(bbox.w, bbox.h);
    (variance(side.max(bbox.w)), variance(side.max(bbox.h)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn learns_a_walkers_speed_and_predicts_his_place() {
        for fps in [25.0_f32, 5.0, 2.0] {
            let walker = |t: f32| PixelBox::new(100.0 + 40.0 * t, 200.0, 20.0, 50.0);
            let mut filter = BoxFilter::new(&walker(0.0), 30.0);
            for look in 1..=(4.0 * fps) as i32 {
                filter.predict(1.0 / fps, 30.0, false);
                filter.correct(&walker(look as f32 / fps));
            }
            filter.predict(1.0, 30.0, false);
            assert!((filter.velocity().0 - 40.0).abs() < 3.0, "{fps} fps: {:?}", filter.velocity());
            assert!((filter.bbox().x - walker(5.0).x).abs() < 5.0, "{fps} fps: {:?}", filter.bbox());
        }
    }
}
