//! Pictures for people: JPEG of the whole picture or of a part. Raw counts are stretched to 8 bit.

use crate::error::VisionError;
use crate::prepare::RgbRows;
use jpeg_encoder::{Encoder, ImageBuffer, JpegColorType};
use patrol_core::{Picture, PictureSize, PixelBox};
use std::cell::RefCell;

/// Pixels around a cropped box, at least.
const CROP_MARGIN_MIN: f32 = 24.0;
/// Seen on grey and on green alike.
const MARK_COLOUR: [f32; 3] = [255.0, 64.0, 32.0];
/// Line width of the mark: one pixel per this many of the picture's width.
const MARK_WIDTH_OF: usize = 480;
/// Parts of red, green and blue in luma and both chroma, and what chroma is without colour (ITU-T T.871 §7).
const YCBCR_FROM_RGB: [(f32, f32, f32, f32); 3] =
    [(0.299, 0.587, 0.114, 0.0), (-0.168_736, -0.331_264, 0.5, 128.0), (0.5, -0.418_688, -0.081_312, 128.0)];

/// The whole picture, at most `max_width` wide, with a thin outline of `mark`. `quality` 1–100.
pub fn whole(picture: &Picture, mark: Option<&PixelBox>, max_width: u32, quality: u8) -> Result<Vec<u8>, VisionError> {
    let size = picture.size();
    let width = size.width.min(max_width.max(1));
    let height = ((u64::from(size.height) * u64::from(width) + u64::from(size.width) / 2) / u64::from(size.width)).max(1) as u32;
    let (sx, sy) = (width as f32 / size.width as f32, height as f32 / size.height as f32);
    let mark = mark.map(|mark| PixelBox::new(mark.x * sx, mark.y * sy, mark.w * sx, mark.h * sy));
    encode(picture, &whole_of(picture), (width, height), mark.as_ref(), quality)
}

/// `bbox` with `margin` of its longer side around it (at least 24 px), in the picture's own pixels.
pub fn crop(picture: &Picture, bbox: &PixelBox, margin: f32, quality: u8) -> Result<Vec<u8>, VisionError> {
    let margin = (bbox.w.max(bbox.h) * margin).max(CROP_MARGIN_MIN);
    region(picture, &bbox.grown(margin), quality)
}

/// Exactly `bbox`, as far as it lies inside of the picture, at its own size.
pub fn region(picture: &Picture, bbox: &PixelBox, quality: u8) -> Result<Vec<u8>, VisionError> {
    let inside = bbox.clipped(picture.size());
    let region = PixelBox::from_corners(inside.x.floor(), inside.y.floor(), inside.right().ceil(), inside.bottom().ceil());
    let (width, height) = (region.w as u32, region.h as u32);
    if !region.is_finite() || width == 0 || height == 0 {
        return Err(VisionError::Jpeg { width, height, problem: format!("the box {bbox:?} lies outside of the picture; give one inside") });
    }
    encode(picture, &region, (width, height), None, quality)
}

/// Interleaved 8-bit RGB of the whole picture.
pub fn rgb(picture: &Picture) -> Vec<u8> {
    let PictureSize { width, height } = picture.size();
    let mut rows = RgbRows::new(picture, &whole_of(picture), width, height);
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height as usize {
        let [r, g, b] = rows.row(y);
        pixels.extend(r.iter().zip(&*g).zip(&*b).flat_map(|((r, g), b)| [*r, *g, *b].map(|level| (level + 0.5) as u8)));
    }
    pixels
}

fn whole_of(picture: &Picture) -> PixelBox {
    PixelBox::new(0.0, 0.0, picture.size().width as f32, picture.size().height as f32)
}

fn encode(picture: &Picture, region: &PixelBox, size: (u32, u32), mark: Option<&PixelBox>, quality: u8) -> Result<Vec<u8>, VisionError> {
    let (width, height) = size;
    let rows = RefCell::new(RgbRows::new(picture, region, width, height));
    let outline = mark.map(|mark| Outline::new(mark, width as usize, height as usize));
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes, quality.clamp(1, 100))
        .encode_image(Marked { rows, outline, width: width as u16, height: height as u16 })
        .map_err(|error| VisionError::Jpeg { width, height, problem: error.to_string() })?;
    Ok(bytes)
}

/// What the encoder asks row by row.
struct Marked<'a> {
    rows: RefCell<RgbRows<'a>>,
    outline: Option<Outline>,
    width: u16,
    height: u16,
}

impl ImageBuffer for Marked<'_> {
    fn get_jpeg_color_type(&self) -> JpegColorType {
        JpegColorType::Ycbcr
    }
    fn width(&self) -> u16 {
        self.width
    }
    fn height(&self) -> u16 {
        self.height
    }
    fn fill_buffers(&self, y: u16, buffers: &mut [Vec<u8>; 4]) {
        let mut rows = self.rows.borrow_mut();
        let row = rows.row(usize::from(y));
        if let Some(outline) = &self.outline {
            outline.draw(usize::from(y), row);
        }
        let [r, g, b] = row;
        for (buffer, (kr, kg, kb, zero)) in buffers.iter_mut().zip(YCBCR_FROM_RGB) {
            let levels = r.iter().zip(&*g).zip(&*b).map(|((r, g), b)| rounded(kr * r + kg * g + kb * b + zero));
            buffer.extend(levels);
        }
    }
}

/// The nearest whole level. Added to this much, the last bit of a float's fraction is worth one (IEEE 754 binary32): without a branch, eight levels at once.
fn rounded(level: f32) -> u8 {
    const ONE_IS_LAST_BIT: f32 = 8_388_608.0;
    (level.clamp(0.0, 255.0) + ONE_IS_LAST_BIT).to_bits() as u8
}

/// The frame of a box, in pixels of the output.
struct Outline {
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
    thick: usize,
}

impl Outline {
    fn new(bbox: &PixelBox, width: usize, height: usize) -> Self {
        let side = |value: f32, most: usize| (value.max(0.0) as usize).min(most);
        Self {
            left: side(bbox.x, width),
            right: side(bbox.right().ceil(), width),
            top: side(bbox.y, height),
            bottom: side(bbox.bottom().ceil(), height),
            thick: (width / MARK_WIDTH_OF).max(1),
        }
    }

    fn draw(&self, y: usize, row: &mut [Vec<f32>; 3]) {
        let Self { left, right, top, bottom, thick } = *self;
        if !(top..bottom).contains(&y) || left >= right {
            return;
        }
        let is_side = y >= top + thick && y + thick < bottom && left + 2 * thick < right;
        let (first, last) = if is_side { (left..left + thick, right - thick..right) } else { (left..right, right..right) };
        for (levels, colour) in row.iter_mut().zip(MARK_COLOUR) {
            levels[first.clone()].fill(colour);
            levels[last.clone()].fill(colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_rounded_and_stay_within_a_byte() {
        let levels = [-3.0, -0.3, 0.0, 0.49, 0.51, 127.4, 127.6, 254.6, 255.0, 255.5, 300.0];
        assert_eq!(levels.map(rounded), [0, 0, 0, 0, 1, 127, 128, 255, 255, 255, 255]);
    }
}
