//! One brightness per pixel, whatever the format: what thermal methods and the usability guard work on.

use patrol_core::{Picture, PixelFormat};

/// Weights of red, green and blue in luma, ITU-R BT.601.
pub(crate) const LUMA_RGB: [f32; 3] = [0.299, 0.587, 0.114];
/// Raw counts span at least this much after stretching, so that the noise of an even scene is not blown up to full contrast.
/// Microbolometers give 25–100 counts per kelvin: 64 counts are 0.6–2.6 K.
const STRETCH_SPAN_MIN: u16 = 64;
/// Part of the pixels below black and above white: hot lamps and dead pixels do not set the scale.
const STRETCH_LOW: f32 = 0.005;
const STRETCH_HIGH: f32 = 0.998;

/// Raw counts shown as black and white.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    pub black: u16,
    pub white: u16,
}

impl Stretch {
    /// Grey level 0–255 of a raw count.
    pub fn grey(self, count: f32) -> f32 {
        ((count - f32::from(self.black)) * self.gain()).clamp(0.0, 255.0)
    }
    pub(crate) fn gain(self) -> f32 {
        255.0 / (f32::from(self.white) - f32::from(self.black)).max(1.0)
    }
}

/// Finds the robust range of 16-bit pictures; keeps its histogram between pictures.
#[derive(Debug, Default)]
pub struct StretchFinder {
    histogram: Vec<u32>,
}

impl StretchFinder {
    /// Percentiles over every second pixel of every second row. Pictures of other formats have the range 0–255.
    pub fn find(&mut self, picture: &Picture) -> Stretch {
        if picture.format() != PixelFormat::Gray16Le {
            return Stretch { black: 0, white: 255 };
        }
        self.histogram.clear();
        self.histogram.resize(1 << 16, 0);
        let mut total = 0_u32;
        for y in (0..picture.size().height as usize).step_by(2) {
            for pixel in picture.row(0, y).as_chunks::<2>().0.iter().step_by(2) {
                self.histogram[usize::from(u16::from_le_bytes(*pixel))] += 1;
                total += 1;
            }
        }
        let black = self.percentile(total, STRETCH_LOW);
        let white = self.percentile(total, STRETCH_HIGH);
        let missing = STRETCH_SPAN_MIN.saturating_sub(white - black);
        let black = black.saturating_sub(missing / 2);
        Stretch { black, white: white.max(black.saturating_add(STRETCH_SPAN_MIN)) }
    }

    fn percentile(&self, total: u32, part: f32) -> u16 {
        let wanted = (total as f32 * part) as u32;
        let mut seen = 0;
        for (count, &pixels) in self.histogram.iter().enumerate() {
            seen += pixels;
            if seen > wanted {
                return count as u16;
            }
        }
        u16::MAX
    }
}

/// Brightness of one row: the Y plane or grey level as it is, raw counts for 16 bit, luma of RGB.
pub fn row_into(picture: &Picture, y: usize, out: &mut [f32]) {
    levels_into(picture, y, |luma| luma, out);
}

/// As [`row_into`], in any type that holds levels and counts; `from_luma` makes it of the luma of RGB.
pub(crate) fn levels_into<T: From<u8> + From<u16>>(picture: &Picture, y: usize, from_luma: impl Fn(f32) -> T, out: &mut [T]) {
    levels_from(picture, 0, y, from_luma, out);
}

/// As [`row_into`], from column `x` on.
pub(crate) fn part_into(picture: &Picture, x: usize, y: usize, out: &mut [f32]) {
    levels_from(picture, x, y, |luma| luma, out);
}

fn levels_from<T: From<u8> + From<u16>>(picture: &Picture, x: usize, y: usize, from_luma: impl Fn(f32) -> T, out: &mut [T]) {
    let row = picture.row(0, y);
    match picture.format() {
        PixelFormat::I420 | PixelFormat::Nv12 | PixelFormat::Gray8 => {
            for (value, &pixel) in out.iter_mut().zip(&row[x..]) {
                *value = T::from(pixel);
            }
        }
        PixelFormat::Gray16Le => {
            for (value, pixel) in out.iter_mut().zip(&row.as_chunks::<2>().0[x..]) {
                *value = T::from(u16::from_le_bytes(*pixel));
            }
        }
        PixelFormat::Rgb8 => {
            for (value, [r, g, b]) in out.iter_mut().zip(&row.as_chunks::<3>().0[x..]) {
                *value = from_luma(LUMA_RGB[0] * f32::from(*r) + LUMA_RGB[1] * f32::from(*g) + LUMA_RGB[2] * f32::from(*b));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{MediaTime, PictureSize, WallEstimate, WallTime};

    fn gray16(counts: impl Fn(usize) -> u16) -> Picture {
        let bytes = (0..64 * 64).flat_map(|index| counts(index).to_le_bytes()).collect();
        let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
        Picture::from_planes(PictureSize::new(64, 64), PixelFormat::Gray16Le, vec![bytes], 0, MediaTime::ZERO, captured).expect("good")
    }

    #[test]
    fn a_dead_pixel_does_not_set_the_scale() {
        let stretch = StretchFinder::default().find(&gray16(|index| if index == 0 { 65535 } else { 3000 + (index % 64) as u16 * 10 }));
        assert!(stretch.black <= 3010 && stretch.white >= 3600 && stretch.white < 3700, "{stretch:?}");
    }

    #[test]
    fn an_even_scene_is_not_blown_up() {
        let stretch = StretchFinder::default().find(&gray16(|index| 3000 + (index % 3) as u16));
        assert!(stretch.white - stretch.black >= STRETCH_SPAN_MIN && stretch.black < 3000 && stretch.white > 3002, "{stretch:?}");
    }
}
