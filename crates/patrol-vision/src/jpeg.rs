//! Pictures for people: JPEG of the whole picture or of a part. Raw counts are stretched to 8 bit.

use crate::card::{ChannelOrder, InputSpec};
use crate::error::VisionError;
use crate::prepare::Preparer;
use jpeg_encoder::{ColorType, Encoder};
use patrol_core::{Modality, Picture, PixelBox};

/// Pixels around a cropped box, at least.
const CROP_MARGIN_MIN: f32 = 24.0;
/// Seen on grey and on green alike.
const MARK_COLOUR: [u8; 3] = [255, 64, 32];
/// Line width of the mark: one pixel per this many of the picture's width.
const MARK_WIDTH_OF: usize = 480;

/// The whole picture, at most `max_width` wide, with a thin outline of `mark`. `quality` 1–100.
pub fn whole(picture: &Picture, mark: Option<&PixelBox>, max_width: u32, quality: u8) -> Result<Vec<u8>, VisionError> {
    let size = picture.size();
    let width = size.width.min(max_width.max(1));
    let height = ((u64::from(size.height) * u64::from(width) + u64::from(size.width) / 2) / u64::from(size.width)).max(1) as u32;
    let region = PixelBox::new(0.0, 0.0, size.width as f32, size.height as f32);
    let mut pixels = rgb(picture, &region, width, height);
    if let Some(mark) = mark {
        let (sx, sy) = (width as f32 / size.width as f32, height as f32 / size.height as f32);
        outline(&mut pixels, width as usize, height as usize, &PixelBox::new(mark.x * sx, mark.y * sy, mark.w * sx, mark.h * sy));
    }
    encode(&pixels, width, height, quality)
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
    encode(&rgb(picture, &region, width, height), width, height, quality)
}

/// Interleaved 8-bit RGB of `region`, resized to `width` × `height`.
pub fn rgb(picture: &Picture, region: &PixelBox, width: u32, height: u32) -> Vec<u8> {
    let mut preparer = Preparer::new(&InputSpec::plain(width, height, ChannelOrder::Rgb));
    let mut planes = vec![0.0; preparer.tensor_len()];
    // As visible: the colours of a thermal palette are kept.
    preparer.fill(picture, Some(region), Modality::Visible, &mut planes);
    let plane = (width * height) as usize;
    let mut pixels = vec![0; plane * 3];
    for (index, pixel) in pixels.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        *pixel = [planes[index], planes[plane + index], planes[2 * plane + index]].map(|value| (value + 0.5) as u8);
    }
    pixels
}

fn outline(pixels: &mut [u8], width: usize, height: usize, bbox: &PixelBox) {
    let thick = (width / MARK_WIDTH_OF).max(1);
    let side = |value: f32, most: usize| (value.max(0.0) as usize).min(most);
    let (left, right) = (side(bbox.x, width), side(bbox.right().ceil(), width));
    let (top, bottom) = (side(bbox.y, height), side(bbox.bottom().ceil(), height));
    for y in top..bottom {
        for x in left..right {
            if y < top + thick || y + thick >= bottom || x < left + thick || x + thick >= right {
                pixels[(y * width + x) * 3..][..3].copy_from_slice(&MARK_COLOUR);
            }
        }
    }
}

fn encode(pixels: &[u8], width: u32, height: u32, quality: u8) -> Result<Vec<u8>, VisionError> {
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes, quality.clamp(1, 100))
        .encode(pixels, width as u16, height as u16, ColorType::Rgb)
        .map_err(|error| VisionError::Jpeg { width, height, problem: error.to_string() })?;
    Ok(bytes)
}
