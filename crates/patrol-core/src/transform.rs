//! Where the things of one picture stand in a later picture of the same, moving camera.

use crate::geometry::{PictureSize, PixelBox, PixelPoint};
use serde::{Deserialize, Serialize};

/// A point this near to the horizon of a homography, or beyond it, has no place. A homography is scaled so that the part is 1 at the origin.
const HORIZON_PART_MIN: f64 = 0.05;

/// A plane projective transform of pixels (shift, similarity or homography), for the apparent motion of flat ground.
///
/// Written down as its rows. Rows that are no homography are read as the identity: a record is not lost over how far a camera had moved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "[[f64; 3]; 3]", from = "[[f64; 3]; 3]")]
pub struct PictureTransform {
    /// Row by row; maps (x, y, 1). `rows[2][2]` is 1.
    rows: [[f64; 3]; 3],
}

impl Default for PictureTransform {
    fn default() -> Self {
        Self::IDENTITY
    }
}

impl From<PictureTransform> for [[f64; 3]; 3] {
    fn from(transform: PictureTransform) -> Self {
        transform.rows
    }
}

impl From<[[f64; 3]; 3]> for PictureTransform {
    fn from(rows: [[f64; 3]; 3]) -> Self {
        Self::homography(rows).unwrap_or_default()
    }
}

impl PictureTransform {
    pub const IDENTITY: Self = Self { rows: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]] };

    /// Everything moves by so many pixels.
    pub const fn shift(x: f64, y: f64) -> Self {
        Self { rows: [[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]] }
    }

    /// Turned by `angle_rad` (from +x towards +y) and scaled about `about`, then shifted.
    pub fn similarity(scale: f64, angle_rad: f64, about: PixelPoint, shift: (f64, f64)) -> Self {
        let (sin, cos) = angle_rad.sin_cos();
        let (a, b) = (scale * cos, scale * sin);
        let (cx, cy) = (f64::from(about.x), f64::from(about.y));
        Self::affine([[a, -b, cx - a * cx + b * cy + shift.0], [b, a, cy - b * cx - a * cy + shift.1]])
    }

    /// The 2 × 3 matrix of an affine transform.
    pub const fn affine(rows: [[f64; 3]; 2]) -> Self {
        Self { rows: [rows[0], rows[1], [0.0, 0.0, 1.0]] }
    }

    /// The 3 × 3 matrix of a homography, of any scale; `None` if it is not finite, or sends the origin beyond its horizon or cannot be inverted.
    pub fn homography(rows: [[f64; 3]; 3]) -> Option<Self> {
        let unit = rows[2][2];
        let scaled = Self { rows: rows.map(|row| row.map(|value| value / unit)) };
        let finite = scaled.rows.iter().flatten().all(|value| value.is_finite());
        (finite && scaled.determinant().abs() > 1e-9).then_some(scaled)
    }

    pub fn is_identity(&self) -> bool {
        *self == Self::IDENTITY
    }

    /// Row by row.
    pub const fn rows(&self) -> &[[f64; 3]; 3] {
        &self.rows
    }

    /// Where a point comes to; `None` at and beyond the horizon of a homography.
    pub fn point(&self, point: PixelPoint) -> Option<PixelPoint> {
        let [u, v, part] = self.projected(point);
        (part > HORIZON_PART_MIN).then(|| PixelPoint { x: (u / part) as f32, y: (v / part) as f32 })
    }

    /// How a small step (across, down) at `point` looks afterwards: the Jacobian, row by row.
    pub fn step(&self, point: PixelPoint) -> Option<[[f32; 2]; 2]> {
        let [u, v, part] = self.projected(point);
        let [a, b, p] = &self.rows;
        let derivative = |row: &[f64; 3], value: f64, axis: usize| ((row[axis] - p[axis] * value / part) / part) as f32;
        (part > HORIZON_PART_MIN).then(|| [[derivative(a, u, 0), derivative(a, u, 1)], [derivative(b, v, 0), derivative(b, v, 1)]])
    }

    /// How many pixels a pixel at `point` becomes, along a side.
    pub fn scale(&self, point: PixelPoint) -> Option<f32> {
        self.step(point).map(|[[a, b], [c, d]]| (a * d - b * c).abs().sqrt())
    }

    /// Where a box comes to: its centre is carried over, and its sides become those of the box around the ellipse in it. Small turns, one after
    /// another, therefore do not blow a box up, and a quarter turn swaps its sides.
    pub fn bbox(&self, bbox: &PixelBox) -> Option<PixelBox> {
        let centre = self.point(bbox.centre())?;
        let [[a, b], [c, d]] = self.step(bbox.centre())?;
        let (w, h) = ((a * bbox.w).hypot(b * bbox.h), (c * bbox.w).hypot(d * bbox.h));
        Some(PixelBox::new(centre.x - w / 2.0, centre.y - h / 2.0, w, h))
    }

    /// This, and `next` after it.
    pub fn then(&self, next: &Self) -> Self {
        let mut rows = [[0.0; 3]; 3];
        for (row, from) in rows.iter_mut().zip(&next.rows) {
            for (column, value) in row.iter_mut().enumerate() {
                *value = (0..3).map(|k| from[k] * self.rows[k][column]).sum();
            }
        }
        Self::homography(rows).unwrap_or(Self { rows })
    }

    /// Back again.
    pub fn inverse(&self) -> Option<Self> {
        let [[a, b, c], [d, e, f], [g, h, i]] = self.rows;
        let adjugate = [
            [e * i - f * h, c * h - b * i, b * f - c * e],
            [f * g - d * i, a * i - c * g, c * d - a * f],
            [d * h - e * g, b * g - a * h, a * e - b * d],
        ];
        Self::homography(adjugate)
    }

    /// The farthest that a corner of a picture of `size` goes, pixels; infinity if one has no place afterwards.
    pub fn corner_shift(&self, size: PictureSize) -> f32 {
        let (w, h) = (size.width as f32, size.height as f32);
        let corners = [(0.0, 0.0), (w, 0.0), (0.0, h), (w, h)].map(|(x, y)| PixelPoint { x, y });
        let shift = |from: &PixelPoint| self.point(*from).map_or(f32::INFINITY, |to| (to.x - from.x).hypot(to.y - from.y));
        corners.iter().map(shift).fold(0.0, f32::max)
    }

    fn projected(&self, point: PixelPoint) -> [f64; 3] {
        let (x, y) = (f64::from(point.x), f64::from(point.y));
        self.rows.map(|row| row[0] * x + row[1] * y + row[2])
    }

    fn determinant(&self) -> f64 {
        let [[a, b, c], [d, e, f], [g, h, i]] = self.rows;
        a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::FRAC_PI_2;

    const CENTRE: PixelPoint = PixelPoint { x: 320.0, y: 256.0 };

    #[test]
    fn a_quarter_turn_swaps_the_sides_of_a_box_and_many_small_ones_do_not_grow_it() {
        let lying = PixelBox::new(340.0, 246.0, 60.0, 20.0);
        let turned = PictureTransform::similarity(1.0, FRAC_PI_2, CENTRE, (0.0, 0.0)).bbox(&lying).expect("in view");
        assert!((turned.x - 310.0).abs() < 0.01 && (turned.y - 276.0).abs() < 0.01, "{turned:?}");
        assert!((turned.w - 20.0).abs() < 0.01 && (turned.h - 60.0).abs() < 0.01, "{turned:?}");
        let bit = PictureTransform::similarity(1.0, FRAC_PI_2 / 1000.0, CENTRE, (0.0, 0.0));
        let slowly = (0..1000).fold(lying, |bbox, _| bit.bbox(&bbox).expect("in view"));
        assert!((slowly.w - 60.0).abs() < 2.0 && (slowly.h - 20.0).abs() < 2.0, "{slowly:?}");
    }

    #[test]
    fn there_and_back_is_where_it_was() {
        let there = PictureTransform::homography([[1.02, 0.05, 30.0], [-0.04, 0.98, -12.0], [1e-4, -2e-4, 1.0]]).expect("sound");
        let nowhere = there.then(&there.inverse().expect("sound"));
        assert!(nowhere.corner_shift(PictureSize::new(640, 512)) < 1e-3, "{nowhere:?}");
        let scale = there.scale(CENTRE).expect("in view");
        let (from, to) = (there.point(CENTRE), there.point(PixelPoint { x: CENTRE.x + 1.0, ..CENTRE }));
        let (from, to) = (from.expect("in view"), to.expect("in view"));
        assert!(((to.x - from.x).hypot(to.y - from.y) - scale).abs() < 0.1, "{scale}");
    }

    #[test]
    fn what_is_written_is_read_again_and_nonsense_is_no_motion() {
        let there = PictureTransform::similarity(1.1, 0.2, CENTRE, (300.0, -20.0));
        assert_eq!(PictureTransform::from(<[[f64; 3]; 3]>::from(there)), there);
        for rows in [[[0.0; 3]; 3], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0; 3]], [[f64::NAN; 3]; 3]] {
            assert!(PictureTransform::from(rows).is_identity());
        }
    }

    #[test]
    fn beyond_the_horizon_there_is_no_place() {
        let tilted = PictureTransform::homography([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0 / 300.0, 1.0]]).expect("sound");
        assert!(tilted.point(CENTRE).is_some() && tilted.point(PixelPoint { x: 320.0, y: 310.0 }).is_none());
        assert_eq!(tilted.corner_shift(PictureSize::new(640, 512)), f32::INFINITY);
    }
}
