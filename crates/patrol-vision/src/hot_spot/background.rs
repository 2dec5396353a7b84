//! Each pixel against its surroundings.

use super::Active;
use super::lanes::{self, LANES, Lanes};

/// Samples on a side of the window that the median is taken over; a body covers two or three of the 25.
const SIDE: usize = 5;
/// Half the window, in body lengths: samples are then further apart than a body is wide.
const REACH: f32 = 1.3;
/// Nodes are this part of a body apart, within the limits in pixels: between nodes all is interpolated.
const NODE_STEP: f32 = 0.5;
const NODE_STEP_MIN: usize = 12;
const NODE_STEP_MAX: usize = 24;
/// Every so many pixels of every so many rows are ranked.
const RANK_STEP: usize = 16;
/// σ of a normal distribution from its median absolute deviation.
pub(super) const SIGMA_OF_MAD: f32 = 1.4826;
/// Quantisation to whole grey levels or counts alone gives 1/√12; twice that keeps a noiseless picture from infinite contrast.
const SIGMA_MIN: f32 = 0.58;

/// The smoothed picture and what is measured on it; reused from picture to picture.
#[derive(Debug, Default)]
pub(crate) struct Background {
    width: usize,
    smooth: Vec<f32>,
    residual: Vec<f32>,
    columns: Vec<i32>,
    rows_y: Vec<usize>,
    node_x: Vec<usize>,
    /// Where the samples of each node lie in a row.
    sample_x: Vec<[usize; SIDE]>,
    node_level: Vec<f32>,
    texture: Vec<f32>,
    /// 1/σ, which is what is interpolated.
    node_gain: Vec<f32>,
    /// Level and gain in every column, of one row of nodes and of the next.
    lines: [Vec<f32>; 4],
    /// A sample of the smoothed picture, sorted.
    ranked: Vec<f32>,
    noise: f32,
}

/// What the judge may ask of the picture.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) width: usize,
    pub(crate) smooth: &'a [f32],
    pub(crate) residual: &'a [f32],
    /// σ of the smoothed sensor noise.
    pub(crate) noise: f32,
    background: &'a Background,
}

impl Background {
    /// Pixels outside `active` get a residual of minus infinity. `body_px(y)` is the length of a body in row `y`.
    pub(crate) fn measure(&mut self, raw: &[u16], w: usize, h: usize, active: Active, body_px: impl Fn(usize) -> f32) {
        self.width = w;
        self.smooth.resize(w * h, 0.0);
        self.residual.resize(w * h, 0.0);
        if active != (Active { left: 0, top: 0, right: w, bottom: h }) {
            self.residual.fill(f32::NEG_INFINITY);
        }
        smooth(raw, w, active, &mut self.columns, &mut self.smooth);
        let noise = noise(&self.smooth, w, active).max(SIGMA_MIN);
        self.measure_nodes(active, noise, body_px);
        self.noise = noise;
        self.ranked.clear();
        for y in (active.top..active.bottom).step_by(RANK_STEP) {
            self.ranked.extend(self.smooth[y * w + active.left..y * w + active.right].iter().step_by(RANK_STEP));
        }
        self.ranked.sort_unstable_by(f32::total_cmp);
        self.measure_pixels(active);
    }

    pub(crate) fn scene(&self) -> Scene<'_> {
        Scene { width: self.width, smooth: &self.smooth, residual: &self.residual, noise: self.noise, background: self }
    }

    fn measure_nodes(&mut self, active: Active, noise: f32, body_px: impl Fn(usize) -> f32) {
        let shortest = body_px(active.top).min(body_px(active.bottom - 1)).min(body_px(usize::midpoint(active.top, active.bottom)));
        let step_x = ((shortest * NODE_STEP) as usize).clamp(NODE_STEP_MIN, NODE_STEP_MAX);
        self.node_x.clear();
        self.node_x.extend((active.left..active.right - 1).step_by(step_x));
        self.node_x.push(active.right - 1);
        self.rows_y.clear();
        let mut y = active.top;
        while y < active.bottom - 1 {
            self.rows_y.push(y);
            y += ((body_px(y) * NODE_STEP) as usize).clamp(NODE_STEP_MIN, NODE_STEP_MAX);
        }
        self.rows_y.push(active.bottom - 1);
        self.node_level.clear();
        self.texture.clear();
        for &y in &self.rows_y {
            let reach = REACH * body_px(y);
            let rows = spread(y, reach, active.top, active.bottom).map(|y| y * self.width);
            self.sample_x.clear();
            self.sample_x.extend(self.node_x.iter().map(|&x| spread(x, reach, active.left, active.right)));
            for columns in self.sample_x.chunks(LANES) {
                let (level, sigma) = surroundings(&self.smooth, &rows, columns);
                self.node_level.extend(&level[..columns.len()]);
                self.texture.extend(sigma[..columns.len()].iter().map(|sigma| sigma.max(noise)));
            }
        }
        self.smooth_texture();
    }

    /// Each node's texture is a median of a few dozen differences; the lower quartile with its neighbours is steadier, and the windows of a
    /// house front do not hide the person beside them.
    fn smooth_texture(&mut self) {
        let (nodes, rows) = (self.node_x.len(), self.rows_y.len());
        self.node_gain.clear();
        for row in 0..rows {
            let near_rows = row.saturating_sub(1)..(row + 2).min(rows);
            for first in (0..nodes).step_by(LANES) {
                // What lies outside sorts last.
                let mut near = [[f32::INFINITY; LANES]; 9];
                let mut counts = [0; LANES];
                let lanes = LANES.min(nodes - first);
                for lane in 0..lanes {
                    let node = first + lane;
                    for near_row in near_rows.clone() {
                        for near_node in node.saturating_sub(1)..(node + 2).min(nodes) {
                            near[counts[lane]][lane] = self.texture[near_row * nodes + near_node];
                            counts[lane] += 1;
                        }
                    }
                }
                lanes::sort(&mut near);
                self.node_gain.extend((0..lanes).map(|lane| 1.0 / near[counts[lane] / 4][lane]));
            }
        }
    }

    fn measure_pixels(&mut self, active: Active) {
        let nodes = self.node_x.len();
        let Self { smooth, residual, rows_y, node_x, node_level, node_gain, lines, width, .. } = self;
        let [level, gain, next_level_line, next_gain_line] = lines;
        let row_of = |values: &[f32], row: usize, line: &mut Vec<f32>| interpolate(node_x, &values[row * nodes..(row + 1) * nodes], line);
        row_of(node_level, 0, next_level_line);
        row_of(node_gain, 0, next_gain_line);
        for (row, pair) in rows_y.windows(2).enumerate() {
            std::mem::swap(level, next_level_line);
            std::mem::swap(gain, next_gain_line);
            row_of(node_level, row + 1, next_level_line);
            row_of(node_gain, row + 1, next_gain_line);
            let last = row + 2 == rows_y.len();
            for y in pair[0]..pair[1] + usize::from(last) {
                let part = (y - pair[0]) as f32 / (pair[1] - pair[0]) as f32;
                let pixels = y * *width + active.left..y * *width + active.right;
                let lines = level.iter().zip(&*next_level_line).zip(gain.iter().zip(&*next_gain_line));
                for ((out, &value), ((&level, &next_level), (&gain, &next_gain))) in
                    residual[pixels.clone()].iter_mut().zip(&smooth[pixels]).zip(lines)
                {
                    *out = (value - level - (next_level - level) * part) * (gain + (next_gain - gain) * part);
                }
            }
        }
    }
}

/// The value in every column from the first node to the last.
fn interpolate(node_x: &[usize], values: &[f32], line: &mut Vec<f32>) {
    line.clear();
    for (x, value) in node_x.windows(2).zip(values.windows(2)) {
        let step = (value[1] - value[0]) / (x[1] - x[0]) as f32;
        line.extend((0..(x[1] - x[0]) as u16).map(|offset| value[0] + step * f32::from(offset)));
    }
    line.extend(values.last());
}

impl Scene<'_> {
    /// Part of the picture hotter than `value`.
    pub(crate) fn hotter_part(&self, value: f32) -> f32 {
        let ranked = &self.background.ranked;
        1.0 - ranked.partition_point(|&sample| sample < value) as f32 / ranked.len().max(1) as f32
    }

    /// σ of the neighbourhood at a pixel, as the residual there was made with.
    pub(crate) fn sigma(&self, x: usize, y: usize) -> f32 {
        let background = self.background;
        let between = |positions: &[usize], at: usize| {
            let after = positions.partition_point(|&position| position <= at).clamp(1, positions.len() - 1);
            let (low, high) = (positions[after - 1], positions[after]);
            (after - 1, at.saturating_sub(low) as f32 / (high - low).max(1) as f32)
        };
        let ((row, down), (column, right)) = (between(&background.rows_y, y), between(&background.node_x, x));
        let nodes = background.node_x.len();
        let gain = |row: usize, column: usize| background.node_gain[row * nodes + column];
        let along = |column: usize| gain(row, column) * (1.0 - down) + gain(row + 1, column) * down;
        1.0 / (along(column) * (1.0 - right) + along(column + 1) * right)
    }
}

/// 1-2-1 along both axes, edges repeated.
fn smooth(raw: &[u16], w: usize, active: Active, columns: &mut Vec<i32>, out: &mut [f32]) {
    columns.resize(w, 0);
    for y in active.top..active.bottom {
        let row = |y: usize| &raw[y * w..(y + 1) * w];
        let (above, here, below) = (row(y.max(active.top + 1) - 1), row(y), row((y + 1).min(active.bottom - 1)));
        for (((sum, &a), &b), &c) in columns.iter_mut().zip(above).zip(here).zip(below) {
            *sum = i32::from(a) + 2 * i32::from(b) + i32::from(c);
        }
        let out = &mut out[y * w..(y + 1) * w];
        let (left, right) = (active.left, active.right);
        let columns = &columns[left..right];
        for (((value, &a), &b), &c) in out[left + 1..right - 1].iter_mut().zip(columns).zip(&columns[1..]).zip(&columns[2..]) {
            *value = (a + 2 * b + c) as f32 * (1.0 / 16.0);
        }
        let last = columns.len() - 1;
        out[left] = (3 * columns[0] + columns[1]) as f32 / 16.0;
        out[right - 1] = (3 * columns[last] + columns[last - 1]) as f32 / 16.0;
    }
}

/// σ of the smoothed noise, from second differences at a distance where smoothing has no memory; robust against edges.
fn noise(smooth: &[f32], w: usize, active: Active) -> f32 {
    const LAG: usize = 3;
    const SAMPLES: usize = 2048;
    let (across, down) = (active.right - active.left - 2 * LAG, active.bottom - active.top);
    let step = (across * down / SAMPLES).max(1);
    let mut differences = [0.0_f32; SAMPLES];
    let mut count = 0;
    for index in (0..across * down).step_by(step).take(SAMPLES) {
        let at = (active.top + index / across) * w + active.left + LAG + index % across;
        differences[count] = (smooth[at] - f32::midpoint(smooth[at - LAG], smooth[at + LAG])).abs();
        count += 1;
    }
    // The variance of the difference is 1 + 2/4 times that of a pixel.
    SIGMA_OF_MAD * median(&mut differences[..count]) / 1.5_f32.sqrt()
}

/// Where the samples around `centre` lie in `[from, to)`: reflected at the edge, so that there are as many different ones.
fn spread(centre: usize, reach: f32, from: usize, to: usize) -> [usize; SIDE] {
    let (low, high) = (from as f32, (to - 1) as f32);
    std::array::from_fn(|index| {
        let at = centre as f32 + (index as f32 / (SIDE - 1) as f32 * 2.0 - 1.0) * reach;
        let at = if at < low {
            2.0 * low - at
        } else if at > high {
            2.0 * high - at
        } else {
            at
        };
        at.clamp(low, high) as usize
    })
}

/// Median of the samples around each of up to [`LANES`] nodes of a row, and the σ of their texture: from differences of *neighbouring*
/// samples, so that one step between a wall and the ground does not count as texture.
fn surroundings(smooth: &[f32], rows: &[usize; SIDE], nodes: &[[usize; SIDE]]) -> (Lanes, Lanes) {
    let mut samples = [[0.0; LANES]; SIDE * SIDE];
    for (lane, columns) in nodes.iter().enumerate() {
        for row in 0..SIDE {
            for column in 0..SIDE {
                samples[row * SIDE + column][lane] = smooth[rows[row] + columns[column]];
            }
        }
    }
    let mut steps = [[0.0; LANES]; 2 * SIDE * (SIDE - 1)];
    let mut pairs = steps.iter_mut();
    for here in 0..SIDE * SIDE {
        let right = (here % SIDE + 1 < SIDE).then_some(here + 1);
        let below = (here + SIDE < SIDE * SIDE).then_some(here + SIDE);
        for (other, step) in right.into_iter().chain(below).zip(&mut pairs) {
            for lane in 0..LANES {
                step[lane] = (samples[here][lane] - samples[other][lane]).abs();
            }
        }
    }
    lanes::sort(&mut samples);
    lanes::sort(&mut steps);
    (samples[SIDE * SIDE / 2], steps[SIDE * (SIDE - 1)].map(|step| SIGMA_OF_MAD * step / 2.0_f32.sqrt()))
}

fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}
