//! One copy of a picture's planes, tightly packed, whatever its format.

use super::frame::Border;
use patrol_core::{Picture, PixelFormat};

#[derive(Debug, Default)]
pub(super) struct Planes {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) luma: Vec<u8>,
    /// U and V at half width and height, rounded up; empty for grey pictures.
    pub(super) chroma: Vec<[u8; 2]>,
    pub(super) chroma_width: usize,
}

impl Planes {
    pub(super) fn load(&mut self, picture: &Picture, with_chroma: bool) {
        self.width = picture.size().width as usize;
        self.height = picture.size().height as usize;
        self.chroma_width = self.width.div_ceil(2);
        self.luma.clear();
        self.chroma.clear();
        match picture.format() {
            PixelFormat::Rgb8 => self.load_rgb(picture),
            PixelFormat::I420 | PixelFormat::Nv12 | PixelFormat::Gray8 | PixelFormat::Gray16Le => {
                for y in 0..self.height {
                    self.luma.extend_from_slice(&picture.row(0, y)[..self.width]);
                }
            }
        }
        if with_chroma {
            for y in 0..self.height.div_ceil(2) {
                match picture.format() {
                    PixelFormat::I420 => {
                        self.chroma.extend(picture.row(1, y).iter().zip(picture.row(2, y)).map(|(u, v)| [*u, *v]));
                    }
                    PixelFormat::Nv12 => self.chroma.extend_from_slice(picture.row(1, y).as_chunks::<2>().0),
                    PixelFormat::Rgb8 | PixelFormat::Gray8 | PixelFormat::Gray16Le => {}
                }
            }
        }
    }

    /// Full-range BT.601; colour as the mean of four pixels.
    fn load_rgb(&mut self, picture: &Picture) {
        for y in 0..self.height {
            let row = picture.row(0, y).as_chunks::<3>().0;
            self.luma
                .extend(row.iter().map(|[r, g, b]| ((77 * u32::from(*r) + 150 * u32::from(*g) + 29 * u32::from(*b) + 128) >> 8) as u8));
        }
        for y in (0..self.height).step_by(2) {
            let rows = [picture.row(0, y), picture.row(0, (y + 1).min(self.height - 1))].map(|row| row.as_chunks::<3>().0);
            for x in (0..self.width).step_by(2) {
                let right = (x + 1).min(self.width - 1);
                let sum = |channel: usize| rows.iter().map(|row| i32::from(row[x][channel]) + i32::from(row[right][channel])).sum::<i32>();
                let (r, g, b) = (sum(0), sum(1), sum(2));
                // Rows of the BT.601 matrix in 1/256, over four pixels.
                let u = 128 + ((-43 * r - 85 * g + 128 * b) >> 10);
                let v = 128 + ((128 * r - 107 * g - 21 * b) >> 10);
                self.chroma.push([u.clamp(0, 255) as u8, v.clamp(0, 255) as u8]);
            }
        }
    }

    pub(super) fn row(&self, y: usize) -> &[u8] {
        &self.luma[y * self.width..(y + 1) * self.width]
    }

    pub(super) fn chroma_row(&self, y: usize) -> &[[u8; 2]] {
        &self.chroma[y * self.chroma_width..(y + 1) * self.chroma_width]
    }
}

/// Distance of a colour from grey.
pub(super) fn colourfulness(u: u8, v: u8) -> u16 {
    u16::from(u.abs_diff(128)) + u16::from(v.abs_diff(128))
}

/// Part of the picture whose colour is farther than `limit` from grey; every second row of the chroma is looked at.
pub(super) fn coloured_part(picture: &Picture, limit: u16) -> f32 {
    let (mut coloured, mut total) = (0_usize, 0_usize);
    let rows = picture.size().height.div_ceil(2) as usize;
    for y in (0..rows).step_by(2) {
        match picture.format() {
            PixelFormat::I420 => {
                let (u, v) = (picture.row(1, y), picture.row(2, y));
                coloured += u.iter().zip(v).filter(|(u, v)| colourfulness(**u, **v) > limit).count();
                total += u.len();
            }
            PixelFormat::Nv12 => {
                let pairs = picture.row(1, y).as_chunks::<2>().0;
                coloured += pairs.iter().filter(|[u, v]| colourfulness(*u, *v) > limit).count();
                total += pairs.len();
            }
            PixelFormat::Rgb8 => {
                let pixels = picture.row(0, y * 2).as_chunks::<3>().0;
                // The spread between channels is about as large as the two distances from grey together.
                coloured += pixels.iter().filter(|[r, g, b]| u16::from(*r.max(g).max(b) - *r.min(g).min(b)) > limit).count();
                total += pixels.len();
            }
            PixelFormat::Gray8 | PixelFormat::Gray16Le => return 0.0,
        }
    }
    coloured as f32 / total.max(1) as f32
}

/// Levels of U and V by which a border may vary.
const EVEN: u8 = 8;

/// The border without bands that are of one brightness and many colours; no border at all when one of them is.
pub(super) fn even_in_colour(picture: &Picture, border: Border) -> Border {
    let (width, height) = (picture.size().width as usize, picture.size().height as usize);
    let colour = |x: usize, y: usize| match picture.format() {
        PixelFormat::I420 => [picture.row(1, y / 2)[x / 2], picture.row(2, y / 2)[x / 2]],
        PixelFormat::Nv12 => [picture.row(1, y / 2)[x / 2 * 2], picture.row(1, y / 2)[x / 2 * 2 + 1]],
        PixelFormat::Rgb8 => [picture.row(0, y)[x * 3], picture.row(0, y)[x * 3 + 2]],
        PixelFormat::Gray8 | PixelFormat::Gray16Le => [128; 2],
    };
    let [left, top, right, bottom] = border.inside(width, height);
    let is_even = |xs: std::ops::Range<usize>, ys: std::ops::Range<usize>| {
        // The rows beside the picture are mixed with it.
        let (mut low, mut high) = ([255; 2], [0; 2]);
        for y in ys {
            for x in xs.clone().step_by(2) {
                for (channel, value) in colour(x, y).into_iter().enumerate() {
                    low[channel] = low[channel].min(value);
                    high[channel] = high[channel].max(value);
                }
            }
        }
        (0..2).all(|channel| high[channel] <= low[channel].saturating_add(EVEN))
    };
    let even = is_even(0..width, 0..top.saturating_sub(4))
        && is_even(0..width, (bottom + 4).min(height)..height)
        && is_even(0..left.saturating_sub(4), top..bottom)
        && is_even((right + 4).min(width)..width, top..bottom);
    if even { border } else { Border::default() }
}
