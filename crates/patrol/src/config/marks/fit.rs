//! The view that shows the marks where they were marked: least squares of what is left, in pixels, by Levenberg and Marquardt from several starts.

use patrol_core::{CameraView, PictureSize};
use serde::Deserialize;

/// A point of the ground.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mark {
    /// Where it is seen: x, y.
    pub(super) px: [f64; 2],
    /// Metres east and north of the camera's foot.
    pub(super) ground_m: [f64; 2],
}

/// What need not be found.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Known {
    pub(super) height_m: Option<f64>,
    pub(super) tilt_deg: Option<f64>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Fit {
    unknowns: Unknowns,
    size: PictureSize,
    pub(super) tilt_deg: f64,
    /// Root mean square of the distances in the picture between the marks and where the view shows them.
    pub(super) rms_px: f64,
    /// Standard errors of the height and of the focal length, as parts of them.
    pub(super) height_error: f64,
    pub(super) focal_error: f64,
}

/// Logarithm of the height in metres, tilt and heading in radians, logarithm of the focal length in pixels.
type Unknowns = [f64; 4];
const HEIGHT: usize = 0;
const TILT: usize = 1;
const FOCAL: usize = 3;

/// Starts: every tilt with every field of view; height and heading follow from them.
const START_TILTS: usize = 18;
const START_HFOVS_DEG: [f64; 9] = [3.0, 8.0, 15.0, 25.0, 40.0, 60.0, 80.0, 105.0, 140.0];
/// So many of the best starts are followed.
const STARTS_FOLLOWED: usize = 10;
const STEPS_MAX: usize = 100;
/// Least depth at which anything is seen, metres: that of [`CameraView::pixel_from_ground`].
const DEPTH_MIN_M: f64 = 0.1;
/// Downward part of a start's ray at least, where that of a mark does not point down.
const DOWN_MIN: f64 = 0.02;
/// Error of a hand that marks a point, as a part of the picture's width: 2 px of 1920.
const HAND_ERROR: f64 = 2.0 / 1920.0;

impl Fit {
    pub(super) fn view(&self) -> CameraView {
        let [ln_height, _, heading, ln_focal] = self.unknowns;
        CameraView {
            height_m: ln_height.exp() as f32,
            tilt_deg: self.tilt_deg as f32,
            heading_deg: heading.to_degrees().rem_euclid(360.0) as f32,
            hfov_deg: (2.0 * (f64::from(self.size.width) / 2.0 / ln_focal.exp()).atan().to_degrees()) as f32,
        }
    }

    /// Distance in the picture between the mark and where the view shows it; `None`: behind the camera.
    pub(super) fn miss_px(&self, mark: &Mark) -> Option<f64> {
        miss(&self.unknowns, mark, self.size).map(|[x, y]| x.hypot(y))
    }
}

/// The best view; `None`: none has all marks before it.
pub(super) fn fit(marks: &[Mark], size: PictureSize, known: Known) -> Option<Fit> {
    let fitter = Fitter { marks, size, known };
    let mut starts: Vec<(f64, Unknowns)> = fitter.starts().into_iter().map(|start| (fitter.cost(&start), start)).collect();
    starts.retain(|(cost, _)| cost.is_finite());
    starts.sort_by(|a, b| a.0.total_cmp(&b.0));
    let ends = starts.iter().take(STARTS_FOLLOWED).map(|(_, start)| fitter.descend(*start));
    let (cost, unknowns) = ends.min_by(|a, b| a.0.total_cmp(&b.0))?;
    let rms_px = (cost / marks.len() as f64).sqrt();
    let error_px = rms_px.max(HAND_ERROR * f64::from(size.width));
    let normal = fitter.normal(&unknowns).map(|(normal, _)| normal);
    let error = |index: usize| {
        let unit = std::array::from_fn(|other| if other == index { 1.0 } else { 0.0 });
        let column = normal.and_then(|normal| solve(normal, unit));
        // Rounding makes a variance below nothing of one without end.
        column.filter(|column| column[index] > 0.0).map_or(f64::INFINITY, |column| error_px * column[index].sqrt())
    };
    Some(Fit {
        unknowns,
        size,
        tilt_deg: known.tilt_deg.unwrap_or(unknowns[TILT].to_degrees()),
        rms_px,
        height_error: if known.height_m.is_some() { 0.0 } else { error(HEIGHT) },
        focal_error: error(FOCAL),
    })
}

struct Fitter<'a> {
    marks: &'a [Mark],
    size: PictureSize,
    known: Known,
}

impl Fitter<'_> {
    fn starts(&self) -> Vec<Unknowns> {
        let tilts = self
            .known
            .tilt_deg
            .map_or_else(|| (0..=START_TILTS).map(|step| 90.0 * step as f64 / START_TILTS as f64).collect(), |tilt_deg| vec![tilt_deg]);
        let pairs = tilts.iter().flat_map(|tilt_deg| START_HFOVS_DEG.iter().map(move |hfov_deg| (*tilt_deg, *hfov_deg)));
        pairs.map(|(tilt_deg, hfov_deg)| self.start(tilt_deg.to_radians(), hfov_deg.to_radians())).collect()
    }

    /// Of a tilt and a field of view each mark's ray has its bearing from the heading and its length on the ground from the height.
    fn start(&self, tilt: f64, hfov: f64) -> Unknowns {
        let focal = f64::from(self.size.width) / 2.0 / (hfov / 2.0).tan();
        let (sin_t, cos_t) = tilt.sin_cos();
        let (mut sin_h, mut cos_h) = (0.0, 0.0);
        let (mut along, mut square) = (0.0, 0.0);
        for Mark { px, ground_m: [east, north] } in self.marks {
            let x = (px[0] - f64::from(self.size.width) / 2.0) / focal;
            let y = (px[1] - f64::from(self.size.height) / 2.0) / focal;
            let (forward, down) = (cos_t - y * sin_t, (sin_t + y * cos_t).max(DOWN_MIN));
            let (ahead, right) = (forward / down, x / down);
            // Ground = height · heading's turn of (ahead, right): sums of the products give the angle, as they do for two sets of points.
            sin_h += east * ahead - north * right;
            cos_h += north * ahead + east * right;
            along += east.hypot(*north) * ahead.hypot(right);
            square += ahead * ahead + right * right;
        }
        let height_m = self.known.height_m.unwrap_or(along / square);
        [height_m.max(DEPTH_MIN_M).ln(), tilt, sin_h.atan2(cos_h), focal.ln()]
    }

    fn is_free(&self, unknown: usize) -> bool {
        !(unknown == HEIGHT && self.known.height_m.is_some() || unknown == TILT && self.known.tilt_deg.is_some())
    }

    /// Sum of the squared distances; infinite with a mark behind the camera.
    fn cost(&self, at: &Unknowns) -> f64 {
        self.marks.iter().map(|mark| miss(at, mark, self.size).map_or(f64::INFINITY, |[x, y]| x * x + y * y)).sum()
    }

    fn descend(&self, start: Unknowns) -> (f64, Unknowns) {
        let (mut at, mut cost, mut damping) = (start, self.cost(&start), 1e-3);
        for _ in 0..STEPS_MAX {
            let Some((normal, gradient)) = self.normal(&at) else { break };
            let mut damped = normal;
            for (index, row) in damped.iter_mut().enumerate() {
                row[index] *= 1.0 + damping;
            }
            let next: Option<Unknowns> = solve(damped, gradient).map(|step| std::array::from_fn(|index| at[index] - step[index]));
            let next_cost = next.map_or(f64::INFINITY, |next| self.cost(&next));
            if let Some(next) = next.filter(|_| next_cost < cost) {
                let gain = (cost - next_cost) / cost;
                (at, cost, damping) = (next, next_cost, damping / 10.0);
                if gain < 1e-10 {
                    break;
                }
            } else {
                damping *= 10.0;
                if damping > 1e9 {
                    break;
                }
            }
        }
        (cost, at)
    }

    /// The normal equations of Gauss and Newton: JᵀJ and Jᵀ · misses. What is known has a row of its own that does not move it.
    fn normal(&self, at: &Unknowns) -> Option<([[f64; 4]; 4], [f64; 4])> {
        const STEP: f64 = 1e-6;
        let (mut normal, mut gradient) = ([[0.0; 4]; 4], [0.0; 4]);
        for mark in self.marks {
            let here = miss(at, mark, self.size)?;
            let mut slopes = [[0.0; 2]; 4];
            for (unknown, slope) in slopes.iter_mut().enumerate().filter(|(unknown, _)| self.is_free(*unknown)) {
                let (mut before, mut after) = (*at, *at);
                before[unknown] -= STEP;
                after[unknown] += STEP;
                let (before, after) = (miss(&before, mark, self.size)?, miss(&after, mark, self.size)?);
                *slope = [(after[0] - before[0]) / (2.0 * STEP), (after[1] - before[1]) / (2.0 * STEP)];
            }
            for row in 0..4 {
                gradient[row] += slopes[row][0] * here[0] + slopes[row][1] * here[1];
                for column in 0..4 {
                    normal[row][column] += slopes[row][0] * slopes[column][0] + slopes[row][1] * slopes[column][1];
                }
            }
        }
        for (unknown, row) in normal.iter_mut().enumerate().filter(|(unknown, _)| !self.is_free(*unknown)) {
            row[unknown] = 1.0;
        }
        Some((normal, gradient))
    }
}

/// Where the view shows the mark less where it was marked, pixels. As [`CameraView::pixel_from_ground`], in `f64`.
fn miss(at: &Unknowns, mark: &Mark, size: PictureSize) -> Option<[f64; 2]> {
    let [ln_height, tilt, heading, ln_focal] = *at;
    let ([east, north], height_m, focal) = (mark.ground_m, ln_height.exp(), ln_focal.exp());
    let ((sin_t, cos_t), (sin_h, cos_h)) = (tilt.sin_cos(), heading.sin_cos());
    let (ahead, right) = (east * sin_h + north * cos_h, east * cos_h - north * sin_h);
    let depth = ahead * cos_t + height_m * sin_t;
    let down = height_m * cos_t - ahead * sin_t;
    let centre = [f64::from(size.width) / 2.0, f64::from(size.height) / 2.0];
    (depth >= DEPTH_MIN_M).then(|| [centre[0] + focal * right / depth - mark.px[0], centre[1] + focal * down / depth - mark.px[1]])
}

/// Gauss's elimination with pivots; `None`: singular.
fn solve(mut matrix: [[f64; 4]; 4], mut right: [f64; 4]) -> Option<[f64; 4]> {
    for column in 0..4 {
        let pivot = (column..4).max_by(|a, b| matrix[*a][column].abs().total_cmp(&matrix[*b][column].abs()))?;
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        if matrix[column][column].abs() < f64::MIN_POSITIVE {
            return None;
        }
        for row in column + 1..4 {
            let factor = matrix[row][column] / matrix[column][column];
            let above = matrix[column];
            matrix[row].iter_mut().zip(above).for_each(|(value, above)| *value -= factor * above);
            right[row] -= factor * right[column];
        }
    }
    let mut solution = [0.0; 4];
    for row in (0..4).rev() {
        let known: f64 = (row + 1..4).map(|column| matrix[row][column] * solution[column]).sum();
        solution[row] = (right[row] - known) / matrix[row][row];
    }
    solution.iter().all(|value| value.is_finite()).then_some(solution)
}
