//! Connected regions at a ladder of thresholds, as a tree.

use super::Active;
use patrol_core::{Blob, PixelPoint};

/// Lowest threshold, σ: half of the contrast that is reported by default.
const FIRST: f32 = 2.0;
/// From one threshold to the next. Finer finds no other bodies, only costs time.
const RATIO: f32 = 1.3;
/// 2 σ · 1.3^24 is 1085 σ: hotter than that only lamps differ from one another.
const LEVELS_MAX: usize = 24;
/// Smaller regions are noise at any threshold and are not kept.
const AREA_MIN: u32 = 4;

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
    pub(crate) angle: f32,
}

#[derive(Debug, Default)]
pub(crate) struct Forest {
    pub(crate) regions: Vec<Region>,
    runs: Vec<Run>,
    next: Vec<Run>,
    numbers: Vec<u32>,
}

impl Forest {
    /// Finds the regions of `residual`; those of one threshold follow those of the threshold below.
    pub(crate) fn grow(&mut self, residual: &[f32], smooth: &[f32], w: usize, active: Active) {
        self.regions.clear();
        self.runs.clear();
        for y in active.top..active.bottom {
            split(&residual[y * w..(y + 1) * w], y, active.left, active.right, FIRST, NONE, &mut self.runs);
        }
        let mut threshold = FIRST;
        for _ in 0..LEVELS_MAX {
            join(&mut self.runs);
            self.collect(residual, smooth, w, threshold);
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
    fn collect(&mut self, residual: &[f32], smooth: &[f32], w: usize, threshold: f32) {
        let first = self.regions.len();
        for index in 0..self.runs.len() {
            let run = self.runs[index];
            let number = if run.label as usize == index {
                self.regions.push(Region::empty(threshold, (run.inside != NONE).then_some(run.inside)));
                self.regions.len() - 1
            } else {
                self.runs[run.label as usize].label as usize
            };
            // The first run of a region comes before its others, so its label is a region's number when they ask.
            self.runs[index].label = number as u32;
            let row = usize::from(run.y) * w;
            let pixels = row + usize::from(run.from)..row + usize::from(run.to);
            self.regions[number].add(&run, &residual[pixels.clone()], &smooth[pixels]);
        }
        // Small ones go; the numbers of the others close up.
        let mut kept = first;
        self.numbers.clear();
        for index in first..self.regions.len() {
            if self.regions[index].area >= AREA_MIN {
                self.regions[kept] = self.regions[index];
                if let Some(parent) = self.regions[kept].parent {
                    self.regions[parent as usize].area_above += self.regions[kept].area;
                }
                self.numbers.push(kept as u32);
                kept += 1;
            } else {
                self.numbers.push(NONE);
            }
        }
        self.regions.truncate(kept);
        for run in &mut self.runs {
            run.label = self.numbers[run.label as usize - first];
        }
    }
}

/// Appends the runs above `threshold` in `[from, to)` of a row.
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

impl Region {
    fn empty(threshold: f32, parent: Option<u32>) -> Self {
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

    fn add(&mut self, run: &Run, residual: &[f32], smooth: &[f32]) {
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
        self.sum_residual += residual.iter().map(|&value| f64::from(value)).sum::<f64>();
        self.sum_smooth += smooth.iter().map(|&value| f64::from(value)).sum::<f64>();
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
        let (mean, half) = (f64::midpoint(xx, yy), ((xx - yy) / 2.0).hypot(xy));
        Shape {
            centre: PixelPoint { x: cx as f32, y: cy as f32 },
            major: 4.0 * (mean + half).sqrt() as f32,
            minor: 4.0 * (mean - half).max(0.0).sqrt() as f32,
            angle: (0.5 * (2.0 * xy).atan2(xx - yy)) as f32,
        }
    }

    pub(crate) fn blob(&self, contrast_sigma: f32) -> Blob {
        let shape = self.shape();
        Blob {
            area_px: self.area as f32,
            centroid: shape.centre,
            major_px: shape.major,
            minor_px: shape.minor,
            angle_rad: shape.angle,
            contrast_sigma,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grow(rows: &[&str]) -> Vec<Region> {
        let w = rows[0].len();
        let residual: Vec<f32> =
            rows.iter().flat_map(|row| row.bytes().map(|byte| if byte == b'.' { 0.0 } else { f32::from(byte - b'0') })).collect();
        let mut forest = Forest::default();
        forest.grow(&residual, &residual, w, Active { left: 0, top: 0, right: w, bottom: rows.len() });
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
        assert!(shape.angle.abs() < 1e-3 && (shape.centre.x - 3.0).abs() < 1e-3 && (shape.centre.y - 2.0).abs() < 1e-3, "{shape:?}");
    }
}
