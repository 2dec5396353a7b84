//! One axis of a resize, as a table of taps: which source pixels make an output pixel, and how much of each.
//!
//! Weights are 8-bit fixed point and sum to 256 per output pixel, so that a column of 8-bit pixels weighted along one axis
//! fits 16 bits and the vertical pass runs in 16-bit lanes.

use crate::vectors::widest;

/// Bits of a weight; two axes make twice as many.
pub(crate) const WEIGHT_BITS: u32 = 8;
/// Above this many source pixels per output pixel two taps would skip pixels, and all that are covered are averaged.
/// OpenCV's bilinear resize, which models were trained with, agrees below it.
const AREA_ABOVE: f32 = 2.0;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    pub(crate) starts: Vec<u32>,
    /// `taps` per output pixel.
    pub(crate) weights: Vec<u16>,
    pub(crate) taps: usize,
}

impl Axis {
    /// Maps the source interval `[from, from + extent)` of an axis of `source` pixels onto `outputs` pixels.
    pub(crate) fn new(source: usize, from: f32, extent: f32, outputs: usize) -> Self {
        let step = extent / outputs as f32;
        let area = step > AREA_ABOVE;
        let wanted = if area { step.ceil() as usize + 1 } else { 2 };
        let taps = wanted.min(source);
        let mut starts = Vec::with_capacity(outputs);
        let mut weights = Vec::with_capacity(outputs * taps);
        let mut exact = vec![0.0_f32; taps];
        for output in 0..outputs {
            exact.fill(0.0);
            let (first, last, centre) = if area {
                let left = from + output as f32 * step;
                (left, left + step, 0.0)
            } else {
                let centre = from + (output as f32 + 0.5) * step - 0.5;
                (centre, centre + 1.0, centre)
            };
            let start = (first.floor().max(0.0) as usize).min(source - taps);
            let mut add = |index: f32, weight: f32| {
                let tap = (index.clamp(0.0, (source - 1) as f32) as usize).saturating_sub(start).min(taps - 1);
                exact[tap] += weight;
            };
            if area {
                let mut index = first.floor();
                while index < last {
                    let covered = (index + 1.0).min(last) - index.max(first);
                    if covered > 0.0 {
                        add(index, covered / step);
                    }
                    index += 1.0;
                }
            } else {
                let fraction = centre - centre.floor();
                add(centre.floor(), 1.0 - fraction);
                add(centre.floor() + 1.0, fraction);
            }
            starts.push(start as u32);
            push_rounded(&exact, &mut weights);
        }
        Self { starts, weights, taps }
    }

    /// The source pixel of the first output, where every output is one source pixel and the next its neighbour: nothing to weigh.
    pub(crate) fn copied_from(&self) -> Option<usize> {
        let one = 1_u16 << WEIGHT_BITS;
        let source = |output: usize| {
            let (start, weights) = self.of(output);
            weights.iter().position(|&weight| weight == one).map(|tap| start + tap)
        };
        let first = source(0)?;
        (1..self.starts.len()).all(|output| source(output) == Some(first + output)).then_some(first)
    }

    pub(crate) fn of(&self, output: usize) -> (usize, &[u16]) {
        (self.starts[output] as usize, &self.weights[output * self.taps..(output + 1) * self.taps])
    }
}

/// Rounds the running sum to fixed point, so that all weights together are exactly one and a flat picture stays flat.
fn push_rounded(exact: &[f32], weights: &mut Vec<u16>) {
    let unit = (1 << WEIGHT_BITS) as f32;
    let total: f32 = exact.iter().sum();
    let (mut sum, mut pushed) = (0.0, 0);
    for weight in exact {
        sum += weight;
        let upto = (sum / total * unit).round() as u16;
        weights.push(upto - pushed);
        pushed = upto;
    }
}

/// Weighs rows of 8-bit samples into one row of 16-bit sums.
pub(crate) fn rows_into<'a>(axis: &Axis, output: usize, row: impl Fn(usize) -> &'a [u8], sums: &mut [u16]) {
    let (start, weights) = axis.of(output);
    let mut first = true;
    for (tap, &weight) in weights.iter().enumerate() {
        if weight == 0 {
            continue;
        }
        let source = &row(start + tap)[..sums.len()];
        widest(|| {
            if first {
                for (sum, &pixel) in sums.iter_mut().zip(source) {
                    *sum = u16::from(pixel).wrapping_mul(weight);
                }
            } else {
                for (sum, &pixel) in sums.iter_mut().zip(source) {
                    *sum = sum.wrapping_add(u16::from(pixel).wrapping_mul(weight));
                }
            }
        });
        first = false;
    }
}

/// The same for rows of 16-bit little-endian samples.
pub(crate) fn rows16_into<'a>(axis: &Axis, output: usize, row: impl Fn(usize) -> &'a [u8], sums: &mut [u32]) {
    let (start, weights) = axis.of(output);
    sums.fill(0);
    for (tap, &weight) in weights.iter().enumerate() {
        if weight == 0 {
            continue;
        }
        for (sum, pixel) in sums.iter_mut().zip(row(start + tap).as_chunks::<2>().0) {
            *sum += u32::from(u16::from_le_bytes(*pixel)) * u32::from(weight);
        }
    }
}

/// Weighs one row of sums along x, taking every `STEP`-th sample from `channel` on: 1 for planes, 2 for NV12 chroma, 3 for RGB.
pub(crate) fn columns_into<const STEP: usize, T: Copy + Into<u32>>(axis: &Axis, sums: &[T], channel: usize, out: &mut [f32]) {
    const UNIT: f32 = 1.0 / (1 << (2 * WEIGHT_BITS)) as f32;
    match axis.taps {
        2 => columns_of::<STEP, 2, T>(axis, sums, channel, out, UNIT),
        4 => columns_of::<STEP, 4, T>(axis, sums, channel, out, UNIT),
        5 => columns_of::<STEP, 5, T>(axis, sums, channel, out, UNIT),
        6 => columns_of::<STEP, 6, T>(axis, sums, channel, out, UNIT),
        taps => {
            for (index, value) in out.iter_mut().enumerate() {
                let start = axis.starts[index] as usize * STEP + channel;
                let weights = &axis.weights[index * taps..(index + 1) * taps];
                let sum: u32 = weights.iter().zip(sums[start..].iter().step_by(STEP)).map(|(&w, &s)| u32::from(w) * s.into()).sum();
                *value = sum as f32 * UNIT;
            }
        }
    }
}

/// The number of taps known to the compiler: unrolled, and checked once per pixel.
fn columns_of<const STEP: usize, const TAPS: usize, T: Copy + Into<u32>>(
    axis: &Axis,
    sums: &[T],
    channel: usize,
    out: &mut [f32],
    unit: f32,
) {
    let weights = axis.weights.as_chunks::<TAPS>().0;
    widest(|| {
        for ((value, weights), &start) in out.iter_mut().zip(weights).zip(&axis.starts) {
            let start = start as usize * STEP + channel;
            let samples = &sums[start..=start + (TAPS - 1) * STEP];
            let mut sum = 0_u32;
            for tap in 0..TAPS {
                sum += u32::from(weights[tap]) * samples[tap * STEP].into();
            }
            *value = sum as f32 * unit;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn weights_sum_to_one_and_stay_inside(source in 1_usize..600, outputs in 1_usize..300, from in 0.0_f32..0.5, part in 0.2_f32..0.5) {
            let from = from * source as f32;
            let extent = (part * source as f32).max(1.0).min(source as f32 - from);
            let axis = Axis::new(source, from, extent, outputs);
            for output in 0..outputs {
                let (start, weights) = axis.of(output);
                prop_assert!(start + axis.taps <= source);
                prop_assert_eq!(weights.iter().map(|w| u32::from(*w)).sum::<u32>(), 256);
            }
        }
    }

    #[test]
    fn a_cut_at_whole_pixels_is_copied_and_nothing_else() {
        assert_eq!(Axis::new(8, 0.0, 8.0, 8).copied_from(), Some(0));
        assert_eq!(Axis::new(8, 3.0, 5.0, 5).copied_from(), Some(3));
        assert_eq!(Axis::new(8, 0.5, 4.0, 4).copied_from(), None);
        assert_eq!(Axis::new(8, 0.0, 8.0, 4).copied_from(), None);
        assert_eq!(Axis::new(4, 0.0, 4.0, 8).copied_from(), None);
    }

    #[test]
    fn halving_averages_neighbours() {
        let axis = Axis::new(8, 0.0, 8.0, 4);
        assert_eq!(axis.of(1), (2, [128_u16, 128].as_slice()));
    }

    #[test]
    fn enlarging_repeats_the_edge() {
        let axis = Axis::new(2, 0.0, 2.0, 4);
        assert_eq!(axis.of(0), (0, [256_u16, 0].as_slice()));
        assert_eq!(axis.of(1), (0, [192_u16, 64].as_slice()));
        assert_eq!(axis.of(3), (0, [0_u16, 256].as_slice()));
    }
}
