//! How one patch is carried over into the light of another, by the ring around the box, and what noise and texture leave there.

use super::fit::{SIGMA_PER_MAD, quantile};
use super::patch::GRID;

/// Values of a patch, one a sample; NaN where the place is not known.
pub(super) type Grid = [f32; GRID * GRID];

/// Rounds of leaving out what does not agree, and what does: within so many σ.
const ROUNDS: usize = 8;
const AGREES_SIGMA: f32 = 2.5;
/// A fit that moves by less from round to round has settled.
const SETTLED_SIGMA: f32 = 0.02;
const SETTLED_GAIN: f32 = 0.002;
/// Least σ of a sample: rounding.
const SIGMA_MIN: f32 = 0.15;
/// The box grown by so many samples is left out of the ring: he may lie a little over his box.
const HALO: usize = 2;
/// A fit needs this part of the ring.
const RING_PART_MIN: f32 = 0.4;
/// Contrast is drawn towards unchanged as if so many times the noise were known of it.
const SAME_GAIN_WEIGHT: f32 = 2.0;

/// Some values of a patch, on the stack: in a crowd many places are read in one look.
struct Picked<T> {
    values: [T; GRID * GRID],
    len: usize,
}

impl<T: Copy + Default> Picked<T> {
    fn of(values: impl Iterator<Item = T>) -> Self {
        let mut picked = Self { values: [T::default(); GRID * GRID], len: 0 };
        picked.fill(values);
        picked
    }

    fn fill(&mut self, values: impl Iterator<Item = T>) {
        self.len = 0;
        for (place, value) in self.values.iter_mut().zip(values) {
            *place = value;
            self.len += 1;
        }
    }

    fn values(&mut self) -> &mut [T] {
        &mut self.values[..self.len]
    }
}

/// `there ≈ gain · here + offset + across · x + down · y`, x and y in parts of the patch from its middle.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carry {
    pub(super) gain: f32,
    pub(super) offset: f32,
    pub(super) across: f32,
    pub(super) down: f32,
    mean: f32,
    /// Part of the ring that agrees.
    pub(super) agreed: f32,
}

pub(super) fn is_ring(index: usize) -> bool {
    let inner = GRID / 4 - HALO..GRID - GRID / 4 + HALO;
    !(inner.contains(&(index % GRID)) && inner.contains(&(index / GRID)))
}

fn place(index: usize) -> (f32, f32) {
    let part = |at: usize| (at as f32 + 0.5) / GRID as f32 - 0.5;
    (part(index % GRID), part(index / GRID))
}

impl Carry {
    /// Fits `there` by `here` over the ring. `noisy`: `here` has as much noise as `there`, which flattens the contrast unless it is reckoned with.
    pub(super) fn fit(here: &Grid, there: &Grid, noisy: bool) -> Option<Self> {
        let ring = (0..GRID * GRID).filter(|&i| is_ring(i));
        let mut known = Picked::of(ring.clone().filter(|&i| here[i].is_finite() && there[i].is_finite()));
        let known = &*known.values();
        if (known.len() as f32) < RING_PART_MIN * ring.count() as f32 {
            return None;
        }
        let mut values = Picked::of(known.iter().map(|&i| here[i]));
        let mean = quantile(values.values(), 0.5);
        values.fill(known.iter().map(|&i| there[i] - here[i]));
        let offset = quantile(values.values(), 0.5) + mean;
        let mut carry = Self { gain: 1.0, offset, across: 0.0, down: 0.0, mean, agreed: 1.0 };
        for _ in 0..ROUNDS {
            values.fill(known.iter().map(|&i| (there[i] - carry.apply(i, here[i])).abs()));
            let sigma = (SIGMA_PER_MAD * quantile(values.values(), 0.5)).max(SIGMA_MIN);
            let before = carry;
            carry = carry.refit(known, here, there, sigma, noisy)?;
            if carry.is_as_good_as(&before, sigma) {
                break;
            }
        }
        Some(carry)
    }

    /// Another round would change nothing that shows beside noise of `sigma`.
    fn is_as_good_as(&self, before: &Self, sigma: f32) -> bool {
        let levels = (self.offset - before.offset).abs().max((self.across - before.across).abs()).max((self.down - before.down).abs());
        levels < SETTLED_SIGMA * sigma && (self.gain - before.gain).abs() < SETTLED_GAIN
    }

    pub(super) fn apply(&self, index: usize, here: f32) -> f32 {
        let (x, y) = place(index);
        self.gain * (here - self.mean) + self.offset + self.across * x + self.down * y
    }

    pub(super) fn carry(&self, here: &Grid) -> Grid {
        std::array::from_fn(|i| self.apply(i, here[i]))
    }

    /// Largest effect of the slope over the patch, levels.
    pub(super) fn slope(&self) -> f32 {
        self.across.abs() + self.down.abs()
    }

    fn refit(self, known: &[usize], here: &Grid, there: &Grid, sigma: f32, noisy: bool) -> Option<Self> {
        // Unknowns: gain − 1, offset, across, down.
        let (mut normal, mut right, mut n) = ([[0.0_f64; 4]; 4], [0.0_f64; 4], 0);
        for &i in known {
            if (there[i] - self.apply(i, here[i])).abs() > AGREES_SIGMA * sigma {
                continue;
            }
            let (x, y) = place(i);
            let from = here[i] - self.mean;
            let terms = [from, 1.0, x, y].map(f64::from);
            for (row, a) in normal.iter_mut().zip(terms) {
                row.iter_mut().zip(terms).for_each(|(sum, b)| *sum += a * b);
            }
            right.iter_mut().zip(terms).for_each(|(sum, a)| *sum += a * f64::from(there[i] - from));
            n += 1;
        }
        let noise = f64::from(n) * f64::from(sigma * sigma);
        normal[0][0] += f64::from(SAME_GAIN_WEIGHT) * noise;
        if noisy {
            // Half of what is left is noise of `here`. In Σ here² it stands once, and in Σ here · (there − here) once with a minus.
            normal[0][0] -= 0.5 * noise;
            right[0] += 0.5 * noise;
        }
        let [more, offset, across, down] = solve(normal, right)?.map(|value| value as f32);
        let agreed = n as f32 / known.len() as f32;
        Some(Self { gain: (1.0 + more).clamp(0.3, 3.0), offset, across, down, mean: self.mean, agreed })
    }
}

/// Gauss with pivots.
fn solve(mut m: [[f64; 4]; 4], mut r: [f64; 4]) -> Option<[f64; 4]> {
    for column in 0..4 {
        let pivot = (column..4).max_by(|&a, &b| m[a][column].abs().total_cmp(&m[b][column].abs()))?;
        m.swap(column, pivot);
        r.swap(column, pivot);
        if m[column][column].abs() < 1e-9 {
            return None;
        }
        for row in (0..4).filter(|&row| row != column) {
            let factor = m[row][column] / m[column][column];
            let from = m[column];
            m[row].iter_mut().zip(from).for_each(|(value, above)| *value -= factor * above);
            r[row] -= factor * r[column];
        }
    }
    let solved = std::array::from_fn(|i| r[i] / m[i][i]);
    solved.iter().all(|value| value.is_finite()).then_some(solved)
}

/// The patch as coarse as one made of blocks of so many samples across and down: the mean over a block, then between blocks.
pub(super) fn coarsened(grid: &Grid, (across, down): (f32, f32)) -> Grid {
    let mut coarse = *grid;
    for (width, stride) in [(across, 1), (across, 1), (down, GRID), (down, GRID)] {
        let before = coarse;
        let reach = (0.5 * width + 0.5) as usize;
        for (index, value) in coarse.iter_mut().enumerate().filter(|(_, value)| value.is_finite()) {
            let at = index / stride % GRID;
            let (mut weights, mut sum) = (0.0, 0.0);
            for other in at.saturating_sub(reach)..(at + reach + 1).min(GRID) {
                let weight = (0.5 * width + 0.5 - other.abs_diff(at) as f32).clamp(0.0, 1.0);
                let level = before[index - at * stride + other * stride];
                if level.is_finite() {
                    weights += weight;
                    sum += weight * level;
                }
            }
            // A width below one sample leaves the sample itself.
            if weights > 0.0 {
                *value = sum / weights;
            }
        }
    }
    coarse
}

/// What differences of the size of a window mean: σ of their means, as noise and the ring say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Noise {
    /// Of one sample.
    pub(super) sample: f32,
    /// Of the mean over windows of 4, 8 and 16 samples a side.
    windows: [f32; 3],
}

/// Sides of windows, samples: an eighth, a quarter and the half of a patch, which is the box.
const SIDES: [usize; 3] = [4, 8, 16];
/// The more windows there are of a side, the farther the strongest is from zero by noise alone: 81, 16 and 4 of them.
const MANY: [f32; 3] = [1.4, 1.2, 1.0];

impl Noise {
    /// From what is left on the ring. `independent`: part of the samples that say something of their own.
    pub(super) fn of(left: &Grid, independent: f32) -> Self {
        let mut values = Picked::of((0..GRID * GRID).filter(|&i| is_ring(i) && left[i].is_finite()).map(|i| left[i].abs()));
        let sample = (SIGMA_PER_MAD * quantile(values.values(), 0.5)).max(SIGMA_MIN);
        let mut spread = |side: usize| {
            let half = GRID / 4;
            let on_ring =
                windows(side, 0..GRID).filter(|&(x, y)| x + side <= half || x >= GRID - half || y + side <= half || y >= GRID - half);
            values.fill(on_ring.filter_map(|at| mean_in(left, at, side)).map(f32::abs));
            SIGMA_PER_MAD * quantile(values.values(), 0.5)
        };
        let (small, middle) = (spread(SIDES[0]), spread(SIDES[1]));
        let pure = |side: usize| sample / ((side * side) as f32 * independent).sqrt().max(1.0);
        let (small, middle) = (small.max(pure(SIDES[0])), middle.max(pure(SIDES[1])));
        Self { sample, windows: [small, middle, pure(SIDES[2]).max(0.5 * middle)] }
    }

    /// σ of the mean over the box.
    pub(super) fn of_box(&self) -> f32 {
        self.windows[2]
    }

    /// Strongest mean of a window that lies in the ring, σ, as [`Self::strongest`] reckons.
    pub(super) fn strongest_on_ring(&self, left: &Grid) -> f32 {
        let half = GRID / 4;
        let on_ring = |&(x, y): &(usize, usize), side: usize| x + side <= half || x >= GRID - half || y + side <= half || y >= GRID - half;
        let mut strongest = 0.0_f32;
        for ((&side, &sigma), many) in SIDES.iter().zip(&self.windows).zip(MANY).take(2) {
            let means = windows(side, 0..GRID).filter(|at| on_ring(at, side)).filter_map(|at| mean_in(left, at, side));
            strongest = means.map(|mean| mean.abs() / (sigma * many)).fold(strongest, f32::max);
        }
        strongest
    }

    /// Strongest mean of a window within the box and a little around it, σ, and its level; windows of all sizes.
    pub(super) fn strongest(&self, left: &Grid) -> (f32, f32) {
        let mut strongest = (0.0_f32, 0.0_f32);
        for ((&side, &sigma), many) in SIDES.iter().zip(&self.windows).zip(MANY) {
            let sigma = sigma * many;
            for mean in windows(side, 6..GRID - 6).filter_map(|at| mean_in(left, at, side)) {
                if mean.abs() / sigma > strongest.0 {
                    strongest = (mean.abs() / sigma, mean.abs());
                }
            }
        }
        strongest
    }
}

/// Left upper corners of windows within `span` both ways, overlapping by half.
fn windows(side: usize, span: std::ops::Range<usize>) -> impl Iterator<Item = (usize, usize)> {
    let starts = move || (span.start..=span.end - side).step_by(side / 2);
    starts().flat_map(move |y| starts().map(move |x| (x, y)))
}

/// `None` if less than half of the window is known.
fn mean_in(left: &Grid, (x, y): (usize, usize), side: usize) -> Option<f32> {
    let (mut n, mut sum) = (0, 0.0);
    for row in y..y + side {
        for value in left[row * GRID + x..][..side].iter().filter(|value| value.is_finite()) {
            n += 1;
            sum += value;
        }
    }
    (2 * n >= side * side).then(|| sum / n as f32)
}
