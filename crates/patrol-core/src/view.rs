//! How a camera looks at flat ground: pixels to metres and back.

use crate::geometry::{PictureSize, PixelBox, PixelPoint};
use crate::position::{GroundPoint, Position};
use serde::{Deserialize, Serialize};

/// A pinhole camera above flat ground, without roll or lens distortion.
///
/// Formulas: `integration.md` §5.5, with `tilt_deg` = minus the gimbal pitch.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraView {
    /// Height above the ground, metres.
    pub height_m: f32,
    /// Degrees below the horizon, 0 level to 90 straight down.
    pub tilt_deg: f32,
    /// Compass heading of the optical axis, degrees clockwise from north.
    #[serde(default)]
    pub heading_deg: f32,
    /// Horizontal field of view, degrees.
    pub hfov_deg: f32,
}

/// Height of an upright person, metres; winter clothes and shoes included.
pub const UPRIGHT_HEIGHT_M: f32 = 1.7;
/// Downward part of a ray below which the ground is too far to be placed (`integration.md` §5.5).
const HORIZON_DOWN_MIN: f32 = 0.02;
/// Error of the tilt and of the heading of a fixed camera, degrees (`integration.md` §5.5: 1° and 2°).
const TILT_ERROR_DEG: f32 = 1.0;
const HEADING_ERROR_DEG: f32 = 2.0;

impl CameraView {
    /// Focal length in pixels.
    pub fn focal_px(&self, size: PictureSize) -> f32 {
        size.width as f32 / 2.0 / (self.hfov_deg.to_radians() / 2.0).tan()
    }

    /// Where the ray through `pixel` meets a level plane `above_m` over the ground; `None` at or above the horizon.
    pub fn ground_from_pixel(&self, pixel: PixelPoint, above_m: f32, size: PictureSize) -> Option<GroundPoint> {
        let f = self.focal_px(size);
        let x = (pixel.x - size.width as f32 / 2.0) / f;
        let y = (pixel.y - size.height as f32 / 2.0) / f;
        let (sin_t, cos_t) = self.tilt_deg.to_radians().sin_cos();
        let forward = cos_t - y * sin_t;
        let down = sin_t + y * cos_t;
        if down < HORIZON_DOWN_MIN || self.height_m <= above_m {
            return None;
        }
        let t = (self.height_m - above_m) / down;
        let (ahead_m, right_m) = (t * forward, t * x);
        let (sin_h, cos_h) = self.heading_deg.to_radians().sin_cos();
        let range_m = ahead_m.hypot(right_m);
        let along = (self.height_m + range_m * range_m / self.height_m.max(0.1)) * TILT_ERROR_DEG.to_radians();
        let across = range_m * HEADING_ERROR_DEG.to_radians();
        Some(GroundPoint {
            east_m: ahead_m * sin_h + right_m * cos_h,
            north_m: ahead_m * cos_h - right_m * sin_h,
            error_m: along.hypot(across),
        })
    }

    /// How far the ground point under `pixel` goes per pixel, on a level plane `above_m` over the ground: rows east and north, columns x and y,
    /// metres per pixel. `None` where [`Self::ground_from_pixel`] is.
    ///
    /// The derivative of its formulas, with t = h / down: ∂right/∂x = t, ∂ahead/∂y = −t / down and ∂right/∂y = −t · x · cos(tilt) / down, each over f.
    pub fn ground_jacobian(&self, pixel: PixelPoint, above_m: f32, size: PictureSize) -> Option<[[f32; 2]; 2]> {
        let f = self.focal_px(size);
        let x = (pixel.x - size.width as f32 / 2.0) / f;
        let y = (pixel.y - size.height as f32 / 2.0) / f;
        let (sin_t, cos_t) = self.tilt_deg.to_radians().sin_cos();
        let down = sin_t + y * cos_t;
        if down < HORIZON_DOWN_MIN || self.height_m <= above_m {
            return None;
        }
        let t = (self.height_m - above_m) / (down * f);
        let (right_x, right_y, ahead_y) = (t, -t * x * cos_t / down, -t / down);
        let (sin_h, cos_h) = self.heading_deg.to_radians().sin_cos();
        Some([[right_x * cos_h, ahead_y * sin_h + right_y * cos_h], [-right_x * sin_h, ahead_y * cos_h - right_y * sin_h]])
    }

    /// The pixel that shows the point `above_m` over `ground`; `None` behind the camera. May lie outside the picture.
    pub fn pixel_from_ground(&self, ground: &GroundPoint, above_m: f32, size: PictureSize) -> Option<PixelPoint> {
        let (sin_h, cos_h) = self.heading_deg.to_radians().sin_cos();
        let ahead = ground.east_m * sin_h + ground.north_m * cos_h;
        let right = ground.east_m * cos_h - ground.north_m * sin_h;
        let below = self.height_m - above_m;
        let (sin_t, cos_t) = self.tilt_deg.to_radians().sin_cos();
        let depth = ahead * cos_t + below * sin_t;
        if depth < 0.1 {
            return None;
        }
        let down = below * cos_t - ahead * sin_t;
        let f = self.focal_px(size);
        Some(PixelPoint { x: size.width as f32 / 2.0 + f * right / depth, y: size.height as f32 / 2.0 + f * down / depth })
    }

    /// Pixels per metre, seen square on, at the ground point under `pixel`.
    pub fn pixels_per_metre(&self, pixel: PixelPoint, size: PictureSize) -> Option<f32> {
        let ground = self.ground_from_pixel(pixel, 0.0, size)?;
        let slant_m = ground.east_m.hypot(ground.north_m).hypot(self.height_m);
        let f = self.focal_px(size);
        let off_axis = ((pixel.x - size.width as f32 / 2.0) / f).hypot((pixel.y - size.height as f32 / 2.0) / f);
        // Depth along the axis, not the slant range, sets the scale of a pinhole picture.
        Some(f * (1.0 + off_axis * off_axis).sqrt() / slant_m)
    }

    /// Expected height in pixels of an upright person whose feet are at `foot`.
    pub fn upright_height_px(&self, foot: PixelPoint, size: PictureSize) -> Option<f32> {
        let ground = self.ground_from_pixel(foot, 0.0, size)?;
        let head = self.pixel_from_ground(&ground, UPRIGHT_HEIGHT_M, size)?;
        Some((foot.y - head.y).hypot(foot.x - head.x))
    }

    /// Angle below the horizon at which the ground under `pixel` is seen, degrees: 90 is straight down.
    pub fn depression_deg(&self, pixel: PixelPoint, size: PictureSize) -> Option<f32> {
        let ground = self.ground_from_pixel(pixel, 0.0, size)?;
        Some(self.height_m.atan2(ground.east_m.hypot(ground.north_m)).to_degrees())
    }

    /// Position on the Earth of what stands at the foot of `bbox`, when the camera's own position is known.
    pub fn position_of(&self, bbox: &PixelBox, size: PictureSize, camera: &Position) -> Option<Position> {
        Some(camera.offset(&self.ground_from_pixel(bbox.foot(), 0.0, size)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: PictureSize = PictureSize::new(640, 512);

    fn check(heading_deg: f32, tilt_deg: f32, (u, v): (f32, f32), east_m: f32, north_m: f32) {
        let view = CameraView { height_m: 60.0, tilt_deg, heading_deg, hfov_deg: 45.5 };
        let ground = view.ground_from_pixel(PixelPoint { x: u, y: v }, 0.0, SIZE).expect("below the horizon");
        assert!((ground.east_m - east_m).abs() < 0.01 && (ground.north_m - north_m).abs() < 0.01, "{ground:?}");
        let back = view.pixel_from_ground(&ground, 0.0, SIZE).expect("in front");
        assert!((back.x - u).abs() < 0.01 && (back.y - v).abs() < 0.01, "{back:?}");
    }

    #[test]
    fn ground_matches_the_vectors_and_returns() {
        check(90.0, 45.0, (320.0, 256.0), 60.0, 0.0);
        check(90.0, 90.0, (420.0, 256.0), 0.0, -7.86);
        check(0.0, 60.0, (320.0, 400.0), 0.0, 21.03);
    }

    #[test]
    fn the_horizon_has_no_ground() {
        let level = CameraView { height_m: 6.0, tilt_deg: 0.0, heading_deg: 0.0, hfov_deg: 60.0 };
        assert!(level.ground_from_pixel(PixelPoint { x: 320.0, y: 256.0 }, 0.0, SIZE).is_none());
        assert!(level.ground_jacobian(PixelPoint { x: 320.0, y: 256.0 }, 0.0, SIZE).is_none());
    }

    #[test]
    fn the_jacobian_is_what_a_pixel_more_gives() {
        let view = CameraView { height_m: 60.0, tilt_deg: 50.0, heading_deg: 130.0, hfov_deg: 45.5 };
        let at = |x: f32, y: f32| view.ground_from_pixel(PixelPoint { x, y }, 0.2, SIZE).expect("below the horizon");
        let jacobian = view.ground_jacobian(PixelPoint { x: 450.0, y: 300.0 }, 0.2, SIZE).expect("below the horizon");
        for (column, (before, after)) in
            [(at(449.0, 300.0), at(451.0, 300.0)), (at(450.0, 299.0), at(450.0, 301.0))].into_iter().enumerate()
        {
            let (east, north) = ((after.east_m - before.east_m) / 2.0, (after.north_m - before.north_m) / 2.0);
            assert!((jacobian[0][column] - east).abs() < 1e-3 && (jacobian[1][column] - north).abs() < 1e-3, "{column} {jacobian:?}");
        }
    }

    #[test]
    fn a_person_keeps_his_height_when_projected_and_measured() {
        let view = CameraView { height_m: 7.0, tilt_deg: 25.0, heading_deg: 30.0, hfov_deg: 60.0 };
        let foot = PixelPoint { x: 300.0, y: 300.0 };
        let expected = view.upright_height_px(foot, SIZE).expect("on the ground");
        let scale = view.pixels_per_metre(foot, SIZE).expect("on the ground");
        assert!(expected > 0.7 * scale * UPRIGHT_HEIGHT_M && expected < 1.1 * scale * UPRIGHT_HEIGHT_M, "{expected} {scale}");
    }
}
