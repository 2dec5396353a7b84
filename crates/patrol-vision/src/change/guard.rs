//! Is a picture unchanged against the last one examined in full?

use super::blocks::{Blocks, Layout, clip_parts, measured};
use super::fit::{Light, SIGMA_PER_MAD, quantile};
use super::restless::Restless;
use crate::vectors::widest;
use patrol_core::{Picture, PictureSize, PixelBox};
use std::cell::RefCell;

/// A change is farther from the reference than so many σ: of the 32 400 blocks of a 1080p picture, noise takes one that far in 10⁷ pictures.
/// A body of 8 × 14 px and 4 σ stands out by 10 σ and more.
const CHANGE_SIGMA: f32 = 6.5;
/// Sides of the windows whose means are compared, pixels; grey levels that are never a change; and as far as an encoder's noise may raise that.
/// A body of 8 × 14 px fills three eighths and more of a window of 16 px wherever it lies, and there stands out most from what an encoder does
/// to squares of 8 px.
const WINDOWS: [Window; 2] = [Window { side: 8, least: 4.0, most: 8.0 }, Window { side: 16, least: 2.1, most: 3.1 }];
/// An encoder's noise is rare and large, and of both signs; who comes or goes is of one. A change is larger by this factor than what so many windows
/// show on either side.
const RARE_RANK: usize = 12;
const RARE_FACTOR: f32 = 1.8;
const RARE_SIGMA: f32 = 3.0;
/// So many times noisier than it was, and by so many grey levels, a picture shows something else all over: pictures of one view have up to twice
/// the noise of one another by gain or encoder, those of two views of a rendered street ten times and more.
const WHOLE_FACTOR: f32 = 3.0;
const WHOLE_MIN: f32 = 1.0;
/// Noise that stays is got used to: tripled within some sixty pictures. A picture that is all but bit-equal, of an encoder that sends the same again, says
/// little about the next ones: what is usual falls as slowly.
const QUIET_RISE: f32 = 1.02;
const QUIET_FALL: f32 = 0.9;
/// Least σ: rounding to grey levels.
const SIGMA_MIN: f32 = 0.05;
/// Blocks looked at for the fit and the noise.
const SAMPLES: usize = 2048;
/// Noise differs over a picture: it is measured in tiles of so many blocks, within these multiples of the middle tile's.
const TILE: usize = 16;
const TILE_SIGMA_RANGE: (f32, f32) = (0.7, 2.5);
/// Blocks that are looked at together, where few are of interest.
const LINE: usize = 64;
/// No block counts for more in that than so many σ, or grey levels: who lies there is no noise.
const TILE_CAP_SIGMA: f32 = 3.0;
const TILE_CAP_MIN: f32 = 1.0;

#[derive(Debug, Clone, Copy)]
struct Window {
    side: usize,
    least: f32,
    most: f32,
}

/// What has changed since the last picture examined in full.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// There is none to compare with.
    NoReference,
    Unchanged,
    /// `part` of all blocks has changed; `at` surrounds the strongest change.
    Changed {
        part: f32,
        at: PixelBox,
    },
}

/// Compares the pictures of one camera with the last one that was examined in full. Keeps some 0.12 MB at 1080p.
#[derive(Debug, Default)]
pub struct ChangeGuard {
    reference: Option<Blocks>,
    /// Of the picture judged last.
    layout: Layout,
    /// Light of the last picture against the reference.
    last_light: Light,
    /// σ of a block's noise while nothing else changes.
    quiet: Option<f32>,
    restless: Restless,
}

/// Buffers of one thread; nothing is carried from picture to picture.
#[derive(Debug, Default)]
struct Scratch {
    pairs: Vec<(f32, f32)>,
    values: Vec<f32>,
    /// `now` minus what the reference leads to expect, grey levels, first of blocks, then pooled in larger windows; 0 where nothing counts.
    left: Vec<f32>,
    pooled: Vec<f32>,
    /// Blocks of which neither picture has clipped pixels.
    clear: Vec<bool>,
    silent: Vec<bool>,
    tiles: Vec<f32>,
    marks: Vec<bool>,
    stack: Vec<usize>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

impl ChangeGuard {
    pub fn new() -> Self {
        Self::default()
    }

    /// Call for every picture that can be judged, in order. `ignored`: overlays known otherwise.
    pub fn judge(&mut self, picture: &Picture, ignored: &[PixelBox]) -> Change {
        SCRATCH.with_borrow_mut(|scratch| measured(picture, |now| self.judge_in(scratch, now, picture.size(), ignored)))
    }

    /// The picture judged last was examined in full: it is what later ones are compared with.
    pub fn examined(&mut self, picture: &Picture) {
        measured(picture, |now| self.reference.get_or_insert_default().clone_from(now));
        self.last_light = Light::SAME;
    }

    /// The scene, or the view of it, is another one.
    pub fn restart(&mut self) {
        self.reference = None;
        self.quiet = None;
        self.restless.restart();
    }

    fn judge_in(&mut self, scratch: &mut Scratch, now: &Blocks, size: PictureSize, ignored: &[PixelBox]) -> Change {
        if self.layout != now.layout || self.reference.as_ref().is_some_and(|reference| reference.layout != now.layout) {
            self.restart();
            self.layout = now.layout;
        }
        let change = match &self.reference {
            None => Change::NoReference,
            Some(reference) => {
                let light = scratch.light(now, reference);
                let (change, sigma) = scratch.compare(now, reference, light, &self.restless, ignored);
                let least = (CHANGE_SIGMA * sigma).max(WINDOWS[0].least);
                self.restless.learn(now, light.since(self.last_light), least);
                self.last_light = light;
                // Where everything is another, all of it would pass for noise.
                let quiet = self.quiet.get_or_insert(sigma);
                let is_another = sigma > WHOLE_MIN && sigma > WHOLE_FACTOR * *quiet;
                *quiet = if is_another { *quiet * QUIET_RISE } else { sigma.clamp(*quiet * QUIET_FALL, *quiet * QUIET_RISE) };
                if is_another {
                    let at = PixelBox::new(0.0, 0.0, size.width as f32, size.height as f32);
                    Change::Changed { part: 1.0, at }
                } else {
                    change
                }
            }
        };
        self.restless.see(now);
        change
    }
}

impl Default for Light {
    fn default() -> Self {
        Self::SAME
    }
}

impl Scratch {
    fn light(&mut self, now: &Blocks, reference: &Blocks) -> Light {
        let step = step(now.len());
        let pairs = |i: usize| (reference.level(i), now.level(i));
        self.pairs.clear();
        let clear = |&i: &usize| reference.clipped()[i] | now.clipped()[i] == 0;
        self.pairs.extend((0..now.len()).step_by(step).filter(clear).map(pairs));
        if self.pairs.len() * 8 < now.len() / step {
            self.pairs.clear();
            self.pairs.extend((0..now.len()).step_by(step).map(pairs));
        }
        Light::fit(&self.pairs, SIGMA_MIN, &mut self.values)
    }

    /// What has changed, and σ of a block's noise.
    fn compare(&mut self, now: &Blocks, reference: &Blocks, light: Light, restless: &Restless, ignored: &[PixelBox]) -> (Change, f32) {
        self.subtract(now, reference, light);
        if restless.any() || !ignored.is_empty() {
            self.silent.clear();
            self.silent.resize(now.len(), false);
            restless.mark(&now.layout, &mut self.silent);
            for area in ignored {
                now.layout.for_touched(area, |index| self.silent[index] = true);
            }
            for (left, &silent) in self.left.iter_mut().zip(&self.silent) {
                *left = if silent { 0.0 } else { *left };
            }
        }
        let sigma = self.noise();
        self.measure_tiles(now.layout.columns, (TILE_CAP_SIGMA * sigma).max(TILE_CAP_MIN));
        self.marks.clear();
        self.marks.resize(now.len(), false);
        let mut strongest = (0.0_f32, 0_usize);
        let mut blocks = 1;
        for window in WINDOWS {
            while blocks * now.layout.side < window.side {
                self.pool(now.layout.columns, blocks);
                blocks *= 2;
            }
            self.find(now.layout.columns, window, blocks / 2, &mut strongest);
        }
        let changed = self.marks.iter().filter(|mark| **mark).count();
        if changed == 0 {
            return (Change::Unchanged, sigma);
        }
        (Change::Changed { part: changed as f32 / now.len() as f32, at: self.surround(&now.layout, strongest.1) }, sigma)
    }

    /// Fills `left` and `clear`. Where white or black cut pixels off, a difference may be as large as what was cut.
    fn subtract(&mut self, now: &Blocks, reference: &Blocks, light: Light) {
        let unit = now.unit();
        let (gain, offset) = (light.gain, light.offset);
        self.left.clear();
        let levels = now.levels().iter().zip(reference.levels());
        widest(|| self.left.extend(levels.map(|(&now, &before)| unit * (f32::from(now) - gain * f32::from(before)) - offset)));
        let (white, black) = (light.apply(255.0), offset);
        self.clear.clear();
        widest(|| self.clear.extend(now.clipped().iter().zip(reference.clipped()).map(|(now, before)| now | before == 0)));
        let clipped = now.clipped().chunks(LINE).zip(reference.clipped().chunks(LINE));
        let any = |parts: &[u8]| parts.iter().fold(0, |all, part| all | part) != 0;
        let lines = self.left.chunks_mut(LINE).zip(clipped).filter(|(_, (now, before))| any(now) || any(before));
        let blocks = lines.flat_map(|(left, (now, before))| left.iter_mut().zip(now.iter().zip(before)));
        for (left, (&now, &before)) in blocks.filter(|(_, (now, before))| **now | **before != 0) {
            let ((now_white, now_black), (before_white, before_black)) = (clip_parts(now), clip_parts(before));
            let up = before_white * (255.0 - white).max(0.0) + now_black * (-black).max(0.0);
            let down = now_white * (white - 255.0).max(0.0) + before_black * black.max(0.0);
            *left = if *left > 0.0 { (*left - up).max(0.0) } else { (*left + down).min(0.0) };
        }
    }

    /// Makes `left` the means of windows twice as wide and high, of which each is known by its upper left block; `half` blocks are the old
    /// side. Windows that do not fit in stand for none.
    fn pool(&mut self, columns: usize, half: usize) {
        self.pooled.clear();
        self.pooled.resize(self.left.len(), 0.0);
        let lines = self.left.chunks_exact(columns);
        for ((out, above), below) in self.pooled.chunks_exact_mut(columns).zip(lines.clone()).zip(lines.skip(half)) {
            let squares = above.iter().zip(&above[half.min(columns)..]).zip(below.iter().zip(&below[half.min(columns)..]));
            widest(|| {
                for (out, ((a, b), (c, d))) in out.iter_mut().zip(squares) {
                    *out = 0.25 * (a + b + c + d);
                }
            });
        }
        std::mem::swap(&mut self.left, &mut self.pooled);
    }

    /// Marks what is beyond noise in `left` as it is pooled now; in the middle of windows, `half` blocks on.
    fn find(&mut self, columns: usize, window: Window, half: usize, strongest: &mut (f32, usize)) {
        let sigma = self.noise();
        let least = (RARE_FACTOR * self.rare(RARE_SIGMA * sigma)).clamp(window.least, window.most);
        let tile_columns = columns.div_ceil(TILE);
        for (row, line) in self.left.chunks_exact(columns).enumerate() {
            let tiles = &self.tiles[row / TILE * tile_columns..];
            for (at, (blocks, tile)) in line.chunks(TILE).zip(tiles).enumerate() {
                let limit = (CHANGE_SIGMA * sigma * tile).max(least);
                if most(blocks) <= limit {
                    continue;
                }
                for (index, left) in (row * columns + at * TILE..).zip(blocks) {
                    let over = left.abs() / limit;
                    if over > 1.0 {
                        let index = index + half * (columns + 1);
                        self.marks[index] = true;
                        if over > strongest.0 {
                            *strongest = (over, index);
                        }
                    }
                }
            }
        }
    }

    /// σ of noise in `left`: what half of the blocks say.
    fn noise(&mut self) -> f32 {
        let (step, values) = (step(self.left.len()), &mut self.values);
        values.clear();
        values.extend(self.left.iter().zip(&self.clear).step_by(step).filter(|(_, clear)| **clear).map(|(left, _)| left.abs()));
        (SIGMA_PER_MAD * quantile(values, 0.5)).max(SIGMA_MIN)
    }

    /// What [`RARE_RANK`] windows show on either side, if more than `from`.
    fn rare(&mut self, from: f32) -> f32 {
        let mut either = f32::INFINITY;
        for sign in [1.0, -1.0] {
            let values = &mut self.values;
            values.clear();
            let lines = self.left.chunks(LINE).filter(|line| most(line) > from);
            values.extend(lines.flatten().map(|left| -sign * left).filter(|&low| low < -from));
            let side = if values.len() < RARE_RANK { from } else { -*values.select_nth_unstable_by(RARE_RANK - 1, f32::total_cmp).1 };
            either = either.min(side);
        }
        either
    }

    /// Fills `tiles` with the noise of each, as a multiple of the middle tile's: means, in which no block counts for more than `cap`.
    fn measure_tiles(&mut self, columns: usize, cap: f32) {
        self.tiles.clear();
        let lines = self.left.chunks(columns * TILE).zip(self.clear.chunks(columns * TILE));
        for (left, clear) in lines {
            for from in (0..columns).step_by(TILE) {
                let to = columns.min(from + TILE);
                let (mut sum, mut blocks) = (0.0, 0);
                for (left, clear) in left.chunks_exact(columns).zip(clear.chunks_exact(columns)) {
                    sum += capped(&left[from..to], cap);
                    blocks += clear[from..to].iter().map(|clear| u32::from(*clear)).sum::<u32>();
                }
                self.tiles.push(sum / blocks.max(1) as f32);
            }
        }
        self.values.clear();
        self.values.extend(&self.tiles);
        let middle = quantile(&mut self.values, 0.5).max(SIGMA_MIN);
        for tile in &mut self.tiles {
            *tile = (*tile / middle).clamp(TILE_SIGMA_RANGE.0, TILE_SIGMA_RANGE.1);
        }
    }

    /// The box of the changed blocks that hang together with `seed`.
    fn surround(&mut self, layout: &Layout, seed: usize) -> PixelBox {
        let Layout { columns, rows, side, format } = *layout;
        let (mut left, mut top, mut right, mut bottom) = (columns, rows, 0, 0);
        self.stack.clear();
        self.stack.push(seed);
        self.marks[seed] = false;
        while let Some(index) = self.stack.pop() {
            let (x, y) = (index % columns, index / columns);
            (left, top, right, bottom) = (left.min(x), top.min(y), right.max(x), bottom.max(y));
            for y in y.saturating_sub(1)..(y + 2).min(rows) {
                for x in x.saturating_sub(1)..(x + 2).min(columns) {
                    if std::mem::take(&mut self.marks[y * columns + x]) {
                        self.stack.push(y * columns + x);
                    }
                }
            }
        }
        let size = format.map_or((0.0, 0.0), |(size, _)| (size.width as f32, size.height as f32));
        let edge = |block: usize, blocks: usize, end: f32| if block + 1 == blocks { end } else { ((block + 1) * side) as f32 };
        PixelBox::from_corners((left * side) as f32, (top * side) as f32, edge(right, columns, size.0), edge(bottom, rows, size.1))
    }
}

/// Of so many blocks one in so many is looked at where not all are needed; odd, so that columns of all numbers come in.
fn step(blocks: usize) -> usize {
    (blocks / SAMPLES).max(1) | 1
}

/// In lanes, so that no comparison waits for the one before.
fn most(values: &[f32]) -> f32 {
    let (eights, rest) = values.as_chunks::<8>();
    let mut lanes = [0.0_f32; 8];
    let greater = |a: f32, b: f32| if a > b { a } else { b };
    for eight in eights {
        for (lane, value) in lanes.iter_mut().zip(eight) {
            *lane = greater(value.abs(), *lane);
        }
    }
    lanes.iter().chain(rest).fold(0.0, |most, value| greater(value.abs(), most))
}

/// Sum of how far values are from 0, of each at most `cap`; in lanes too.
fn capped(values: &[f32], cap: f32) -> f32 {
    let (eights, rest) = values.as_chunks::<8>();
    let mut lanes = [0.0_f32; 8];
    let less = |value: f32| if value.abs() < cap { value.abs() } else { cap };
    for eight in eights {
        for (lane, value) in lanes.iter_mut().zip(eight) {
            *lane += less(*value);
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().map(|value| less(*value)).sum::<f32>()
}
