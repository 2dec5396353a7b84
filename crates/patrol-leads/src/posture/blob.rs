//! A warm region's axes in metres on the ground, how sure they are, and what they say of a body.

use patrol_core::{Blob, CameraView, PictureSize};

/// What optics (σ 0.7 px) add to the variance of a region along each axis, px². A pixel's own extent is in `Blob` already and not taken off:
/// pixel centres alone have 1/12 px² too little.
const BLUR_VARIANCE_PX2: f32 = 0.7 * 0.7;
/// Less variance than that of a line one pixel wide is not left over, px².
const VARIANCE_MIN_PX2: f32 = 1.0 / 12.0;
/// Error of each end of an axis, pixels: quantisation (1/√12) and the choice of the threshold.
const EDGE_SIGMA_PX: f32 = 0.5;
/// Relative error of the height over the ground: slopes, kerbs, a drone's barometer.
const HEIGHT_ERROR: f32 = 0.04;
/// Error of the tilt, radians (`integration.md` §5.5: 1°).
const TILT_ERROR_RAD: f32 = std::f32::consts::PI / 180.0;
/// Middle of a lying body over the ground, metres.
const LYING_MID_M: f32 = 0.15;

/// Axes of a lying body on the ground, metres (`integration.md` §6.5).
const LYING_LONG_M: [f32; 2] = [1.1, 2.2];
const LYING_SHORT_M: [f32; 2] = [0.3, 1.0];
/// Longer or shorter than this nobody lies, whatever the errors, metres.
const LYING_LONG_LIMIT_M: [f32; 2] = [0.9, 2.6];
/// What is told as lying is so with this probability at least.
const LYING_MIN: f32 = 0.75;
/// Shortest and tallest who stand, metres. Who sits is lower, and doubt between him and one who lies goes to lying.
const UPRIGHT_M: [f32; 2] = [1.4, 1.9];
/// Narrowest and widest who stand or walk, 4 σ, metres: rendered ones have 0.47 ± 0.13 and 0.56 ± 0.13 across the line of sight.
const UPRIGHT_WIDE_M: [f32; 2] = [0.3, 0.75];
/// Knees, elbows and bags of who sits, 4 σ: rendered ones have 0.72 ± 0.13. What is wider and not round lies. Metres.
const SITTING_WIDE_M: f32 = 0.9;
/// Full length of an even bar in 4 σ: 4/√12.
const BAR_4_SIGMA: f32 = 1.154_7;
/// Nearer to the horizon a lying body's thickness, 0.35 m / tan(depression), rivals its width and adds to its length: flat ground measures nothing, degrees.
pub(super) const GRAZING_DEG: f32 = 25.0;
/// From here down one who stands is round and short, degrees below the horizon.
const ABOVE_DEG: f32 = 60.0;

/// Stable reasons.
pub(super) const FROM_ABOVE: &str = "blob-from-above";
pub(super) const ACROSS_AXIS: &str = "blob-across-axis";
pub(super) const ALONG_AXIS: &str = "blob-along-axis";
pub(super) const NO_BODY: &str = "blob-no-body-lies-so";

/// A region on the ground. Axes are 4 σ, as in [`Blob`]: the full axes of an even ellipse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlobGround {
    pub long_m: f32,
    pub short_m: f32,
    pub long_sigma_m: f32,
    pub short_sigma_m: f32,
    /// Compass direction of the long axis, 0–180°, and its error: 90° of a round region.
    pub orientation_deg: f32,
    pub orientation_sigma_deg: f32,
    /// Extents along the line of sight (away from the camera) and across it, 4 σ, and their errors.
    pub along_m: f32,
    pub across_m: f32,
    pub along_sigma_m: f32,
    pub across_sigma_m: f32,
    /// Of the line of sight below the horizon.
    pub depression_deg: f32,
}

/// What the axes say alone.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum BlobCue {
    /// With this probability, and why.
    Lying(f32, &'static str),
    /// Along the line of sight, and as long as one who stands there throws.
    MayStand,
    /// Too long or too short for any error.
    NotLying,
    Unsure,
}

impl BlobGround {
    /// `None` for a region without extent, and at or above the horizon. A ground sampling distance alone is a view straight down whose height is that distance
    /// times the focal length in pixels.
    ///
    /// Covariance: C = J (R diag(major², minor²)/16 Rᵀ − blur · I) Jᵀ with J metres per pixel at the centroid. Over a body J changes by less than 5 % beyond 20 m,
    /// and to first order evenly on both sides. Its eigenvalues are the squares of axes over 4.
    ///
    /// Errors, added in squares: edges, both of which a threshold moves at once, 2 · 0.5 px · |Jᵀu| along the direction u; scale, the height's error and that of the tilt,
    /// where metres per pixel go as 1/sin δ across and 1/sin² δ along: d/dδ gives δσ/tan δ and 2 δσ/tan δ; few pixels, the standard error of a standard
    /// deviation, 1/√(2n).
    pub fn measure(blob: &Blob, view: &CameraView, size: PictureSize) -> Option<Self> {
        let axes_are_sound = blob.major_px.is_finite() && blob.minor_px.is_finite() && blob.major_px > 0.0 && blob.minor_px >= 0.0;
        let place_is_sound = blob.centroid.x.is_finite() && blob.centroid.y.is_finite() && blob.angle_rad.is_finite();
        if !axes_are_sound || !place_is_sound || !blob.area_px.is_finite() || blob.area_px <= 0.0 {
            return None;
        }
        let jacobian = view.ground_jacobian(blob.centroid, LYING_MID_M, size)?;
        let ground = view.ground_from_pixel(blob.centroid, 0.0, size)?;
        let range_m = ground.east_m.hypot(ground.north_m);
        let depression_rad = view.height_m.atan2(range_m);
        // Straight down there is no line of sight on the ground, and none is needed: any direction will do.
        let sight = if range_m > 1e-3 { [ground.east_m / range_m, ground.north_m / range_m] } else { [0.0, 1.0] };

        let variance = |axis_px: f32| ((axis_px / 4.0).powi(2) - BLUR_VARIANCE_PX2).max(VARIANCE_MIN_PX2);
        let (along, across) = (variance(blob.major_px), variance(blob.minor_px));
        let (sin, cos) = blob.angle_rad.sin_cos();
        let pixels =
            [[along * cos * cos + across * sin * sin, (along - across) * sin * cos], [0.0, along * sin * sin + across * cos * cos]];
        let spread = |u: [f32; 2]| {
            let [x, y] = back(&jacobian, u);
            (pixels[0][0] * x * x + 2.0 * pixels[0][1] * x * y + pixels[1][1] * y * y).max(0.0)
        };
        // The quadratic form at three directions gives the matrix: east, north, and between.
        let (ee, nn) = (spread([1.0, 0.0]), spread([0.0, 1.0]));
        let en = spread([std::f32::consts::FRAC_1_SQRT_2; 2]) - f32::midpoint(ee, nn);
        let (mean, half) = (f32::midpoint(ee, nn), ((ee - nn) / 2.0).hypot(en));
        let (long_m, short_m) = (4.0 * (mean + half).sqrt(), 4.0 * (mean - half).max(0.0).sqrt());
        // Compass: from north towards east.
        let azimuth_rad = 0.5 * (2.0 * en).atan2(nn - ee);

        let few = 1.0 / (2.0 * blob.area_px.max(1.0)).sqrt();
        let tilt = TILT_ERROR_RAD / depression_rad.tan().max(TILT_ERROR_RAD);
        let edge_m = |u: [f32; 2]| {
            let [x, y] = back(&jacobian, u);
            2.0 * EDGE_SIGMA_PX * x.hypot(y)
        };
        let sigma = |extent_m: f32, u: [f32; 2]| {
            let away = (u[0] * sight[0] + u[1] * sight[1]).abs();
            edge_m(u).hypot(extent_m * HEIGHT_ERROR).hypot(extent_m * tilt * (1.0 + away)).hypot(extent_m * few)
        };
        let (sin, cos) = azimuth_rad.sin_cos();
        let (long_u, short_u, aside) = ([sin, cos], [cos, -sin], [sight[1], -sight[0]]);
        let (along_m, across_m) = (4.0 * spread(sight).sqrt(), 4.0 * spread(aside).sqrt());
        // Ends that slip sideways turn the axis; the rounder the region, the more: first-order perturbation of an eigenvector.
        let slip_rad = edge_m(short_u) / long_m.max(1e-6);
        let rounder = long_m * long_m / (long_m * long_m - short_m * short_m).max(1e-6);
        let measured = Self {
            long_m,
            short_m,
            long_sigma_m: sigma(long_m, long_u),
            short_sigma_m: sigma(short_m, short_u),
            orientation_deg: azimuth_rad.to_degrees().rem_euclid(180.0),
            orientation_sigma_deg: (slip_rad * rounder).to_degrees().min(90.0),
            along_m,
            across_m,
            along_sigma_m: sigma(along_m, sight),
            across_sigma_m: sigma(across_m, aside),
            depression_deg: depression_rad.to_degrees(),
        };
        measured.is_finite().then_some(measured)
    }

    fn is_finite(&self) -> bool {
        [self.long_m, self.short_m, self.long_sigma_m, self.short_sigma_m, self.orientation_deg, self.orientation_sigma_deg]
            .into_iter()
            .chain([self.along_m, self.across_m, self.along_sigma_m, self.across_sigma_m, self.depression_deg])
            .all(f32::is_finite)
    }

    /// Probability that both true axes are those of a lying body, errors taken as Gaussian and independent.
    pub fn lying_probability(&self) -> f32 {
        if self.long_m < LYING_LONG_LIMIT_M[0] || self.long_m > LYING_LONG_LIMIT_M[1] {
            return 0.0;
        }
        within(self.long_m, self.long_sigma_m, LYING_LONG_M) * within(self.short_m, self.short_sigma_m, LYING_SHORT_M)
    }

    /// Whether one who stands throws such a region, to one σ: no wider than he is, and as long as his height shows along the line of sight.
    pub fn may_stand(&self) -> bool {
        self.across_m <= UPRIGHT_WIDE_M[1] + self.across_sigma_m
            && self.along_m >= self.shadow_m(UPRIGHT_M[0], UPRIGHT_WIDE_M[0]) - self.along_sigma_m
            && self.along_m <= self.shadow_m(UPRIGHT_M[1], UPRIGHT_WIDE_M[1]) + self.along_sigma_m
    }

    /// Wider than who stands or sits, or longer than a tall one shows.
    fn cannot_be_upright(&self) -> bool {
        self.across_m > SITTING_WIDE_M + self.across_sigma_m
            || self.along_m > self.shadow_m(UPRIGHT_M[1], SITTING_WIDE_M) + self.along_sigma_m
    }

    /// Extent along the line of sight of one who is upright: an even bar of `tall_m` / tan(depression), and his depth, 4 σ.
    fn shadow_m(&self, tall_m: f32, deep_m: f32) -> f32 {
        (BAR_4_SIGMA * tall_m / self.depression_deg.to_radians().tan().max(1e-3)).hypot(deep_m)
    }

    pub(super) fn cue(&self) -> BlobCue {
        let lying = self.lying_probability();
        if lying >= LYING_MIN && self.cannot_be_upright() {
            BlobCue::Lying(lying, if self.depression_deg >= ABOVE_DEG { FROM_ABOVE } else { ACROSS_AXIS })
        } else if self.may_stand() {
            BlobCue::MayStand
        } else if lying <= 0.0 {
            BlobCue::NotLying
        } else {
            BlobCue::Unsure
        }
    }
}

/// Jᵀ u.
fn back(jacobian: &[[f32; 2]; 2], u: [f32; 2]) -> [f32; 2] {
    [jacobian[0][0] * u[0] + jacobian[1][0] * u[1], jacobian[0][1] * u[0] + jacobian[1][1] * u[1]]
}

/// Probability that the true value is in the range.
fn within(value: f32, sigma: f32, [least, most]: [f32; 2]) -> f32 {
    normal((most - value) / sigma) - normal((least - value) / sigma)
}

/// Normal distribution function, to 2·10⁻⁴: logistic with a cubic term (Bowling et al. 2009).
fn normal(z: f32) -> f32 {
    1.0 / (1.0 + (-z * (1.597_6 + 0.070_56 * z * z)).exp())
}

#[cfg(test)]
#[path = "blob_tests.rs"]
mod tests;
