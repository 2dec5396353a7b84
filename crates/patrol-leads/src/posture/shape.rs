//! The shapes that bodies of known size throw on the picture, and how well what is seen fits them.

use patrol_core::{CameraView, GroundPoint, PictureSize, PixelBox, Posture, Track};
use std::f32::consts::PI;

/// Misfit beyond which nothing here is a body (sum of squared errors in σ, per measure).
pub(super) const MISFIT_MAX: f32 = 12.0;
/// Two hypotheses closer than this cannot be told apart: χ² of about 90 % with one degree of freedom.
pub(super) const AMBIGUOUS: f32 = 2.7;
/// Closer than this, sitting and lying or curled are a matter of doubt, and doubt goes to the more harmful. Wide: whoever lies along the optical
/// axis of a street camera is as high and wide as one who sits, and must not wait for ten minutes.
pub(super) const DOUBT: f32 = 2.7;
/// The same for curled where the camera looks down by more than [`STEEP_DEG`]: from there one who stands and waits is nearly as round as
/// one who is curled, and a wide doubt would call everybody who waits.
pub(super) const DOUBT_FROM_ABOVE: f32 = 0.5;
pub(super) const STEEP_DEG: f32 = 65.0;
/// Seen from there, nothing shorter than this is a body that is down, metres: one who is curled measures 1.0 m, one who stands below 0.7 m.
pub(super) const DOWN_FROM_ABOVE_M: f32 = 0.8;
/// Relative error (ln) of a measured extent: bodies, clothes and boxes differ so much; plus a pixel and a half of the edge.
const EXTENT_SIGMA: f32 = 0.13;
const EDGE_SIGMA_PX: f32 = 1.5;
/// Error of the long axis' direction of a clearly elongated region, radians.
const ANGLE_SIGMA: f32 = 0.2;
/// Steps of azimuth over half a turn: a body has no front here.
const AZIMUTHS: usize = 12;
/// Sizes of people around the usual one.
const STATURES: [f32; 3] = [0.9, 1.0, 1.1];

/// A capsule: a segment given a radius. Metres; `along` and `up` from the point on the ground under its middle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body {
    pub posture: Posture,
    /// Horizontal length of the segment, and the heights of its ends.
    pub along_m: f32,
    pub up_m: [f32; 2],
    pub radius_m: f32,
    /// Misfit given to hypotheses that are rare.
    pub handicap: f32,
}

/// Sizes from design §5 and `integration.md` §6.5: upright 1.7 × 0.5 m; sitting 0.5–1.15 m high; lying 1.7 × 0.45 m and ≤ 0.45 m thick; curled 1.0 × 0.6 m.
/// From the side one who stands is narrower: 0.32 m.
pub(super) const BODIES: [Body; 7] = [
    Body { posture: Posture::Standing, along_m: 0.0, up_m: [0.23, 1.47], radius_m: 0.23, handicap: 0.0 },
    Body { posture: Posture::Standing, along_m: 0.0, up_m: [0.16, 1.54], radius_m: 0.16, handicap: 0.2 },
    Body { posture: Posture::Sitting, along_m: 0.0, up_m: [0.28, 0.77], radius_m: 0.28, handicap: 0.0 },
    Body { posture: Posture::Sitting, along_m: 0.25, up_m: [0.26, 0.60], radius_m: 0.26, handicap: 0.3 },
    Body { posture: Posture::Slumped, along_m: 0.55, up_m: [0.22, 0.50], radius_m: 0.24, handicap: 1.0 },
    Body { posture: Posture::Lying, along_m: 1.25, up_m: [0.20, 0.20], radius_m: 0.22, handicap: 0.0 },
    Body { posture: Posture::Curled, along_m: 0.42, up_m: [0.26, 0.26], radius_m: 0.28, handicap: 0.2 },
];

/// The best fit of a posture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fit {
    pub posture: Posture,
    /// Squared errors in σ, summed and scaled to two measures.
    pub misfit: f32,
}

/// What a capsule looks like: box, and full axes as 4 σ of its region.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outline {
    pub bbox: PixelBox,
    pub major_px: f32,
    pub minor_px: f32,
    pub angle_rad: f32,
}

/// All postures, best first; empty above the horizon.
pub(super) fn fit(track: &Track, view: &CameraView, size: PictureSize) -> Vec<Fit> {
    let mut fits: Vec<Fit> = Vec::with_capacity(BODIES.len());
    for body in &BODIES {
        let mut least = f32::INFINITY;
        for stature in STATURES {
            let body = body.scaled(stature);
            let mid_m = f32::midpoint(body.up_m[0], body.up_m[1]);
            let Some(ground) = view.ground_from_pixel(track.bbox.centre(), mid_m, size) else { continue };
            let turns = if body.along_m > 0.0 { AZIMUTHS } else { 1 };
            // A body that leans looks different from both sides: a full turn.
            let turn = if body.up_m[0] == body.up_m[1] { PI } else { 2.0 * PI };
            for step in 0..turns {
                if let Some(outline) = body.seen(view, size, &ground, turn * step as f32 / turns as f32) {
                    least = least.min(misfit(track, &outline) + body.handicap);
                }
            }
        }
        if least.is_finite() {
            fits.push(Fit { posture: body.posture, misfit: least });
        }
    }
    fits.sort_by(|a, b| a.misfit.total_cmp(&b.misfit));
    fits
}

fn misfit(track: &Track, outline: &Outline) -> f32 {
    let error = |seen: f32, expected: f32| {
        let sigma_sq = EXTENT_SIGMA.powi(2) + (EDGE_SIGMA_PX / expected.max(1.0)).powi(2);
        (seen.max(0.5) / expected.max(0.5)).ln().powi(2) / sigma_sq
    };
    let boxes = error(track.bbox.w, outline.bbox.w) + error(track.bbox.h, outline.bbox.h);
    let Some(blob) = track.blob else { return boxes };
    let axes = error(blob.major_px, outline.major_px) + error(blob.minor_px, outline.minor_px);
    // The direction of a round region means nothing.
    let elongation = (blob.major_px / blob.minor_px.max(1.0)).min(outline.major_px / outline.minor_px.max(1.0)) - 1.0;
    let mut turn = (blob.angle_rad - outline.angle_rad).rem_euclid(PI);
    turn = turn.min(PI - turn);
    let direction = (turn / ANGLE_SIGMA).powi(2).min(9.0) * elongation.clamp(0.0, 1.0);
    // Box and axes measure the same body: five figures, worth about three.
    (boxes + axes + direction) * 0.6
}

impl Body {
    fn scaled(self, stature: f32) -> Self {
        Self { along_m: self.along_m * stature, up_m: self.up_m.map(|up| up * stature), ..self }
    }

    /// The outline of the body with its middle over `ground`, turned by `azimuth_rad`.
    pub(super) fn seen(&self, view: &CameraView, size: PictureSize, ground: &GroundPoint, azimuth_rad: f32) -> Option<Outline> {
        let (sin_a, cos_a) = azimuth_rad.sin_cos();
        let focal_px = view.focal_px(size);
        let (sin_t, cos_t) = view.tilt_deg.to_radians().sin_cos();
        let (sin_h, cos_h) = view.heading_deg.to_radians().sin_cos();
        let end = |side: f32, up_m: f32| {
            let (east_m, north_m) = (ground.east_m + side * self.along_m / 2.0 * sin_a, ground.north_m + side * self.along_m / 2.0 * cos_a);
            let at = view.pixel_from_ground(&GroundPoint { east_m, north_m, error_m: 0.0 }, up_m, size)?;
            let depth_m = (east_m * sin_h + north_m * cos_h) * cos_t + (view.height_m - up_m) * sin_t;
            Some((at, focal_px * self.radius_m / depth_m))
        };
        let ((a, ra), (b, rb)) = (end(-1.0, self.up_m[0])?, end(1.0, self.up_m[1])?);
        let bbox =
            PixelBox::from_corners((a.x - ra).min(b.x - rb), (a.y - ra).min(b.y - rb), (a.x + ra).max(b.x + rb), (a.y + ra).max(b.y + rb));
        // Second moments of a stadium: a rectangle of length l between two half discs of radius r.
        let (l, r) = ((a.x - b.x).hypot(a.y - b.y), f32::midpoint(ra, rb));
        let area = 2.0 * r * l + PI * r * r;
        let along = (r * l.powi(3) / 6.0 + PI * r * r * (l * l / 4.0 + l * 4.0 * r / (3.0 * PI) + r * r / 4.0)) / area;
        let across = (2.0 * l * r.powi(3) / 3.0 + PI * r.powi(4) / 4.0) / area;
        Some(Outline { bbox, major_px: 4.0 * along.sqrt(), minor_px: 4.0 * across.sqrt(), angle_rad: (b.y - a.y).atan2(b.x - a.x) })
    }
}
