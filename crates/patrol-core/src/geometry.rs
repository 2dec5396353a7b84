//! Boxes and sizes in a picture. Pixel boxes and unit boxes are different types, so that they cannot be mixed.

use serde::{Deserialize, Serialize};

/// Width and height of a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PictureSize {
    pub width: u32,
    pub height: u32,
}

impl PictureSize {
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }
}

/// A point in a picture: x right, y down, in pixels, origin at the top left corner of the top left pixel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PixelPoint {
    pub x: f32,
    pub y: f32,
}

/// An axis-parallel box in pixels: top left corner and extent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PixelBox {
    pub x: f32,
    pub y: f32,
    pub w: f32,
    pub h: f32,
}

/// An axis-parallel box in parts of the picture (0–1): the same for a main stream and its sub-stream.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct UnitBox {
    pub x: f32,
    pub y: f32,
    pub w: f32,
    pub h: f32,
}

impl PixelBox {
    pub const fn new(x: f32, y: f32, w: f32, h: f32) -> Self {
        Self { x, y, w, h }
    }
    pub fn from_corners(left: f32, top: f32, right: f32, bottom: f32) -> Self {
        Self { x: left, y: top, w: (right - left).max(0.0), h: (bottom - top).max(0.0) }
    }
    pub fn right(&self) -> f32 {
        self.x + self.w
    }
    pub fn bottom(&self) -> f32 {
        self.y + self.h
    }
    pub fn area(&self) -> f32 {
        self.w * self.h
    }
    pub fn centre(&self) -> PixelPoint {
        PixelPoint { x: self.x + self.w / 2.0, y: self.y + self.h / 2.0 }
    }
    /// Middle of the lower edge: where an upright person touches the ground.
    pub fn foot(&self) -> PixelPoint {
        PixelPoint { x: self.x + self.w / 2.0, y: self.y + self.h }
    }
    /// Area shared with `other`, in square pixels.
    pub fn intersection(&self, other: &Self) -> f32 {
        let w = self.right().min(other.right()) - self.x.max(other.x);
        let h = self.bottom().min(other.bottom()) - self.y.max(other.y);
        w.max(0.0) * h.max(0.0)
    }
    /// Intersection over union, 0–1; 0 for empty boxes.
    pub fn iou(&self, other: &Self) -> f32 {
        let shared = self.intersection(other);
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }
    /// The part inside a picture of `size`.
    pub fn clipped(&self, size: PictureSize) -> Self {
        let (w, h) = (size.width as f32, size.height as f32);
        Self::from_corners(self.x.clamp(0.0, w), self.y.clamp(0.0, h), self.right().clamp(0.0, w), self.bottom().clamp(0.0, h))
    }
    /// Grown by `margin` pixels on every side.
    pub fn grown(&self, margin: f32) -> Self {
        Self { x: self.x - margin, y: self.y - margin, w: self.w + 2.0 * margin, h: self.h + 2.0 * margin }
    }
    pub fn to_unit(&self, size: PictureSize) -> UnitBox {
        let (w, h) = (size.width.max(1) as f32, size.height.max(1) as f32);
        UnitBox { x: self.x / w, y: self.y / h, w: self.w / w, h: self.h / h }
    }
    pub fn is_finite(&self) -> bool {
        self.x.is_finite() && self.y.is_finite() && self.w.is_finite() && self.h.is_finite()
    }
}

impl UnitBox {
    pub fn to_pixels(&self, size: PictureSize) -> PixelBox {
        let (w, h) = (size.width as f32, size.height as f32);
        PixelBox { x: self.x * w, y: self.y * h, w: self.w * w, h: self.h * h }
    }
}
