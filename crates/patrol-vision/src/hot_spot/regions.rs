//! Connected regions at a ladder of thresholds, as a tree.

use super::Active;
use patrol_core::{Blob, PixelPoint};

/// Lowest threshold, σ: half of the contrast that is reported by default.
const FIRST: f32 = 2.0;
/// From one threshold to the next. Finer finds no other bodies, only costs time.
pub(super) const RATIO: f32 = 1.3;
/// 2 σ · 1.3^24 is 1085 σ: hotter than that only lamps differ from one another.
const LEVELS_MAX: usize = 24;
/// Pixels side by side in one row above the threshold; `[from, to)`.
#[derive(Debug, Clone, Copy)]
struct Run {
    y: u16,
    from: u16,
    to: u16,
    /// Kept region of the level below that it lies in.
    inside: u32,
    /// While joining: a run of the same region with a lower index, at last the first. Then the region's number, or [`NONE`].
    label: u32,
}

const NONE: u32 = u32::MAX;

/// A connected region above one threshold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Region {
    pub(crate) threshold: f32,
    /// Region of the threshold below that contains it; always earlier in the list.
    pub(crate) parent: Option<u32>,
    pub(crate) area: u32,
    /// Of the regions of the next threshold inside this one.
    area_above: u32,
    /// `[left, right)`, `[top, bottom)`.
    pub(crate) left: u16,
    pub(crate) right: u16,
    pub(crate) top: u16,
    pub(crate) bottom: u16,
    sum_x: f64,
    sum_y: f64,
    sum_xx: f64,
    sum_yy: f64,
    sum_xy: f64,
    sum_residual: f64,
    sum_smooth: f64,
}

/// Axes of a region, from its second moments.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) centre: PixelPoint,
    pub(crate) major: f32,
    pub(crate) minor: f32,
    /// Cosine and sine of the long axis' direction.
    pub(crate) direction: [f32; 2],
}

#[derive(Debug, Default)]
pub(crate) struct Forest {
    pub(crate) regions: Vec<Region>,
    runs: Vec<Run>,
    next: Vec<Run>,
    flags: Vec<u8>,
    /// Of each region, at its first run: its area, and its place among the regions.
    areas: Vec<u32>,
    numbers: Vec<u32>,
}

impl Forest {
    /// Finds the regions of `residual`; those of one threshold follow those of the threshold below. Smaller ones than
    /// `least_area` are not kept.
    pub(crate) fn grow(&mut self, residual: &[f32], smooth: &[f32], w: usize, active: Active, least_area: u32) {
        self.regions.clear();
        self.runs.clear();
        for y in active.top..active.bottom {
            split_row(&residual[y * w + active.left..y * w + active.right], y, active.left, FIRST, &mut self.flags, &mut self.runs);
        }
        let mut threshold = FIRST;
        for _ in 0..LEVELS_MAX {
            join(&mut self.runs);
            self.collect(residual, smooth, w, threshold, least_area);
            threshold *= RATIO;
            self.next.clear();
            for run in self.runs.iter().filter(|run| run.label != NONE) {
                let y = usize::from(run.y);
                split(&residual[y * w..(y + 1) * w], y, run.from.into(), run.to.into(), threshold, run.label, &mut self.next);
            }
            std::mem::swap(&mut self.runs, &mut self.next);
            if self.runs.is_empty() {
                break;
            }
        }
    }

    /// Measures the joined runs, and labels each with its region.
    fn collect(&mut self, residual: &[f32], smooth: &[f32], w: usize, threshold: f32, least_area: u32) {
        // Most regions are noise: none is measured before its area is known.
        self.areas.clear();
        self.areas.resize(self.runs.len(), 0);
        for run in &self.runs {
            self.areas[run.label as usize] += u32::from(run.to - run.from);
        }
        self.numbers.clear();
        self.numbers.resize(self.runs.len(), NONE);
        for run in &mut self.runs {
            // The first run of a region comes before its others.
            let first = run.label as usize;
            run.label = NONE;
            if self.areas[first] < least_area {
                continue;
            }
            if self.numbers[first] == NONE {
                self.numbers[first] = self.regions.len() as u32;
                let parent = (run.inside != NONE).then_some(run.inside);
                if let Some(parent) = parent {
                    self.regions[parent as usize].area_above += self.areas[first];
                }
                self.regions.push(Region::empty(threshold, parent));
            }
            run.label = self.numbers[first];
            let row = usize::from(run.y) * w;
            let pixels = row + usize::from(run.from)..row + usize::from(run.to);
            self.regions[run.label as usize].add(run, sum(&residual[pixels.clone()]), sum(&smooth[pixels]));
        }
    }
}

/// Appends the runs above `threshold` in `[from, to)` of a row: most runs above higher thresholds are short.
fn split(row: &[f32], y: usize, from: usize, to: usize, threshold: f32, inside: u32, out: &mut Vec<Run>) {
    let mut x = from;
    while x < to {
        let Some(skipped) = row[x..to].iter().position(|&value| value > threshold) else { return };
        let start = x + skipped;
        let length = row[start..to].iter().position(|&value| value <= threshold).unwrap_or(to - start);
        out.push(Run { y: y as u16, from: start as u16, to: (start + length) as u16, inside, label: NONE });
        x = start + length + 1;
    }
}

/// The same for a whole row, of which most is below the threshold. `flags`: a byte for each pixel, 1 above it; sixteen make a word.
fn split_row(row: &[f32], y: usize, left: usize, threshold: f32, flags: &mut Vec<u8>, out: &mut Vec<Run>) {
    // One more, so that a run to the end ends.
    flags.resize((row.len() + 1).next_multiple_of(16), 0);
    for (flag, &value) in flags.iter_mut().zip(row) {
        *flag = u8::from(value > threshold);
    }
    flags[row.len()..].fill(0);
    let (mut before, mut start) = (0, None);
    for (index, bytes) in flags.as_chunks::<16>().0.iter().enumerate() {
        let word = u128::from_le_bytes(*bytes);
        let mut changes = word ^ (word << 8 | before);
        before = word >> 120;
        while changes != 0 {
            let x = (left + index * 16 + changes.trailing_zeros() as usize / 8) as u16;
            match start.take() {
                None => start = Some(x),
                Some(from) => out.push(Run { y: y as u16, from, to: x, inside: NONE, label: NONE }),
            }
            changes &= changes - 1;
        }
    }
}

/// Labels each run with the first run of its region; runs touch along edges and corners.
fn join(runs: &mut [Run]) {
    let mut above = 0;
    for index in 0..runs.len() {
        runs[index].label = index as u32;
        let here = runs[index];
        while runs[above].y + 1 < here.y || (runs[above].y + 1 == here.y && runs[above].to < here.from) {
            above += 1;
        }
        let mut touching = above;
        while runs[touching].y + 1 == here.y && runs[touching].from <= here.to {
            let (a, b) = (root(runs, index as u32), root(runs, touching as u32));
            let (low, high) = (a.min(b), a.max(b));
            runs[high as usize].label = low;
            touching += 1;
        }
    }
    for index in 0..runs.len() {
        runs[index].label = root(runs, index as u32);
    }
}

fn root(runs: &mut [Run], mut index: u32) -> u32 {
    while runs[index as usize].label != index {
        let next = runs[index as usize].label;
        runs[index as usize].label = runs[next as usize].label;
        index = next;
    }
    index
}

/// In four partial sums, so that no addition waits for the one before.
fn sum(values: &[f32]) -> f32 {
    let (fours, rest) = values.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for four in fours {
        for (sum, value) in sums.iter_mut().zip(four) {
            *sum += value;
        }
    }
    sums.iter().chain(rest).sum()
}

impl Region {
    pub(super) fn empty(threshold: f32, parent: Option<u32>) -> Self {
        Self {
            threshold,
            parent,
            area: 0,
            area_above: 0,
            left: u16::MAX,
            right: 0,
            top: u16::MAX,
            bottom: 0,
            sum_x: 0.0,
            sum_y: 0.0,
            sum_xx: 0.0,
            sum_yy: 0.0,
            sum_xy: 0.0,
            sum_residual: 0.0,
            sum_smooth: 0.0,
        }
    }

    pub(super) fn add_pixel(&mut self, x: u16, y: u16, residual: f32, smooth: f32) {
        self.add(&Run { y, from: x, to: x + 1, inside: NONE, label: NONE }, residual, smooth);
    }

    fn add(&mut self, run: &Run, residual: f32, smooth: f32) {
        let (from, to, y) = (f64::from(run.from), f64::from(run.to), f64::from(run.y) + 0.5);
        let n = to - from;
        // Pixel centres are at x + ½: Σx and Σx² of consecutive halves.
        let sum_x = n * (from + to) / 2.0;
        let squares = |end: f64| end * end * end / 3.0 - end / 12.0;
        self.area += u32::from(run.to - run.from);
        self.sum_x += sum_x;
        self.sum_xx += squares(to) - squares(from);
        self.sum_y += n * y;
        self.sum_yy += n * y * y;
        self.sum_xy += sum_x * y;
        self.sum_residual += f64::from(residual);
        self.sum_smooth += f64::from(smooth);
        self.left = self.left.min(run.from);
        self.right = self.right.max(run.to);
        self.top = self.top.min(run.y);
        self.bottom = self.bottom.max(run.y + 1);
    }

    /// By how many pixels its outline draws back at the next threshold: a body stands still, haze and slopes do not.
    pub(crate) fn creep_px(&self, shape: &Shape) -> f32 {
        if self.area_above == 0 {
            return 0.0;
        }
        let outline = std::f32::consts::FRAC_PI_2 * (shape.major + shape.minor.max(1.0));
        (self.area - self.area_above) as f32 / outline
    }

    /// Mean of the smoothed picture.
    pub(crate) fn mean(&self) -> f32 {
        (self.sum_smooth / f64::from(self.area)) as f32
    }

    /// Mean contrast against the background, σ.
    pub(crate) fn mean_residual(&self) -> f32 {
        (self.sum_residual / f64::from(self.area)) as f32
    }

    pub(crate) fn shape(&self) -> Shape {
        let n = f64::from(self.area);
        let (cx, cy) = (self.sum_x / n, self.sum_y / n);
        // A pixel's own extent adds 1/12 to the variance.
        let xx = self.sum_xx / n - cx * cx + 1.0 / 12.0;
        let yy = self.sum_yy / n - cy * cy + 1.0 / 12.0;
        let xy = self.sum_xy / n - cx * cy;
        let (mean, half) = (f64::midpoint(xx, yy), ((xx - yy).powi(2) / 4.0 + xy * xy).sqrt());
        Shape {
            centre: PixelPoint { x: cx as f32, y: cy as f32 },
            major: 4.0 * (mean + half).sqrt() as f32,
            minor: 4.0 * (mean - half).max(0.0).sqrt() as f32,
            direction: direction((xx - yy) as f32 / 2.0, xy as f32, half as f32),
        }
    }

    pub(crate) fn blob(&self, contrast_sigma: f32, score: f32, body_like: bool) -> Blob {
        let shape = self.shape();
        Blob {
            area_px: self.area as f32,
            centroid: shape.centre,
            major_px: shape.major,
            minor_px: shape.minor,
            angle_rad: shape.direction[1].atan2(shape.direction[0]),
            contrast_sigma,
            score,
            body_like,
        }
    }
}

/// Half the angle of (`cosine`, `sine`), whose length is `length`: −π/2 to π/2.
fn direction(cosine: f32, sine: f32, length: f32) -> [f32; 2] {
    if length <= f32::EPSILON {
        return [1.0, 0.0];
    }
    let half = cosine / length / 2.0;
    let (cosine, absolute) = ((0.5 + half).max(0.0).sqrt(), (0.5 - half).max(0.0).sqrt());
    [cosine, absolute.copysign(sine)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grow(rows: &[&str]) -> Vec<Region> {
        let w = rows[0].len();
        let residual: Vec<f32> =
            rows.iter().flat_map(|row| row.bytes().map(|byte| if byte == b'.' { 0.0 } else { f32::from(byte - b'0') })).collect();
        let mut forest = Forest::default();
        forest.grow(&residual, &residual, w, Active { left: 0, top: 0, right: w, bottom: rows.len() }, 4);
        forest.regions
    }

    #[test]
    fn corners_and_bays_join() {
        let regions = grow(&["3..3", "3..3", ".33.", "...."]);
        assert_eq!(regions.len(), 1 + 1, "2 σ and 2.6 σ");
        assert_eq!((regions[0].area, regions[0].right, regions[0].bottom), (6, 4, 3));
        assert_eq!(regions[1].parent, Some(0));
    }

    #[test]
    fn two_hot_parts_are_children_of_one_warm_region() {
        let regions = grow(&["99.99", "99399", "99.99"]);
        let first_split = regions.iter().filter(|region| region.threshold > 3.0 && region.threshold < 4.0).collect::<Vec<_>>();
        assert_eq!(first_split.len(), 2);
        assert!(first_split.iter().all(|region| region.area == 6));
        assert_eq!(first_split[0].parent, first_split[1].parent);
    }

    #[test]
    fn a_bar_has_its_own_length_and_direction() {
        let regions = grow(&["......", ".9999.", ".9999.", "......"]);
        let shape = regions[0].shape();
        // 4σ of a uniform bar is 4/√12 of its length.
        assert!(
            (shape.major - 4.0 * 4.0 / 12.0_f32.sqrt()).abs() < 0.01 && (shape.minor - 4.0 * 2.0 / 12.0_f32.sqrt()).abs() < 0.01,
            "{shape:?}"
        );
        assert!(shape.direction[1].abs() < 1e-3 && (shape.centre.x - 3.0).abs() < 1e-3 && (shape.centre.y - 2.0).abs() < 1e-3, "{shape:?}");
    }
}
