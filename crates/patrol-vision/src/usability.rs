//! Says when a picture cannot be judged: nobody could be seen in it, however good the detectors.
//!
//! Refusing too much blinds a camera, so every limit is set where a person would be lost: noisy night pictures, fog and
//! thermal pictures of low contrast all pass.

use crate::luma;
use crate::vectors::widest;
use patrol_core::{Picture, PictureSize, PixelFormat, UnusableKind};
use std::cell::RefCell;

/// Pixels looked at per row: enough for structure, and the same cost for every resolution.
const WORK_WIDTH: usize = 640;
/// Side of a block in worked pixels.
const BLOCK: usize = 8;
/// Overlays (time, camera name) stand in this part of the height at top and bottom, also when a lens is covered.
const OVERLAY_PART: f32 = 0.1;
/// Limited-range black is 16: a picture whose brightest percent is below this has nothing but black in it. Sensor noise of
/// a night picture reaches 40 and more.
const DARK_LUMA: f32 = 26.0;
/// Neighbouring blocks of a bare lens cap, a bag or a hand differ by less, grey levels: 1.9 at most when a night's noise has gone through
/// an encoder of 300 kbit/s. Fog leaves 3 and more at the strongest edges, and sensor noise of σ 10 leaves 4.
const COVERED_STEP: f32 = 2.2;
/// And the whole of it has no more grey levels than this: thermal pictures of empty ground are as smooth, and have a slope.
const COVERED_RANGE: f32 = 5.0;
/// A few blocks may differ more: dust, dead pixels.
const COVERED_BLOCKS: usize = 3;
/// Strongest steps between pixels this far apart over those between blocks 16 px apart: 0.8 in focus (blur of σ 1.5 px), 0.41 at σ 4 px
/// (people still show), 0.30 at σ 8 px of 640 (a body of 20 px is gone); 0.25 is an endless slope.
const FINE_LAG: usize = 4;
const BLURRED_RATIO: f32 = 0.31;
/// Ranks at which the two are compared: an edge shows in two pairs of blocks and in one block. Blur is all over the picture, so that many
/// edges are asked for; a lit window in the night has few.
const BLURRED_COARSE_PART: f32 = 0.95;
const BLURRED_FINE_PART: f32 = 0.975;
/// Without edges this strong between blocks, blur cannot be told from an even scene.
const BLURRED_EDGE: f32 = 16.0;
/// Pictures running bit-equal until the feed counts as frozen.
const FROZEN_RUN: u32 = 3;
/// Every so many rows go into the hash; sensor noise changes any of them.
const HASH_ROWS: usize = 8;
/// Words of a row are hashed in so many chains, so that no multiplication waits for the one before.
const HASH_CHAINS: usize = 4;
/// Part of the blocks that changed, and by how much of the range between the 2nd and 98th percentile, to be another scene.
const CHANGE_PART: f32 = 0.8;
const CHANGE_OF_RANGE: f32 = 0.15;
/// Grey levels; below, noise and small AGC steps.
const CHANGE_MIN: f32 = 8.0;

/// Remembers the last picture of one camera, in blocks: some 15 KB.
#[derive(Debug, Default)]
pub struct UsabilityGuard {
    previous: Vec<f32>,
    /// Between the 2nd and 98th percentile of it.
    previous_range: f32,
    previous_size: Option<PictureSize>,
    hash: u64,
    equal_run: u32,
    scene_guarded: bool,
}

/// Buffers of one thread; nothing is carried from picture to picture.
#[derive(Debug, Default)]
struct Scratch {
    row: Vec<f32>,
    /// Sums of the worked pixels of a row of blocks.
    sums: Vec<u16>,
    /// Means of blocks.
    blocks: Vec<f32>,
    steps: Vec<f32>,
    /// The strongest step between near pixels in each block.
    fine: Vec<f32>,
    /// A sample of the pixels.
    pixels: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

impl UsabilityGuard {
    pub fn new() -> Self {
        Self::default()
    }

    /// `None`: the picture can be judged. Call once for every picture looked at, in order.
    pub fn judge(&mut self, picture: &Picture) -> Option<UnusableKind> {
        SCRATCH.with_borrow_mut(|scratch| self.judge_in(scratch, picture))
    }

    fn judge_in(&mut self, scratch: &mut Scratch, picture: &Picture) -> Option<UnusableKind> {
        let frozen = self.is_frozen(picture);
        let columns = scratch.measure(picture);
        scratch.steps.clone_from(&scratch.blocks);
        let (low, high, highest) = percentiles(&mut scratch.steps, [0.02, 0.98 - OVERLAY_PART, 0.98]);
        let range = highest - low;
        let sixteen = picture.format() == PixelFormat::Gray16Le;
        // Raw counts have no fixed black and no fixed grey level: they are never dark, and a cover is an even temperature.
        let kind = if !sixteen && scratch.is_dark() {
            Some(UnusableKind::Dark)
        } else if high - low <= COVERED_RANGE && scratch.is_even(columns) {
            Some(UnusableKind::Covered)
        } else if !sixteen && scratch.is_blurred(columns) {
            Some(UnusableKind::Blurred)
        } else if frozen {
            Some(UnusableKind::Frozen)
        } else {
            None
        };
        let changed = self.is_another_scene(picture.size(), &scratch.blocks);
        // Two guarded looks in a row are weather: the second is judged alone, and so on until the scene holds still.
        let guarded = changed && !self.scene_guarded && kind.is_none();
        self.scene_guarded = changed;
        std::mem::swap(&mut scratch.blocks, &mut self.previous);
        self.previous_range = range;
        self.previous_size = Some(picture.size());
        kind.or(guarded.then_some(UnusableKind::SceneChange))
    }

    fn is_frozen(&mut self, picture: &Picture) -> bool {
        // FNV-1a over words: equality is all that is asked of it.
        let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(0x0100_0000_01b3);
        let mut hashes = [0xcbf2_9ce4_8422_2325_u64 ^ u64::from(picture.size().width); HASH_CHAINS];
        for y in (0..picture.size().height as usize).step_by(HASH_ROWS) {
            for words in picture.row(0, y).as_chunks::<8>().0.chunks(HASH_CHAINS) {
                for (hash, word) in hashes.iter_mut().zip(words) {
                    *hash = mix(*hash, u64::from_le_bytes(*word));
                }
            }
        }
        let hash = hashes.into_iter().fold(0, mix);
        self.equal_run = if hash == self.hash && self.equal_run > 0 { self.equal_run + 1 } else { 1 };
        self.hash = hash;
        self.equal_run >= FROZEN_RUN
    }

    fn is_another_scene(&self, size: PictureSize, blocks: &[f32]) -> bool {
        if self.previous_size != Some(size) || self.previous.len() != blocks.len() {
            return false;
        }
        let limit = (self.previous_range * CHANGE_OF_RANGE).max(CHANGE_MIN);
        let changed: u32 = blocks.iter().zip(&self.previous).map(|(now, before)| u32::from((now - before).abs() > limit)).sum();
        changed as f32 >= CHANGE_PART * blocks.len() as f32
    }
}

impl Scratch {
    /// Fills `blocks` with block means `fine` with the strongest step between near pixels in each block, and `pixels` with a sample of them; returns the blocks per row.
    fn measure(&mut self, picture: &Picture) -> usize {
        let (w, h) = (picture.size().width as usize, picture.size().height as usize);
        let stride = w.div_ceil(WORK_WIDTH);
        let columns = (w / stride / BLOCK).max(1);
        let rows = (h / stride / BLOCK).max(1);
        self.row.resize(w, 0.0);
        self.sums.clear();
        self.blocks.clear();
        self.blocks.resize(columns * rows, 0.0);
        self.fine.clear();
        self.pixels.clear();
        let is_8_bit = matches!(picture.format(), PixelFormat::I420 | PixelFormat::Nv12 | PixelFormat::Gray8);
        // A block is whole, and its pixels lie so far apart.
        let add = Some(stride).filter(|_| is_8_bit && w >= BLOCK * stride).and_then(adder);
        for y in 0..(rows * BLOCK).min(h / stride) {
            let line = &mut self.blocks[y / BLOCK * columns..(y / BLOCK + 1) * columns];
            let is_sampled = y % BLOCK == BLOCK / 2;
            if is_sampled || add.is_none() {
                luma::row_into(picture, y * stride, &mut self.row);
            }
            if let Some(add) = add {
                self.sums.resize(columns, 0);
                add(picture.row(0, y * stride), &mut self.sums);
                if y % BLOCK == BLOCK - 1 || y + 1 == h / stride {
                    for (mean, sum) in line.iter_mut().zip(self.sums.drain(..)) {
                        *mean = f32::from(sum) / (BLOCK * BLOCK) as f32;
                    }
                }
            } else {
                for (block, mean) in line.iter_mut().enumerate() {
                    let from = block * BLOCK * stride;
                    *mean += self.row[from..(from + BLOCK * stride).min(w)].iter().step_by(stride).sum::<f32>() / (BLOCK * BLOCK) as f32;
                }
            }
            if is_sampled {
                let lag = FINE_LAG * stride;
                self.fine.extend(self.row.chunks_exact(BLOCK * stride).take(columns).map(|block| {
                    let near = block.iter().zip(&block[lag..]).step_by(stride);
                    near.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
                }));
                self.pixels.extend(self.row.iter().step_by(stride * 2));
            }
        }
        columns
    }

    fn is_dark(&mut self) -> bool {
        // A lit window in one block of the night is something to look at.
        let lit = self.blocks.iter().any(|&block| block > 2.0 * DARK_LUMA);
        !lit && !self.pixels.is_empty() && percentile(&mut self.pixels, 0.99) < DARK_LUMA
    }

    fn is_even(&mut self, columns: usize) -> bool {
        self.collect_steps(columns);
        if self.steps.len() <= COVERED_BLOCKS {
            return false;
        }
        let rank = self.steps.len() - 1 - COVERED_BLOCKS;
        *self.steps.select_nth_unstable_by(rank, f32::total_cmp).1 < COVERED_STEP
    }

    fn is_blurred(&mut self, columns: usize) -> bool {
        self.steps.clear();
        for line in self.blocks.chunks_exact(columns) {
            self.steps.extend(line.iter().zip(line.iter().skip(2)).map(|(a, b)| (a - b).abs()));
        }
        if self.steps.is_empty() || self.fine.is_empty() {
            return false;
        }
        let coarse = percentile(&mut self.steps, BLURRED_COARSE_PART);
        coarse >= BLURRED_EDGE && percentile(&mut self.fine, BLURRED_FINE_PART) < BLURRED_RATIO * coarse
    }

    /// Steps between neighbouring blocks, along rows and columns, overlays left out.
    fn collect_steps(&mut self, columns: usize) {
        self.steps.clear();
        let rows = self.blocks.len() / columns;
        let skipped = (rows as f32 * OVERLAY_PART).ceil() as usize;
        for y in skipped..rows.saturating_sub(skipped) {
            for x in 0..columns {
                let here = self.blocks[y * columns + x];
                if x + 1 < columns {
                    self.steps.push((here - self.blocks[y * columns + x + 1]).abs());
                }
                if y + 1 < rows - skipped {
                    self.steps.push((here - self.blocks[(y + 1) * columns + x]).abs());
                }
            }
        }
    }
}

/// Adds the worked pixels of each whole block of a row of bytes to its sum.
type Adder = fn(&[u8], &mut [u16]);

/// For pixels so far apart; `None`: no camera's pictures are so wide.
fn adder(stride: usize) -> Option<Adder> {
    match stride {
        1 => Some(add_blocks::<{ BLOCK }>),
        2 => Some(add_blocks::<{ 2 * BLOCK }>),
        3 => Some(add_blocks::<{ 3 * BLOCK }>),
        4 => Some(add_blocks::<{ 4 * BLOCK }>),
        6 => Some(add_blocks::<{ 6 * BLOCK }>),
        _ => None,
    }
}

/// `PIXELS`: of the picture along a block; the compiler knows where the worked ones stand.
fn add_blocks<const PIXELS: usize>(row: &[u8], sums: &mut [u16]) {
    widest(|| {
        for (sum, block) in sums.iter_mut().zip(row.as_chunks::<PIXELS>().0) {
            for worked in 0..BLOCK {
                *sum += u16::from(block[worked * (PIXELS / BLOCK)]);
            }
        }
    });
}

/// Of three parts in rising order.
fn percentiles(values: &mut [f32], [low, high, highest]: [f32; 3]) -> (f32, f32, f32) {
    let rank = |part: f32| ((values.len() - 1) as f32 * part) as usize;
    let (low, high, highest) = (rank(low), rank(high), rank(highest));
    // What is below the highest is sought below it.
    let highest_level = *values.select_nth_unstable_by(highest, f32::total_cmp).1;
    let high_level = *values[..=highest].select_nth_unstable_by(high, f32::total_cmp).1;
    (*values[..=high].select_nth_unstable_by(low, f32::total_cmp).1, high_level, highest_level)
}

fn percentile(values: &mut [f32], part: f32) -> f32 {
    let rank = ((values.len() - 1) as f32 * part) as usize;
    *values.select_nth_unstable_by(rank, f32::total_cmp).1
}
