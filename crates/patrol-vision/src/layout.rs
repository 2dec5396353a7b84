//! Reads a model's output: the layouts that a card may name, and the suppression of doubles.

use crate::card::Layout;
use patrol_core::PixelBox;

/// Strides of YOLOX's three grids, in the order of its output.
const YOLOX_STRIDES: [u32; 3] = [8, 16, 32];
/// Candidates kept before suppression, best first: bounds the quadratic step on a picture that the model calls all people.
const CANDIDATES_MAX: usize = 1024;

/// A box in the model's input, before suppression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    pub bbox: PixelBox,
    pub score: f32,
}

/// The model's input, as its layout needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InputExtent {
    pub width: u32,
    pub height: u32,
}

impl InputExtent {
    fn yolox_cells(self) -> usize {
        YOLOX_STRIDES.iter().map(|stride| ((self.width / stride) * (self.height / stride)) as usize).sum()
    }
}

impl Layout {
    /// Checks an output's shape for so many pictures; −1 stands for a size left open. The error says what would fit.
    pub fn check_shape(self, shape: &[i64], pictures: usize, input: InputExtent, person_class: usize) -> Result<(), String> {
        let open_or = |index: usize, fits: &dyn Fn(i64) -> bool| shape.get(index).is_some_and(|&size| size == -1 || fits(size));
        let first = open_or(0, &|size| size == pictures as i64);
        let class = person_class as i64;
        let fits = match self {
            Self::Yolox => {
                let cells = input.yolox_cells() as i64;
                shape.len() == 3 && open_or(1, &|size| size == cells) && open_or(2, &|size| size > 5 + class)
            }
            Self::Yolov8 => shape.len() == 3 && open_or(1, &|size| size > 4 + class) && open_or(2, &|size| size > 0),
            Self::Center => {
                let part = |size: i64, whole: u32| size > 0 && i64::from(whole) % size == 0;
                let sides = open_or(2, &|size| part(size, input.height)) && open_or(3, &|size| part(size, input.width));
                let subcells = open_or(1, &|size| [1, 2, 4].iter().any(|split| size == 5 * split * split));
                shape.len() == 4 && subcells && sides
            }
            Self::Joints => false,
        };
        if first && fits {
            return Ok(());
        }
        Err(match self {
            Self::Yolox => format!("[{pictures}, {}, more than {}]", input.yolox_cells(), 5 + class),
            Self::Yolov8 => format!("[{pictures}, more than {}, n]", 4 + class),
            Self::Center => {
                format!("[{pictures}, 5 · subcells, {} / stride, {} / stride] with 1, 4 or 16 subcells", input.height, input.width)
            }
            Self::Joints => "a detector; a model of joints is named under [pose]".to_owned(),
        })
    }

    /// Appends the people in `values`, whose `shape` has passed [`Layout::check_shape`]; boxes in pixels of the model's input.
    pub fn read(self, values: &[f32], shape: &[i64], input: InputExtent, person_class: usize, min_score: f32, out: &mut Vec<Candidate>) {
        let sizes: [usize; 4] = std::array::from_fn(|index| shape.get(index).map_or(0, |&size| size.max(0) as usize));
        match self {
            Self::Yolox => read_yolox(values, sizes[2], input, person_class, min_score, out),
            Self::Yolov8 => read_yolov8(values, sizes[2], person_class, min_score, out),
            Self::Center => CenterMap::new(values, sizes).read(input, min_score, out),
            Self::Joints => {}
        }
    }
}

fn push(cx: f32, cy: f32, w: f32, h: f32, score: f32, out: &mut Vec<Candidate>) {
    let bbox = PixelBox::new(cx - w / 2.0, cy - h / 2.0, w, h);
    // A model that overflows must not reach the tracker.
    if bbox.is_finite() && score.is_finite() && w > 0.0 && h > 0.0 {
        out.push(Candidate { bbox, score: score.clamp(0.0, 1.0) });
    }
}

fn read_yolox(values: &[f32], row: usize, input: InputExtent, person_class: usize, min_score: f32, out: &mut Vec<Candidate>) {
    let mut rows = values.chunks_exact(row);
    for stride in YOLOX_STRIDES {
        for y in 0..input.height / stride {
            for x in 0..input.width / stride {
                let Some(cell) = rows.next() else { return };
                let score = cell[4] * cell[5 + person_class];
                if score >= min_score {
                    let stride = stride as f32;
                    push(
                        (cell[0] + x as f32) * stride,
                        (cell[1] + y as f32) * stride,
                        cell[2].exp() * stride,
                        cell[3].exp() * stride,
                        score,
                        out,
                    );
                }
            }
        }
    }
}

fn read_yolov8(values: &[f32], n: usize, person_class: usize, min_score: f32, out: &mut Vec<Candidate>) {
    let plane = |index: usize| &values[index * n..(index + 1) * n];
    for (index, &score) in plane(4 + person_class).iter().enumerate() {
        if score >= min_score {
            push(plane(0)[index], plane(1)[index], plane(2)[index], plane(3)[index], score, out);
        }
    }
}

/// An output of `center`: five quantities, each in `split`² planes that interleave to a map `split` times as fine (sub-pixel convolution,
/// Shi et al. 2016; reading it here spares the runtime a copy).
#[derive(Clone, Copy)]
struct CenterMap<'a> {
    values: &'a [f32],
    split: usize,
    /// Height and width of a plane.
    h: usize,
    w: usize,
}

impl<'a> CenterMap<'a> {
    /// `shape` has passed [`Layout::check_shape`].
    fn new(values: &'a [f32], [_, channels, h, w]: [usize; 4]) -> Self {
        Self { values, split: (channels / 5).isqrt(), h, w }
    }

    /// Quantity 0 heat (logit), 1 and 2 offset x and y, 3 width, 4 height, at a fine cell.
    fn at(&self, quantity: usize, x: usize, y: usize) -> f32 {
        let plane = (quantity * self.split + y % self.split) * self.split + x % self.split;
        self.values[(plane * self.h + y / self.split) * self.w + x / self.split]
    }

    /// Peaks of the heat: at least as hot as all eight neighbours; of equal neighbours the first in reading order counts.
    fn read(&self, input: InputExtent, min_score: f32, out: &mut Vec<Candidate>) {
        let (fine_w, fine_h) = (self.w * self.split, self.h * self.split);
        let (stride_x, stride_y) = (input.width as f32 / fine_w as f32, input.height as f32 / fine_h as f32);
        let logit_min = if min_score <= 0.0 { f32::NEG_INFINITY } else { (min_score / (1.0 - min_score).max(1e-6)).ln() };
        for (plane, heat) in self.values.chunks_exact(self.w * self.h).take(self.split * self.split).enumerate() {
            for (index, &here) in heat.iter().enumerate() {
                // Also false where the heat is no number.
                if here >= logit_min {
                    let x = index % self.w * self.split + plane % self.split;
                    let y = index / self.w * self.split + plane / self.split;
                    if self.is_peak(x, y) {
                        let (cx, cy) = ((x as f32 + self.at(1, x, y)) * stride_x, (y as f32 + self.at(2, x, y)) * stride_y);
                        push(cx, cy, self.at(3, x, y), self.at(4, x, y), 1.0 / (1.0 + (-here).exp()), out);
                    }
                }
            }
        }
    }

    fn is_peak(&self, x: usize, y: usize) -> bool {
        let here = self.at(0, x, y);
        for ny in y.saturating_sub(1)..=(y + 1).min(self.h * self.split - 1) {
            for nx in x.saturating_sub(1)..=(x + 1).min(self.w * self.split - 1) {
                let there = self.at(0, nx, ny);
                let earlier = (ny, nx) < (y, x);
                if there > here || (earlier && there == here) {
                    return false;
                }
            }
        }
        true
    }
}

/// Best first; bounded, so that a picture that a model calls all people costs no more.
pub fn keep_best(candidates: &mut Vec<Candidate>) {
    candidates.sort_by(|a, b| b.score.total_cmp(&a.score));
    candidates.truncate(CANDIDATES_MAX);
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUT: InputExtent = InputExtent { width: 32, height: 32 };

    #[test]
    fn a_plateau_of_heat_is_one_peak() {
        let mut values = vec![-9.0; 5 * 64];
        for at in [9, 10, 17, 18] {
            values[at] = 2.0;
        }
        values[64..].fill(4.0);
        let mut found = Vec::new();
        Layout::Center.read(&values, &[1, 5, 8, 8], INPUT, 0, 0.3, &mut found);
        assert_eq!(found.len(), 1);
        assert!((found[0].score - 0.880_797).abs() < 1e-5);
    }

    #[test]
    fn subcells_interleave_to_a_finer_map() {
        // 4 × 4 cells of 2 × 2 subcells: stride 4 again. Subcell (1, 0) of cell (2, 3) is fine cell (5, 6).
        let mut values = vec![-9.0; 20 * 16];
        let at = |quantity: usize| (quantity * 4 + 1) * 16 + 3 * 4 + 2;
        values[at(0)] = 2.0;
        // Its neighbour in another subcell of another cell is less hot.
        values[4 * 3 + 3] = 1.5;
        (values[at(1)], values[at(2)], values[at(3)], values[at(4)]) = (0.5, 0.25, 6.0, 8.0);
        let mut found = Vec::new();
        Layout::Center.read(&values, &[1, 20, 4, 4], INPUT, 0, 0.3, &mut found);
        assert_eq!(found.iter().map(|one| one.bbox).collect::<Vec<_>>(), vec![PixelBox::new(22.0 - 3.0, 25.0 - 4.0, 6.0, 8.0)]);
    }

    #[test]
    fn numbers_that_are_none_give_no_box() {
        let mut found = Vec::new();
        Layout::Center.read(&vec![f32::NAN; 5 * 64], &[1, 5, 8, 8], INPUT, 0, 0.3, &mut found);
        Layout::Yolox.read(&vec![f32::INFINITY; 21 * 7], &[1, 21, 7], INPUT, 0, 0.3, &mut found);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn shapes_are_checked_with_open_sizes() {
        assert!(Layout::Yolox.check_shape(&[1, 21, 85], 1, INPUT, 0).is_ok());
        assert_eq!(Layout::Yolox.check_shape(&[1, 85, 21], 1, INPUT, 0).expect_err("turned"), "[1, 21, more than 5]");
        assert!(Layout::Yolov8.check_shape(&[-1, 84, -1], 1, INPUT, 0).is_ok());
        assert!(Layout::Yolov8.check_shape(&[1, 5, 21], 1, INPUT, 3).is_err());
        assert!(Layout::Center.check_shape(&[1, 5, 8, 8], 1, INPUT, 0).is_ok());
        assert!(Layout::Center.check_shape(&[1, 20, 4, 4], 1, INPUT, 0).is_ok());
        assert!(Layout::Center.check_shape(&[1, 4, 8, 8], 1, INPUT, 0).is_err());
        assert!(Layout::Center.check_shape(&[1, 45, 8, 8], 1, INPUT, 0).is_err());
    }
}
