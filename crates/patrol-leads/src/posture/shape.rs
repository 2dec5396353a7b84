//! How well what is seen fits each figure, placed where the box is, in all directions and sizes: one sum of likelihoods for every kind.

use super::figures::{FIGURES, Figure, Kind};
use patrol_core::{Blob, CameraView, PictureSize, PixelBox, Track};
use std::f32::consts::{PI, TAU};

/// Misfit beyond which nothing here is a body (sum of squared errors in σ: two measures of a box, seven with a blob).
const MISFIT_MAX: [f32; 2] = [14.0, 30.0];
/// Relative error (ln) of an extent that bodies, clothes and bags differ by, and that of edges, pixels.
const EXTENT_SIGMA: f32 = 0.09;
const EDGE_SIGMA_PX: f32 = 0.9;
/// What a hot spot's box is wider and higher than the body: 1.2 ± 0.7 px over 1 000 rendered people of 14–200 px.
const HOT_SPOT_MARGIN_PX: f32 = 1.2;
/// Of the region's spread against its box (ln), of the correlation of rows and columns, and of the centroid against the box's middle.
const SPREAD_SIGMA: f32 = 0.08;
const CORRELATION_SIGMA: f32 = 0.10;
const CENTROID_SIGMA: f32 = 0.035;
/// Variance that optics and pixels add to a region, px².
const BLUR_VARIANCE_PX2: f32 = 0.6;
/// Box and moments measure the same limbs: so much of their log-likelihood counts.
const INDEPENDENT_PART: f32 = 0.7;
/// Standing height of adults, relative; error of the camera's height (`integration.md` §5.5) and of its tilt, radians: 0.5°.
const STATURE_SIGMA: f32 = 0.06;
const HEIGHT_SIGMA: f32 = 0.04;
const TILT_SIGMA_RAD: f32 = PI / 360.0;
/// Lengths of dogs, metres and relative.
const DOG_M: f32 = 0.8;
const DOG_SIGMA: f32 = 0.13;
/// A normal distribution by three points and their weights (Gauss–Hermite).
const POINTS: [(f32, f32); 3] = [(-1.732, 1.0 / 6.0), (0.0, 2.0 / 3.0), (1.732, 1.0 / 6.0)];
const AZIMUTHS: usize = 12;
/// Middle of a body over the ground, metres: 0.15 of one who lies, 0.8 of one who stands.
const MIDDLE_M: f32 = 0.4;

/// The part of each kind in all that fits, one in sum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shares {
    of_kind: [f32; 7],
    pub is_body: bool,
}

impl Shares {
    pub(super) fn of(&self, kind: Kind) -> f32 {
        self.of_kind[kind as usize]
    }

    pub(super) fn down(&self) -> f32 {
        self.of(Kind::Lying) + self.of(Kind::Curled) + self.of(Kind::Slumped)
    }
}

/// `None` above the horizon.
pub(super) fn weigh(track: &Track, view: &CameraView, size: PictureSize) -> Option<Shares> {
    let seen = Seen::of(track);
    let frame = Frame::at(track.bbox, view, size)?;
    let (mut of_kind, mut least) = ([0.0; 7], f32::INFINITY);
    for figure in &FIGURES {
        let (mean_ln, own_sigma) = if figure.kind == Kind::Dog { (DOG_M.ln(), DOG_SIGMA) } else { (0.0, STATURE_SIGMA) };
        let scale_sigma = own_sigma.hypot(frame.scale_sigma);
        let sides: &[f32] = if figure.is_lopsided { &[1.0, -1.0] } else { &[1.0] };
        for (azimuth, side) in (0..AZIMUTHS).flat_map(|azimuth| sides.iter().map(move |side| (azimuth, *side))) {
            let Some(outline) = frame.outline(figure, side, TAU * azimuth as f32 / AZIMUTHS as f32) else { continue };
            let shape = seen.misfit_of_shape(&outline);
            for (sigmas, weight) in POINTS {
                let misfit = shape + seen.misfit_of_size(&outline, mean_ln + sigmas * scale_sigma);
                least = least.min(misfit);
                of_kind[figure.kind as usize] += figure.weight / sides.len() as f32 * weight * (-0.5 * INDEPENDENT_PART * misfit).exp();
            }
        }
    }
    let sum: f32 = of_kind.iter().sum();
    let is_body = sum > 0.0 && least <= MISFIT_MAX[usize::from(seen.region.is_some())];
    Some(Shares { of_kind: of_kind.map(|part| part / sum.max(f32::MIN_POSITIVE)), is_body })
}

/// Width and height of the body in the box, which a hot spot's margin widens.
pub(super) fn body_px(track: &Track) -> (f32, f32) {
    let margin_px = if track.blob.is_some() { HOT_SPOT_MARGIN_PX } else { 0.0 };
    ((track.bbox.w - margin_px).max(1.0), (track.bbox.h - margin_px).max(1.0))
}

/// What a look measured, pixels, without its detector's margin.
struct Seen {
    w_px: f32,
    h_px: f32,
    region: Option<Region>,
}

/// How the mass of a region lies in its box.
struct Region {
    /// ln of the standard deviations along x and y over width and height.
    spread_ln: [f32; 2],
    correlation: f32,
    /// Of the centroid from the box's middle, parts of width and height.
    offset: [f32; 2],
}

impl Seen {
    fn of(track: &Track) -> Self {
        let (w_px, h_px) = body_px(track);
        Self { w_px, h_px, region: track.blob.and_then(|blob| Region::of(&blob, &track.bbox, w_px, h_px)) }
    }

    /// Squared errors in σ of width and height, the figure `ln_scale` larger.
    fn misfit_of_size(&self, outline: &Outline, ln_scale: f32) -> f32 {
        let error = |seen_px: f32, expected_px: f32| {
            ((seen_px / expected_px).ln() - ln_scale).powi(2) / (EXTENT_SIGMA.powi(2) + (EDGE_SIGMA_PX / expected_px).powi(2))
        };
        error(self.w_px, outline.w_px) + error(self.h_px, outline.h_px)
    }

    fn misfit_of_shape(&self, outline: &Outline) -> f32 {
        let Some(region) = &self.region else { return 0.0 };
        let expected = &outline.region;
        let edge = [EDGE_SIGMA_PX / outline.w_px, EDGE_SIGMA_PX / outline.h_px];
        let along = |axis: usize| {
            (region.spread_ln[axis] - expected.spread_ln[axis]).powi(2) / (SPREAD_SIGMA.powi(2) + edge[axis].powi(2))
                + (region.offset[axis] - expected.offset[axis]).powi(2) / (CENTROID_SIGMA.powi(2) + (edge[axis] / 2.0).powi(2))
        };
        let turned = (region.correlation - expected.correlation).powi(2) / (CORRELATION_SIGMA.powi(2) + edge[0].max(edge[1]).powi(2));
        along(0) + along(1) + turned
    }
}

impl Region {
    fn of(blob: &Blob, bbox: &PixelBox, w_px: f32, h_px: f32) -> Option<Self> {
        let [long, short] = [blob.major_px, blob.minor_px].map(|axis_px| (axis_px / 4.0).powi(2));
        let (sin, cos) = blob.angle_rad.sin_cos();
        let variance = [long * cos * cos + short * sin * sin, long * sin * sin + short * cos * cos];
        let centre = bbox.centre();
        let offset = [(blob.centroid.x - centre.x) / w_px, (blob.centroid.y - centre.y) / h_px];
        let region = Self::new(variance, (long - short) * sin * cos, offset, [w_px, h_px]);
        region.is_finite().then_some(region)
    }

    fn new(variance: [f32; 2], covariance: f32, offset: [f32; 2], extent_px: [f32; 2]) -> Self {
        let spread_ln = [0, 1].map(|axis| 0.5 * variance[axis].ln() - extent_px[axis].ln());
        Self { spread_ln, correlation: covariance / (variance[0] * variance[1]).sqrt(), offset }
    }

    fn is_finite(&self) -> bool {
        self.spread_ln.iter().chain(&self.offset).chain([&self.correlation]).all(|value| value.is_finite())
    }
}

/// What a figure looks like.
struct Outline {
    w_px: f32,
    h_px: f32,
    region: Region,
}

/// The camera, and the ground that bodies are placed on.
struct Frame {
    focal_px: f32,
    height_m: f32,
    tilt: (f32, f32),
    /// To the right of the camera's heading and ahead of it, metres.
    place_m: [f32; 2],
    /// Unit vector on the ground away from the camera.
    away: [f32; 2],
    /// Relative error of metres per pixel.
    scale_sigma: f32,
}

impl Frame {
    fn at(bbox: PixelBox, view: &CameraView, size: PictureSize) -> Option<Self> {
        let ahead = CameraView { heading_deg: 0.0, ..*view };
        let ground = ahead.ground_from_pixel(bbox.centre(), MIDDLE_M, size)?;
        let range_m = ground.east_m.hypot(ground.north_m);
        let away = if range_m > 1e-3 { [ground.east_m / range_m, ground.north_m / range_m] } else { [0.0, 1.0] };
        // Metres per pixel go as 1 / sin(depression): an error of the tilt counts by 1 / tan.
        let scale_sigma = HEIGHT_SIGMA.hypot(TILT_SIGMA_RAD * range_m / view.height_m);
        Some(Self {
            focal_px: view.focal_px(size),
            height_m: view.height_m,
            tilt: view.tilt_deg.to_radians().sin_cos(),
            place_m: [ground.east_m, ground.north_m],
            away,
            scale_sigma,
        })
    }

    /// Pixel from the picture's middle, and pixels per metre, of a point across the line of sight, away from the camera and up.
    fn project(&self, [across, away, up]: [f32; 3]) -> Option<([f32; 2], f32)> {
        let right_m = self.place_m[0] + across * self.away[1] + away * self.away[0];
        let ahead_m = self.place_m[1] - across * self.away[0] + away * self.away[1];
        let (below_m, (sin_t, cos_t)) = (self.height_m - up, self.tilt);
        let depth_m = ahead_m * cos_t + below_m * sin_t;
        let scale = self.focal_px / depth_m;
        (depth_m > 0.1).then_some(([scale * right_m, scale * (below_m * cos_t - ahead_m * sin_t)], scale))
    }

    /// Of a figure turned by `azimuth_rad`; `None` when part of it is behind the camera.
    fn outline(&self, figure: &Figure, right_side: f32, azimuth_rad: f32) -> Option<Outline> {
        let (sin, cos) = azimuth_rad.sin_cos();
        let (origin, _) = self.project([0.0, 0.0, MIDDLE_M])?;
        let mut sums = Sums::default();
        for limb in figure.limbs {
            for side in [right_side, -right_side].into_iter().take(1 + usize::from(limb.is_pair)) {
                let end = |[right, forward, up]: [f32; 3], radius_m: f32| {
                    let (at, scale) = self.project([side * right * cos + forward * sin, forward * cos - side * right * sin, up])?;
                    Some(([at[0] - origin[0], at[1] - origin[1]], scale * radius_m))
                };
                sums.add(end(limb.a, limb.radius_a)?, end(limb.b, limb.radius_b)?);
            }
        }
        Some(sums.outline())
    }
}

/// Box, and area with its first and second moments, of thick lines; where they overlap counts twice.
struct Sums {
    low: [f32; 2],
    high: [f32; 2],
    area: f32,
    first: [f32; 2],
    second: [f32; 3],
}

impl Default for Sums {
    fn default() -> Self {
        Self { low: [f32::INFINITY; 2], high: [f32::NEG_INFINITY; 2], area: 0.0, first: [0.0; 2], second: [0.0; 3] }
    }
}

impl Sums {
    fn add(&mut self, (a, radius_a): ([f32; 2], f32), (b, radius_b): ([f32; 2], f32)) {
        for axis in 0..2 {
            self.low[axis] = self.low[axis].min(a[axis] - radius_a).min(b[axis] - radius_b);
            self.high[axis] = self.high[axis].max(a[axis] + radius_a).max(b[axis] + radius_b);
        }
        // Second moments of a stadium: a rectangle of length l between two half discs of radius r.
        let (dx, dy, r) = (b[0] - a[0], b[1] - a[1], f32::midpoint(radius_a, radius_b));
        let l = dx.hypot(dy);
        let area = 2.0 * r * l + PI * r * r;
        let along = r * l.powi(3) / 6.0 + PI * r * r * (l * l / 4.0 + l * 4.0 * r / (3.0 * PI) + r * r / 4.0);
        let across = 2.0 * l * r.powi(3) / 3.0 + PI * r.powi(4) / 4.0;
        let (cos, sin) = if l > 1e-6 { (dx / l, dy / l) } else { (1.0, 0.0) };
        let middle = [f32::midpoint(a[0], b[0]), f32::midpoint(a[1], b[1])];
        self.area += area;
        self.first[0] += area * middle[0];
        self.first[1] += area * middle[1];
        self.second[0] += along * cos * cos + across * sin * sin + area * middle[0] * middle[0];
        self.second[1] += along * sin * sin + across * cos * cos + area * middle[1] * middle[1];
        self.second[2] += (along - across) * sin * cos + area * middle[0] * middle[1];
    }

    fn outline(&self) -> Outline {
        let mean = self.first.map(|sum| sum / self.area);
        let variance = [0, 1].map(|axis| self.second[axis] / self.area - mean[axis] * mean[axis] + BLUR_VARIANCE_PX2);
        let covariance = self.second[2] / self.area - mean[0] * mean[1];
        let extent_px = [self.high[0] - self.low[0], self.high[1] - self.low[1]];
        let offset = [0, 1].map(|axis| (mean[axis] - f32::midpoint(self.low[axis], self.high[axis])) / extent_px[axis]);
        Outline { w_px: extent_px[0], h_px: extent_px[1], region: Region::new(variance, covariance, offset, extent_px) }
    }
}
