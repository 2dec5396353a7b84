//! A closer look at one place: where it is cut out, at which scale, and turned on its side.

use crate::canvas::Canvas;
use crate::card::ScaleSpec;
use patrol_core::{Picture, PictureSize, PixelBox, PixelFormat};

/// Enlarged more than this a body has no more detail, only larger pixels.
const ENLARGED_MAX: f32 = 4.0;
/// Of a model that does not say which sizes it knows, a person's long side in parts of its input.
const PERSON_PART: f32 = 0.35;

/// The part of the picture around `place` that fills the model's input so that somebody there has the size the model knows best.
pub(crate) fn region(place: &PixelBox, size: PictureSize, input: [f32; 2], scale: Option<&ScaleSpec>) -> PixelBox {
    let long_px = place.w.max(place.h).max(1.0);
    let known_px = scale.map_or(PERSON_PART * input[0].min(input[1]), |spec| (spec.person_px[0] * spec.person_px[1]).sqrt());
    // Shrunk only as far as he would otherwise be longer than the model knows.
    let least = scale.map_or(0.1, |spec| (spec.person_px[1] / long_px).min(1.0));
    let enlarged = (known_px / long_px).clamp(least, ENLARGED_MAX);
    let (w, h) = ((input[0] / enlarged).min(size.width as f32), (input[1] / enlarged).min(size.height as f32));
    let centre = place.centre();
    let x = (centre.x - w / 2.0).clamp(0.0, size.width as f32 - w);
    let y = (centre.y - h / 2.0).clamp(0.0, size.height as f32 - h);
    PixelBox::new(x, y, w, h)
}

/// Clockwise by one, two or three quarters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    Right,
    Over,
    Left,
}

/// A part of a picture, turned.
pub(crate) struct Turned {
    pub(crate) picture: Picture,
    turn: Turn,
    /// Of the part in the picture it was cut from.
    corner: (u32, u32),
    size: PictureSize,
}

impl Turned {
    /// Cuts out `region`, to even pixels, and turns it. `None`: nothing of it is inside the picture.
    pub(crate) fn cut(picture: &Picture, region: &PixelBox, turn: Turn, canvas: &mut Canvas) -> Option<Self> {
        let inside = region.clipped(picture.size());
        let even = |value: f32| value.max(0.0) as u32 / 2 * 2;
        let corner = (even(inside.x), even(inside.y));
        let size = PictureSize::new(even(inside.right()).saturating_sub(corner.0), even(inside.bottom()).saturating_sub(corner.1));
        if size.width == 0 || size.height == 0 {
            return None;
        }
        let turned = if turn == Turn::Over { size } else { PictureSize::new(size.height, size.width) };
        let format = picture.format();
        let paint = |planes: &mut [Vec<u8>]| {
            for (index, plane) in planes.iter_mut().enumerate() {
                turn_plane(picture, index, corner, size, turn, plane);
            }
        };
        let picture = canvas.picture(picture, turned, format, paint).ok()?;
        Some(Self { picture, turn, corner, size })
    }

    /// Where a box found in the turned part stands in the picture.
    pub(crate) fn back(&self, turned: &PixelBox) -> PixelBox {
        let (width, height) = (self.size.width as f32, self.size.height as f32);
        let (x, y, w, h) = match self.turn {
            Turn::Right => (turned.y, height - turned.right(), turned.h, turned.w),
            Turn::Over => (width - turned.right(), height - turned.bottom(), turned.w, turned.h),
            Turn::Left => (width - turned.bottom(), turned.x, turned.h, turned.w),
        };
        PixelBox::new(x + self.corner.0 as f32, y + self.corner.1 as f32, w, h)
    }
}

fn turn_plane(picture: &Picture, plane: usize, corner: (u32, u32), size: PictureSize, turn: Turn, out: &mut [u8]) {
    // Bytes that belong together, and pixels of the picture for one of the plane.
    let (bytes, coarse) = match (picture.format(), plane) {
        (PixelFormat::Gray16Le, _) => (2, 1),
        (PixelFormat::Rgb8, _) => (3, 1),
        (PixelFormat::Nv12, 1) => (2, 2),
        (_, 0) => (1, 1),
        _ => (1, 2),
    };
    let (left, top) = ((corner.0 / coarse) as usize, (corner.1 / coarse) as usize);
    let (w, h) = ((size.width / coarse) as usize, (size.height / coarse) as usize);
    for y in 0..h {
        let row = &picture.row(plane, top + y)[left * bytes..(left + w) * bytes];
        for (x, pixel) in row.chunks_exact(bytes).enumerate() {
            let at = match turn {
                Turn::Right => x * h + (h - 1 - y),
                Turn::Over => (h - 1 - y) * w + (w - 1 - x),
                Turn::Left => (w - 1 - x) * h + y,
            };
            out[at * bytes..(at + 1) * bytes].copy_from_slice(pixel);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{MediaTime, WallEstimate, WallTime};

    fn picture(format: PixelFormat, size: PictureSize) -> Picture {
        let planes = (0..format.planes())
            .map(|plane| {
                let (row, rows) = format.plane_extent(plane, size);
                (0..row * rows).map(|at| (at % 251) as u8).collect()
            })
            .collect();
        let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
        Picture::from_planes(size, format, planes, 0, MediaTime::ZERO, captured).expect("a picture")
    }

    #[test]
    fn what_is_found_in_a_turned_part_stands_where_it_was() {
        let whole = picture(PixelFormat::Gray8, PictureSize::new(20, 12));
        for turn in [Turn::Right, Turn::Over, Turn::Left] {
            let turned = Turned::cut(&whole, &PixelBox::new(4.0, 2.0, 12.0, 8.0), turn, &mut Canvas::default()).expect("inside");
            let size = turned.picture.size();
            assert_eq!(size, if turn == Turn::Over { PictureSize::new(12, 8) } else { PictureSize::new(8, 12) });
            for y in 0..size.height as usize {
                for x in 0..size.width as usize {
                    let back = turned.back(&PixelBox::new(x as f32, y as f32, 1.0, 1.0));
                    assert_eq!(turned.picture.row(0, y)[x], whole.row(0, back.y as usize)[back.x as usize], "{x},{y} {turn:?}");
                }
            }
        }
    }

    #[test]
    fn every_format_is_turned_and_nothing_outside_is() {
        for format in [PixelFormat::Gray8, PixelFormat::Gray16Le, PixelFormat::I420, PixelFormat::Nv12, PixelFormat::Rgb8] {
            let whole = picture(format, PictureSize::new(31, 17));
            let turned =
                Turned::cut(&whole, &PixelBox::new(-5.0, -5.0, 100.0, 100.0), Turn::Right, &mut Canvas::default()).expect("inside");
            assert_eq!(turned.picture.size(), PictureSize::new(16, 30), "{format:?}");
            assert!(Turned::cut(&whole, &PixelBox::new(40.0, 3.0, 9.0, 9.0), Turn::Right, &mut Canvas::default()).is_none());
        }
    }

    #[test]
    fn small_people_are_enlarged_to_the_size_a_model_knows() {
        let (size, input) = (PictureSize::new(1920, 1080), [416.0, 416.0]);
        let far = region(&PixelBox::new(1900.0, 20.0, 12.0, 24.0), size, input, None);
        assert_eq!((far.w, far.right(), far.y), (104.0, 1920.0, 0.0), "four times, inside the picture");
        let near = region(&PixelBox::new(500.0, 500.0, 300.0, 100.0), size, input, None);
        assert!(near.w > 800.0 && near.w < 900.0, "{near:?}");
        let spec = ScaleSpec { person_px: [8.0, 100.0], tiles: crate::card::TilesWhen::Always };
        let own = region(&PixelBox::new(100.0, 100.0, 60.0, 20.0), PictureSize::new(640, 512), [640.0, 512.0], Some(&spec));
        assert_eq!(own, PixelBox::new(0.0, 0.0, 640.0, 512.0), "never smaller than it is");
    }
}
