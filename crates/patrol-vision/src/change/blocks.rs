//! A picture as means of small blocks: what noise averages out of, and what a body of 8 × 14 pixels still fills.

use crate::luma;
use crate::vectors::widest;
use patrol_core::{Picture, PictureSize, PixelBox, PixelFormat};
use std::cell::RefCell;
use std::ops::Range;

/// Side of a block, pixels: a body of 8 × 14 px fills one of 4 whole wherever it lies, and 16 px of two blocks of 8 to two fifths.
const SIDE_SMALL: usize = 4;
const SIDE_LARGE: usize = 8;
/// Pictures from this width on have large blocks.
const LARGE_FROM_WIDTH: u32 = 960;
/// Steps of a block's level per grey level: 16 pixels and more give fractions. Raw counts stand as they are.
const STEPS_PER_GREY: f32 = 256.0;
/// Clipped pixels are counted in fifteenths of a block, rounded up: both counts share a byte.
const CLIP_PARTS: u32 = 15;
/// Rows of pixels that are added up at once.
const ROWS_AT_ONCE: usize = 4;

/// How a picture is cut into blocks. Those at the right and lower edge are a little smaller or larger.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Layout {
    pub(super) columns: usize,
    pub(super) rows: usize,
    /// Side of a block, pixels.
    pub(super) side: usize,
    /// Of the picture; none before the first.
    pub(super) format: Option<(PictureSize, PixelFormat)>,
}

/// Means of blocks, row by row.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    pub(super) layout: Layout,
    levels: Vec<u16>,
    /// Pixels at white (upper four bits) and at black (lower four) in each block.
    clipped: Vec<u8>,
}

/// The blocks of the picture measured last on a thread: an examined look asks for them to compare, to keep, and for the scenery.
#[derive(Debug, Default)]
struct Measured {
    /// [`Picture::identity`]
    of: Option<u64>,
    blocks: Blocks,
    maker: BlockMaker,
}

thread_local! {
    static MEASURED: RefCell<Measured> = RefCell::new(Measured::default());
}

/// What `then` makes of the picture's blocks.
pub(super) fn measured<R>(picture: &Picture, then: impl FnOnce(&Blocks) -> R) -> R {
    MEASURED.with_borrow_mut(|measured| {
        if measured.of != Some(picture.identity()) {
            // A worker outlives a look that panics: what it left half measured is nobody's.
            measured.of = None;
            measured.blocks.measure(picture, &mut measured.maker);
            measured.of = Some(picture.identity());
        }
        then(&measured.blocks)
    })
}

/// Buffers of [`Blocks::measure`].
#[derive(Debug, Default)]
struct BlockMaker {
    row: Vec<f32>,
    grey: Vec<u8>,
    /// Sums of two pixel columns each: of ten rows they fit.
    lanes: Vec<u16>,
    sums: Vec<u32>,
    white: Vec<u32>,
    black: Vec<u32>,
    /// Any pixel of these rows is at white or black.
    any_clipped: bool,
}

impl Blocks {
    fn measure(&mut self, picture: &Picture, maker: &mut BlockMaker) {
        self.layout = Layout::of(picture);
        let Layout { columns, rows, side, .. } = self.layout;
        let (w, h) = (picture.size().width as usize, picture.size().height as usize);
        let raw = self.layout.is_raw();
        let steps = if raw { 1.0 } else { STEPS_PER_GREY };
        let width = |column: usize| if column + 1 == columns { w - column * side } else { side } as u32;
        let last = columns - 1;
        self.levels.clear();
        self.clipped.clear();
        // What grows by doubling keeps up to twice what it needs, and each camera keeps a copy.
        self.levels.reserve_exact(rows * columns);
        self.clipped.reserve_exact(rows * columns);
        for row in 0..rows {
            let lines = row * side..if row + 1 == rows { h } else { (row + 1) * side };
            let height = lines.len() as u32;
            maker.begin(columns, w);
            if raw {
                for y in lines {
                    maker.add_counts(picture.row(0, y), side);
                }
            } else {
                maker.add_lines(picture, lines, side);
                maker.gather(side);
            }
            let level = |sum: u32, factor: f32| (sum as f32 * factor + 0.5) as u16;
            let (factor, last_factor) = (steps / (height * side as u32) as f32, steps / (height * width(last)) as f32);
            if !raw && height == side as u32 {
                // Pixels of a whole block are a power of two, and less than there are steps.
                let shift = (STEPS_PER_GREY as u32).ilog2() - 2 * side.ilog2();
                self.levels.extend(maker.sums[..last].iter().map(|&sum| (sum << shift) as u16));
            } else {
                self.levels.extend(maker.sums[..last].iter().map(|&sum| level(sum, factor)));
            }
            self.levels.push(level(maker.sums[last], last_factor));
            if !maker.any_clipped {
                self.clipped.resize(self.levels.len(), 0);
                continue;
            }
            let part = |count: u32, column: usize| (count * CLIP_PARTS).div_ceil(height * width(column));
            let counts = maker.white.iter().zip(&maker.black).enumerate();
            self.clipped.extend(counts.map(
                |(column, (&white, &black))| {
                    if white | black == 0 { 0 } else { (part(white, column) << 4 | part(black, column)) as u8 }
                },
            ));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.levels.len()
    }
    /// Grey levels or counts per step of [`Self::levels`].
    pub(super) fn unit(&self) -> f32 {
        self.layout.unit()
    }
    pub(super) fn levels(&self) -> &[u16] {
        &self.levels
    }
    pub(super) fn clipped(&self) -> &[u8] {
        &self.clipped
    }
    /// Mean of a block, grey levels or counts.
    pub(super) fn level(&self, index: usize) -> f32 {
        f32::from(self.levels[index]) * self.unit()
    }
}

impl Clone for Blocks {
    fn clone(&self) -> Self {
        Self { layout: self.layout, levels: self.levels.clone(), clipped: self.clipped.clone() }
    }

    /// Into the buffers that are there: a derived one would make new ones at every examined look.
    fn clone_from(&mut self, source: &Self) {
        self.layout = source.layout;
        self.levels.clone_from(&source.levels);
        self.clipped.clone_from(&source.clipped);
    }
}

impl Layout {
    fn of(picture: &Picture) -> Self {
        let size = picture.size();
        let side = if size.width >= LARGE_FROM_WIDTH { SIDE_LARGE } else { SIDE_SMALL };
        // Three quarters of a block are one; less goes to the last.
        let blocks = |pixels: u32| ((pixels as usize + side / 4) / side).max(1);
        Self { columns: blocks(size.width), rows: blocks(size.height), side, format: Some((size, picture.format())) }
    }

    pub(super) fn is_raw(&self) -> bool {
        self.format.is_some_and(|(_, format)| format == PixelFormat::Gray16Le)
    }

    /// Grey levels or counts per step of a block's level.
    pub(super) fn unit(&self) -> f32 {
        if self.is_raw() { 1.0 } else { 1.0 / STEPS_PER_GREY }
    }

    /// The blocks that `area` touches.
    pub(super) fn for_touched(&self, area: &PixelBox, mut touched: impl FnMut(usize)) {
        let Some((size, _)) = self.format else { return };
        let area = area.clipped(size);
        // Not a number compares as false.
        if !(area.is_finite() && area.w > 0.0 && area.h > 0.0) {
            return;
        }
        let span = |from: f32, to: f32, blocks: usize| {
            let (from, to) = (from as usize / self.side, (to.ceil() as usize).div_ceil(self.side));
            from.min(blocks - 1)..to.clamp(1, blocks)
        };
        for row in span(area.y, area.bottom(), self.rows) {
            span(area.x, area.right(), self.columns).for_each(|column| touched(row * self.columns + column));
        }
    }
}

/// Parts of a block's pixels at white and at black.
pub(super) fn clip_parts(clipped: u8) -> (f32, f32) {
    (f32::from(clipped >> 4) / CLIP_PARTS as f32, f32::from(clipped & 15) / CLIP_PARTS as f32)
}

impl BlockMaker {
    fn begin(&mut self, columns: usize, width: usize) {
        for sums in [&mut self.sums, &mut self.white, &mut self.black] {
            sums.clear();
            sums.resize(columns, 0);
        }
        self.lanes.clear();
        self.lanes.resize(width / 8 * 4, 0);
        self.any_clipped = false;
    }

    fn add_counts(&mut self, row: &[u8], side: usize) {
        let last = self.sums.len() - 1;
        for (index, pixels) in row.chunks(2 * side).enumerate() {
            let sum: u32 = pixels.as_chunks::<2>().0.iter().map(|pixel| u32::from(u16::from_le_bytes(*pixel))).sum();
            self.sums[index.min(last)] += sum;
        }
    }

    fn add_lines(&mut self, picture: &Picture, lines: Range<usize>, side: usize) {
        if picture.format() == PixelFormat::Rgb8 {
            for y in lines {
                self.row.resize(picture.size().width as usize, 0.0);
                luma::row_into(picture, y, &mut self.row);
                let mut grey = std::mem::take(&mut self.grey);
                grey.clear();
                grey.extend(self.row.iter().map(|&level| (level + 0.5) as u8));
                self.add_grey([&grey], side);
                self.grey = grey;
            }
            return;
        }
        let plane = picture.rows(0);
        let many = lines.start..lines.start + lines.len() / ROWS_AT_ONCE * ROWS_AT_ONCE;
        for y in many.clone().step_by(ROWS_AT_ONCE) {
            let rows: [&[u8]; ROWS_AT_ONCE] = std::array::from_fn(|row| plane.row(y + row));
            self.add_grey(rows, side);
        }
        for y in many.end..lines.end {
            self.add_grey([plane.row(y)], side);
        }
    }

    /// Adds rows of the same length.
    fn add_grey<const ROWS: usize>(&mut self, rows: [&[u8]; ROWS], side: usize) {
        // Two pixels are a word.
        let words = rows.map(|row| &row.as_chunks::<2>().0[..self.lanes.len()]);
        widest(|| {
            for (index, lane) in self.lanes.iter_mut().enumerate() {
                let mut sum = *lane;
                for row in words {
                    let two = u16::from_le_bytes(row[index]);
                    sum += (two & 0xff) + (two >> 8);
                }
                *lane = sum;
            }
        });
        let whole = 2 * self.lanes.len();
        let last = self.sums.len() - 1;
        for row in rows {
            for (x, &pixel) in (whole..).zip(&row[whole..]) {
                self.sums[(x / side).min(last)] += u32::from(pixel);
            }
            let (least, most) = widest(|| row.iter().fold((u8::MAX, 0), |(least, most), &pixel| (least.min(pixel), most.max(pixel))));
            if least == 0 || most == u8::MAX {
                self.any_clipped = true;
                for (index, pixels) in row.chunks(side).enumerate() {
                    let count = |level: u8| pixels.iter().map(|&pixel| u32::from(pixel == level)).sum::<u32>();
                    self.white[index.min(last)] += count(u8::MAX);
                    self.black[index.min(last)] += count(0);
                }
            }
        }
    }

    fn gather(&mut self, side: usize) {
        widest(|| {
            if side == SIDE_LARGE {
                for (sum, [a, b, c, d]) in self.sums.iter_mut().zip(self.lanes.as_chunks::<4>().0) {
                    *sum += u32::from(a + b) + u32::from(c + d);
                }
            } else {
                for (sum, [a, b]) in self.sums.iter_mut().zip(self.lanes.as_chunks::<2>().0) {
                    *sum += u32::from(a + b);
                }
            }
        });
    }
}
