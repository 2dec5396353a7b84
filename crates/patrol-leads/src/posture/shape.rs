//! How well what is seen fits each figure, placed where the box is, in all directions and sizes: one sum of likelihoods for every kind.

use super::figures::{FIGURES, Figure, Kind, TRUNK_LIMB};
use patrol_core::{Blob, CameraView, Joints, PictureSize, PixelBox, Track};
use std::f32::consts::{PI, TAU};
use std::sync::LazyLock;

/// Misfit beyond which nothing here is a body (sum of squared errors in σ: two measures of a box, seven with a blob).
const MISFIT_MAX: [f32; 2] = [14.0, 30.0];
/// A figure that fits as badly as this weighs less than 10⁻¹¹ of one at the edge of being a body.
const MISFIT_NEGLIGIBLE: f32 = 100.0;
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
/// From shoulders to hips MoveNet sees 0.336 ± 0.013 of the height of 29 people who walk, 0.57 m of 1.70; the ends of a figure's trunk lie inside of it, 0.40 m apart.
const JOINTS_OVER_TRUNK: f32 = 1.4;
/// Error of a trunk that joints tell, metres along each axis of the picture, and pixels.
const TRUNK_SIGMA_M: f32 = 0.12;
const TRUNK_SIGMA_PX: f32 = 1.5;
/// Of a trunk that does not fit: joints are sometimes another's. Of a dog, in which a pose network now and then sees a person's.
const TRUNK_MISFIT_MAX: f32 = 8.0;
const DOG_TRUNK_MISFIT: f32 = 4.0;
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
}

pub(super) struct Weighed {
    pub shares: Shares,
    /// The same without the joints.
    pub by_outline: Shares,
    pub is_body: bool,
}

impl Shares {
    fn of_sums(of_kind: [f32; 7]) -> Self {
        let sum: f32 = of_kind.iter().sum();
        Self { of_kind: of_kind.map(|part| part / sum.max(f32::MIN_POSITIVE)) }
    }

    pub(super) fn of(&self, kind: Kind) -> f32 {
        self.of_kind[kind as usize]
    }

    pub(super) fn down(&self) -> f32 {
        self.of(Kind::Lying) + self.of(Kind::Curled) + self.of(Kind::Slumped)
    }
}

/// `None` above the horizon.
pub(super) fn weigh(track: &Track, view: &CameraView, size: PictureSize, joints: Option<&Joints>) -> Option<Weighed> {
    let seen = Seen::of(track, joints);
    let frame = Frame::at(track.bbox, view, size)?;
    let (mut of_kind, mut by_outline, mut least) = ([0.0; 7], [0.0; 7], f32::INFINITY);
    for figure in &FIGURES {
        let (mean_ln, own_sigma) = if figure.kind == Kind::Dog { (DOG_M.ln(), DOG_SIGMA) } else { (0.0, STATURE_SIGMA) };
        let scale_sigma = own_sigma.hypot(frame.scale_sigma);
        let sides: &[f32] = if figure.is_lopsided { &[1.0, -1.0] } else { &[1.0] };
        for side in sides {
            for outline in frame.outlines(figure, *side).each() {
                let shape = seen.misfit_of_shape(&outline);
                if shape > MISFIT_NEGLIGIBLE {
                    continue;
                }
                let error = seen.error_of_size(&outline);
                let by_joints = (-0.5 * seen.misfit_of_trunk(figure, &outline)).exp();
                for (sigmas, weight) in POINTS {
                    let misfit = shape + error.squared(mean_ln + sigmas * scale_sigma);
                    if misfit < MISFIT_NEGLIGIBLE {
                        least = least.min(misfit);
                        let likely = figure.weight / sides.len() as f32 * weight * (-0.5 * INDEPENDENT_PART * misfit).exp();
                        by_outline[figure.kind as usize] += likely;
                        of_kind[figure.kind as usize] += likely * by_joints;
                    }
                }
            }
        }
    }
    let is_body = least <= MISFIT_MAX[usize::from(seen.region.is_some())];
    Some(Weighed { shares: Shares::of_sums(of_kind), by_outline: Shares::of_sums(by_outline), is_body })
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
    /// From hips to shoulders, by the joints.
    trunk_px: Option<[f32; 2]>,
}

/// Of width and height: ln of seen over expected, and 1/σ² of that.
struct SizeError([(f32, f32); 2]);

impl SizeError {
    /// Squared errors in σ, the figure `ln_scale` larger.
    fn squared(&self, ln_scale: f32) -> f32 {
        self.0.iter().map(|(ln, per_variance)| (ln - ln_scale).powi(2) * per_variance).sum()
    }
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
    fn of(track: &Track, joints: Option<&Joints>) -> Self {
        let (w_px, h_px) = body_px(track);
        let trunk_px = joints.map(|joints| [joints.shoulders.x - joints.hips.x, joints.shoulders.y - joints.hips.y]);
        Self { w_px, h_px, region: track.blob.and_then(|blob| Region::of(&blob, &track.bbox, w_px, h_px)), trunk_px }
    }

    fn misfit_of_trunk(&self, figure: &Figure, outline: &Outline) -> f32 {
        let Some(seen) = self.trunk_px else { return 0.0 };
        if figure.kind == Kind::Dog {
            return DOG_TRUNK_MISFIT;
        }
        let error = [0, 1].map(|axis| seen[axis] - JOINTS_OVER_TRUNK * outline.trunk_px[axis]);
        let variance = (TRUNK_SIGMA_M * outline.px_per_m).powi(2) + TRUNK_SIGMA_PX.powi(2);
        ((error[0].powi(2) + error[1].powi(2)) / variance).min(TRUNK_MISFIT_MAX)
    }

    fn error_of_size(&self, outline: &Outline) -> SizeError {
        let error = |seen_px: f32, expected_px: f32| {
            ((seen_px / expected_px).ln(), 1.0 / (EXTENT_SIGMA.powi(2) + (EDGE_SIGMA_PX / expected_px).powi(2)))
        };
        SizeError([error(self.w_px, outline.w_px), error(self.h_px, outline.h_px)])
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
        let spread_ln = [0, 1].map(|axis| 0.5 * (variance[axis] / (extent_px[axis] * extent_px[axis])).ln());
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
    /// From hips to shoulders.
    trunk_px: [f32; 2],
    px_per_m: f32,
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

    /// Pixels from the picture's middle, and pixels per metre, of a point of a body turned every way: so far to its right, forward and up. `true` in
    /// `behind` where it is behind the camera.
    fn project(&self, turns: &Turns, [right, forward, up]: [f32; 3], behind: &mut [bool; AZIMUTHS]) -> [Lanes; 3] {
        let (below_m, (sin_t, cos_t)) = (self.height_m - up, self.tilt);
        let mut out = [[0.0; AZIMUTHS]; 3];
        for lane in 0..AZIMUTHS {
            let across = right * turns.cos[lane] + forward * turns.sin[lane];
            let away = forward * turns.cos[lane] - right * turns.sin[lane];
            let right_m = self.place_m[0] + across * self.away[1] + away * self.away[0];
            let ahead_m = self.place_m[1] - across * self.away[0] + away * self.away[1];
            let depth_m = ahead_m * cos_t + below_m * sin_t;
            let scale = self.focal_px / depth_m;
            behind[lane] |= depth_m <= 0.1;
            out[0][lane] = scale * right_m;
            out[1][lane] = scale * (below_m * cos_t - ahead_m * sin_t);
            out[2][lane] = scale;
        }
        out
    }

    /// Of a figure, and its mirror image where `right_side` is −1, turned every way.
    fn outlines(&self, figure: &Figure, right_side: f32) -> Outlines {
        let turns = &*TURNS;
        let mut sums = Sums::default();
        // Moments are taken from here, or small differences of large numbers would be left.
        let [x, y, px_per_m] = self.project(turns, [0.0, 0.0, MIDDLE_M], &mut sums.behind);
        let origin = [x[0], y[0]];
        sums.px_per_m = px_per_m[0];
        for (number, limb) in figure.limbs.iter().enumerate() {
            let count = 1 + usize::from(limb.is_pair);
            for side in [right_side, -right_side].into_iter().take(count) {
                let mut end = |[right, forward, up]: [f32; 3]| self.project(turns, [side * right, forward, up], &mut sums.behind);
                let (a, b) = (end(limb.a), end(limb.b));
                sums.add(origin, (&a, limb.radius_a), (&b, limb.radius_b));
                if number == TRUNK_LIMB {
                    for (trunk, (a, b)) in sums.trunk.iter_mut().zip(a.iter().zip(&b)) {
                        for lane in 0..AZIMUTHS {
                            trunk[lane] += (a[lane] - b[lane]) / count as f32;
                        }
                    }
                }
            }
        }
        Outlines(sums)
    }
}

/// One value for each way that a figure is turned: they are computed side by side.
type Lanes = [f32; AZIMUTHS];

struct Turns {
    sin: Lanes,
    cos: Lanes,
}

static TURNS: LazyLock<Turns> = LazyLock::new(|| {
    let angle = |turn: usize| TAU * turn as f32 / AZIMUTHS as f32;
    Turns { sin: std::array::from_fn(|turn| angle(turn).sin()), cos: std::array::from_fn(|turn| angle(turn).cos()) }
});

/// Box, and area with its first and second moments, of thick lines; where they overlap counts twice.
struct Sums {
    low: [Lanes; 2],
    high: [Lanes; 2],
    area: Lanes,
    first: [Lanes; 2],
    second: [Lanes; 3],
    trunk: [Lanes; 2],
    px_per_m: f32,
    /// Part of it is behind the camera.
    behind: [bool; AZIMUTHS],
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            low: [[f32::INFINITY; AZIMUTHS]; 2],
            high: [[f32::NEG_INFINITY; AZIMUTHS]; 2],
            area: [0.0; AZIMUTHS],
            first: [[0.0; AZIMUTHS]; 2],
            second: [[0.0; AZIMUTHS]; 3],
            trunk: [[0.0; AZIMUTHS]; 2],
            px_per_m: 0.0,
            behind: [false; AZIMUTHS],
        }
    }
}

impl Sums {
    /// A thick line between two projected points with radii in metres.
    fn add(&mut self, origin: [f32; 2], (a, radius_a): (&[Lanes; 3], f32), (b, radius_b): (&[Lanes; 3], f32)) {
        for lane in 0..AZIMUTHS {
            let (ax, ay, ra) = (a[0][lane] - origin[0], a[1][lane] - origin[1], a[2][lane] * radius_a);
            let (bx, by, rb) = (b[0][lane] - origin[0], b[1][lane] - origin[1], b[2][lane] * radius_b);
            self.low[0][lane] = least(self.low[0][lane], least(ax - ra, bx - rb));
            self.low[1][lane] = least(self.low[1][lane], least(ay - ra, by - rb));
            self.high[0][lane] = most(self.high[0][lane], most(ax + ra, bx + rb));
            self.high[1][lane] = most(self.high[1][lane], most(ay + ra, by + rb));
            // Second moments of a stadium: a rectangle of length l between two half discs of radius r.
            let (dx, dy, r) = (bx - ax, by - ay, 0.5 * (ra + rb));
            let l = (dx * dx + dy * dy).sqrt();
            let area = 2.0 * r * l + PI * r * r;
            let along = r * l * l * l / 6.0 + PI * r * r * (l * l / 4.0 + l * 4.0 * r / (3.0 * PI) + r * r / 4.0);
            let across = 2.0 * l * r * r * r / 3.0 + PI * r * r * r * r / 4.0;
            let (cos, sin) = if l > 1e-6 { (dx / l, dy / l) } else { (1.0, 0.0) };
            let (x, y) = (0.5 * (ax + bx), 0.5 * (ay + by));
            self.area[lane] += area;
            self.first[0][lane] += area * x;
            self.first[1][lane] += area * y;
            self.second[0][lane] += along * cos * cos + across * sin * sin + area * x * x;
            self.second[1][lane] += along * sin * sin + across * cos * cos + area * y * y;
            self.second[2][lane] += (along - across) * sin * cos + area * x * y;
        }
    }
}

/// Unlike `f32::min` these are one instruction each; what is not a number is behind the camera and left out.
fn least(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

fn most(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

struct Outlines(Sums);

impl Outlines {
    /// Those that the camera sees whole.
    fn each(&self) -> impl Iterator<Item = Outline> {
        let sums = &self.0;
        (0..AZIMUTHS).filter(|lane| !sums.behind[*lane]).map(|lane| {
            let area = sums.area[lane];
            let mean = [0, 1].map(|axis| sums.first[axis][lane] / area);
            let variance = [0, 1].map(|axis| sums.second[axis][lane] / area - mean[axis] * mean[axis] + BLUR_VARIANCE_PX2);
            let covariance = sums.second[2][lane] / area - mean[0] * mean[1];
            let (low, high) = ([0, 1].map(|axis| sums.low[axis][lane]), [0, 1].map(|axis| sums.high[axis][lane]));
            let extent_px = [high[0] - low[0], high[1] - low[1]];
            let offset = [0, 1].map(|axis| (mean[axis] - f32::midpoint(low[axis], high[axis])) / extent_px[axis]);
            Outline {
                w_px: extent_px[0],
                h_px: extent_px[1],
                region: Region::new(variance, covariance, offset, extent_px),
                trunk_px: sums.trunk.map(|axis| axis[lane]),
                px_per_m: sums.px_per_m,
            }
        })
    }
}
