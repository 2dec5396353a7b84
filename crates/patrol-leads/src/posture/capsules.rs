//! For tests: bodies that are one thick line each, as unlike the figures of `figures.rs` as simple bodies can be.

use patrol_core::{CameraView, GroundPoint, PictureSize, PixelBox};
use std::f32::consts::PI;

/// A capsule: a segment given a radius. Metres; `along` and `up` from the point on the ground under its middle.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_field_names, reason = "the postfix is the unit")]
pub(super) struct Body {
    /// Horizontal length of the segment, and the heights of its ends.
    pub along_m: f32,
    pub up_m: [f32; 2],
    pub radius_m: f32,
}

/// Sizes from design §5 and `integration.md` §6.5: upright 1.7 × 0.5 m; sitting 0.5–1.15 m high; lying 1.7 × 0.45 m and ≤ 0.45 m thick; curled 1.0 × 0.6 m.
/// From the side one who stands is narrower: 0.32 m.
pub(super) const BODIES: [Body; 7] = [
    Body { along_m: 0.0, up_m: [0.23, 1.47], radius_m: 0.23 },
    Body { along_m: 0.0, up_m: [0.16, 1.54], radius_m: 0.16 },
    Body { along_m: 0.0, up_m: [0.28, 0.77], radius_m: 0.28 },
    Body { along_m: 0.25, up_m: [0.26, 0.60], radius_m: 0.26 },
    Body { along_m: 0.55, up_m: [0.22, 0.50], radius_m: 0.24 },
    Body { along_m: 1.25, up_m: [0.20, 0.20], radius_m: 0.22 },
    Body { along_m: 0.42, up_m: [0.26, 0.26], radius_m: 0.28 },
];

/// What a capsule looks like: box, and full axes as 4 σ of its region.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outline {
    pub bbox: PixelBox,
    pub major_px: f32,
    pub minor_px: f32,
    pub angle_rad: f32,
}

impl Body {
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
