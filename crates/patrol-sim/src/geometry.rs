//! Points in metres, and the projection of `patrol_core::CameraView` in the form a renderer needs: per pixel, with depth.

use patrol_core::{CameraView, PictureSize, PixelBox};
use serde::Deserialize;

/// A point on the ground: metres east and north of the scene's origin. Written `[east, north]`.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(from = "[f32; 2]")]
pub(crate) struct V2 {
    pub(crate) e: f32,
    pub(crate) n: f32,
}

impl From<[f32; 2]> for V2 {
    fn from([e, n]: [f32; 2]) -> Self {
        Self { e, n }
    }
}

impl V2 {
    pub(crate) const fn new(e: f32, n: f32) -> Self {
        Self { e, n }
    }
    pub(crate) fn distance(self, other: Self) -> f32 {
        (self.e - other.e).hypot(self.n - other.n)
    }
    pub(crate) fn lerp(self, to: Self, k: f32) -> Self {
        Self { e: self.e + (to.e - self.e) * k, n: self.n + (to.n - self.n) * k }
    }
    /// Compass direction from here to `to`, degrees.
    pub(crate) fn heading_to(self, to: Self) -> f32 {
        (to.e - self.e).atan2(to.n - self.n).to_degrees()
    }
    pub(crate) fn up(self, z: f32) -> V3 {
        V3 { e: self.e, n: self.n, z }
    }
    /// Distance to the segment `a`–`b`.
    pub(crate) fn distance_to_segment(self, a: Self, b: Self) -> f32 {
        let (de, dn) = (b.e - a.e, b.n - a.n);
        let k = ((self.e - a.e) * de + (self.n - a.n) * dn) / (de * de + dn * dn).max(1e-9);
        self.distance(a.lerp(b, k.clamp(0.0, 1.0)))
    }
}

/// A point in space: metres east, north and up. Inside a body: right, forward and up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct V3 {
    pub(crate) e: f32,
    pub(crate) n: f32,
    pub(crate) z: f32,
}

impl V3 {
    pub(crate) const fn new(e: f32, n: f32, z: f32) -> Self {
        Self { e, n, z }
    }
    pub(crate) fn lerp(self, to: Self, k: f32) -> Self {
        Self { e: self.e + (to.e - self.e) * k, n: self.n + (to.n - self.n) * k, z: self.z + (to.z - self.z) * k }
    }
    pub(crate) fn plus(self, by: Self, times: f32) -> Self {
        Self { e: self.e + by.e * times, n: self.n + by.n * times, z: self.z + by.z * times }
    }
}

/// A local frame on the ground: its first axis points to compass `heading_deg`, its second 90° to the left of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub(crate) origin: V2,
    pub(crate) heading_deg: f32,
}

impl Frame {
    pub(crate) fn point(&self, along: f32, left: f32) -> V2 {
        let (sin, cos) = self.heading_deg.to_radians().sin_cos();
        V2::new(self.origin.e + along * sin - left * cos, self.origin.n + along * cos + left * sin)
    }
    /// The inverse of [`Frame::point`].
    pub(crate) fn local(&self, p: V2) -> (f32, f32) {
        let (sin, cos) = self.heading_deg.to_radians().sin_cos();
        let (e, n) = (p.e - self.origin.e, p.n - self.origin.n);
        (e * sin + n * cos, n * sin - e * cos)
    }
}

/// Where a point falls in the picture, and how far it is along the optical axis, metres.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flat {
    pub(crate) x: f32,
    pub(crate) y: f32,
    pub(crate) depth: f32,
}

/// Nothing nearer than this to the lens plane is projected, metres.
const DEPTH_MIN_M: f32 = 0.3;

/// `CameraView` with its trigonometry done once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Projector {
    pub(crate) foot: V2,
    pub(crate) height: f32,
    pub(crate) f: f32,
    pub(crate) size: PictureSize,
    sin_t: f32,
    cos_t: f32,
    sin_h: f32,
    cos_h: f32,
}

impl Projector {
    pub(crate) fn new(view: &CameraView, foot: V2, size: PictureSize) -> Self {
        let (sin_t, cos_t) = view.tilt_deg.to_radians().sin_cos();
        let (sin_h, cos_h) = view.heading_deg.to_radians().sin_cos();
        Self { foot, height: view.height_m, f: view.focal_px(size), size, sin_t, cos_t, sin_h, cos_h }
    }

    pub(crate) fn project(&self, p: V3) -> Option<Flat> {
        let (e, n) = (p.e - self.foot.e, p.n - self.foot.n);
        let ahead = e * self.sin_h + n * self.cos_h;
        let right = e * self.cos_h - n * self.sin_h;
        let below = self.height - p.z;
        let depth = ahead * self.cos_t + below * self.sin_t;
        if depth < DEPTH_MIN_M {
            return None;
        }
        let down = below * self.cos_t - ahead * self.sin_t;
        let (cx, cy) = (self.size.width as f32 / 2.0, self.size.height as f32 / 2.0);
        Some(Flat { x: cx + self.f * right / depth, y: cy + self.f * down / depth, depth })
    }

    /// Direction of the ray through the picture point (x, y); its component along the optical axis is 1, so that lengths along it are depths.
    pub(crate) fn ray(&self, x: f32, y: f32) -> V3 {
        let right = (x - self.size.width as f32 / 2.0) / self.f;
        let y = (y - self.size.height as f32 / 2.0) / self.f;
        let ahead = self.cos_t - y * self.sin_t;
        let down = self.sin_t + y * self.cos_t;
        V3::new(ahead * self.sin_h + right * self.cos_h, ahead * self.cos_h - right * self.sin_h, -down)
    }

    /// The same view with `margin` pixels more on every side.
    pub(crate) fn widened(&self, margin: u32) -> Self {
        Self { size: PictureSize::new(self.size.width + 2 * margin, self.size.height + 2 * margin), ..*self }
    }

    /// A direction in the camera's own axes: to the right, down, along the optical axis.
    pub(crate) fn in_camera(&self, ray: V3) -> (f32, f32, f32) {
        let ahead = ray.e * self.sin_h + ray.n * self.cos_h;
        let right = ray.e * self.cos_h - ray.n * self.sin_h;
        (right, -ray.z * self.cos_t - ahead * self.sin_t, ahead * self.cos_t - ray.z * self.sin_t)
    }

    pub(crate) fn eye(&self) -> V3 {
        self.foot.up(self.height)
    }

    /// The box around all of `points`, not clipped; `None` when one is behind the lens.
    pub(crate) fn box_around(&self, points: impl IntoIterator<Item = V3>) -> Option<PixelBox> {
        let mut corners = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
        for point in points {
            let flat = self.project(point)?;
            corners = [corners[0].min(flat.x), corners[1].min(flat.y), corners[2].max(flat.x), corners[3].max(flat.y)];
        }
        Some(PixelBox::from_corners(corners[0], corners[1], corners[2], corners[3]))
    }
}

/// A half-open rectangle of whole pixels inside a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PixelRect {
    pub(crate) x0: usize,
    pub(crate) y0: usize,
    pub(crate) x1: usize,
    pub(crate) y1: usize,
}

impl PixelRect {
    /// The pixels that `bbox` touches inside a picture of `size`; `None` when there are none.
    pub(crate) fn inside(bbox: &PixelBox, size: PictureSize) -> Option<Self> {
        let clipped = bbox.clipped(size);
        let rect = Self {
            x0: clipped.x.floor() as usize,
            y0: clipped.y.floor() as usize,
            x1: clipped.right().ceil() as usize,
            y1: clipped.bottom().ceil() as usize,
        };
        (rect.x0 < rect.x1 && rect.y0 < rect.y1).then_some(rect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{GroundPoint, PixelPoint};

    #[test]
    fn it_projects_as_the_camera_view_does_and_its_rays_return() {
        let size = PictureSize::new(640, 512);
        let view = CameraView { height_m: 7.0, tilt_deg: 26.0, heading_deg: 131.0, hfov_deg: 58.0 };
        let projector = Projector::new(&view, V2::new(3.0, -2.0), size);
        let ground = GroundPoint { east_m: 8.0, north_m: -9.0, error_m: 0.0 };
        let expected = view.pixel_from_ground(&ground, 1.1, size).expect("in front");
        let flat = projector.project(V3::new(11.0, -11.0, 1.1)).expect("in front");
        assert!((flat.x - expected.x).abs() < 0.01 && (flat.y - expected.y).abs() < 0.01);
        let back = projector.eye().plus(projector.ray(flat.x, flat.y), flat.depth);
        assert!((back.e - 11.0).abs() < 1e-3 && (back.n + 11.0).abs() < 1e-3 && (back.z - 1.1).abs() < 1e-3, "{back:?}");
        assert!(view.ground_from_pixel(PixelPoint { x: flat.x, y: flat.y }, 1.1, size).is_some());
    }

    #[test]
    fn a_frame_turns_left_from_its_heading() {
        let frame = Frame { origin: V2::new(1.0, 2.0), heading_deg: 0.0 };
        assert_eq!(frame.point(10.0, 3.0), V2::new(-2.0, 12.0));
        let turned = Frame { origin: V2::new(1.0, 2.0), heading_deg: 70.0 };
        let (along, left) = turned.local(turned.point(4.0, -5.0));
        assert!((along - 4.0).abs() < 1e-5 && (left + 5.0).abs() < 1e-5);
    }
}
