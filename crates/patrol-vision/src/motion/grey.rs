//! Small grey pictures of any format: what motion is looked for in.

use crate::luma::{self, Stretch, StretchFinder};
use patrol_core::{Picture, PixelFormat};

/// Flow is followed in pictures of at most this width: half of a 640-pixel thermal picture, a quarter of 1080p.
const WORK_WIDTH_MAX: usize = 480;
/// From this reduction on every second row is enough: four and more samples a pixel are left.
const SKIP_ROWS_FROM: usize = 4;
/// Raw counts keep their scale until the scene's range has moved by this part of it.
const STRETCH_KEPT_PART: f32 = 0.25;

/// One plane of grey levels without padding.
#[derive(Debug, Clone, Default)]
pub(super) struct Grey {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Pixels of the full picture along a side of a pixel here.
    pub(super) factor: usize,
    pub(super) pixels: Vec<u8>,
}

/// Makes [`Grey`] pictures; keeps its buffers.
#[derive(Debug, Default)]
pub(super) struct GreyMaker {
    finder: StretchFinder,
    row: Vec<f32>,
    levels: Vec<u8>,
    sums: Vec<u16>,
}

impl GreyMaker {
    /// The mean of `factor` × `factor` pixels each, into `out`; raw counts on the scale of `stretch`.
    pub(super) fn make(&mut self, picture: &Picture, stretch: Option<Stretch>, out: &mut Grey) {
        let (w, h) = (picture.size().width as usize, picture.size().height as usize);
        let factor = w.div_ceil(WORK_WIDTH_MAX).max(1);
        (out.width, out.height, out.factor) = (w / factor, h / factor, factor);
        out.pixels.clear();
        out.pixels.reserve(out.width * out.height);
        let row_step = if factor >= SKIP_ROWS_FROM { 2 } else { 1 };
        let samples = (factor * factor.div_ceil(row_step)) as u32;
        // Fixed-point division, rounded to nearest: exact for sums of 255 · 256 samples at most.
        let (inverse, half) = ((1_u32 << 16).div_ceil(samples), samples / 2);
        for y in 0..out.height {
            self.sums.clear();
            self.sums.resize(w, 0);
            for from in (y * factor..(y + 1) * factor).step_by(row_step) {
                self.add_row(picture, stretch, from);
            }
            let mean = |cell: &[u16]| (((cell.iter().map(|&sum| u32::from(sum)).sum::<u32>() + half) * inverse) >> 16).min(255) as u8;
            match factor {
                // The two reductions that matter most, with a length that the compiler knows.
                2 => out.pixels.extend(self.sums.as_chunks::<2>().0.iter().map(|cell| mean(cell))),
                4 => out.pixels.extend(self.sums.as_chunks::<4>().0.iter().map(|cell| mean(cell))),
                _ => out.pixels.extend(self.sums.chunks_exact(factor).map(mean)),
            }
        }
    }

    /// Looks whether raw counts need another scale; `true` when pictures made before no longer compare.
    pub(super) fn rescale(&mut self, picture: &Picture, stretch: &mut Option<Stretch>) -> bool {
        if picture.format() != PixelFormat::Gray16Le {
            return false;
        }
        let now = self.finder.find(picture);
        let kept = stretch.is_some_and(|old| {
            let tolerance = STRETCH_KEPT_PART * (f32::from(old.white) - f32::from(old.black));
            let near = |a: u16, b: u16| (f32::from(a) - f32::from(b)).abs() <= tolerance;
            near(old.black, now.black) && near(old.white, now.white)
        });
        if !kept {
            *stretch = Some(now);
        }
        !kept
    }

    fn add_row(&mut self, picture: &Picture, stretch: Option<Stretch>, y: usize) {
        let levels = match picture.format() {
            PixelFormat::I420 | PixelFormat::Nv12 | PixelFormat::Gray8 => picture.row(0, y),
            PixelFormat::Gray16Le | PixelFormat::Rgb8 => {
                self.row.resize(picture.size().width as usize, 0.0);
                luma::row_into(picture, y, &mut self.row);
                self.levels.clear();
                match stretch.filter(|_| picture.format() == PixelFormat::Gray16Le) {
                    Some(stretch) => self.levels.extend(self.row.iter().map(|&count| stretch.grey(count) as u8)),
                    None => self.levels.extend(self.row.iter().map(|&level| level as u8)),
                }
                &self.levels
            }
        };
        for (sum, &level) in self.sums.iter_mut().zip(levels) {
            *sum += u16::from(level);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{MediaTime, PictureSize, WallEstimate, WallTime};

    #[test]
    fn each_pixel_is_the_mean_of_its_square() {
        for (w, h) in [(640, 512), (1920, 1080), (1280, 720), (417, 301)] {
            let pixels: Vec<u8> = (0..w * h).map(|index| (index % w * 200 / w + index / w * 50 / h) as u8).collect();
            let size = PictureSize::new(w as u32, h as u32);
            let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
            let picture = Picture::from_planes(size, PixelFormat::Gray8, vec![pixels], 0, MediaTime::ZERO, captured).expect("good");
            let mut grey = Grey::default();
            GreyMaker::default().make(&picture, None, &mut grey);
            assert!(grey.width <= 480 && grey.pixels.len() == grey.width * grey.height, "{w}: {}", grey.width);
            for (x, y) in [(0, 0), (grey.width / 2, grey.height / 3), (grey.width - 1, grey.height - 1)] {
                let (fx, fy) = ((x as f32 + 0.5) * grey.factor as f32, (y as f32 + 0.5) * grey.factor as f32);
                let expected = fx * 200.0 / w as f32 + fy * 50.0 / h as f32;
                assert!((f32::from(grey.pixels[y * grey.width + x]) - expected).abs() < 2.0, "{w}: {x}, {y}");
            }
        }
    }
}
