//! Each pixel against its surroundings.

use super::Active;

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
const SIGMA_OF_MAD: f32 = 1.4826;
/// Quantisation to whole grey levels or counts alone gives 1/√12; twice that keeps a noiseless picture from infinite contrast.
const SIGMA_MIN: f32 = 0.58;

/// The smoothed picture and what is measured on it; reused from picture to picture.
#[derive(Debug, Default)]
pub(crate) struct Background {
    width: usize,
    smooth: Vec<f32>,
    residual: Vec<f32>,
    columns: Vec<f32>,
    rows_y: Vec<usize>,
    node_x: Vec<usize>,
    node_level: Vec<f32>,
    texture: Vec<f32>,
    node_sigma: Vec<f32>,
    lines: [Vec<f32>; 2],
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
    pub(crate) fn measure(&mut self, raw: &[f32], w: usize, h: usize, active: Active, body_px: impl Fn(usize) -> f32) {
        self.width = w;
        self.smooth.resize(w * h, 0.0);
        self.residual.resize(w * h, 0.0);
        self.residual.fill(f32::NEG_INFINITY);
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
            for &x in &self.node_x {
                let (level, sigma) = surroundings(&self.smooth, self.width, active, x, y, reach);
                self.node_level.push(level);
                self.texture.push(sigma.max(noise));
            }
        }
        self.smooth_texture();
    }

    /// Each node's texture is a median of a few dozen differences; the lower quartile with its neighbours is steadier, and the windows of a
    /// house front do not hide the person beside them.
    fn smooth_texture(&mut self) {
        let (nodes, rows) = (self.node_x.len(), self.rows_y.len());
        self.node_sigma.clear();
        for row in 0..rows {
            for node in 0..nodes {
                let mut near = [0.0; 9];
                let mut count = 0;
                for near_row in row.saturating_sub(1)..(row + 2).min(rows) {
                    for near_node in node.saturating_sub(1)..(node + 2).min(nodes) {
                        near[count] = self.texture[near_row * nodes + near_node];
                        count += 1;
                    }
                }
                near[..count].sort_unstable_by(f32::total_cmp);
                self.node_sigma.push(near[count / 4]);
            }
        }
    }

    fn measure_pixels(&mut self, active: Active) {
        let nodes = self.node_x.len();
        let Self { smooth, residual, rows_y, node_x, node_level, node_sigma, lines, width, .. } = self;
        let [level_line, sigma_line] = lines;
        level_line.resize(nodes, 0.0);
        sigma_line.resize(nodes, 0.0);
        for (row, pair) in rows_y.windows(2).enumerate() {
            let last = row + 2 == rows_y.len();
            for y in pair[0]..pair[1] + usize::from(last) {
                let part = (y - pair[0]) as f32 / (pair[1] - pair[0]) as f32;
                for node in 0..nodes {
                    let (a, b) = (row * nodes + node, (row + 1) * nodes + node);
                    level_line[node] = node_level[a] + (node_level[b] - node_level[a]) * part;
                    sigma_line[node] = 1.0 / (node_sigma[a] + (node_sigma[b] - node_sigma[a]) * part);
                }
                for node in 0..nodes - 1 {
                    let (from, to) = (node_x[node], node_x[node + 1]);
                    let to = to + usize::from(to + 1 == active.right);
                    let steps = 1.0 / (node_x[node + 1] - from) as f32;
                    let (level, gain) = (level_line[node], sigma_line[node]);
                    let (level_step, gain_step) = ((level_line[node + 1] - level) * steps, (sigma_line[node + 1] - gain) * steps);
                    let at = y * *width;
                    for (offset, (out, &value)) in residual[at + from..at + to].iter_mut().zip(&smooth[at + from..at + to]).enumerate() {
                        let offset = offset as f32;
                        *out = (value - level - level_step * offset) * (gain + gain_step * offset);
                    }
                }
            }
        }
    }
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
        let sigma = |row: usize, column: usize| background.node_sigma[row * nodes + column];
        let along = |column: usize| 1.0 / (sigma(row, column) * (1.0 - down) + sigma(row + 1, column) * down);
        1.0 / (along(column) * (1.0 - right) + along(column + 1) * right)
    }
}

/// 1-2-1 along both axes, edges repeated.
fn smooth(raw: &[f32], w: usize, active: Active, columns: &mut Vec<f32>, out: &mut [f32]) {
    columns.resize(w, 0.0);
    for y in active.top..active.bottom {
        let row = |y: usize| &raw[y * w..(y + 1) * w];
        let (above, here, below) = (row(y.max(active.top + 1) - 1), row(y), row((y + 1).min(active.bottom - 1)));
        for (((sum, a), b), c) in columns.iter_mut().zip(above).zip(here).zip(below) {
            *sum = a + b + b + c;
        }
        let out = &mut out[y * w..(y + 1) * w];
        let (left, right) = (active.left, active.right);
        for (value, three) in out[left + 1..right - 1].iter_mut().zip(columns[left..right].windows(3)) {
            *value = (three[0] + three[1] + three[1] + three[2]) * (1.0 / 16.0);
        }
        out[left] = (3.0 * columns[left] + columns[left + 1]) / 16.0;
        out[right - 1] = (3.0 * columns[right - 1] + columns[right - 2]) / 16.0;
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

/// Median of the samples around a node, and the σ of their texture: from differences of *neighbouring* samples, so that
/// one step between a wall and the ground does not count as texture.
fn surroundings(smooth: &[f32], w: usize, active: Active, x: usize, y: usize, reach: f32) -> (f32, f32) {
    let mut samples = [0.0_f32; SIDE * SIDE];
    let spread = |centre: usize, index: usize, from: usize, to: usize| {
        let offset = (index as f32 / (SIDE - 1) as f32 * 2.0 - 1.0) * reach;
        // Reflected at the edge, so that the window keeps its number of different samples.
        let at = centre as f32 + offset;
        let (low, high) = (from as f32, (to - 1) as f32);
        let at = if at < low {
            2.0 * low - at
        } else if at > high {
            2.0 * high - at
        } else {
            at
        };
        at.clamp(low, high) as usize
    };
    for row in 0..SIDE {
        let at = spread(y, row, active.top, active.bottom) * w;
        for column in 0..SIDE {
            samples[row * SIDE + column] = smooth[at + spread(x, column, active.left, active.right)];
        }
    }
    let mut steps = [0.0_f32; 2 * SIDE * (SIDE - 1)];
    let mut count = 0;
    for row in 0..SIDE {
        for column in 0..SIDE {
            let here = samples[row * SIDE + column];
            if column + 1 < SIDE {
                steps[count] = (here - samples[row * SIDE + column + 1]).abs();
                count += 1;
            }
            if row + 1 < SIDE {
                steps[count] = (here - samples[(row + 1) * SIDE + column]).abs();
                count += 1;
            }
        }
    }
    (median(&mut samples), SIGMA_OF_MAD * median(&mut steps) / 2.0_f32.sqrt())
}

pub(super) fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}
