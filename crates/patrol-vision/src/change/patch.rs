//! How one place looks: a small grid of brightness over a person's box and a ring around it.

use super::blocks::Layout;
use crate::luma;
use crate::vectors::widest;
use patrol_core::{Picture, PictureSize, PixelBox, PixelFormat};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::cell::RefCell;

/// Samples along a side of a patch; the box itself is the middle half.
pub(super) const GRID: usize = 32;
/// A patch is so many times as wide and high as its box.
const EXTENT: f32 = 2.0;
/// Steps of a sample per grey level. Raw counts stand as they are.
const STEPS_PER_GREY: f32 = 256.0;
/// A sample outside of the picture, or of a place not known.
const UNKNOWN: u16 = u16::MAX;
/// A patch has at least this part of the box itself in the picture; and beside others who lie there, whose warmth is blurred beyond their boxes by so many pixels.
const KNOWN_PART_MIN: f32 = 0.6;
const KNOWN_BESIDE_PART_MIN: f32 = 0.4;
const BESIDE_BLUR_PX: f32 = 2.0;

/// How a place looks, sampled relative to the box of whoever is there, so that it compares with the place seen at another scale.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlacePatch {
    /// Extent that was sampled, pixels.
    width_px: f32,
    height_px: f32,
    raw: bool,
    /// Side of the blocks that samples were taken from, pixels; 0 of a full picture.
    blocks_px: f32,
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    samples: Vec<u16>,
}

/// Buffers of one thread; nothing is carried from picture to picture.
#[derive(Debug, Default)]
struct Scratch {
    row: Vec<f32>,
    /// Of the rows under a row of cells, by the part of each.
    sums: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

impl PlacePatch {
    /// `None` if most of `bbox` lies outside of the picture, or is empty.
    pub fn take(picture: &Picture, bbox: &PixelBox) -> Option<Self> {
        let area = extent(bbox)?;
        let raw = picture.format() == PixelFormat::Gray16Le;
        let scale = if raw { 1.0 } else { STEPS_PER_GREY };
        let mut samples = Vec::with_capacity(GRID * GRID);
        SCRATCH.with_borrow_mut(|scratch| scratch.sample(picture, &area, scale, &mut samples));
        Self { width_px: area.w, height_px: area.h, raw, blocks_px: 0.0, samples }.known()
    }

    /// From block means: `level` gives that of a block, if known.
    pub(super) fn from_blocks(layout: &Layout, bbox: &PixelBox, level: impl Fn(usize) -> Option<f32>) -> Option<Self> {
        let area = extent(bbox)?;
        let (size, _) = layout.format?;
        let raw = layout.is_raw();
        let scale = if raw { 1.0 } else { STEPS_PER_GREY };
        let samples = (0..GRID * GRID).map(|index| {
            let x = area.x + area.w * ((index % GRID) as f32 + 0.5) / GRID as f32;
            let y = area.y + area.h * ((index / GRID) as f32 + 0.5) / GRID as f32;
            between(layout, size, x, y, &level).map_or(UNKNOWN, |value| step_of(value * scale))
        });
        Self { width_px: area.w, height_px: area.h, raw, blocks_px: layout.side as f32, samples: samples.collect() }.known()
    }

    /// What is left of this patch, taken at `place`, without those who lie under `beside`; `None`: too little to tell.
    pub fn without(&self, place: &PixelBox, beside: &[PixelBox]) -> Option<Self> {
        let area = extent(place)?;
        let (cell_w, cell_h) = (area.w / GRID as f32, area.h / GRID as f32);
        let covered = |index: usize| {
            let (x, y) = (area.x + cell_w * ((index % GRID) as f32 + 0.5), area.y + cell_h * ((index / GRID) as f32 + 0.5));
            beside.iter().any(|other| {
                let other = other.grown(BESIDE_BLUR_PX);
                (other.x..other.right()).contains(&x) && (other.y..other.bottom()).contains(&y)
            })
        };
        let samples = self.samples.iter().enumerate().map(|(index, &sample)| if covered(index) { UNKNOWN } else { sample }).collect();
        Self { samples, ..self.clone() }.known_by(KNOWN_BESIDE_PART_MIN)
    }

    fn known(self) -> Option<Self> {
        self.known_by(KNOWN_PART_MIN)
    }

    fn known_by(self, part_min: f32) -> Option<Self> {
        let inner = (0..GRID * GRID).filter(|&index| is_inner(index));
        let known = inner.clone().filter(|&index| self.samples[index] != UNKNOWN).count();
        (known as f32 >= part_min * inner.count() as f32).then_some(self)
    }

    /// Grey levels or counts of a sample, if known.
    pub(super) fn level(&self, index: usize) -> Option<f32> {
        let sample = *self.samples.get(index)?;
        (sample != UNKNOWN).then(|| f32::from(sample) / if self.raw { 1.0 } else { STEPS_PER_GREY })
    }

    /// Part of the samples that say something of their own: neighbours share the pixels at their edges, and where samples are smaller than pixels
    /// they say the same.
    pub(super) fn independent(&self) -> f32 {
        // Along one axis: c pixels a sample times the variance of a mean over c pixels that begins anywhere in a pixel.
        let along = |extent: f32| {
            let c = extent / GRID as f32;
            if c < 1.0 { c - c * c / 3.0 } else { 1.0 - 1.0 / (3.0 * c) }
        };
        along(self.width_px) * along(self.height_px)
    }

    /// Samples along a side of the blocks that it was made of, across and down.
    pub(super) fn coarseness(&self) -> (f32, f32) {
        (self.blocks_px * GRID as f32 / self.width_px, self.blocks_px * GRID as f32 / self.height_px)
    }

    pub(super) fn compares_with(&self, other: &Self) -> bool {
        self.raw == other.raw && self.samples.len() == GRID * GRID && other.samples.len() == GRID * GRID
    }
    pub(super) fn is_raw(&self) -> bool {
        self.raw
    }
}

/// Whether a sample lies in the box itself.
pub(super) fn is_inner(index: usize) -> bool {
    let inner = GRID / 4..GRID - GRID / 4;
    inner.contains(&(index % GRID)) && inner.contains(&(index / GRID))
}

fn extent(bbox: &PixelBox) -> Option<PixelBox> {
    let (w, h) = (bbox.w * EXTENT, bbox.h * EXTENT);
    let centre = bbox.centre();
    (bbox.is_finite() && bbox.w > 0.0 && bbox.h > 0.0).then(|| PixelBox::new(centre.x - w / 2.0, centre.y - h / 2.0, w, h))
}

fn step_of(value: f32) -> u16 {
    (value + 0.5).clamp(0.0, f32::from(UNKNOWN - 1)) as u16
}

impl Scratch {
    /// Means of `area` in cells of the grid, row by row: pixels count by the part of a cell that they cover.
    fn sample(&mut self, picture: &Picture, area: &PixelBox, scale: f32, samples: &mut Vec<u16>) {
        let size = picture.size();
        let across = |cell: usize| Span::of(area.x, area.w / GRID as f32, cell, size.width as usize);
        let down = |cell: usize| Span::of(area.y, area.h / GRID as f32, cell, size.height as usize);
        let (from, to) = (across(0).start, across(GRID - 1).end);
        self.row.resize(to.saturating_sub(from), 0.0);
        for row in 0..GRID {
            let rows = down(row);
            self.sums.clear();
            self.sums.resize(self.row.len(), 0.0);
            for (y, part) in rows.parts() {
                luma::part_into(picture, from, y, &mut self.row);
                widest(|| {
                    for (sum, level) in self.sums.iter_mut().zip(&self.row) {
                        *sum += part * level;
                    }
                });
            }
            samples.extend((0..GRID).map(|column| {
                let columns = across(column);
                let shown = rows.shown() * columns.shown();
                // A sample of which less than half lies in the picture is not known.
                if shown <= 0.0 || shown < 0.5 * rows.extent * columns.extent {
                    return UNKNOWN;
                }
                let sum: f32 = columns.parts().map(|(x, part)| part * self.sums[x - from]).sum();
                step_of(sum / shown * scale)
            }));
        }
    }
}

/// A cell of the grid along one axis.
struct Span {
    /// Pixels that it touches.
    start: usize,
    end: usize,
    /// Where it begins and ends, pixels.
    low: f32,
    high: f32,
    extent: f32,
}

impl Span {
    fn of(origin: f32, extent: f32, cell: usize, pixels: usize) -> Self {
        let (low, high) = (origin + cell as f32 * extent, origin + (cell + 1) as f32 * extent);
        let inside = |at: f32| (at.max(0.0) as usize).min(pixels);
        Self { start: inside(low), end: inside(high.ceil()), low, high, extent }
    }

    /// Each pixel, and how much of it lies in the cell.
    fn parts(&self) -> impl Iterator<Item = (usize, f32)> + '_ {
        (self.start..self.end).map(|at| (at, (self.high.min(at as f32 + 1.0) - self.low.max(at as f32)).max(0.0)))
    }

    /// Pixels of the cell that are in the picture.
    fn shown(&self) -> f32 {
        (self.high.min(self.end as f32) - self.low.max(self.start as f32)).max(0.0)
    }
}

/// The level between the middles of blocks; `None` outside of the picture or if the nearest block is not known.
fn between(layout: &Layout, size: PictureSize, x: f32, y: f32, level: &impl Fn(usize) -> Option<f32>) -> Option<f32> {
    if x < 0.0 || y < 0.0 || x >= size.width as f32 || y >= size.height as f32 {
        return None;
    }
    let at = |value: f32, blocks: usize| {
        let place = (value - 0.5).clamp(0.0, (blocks - 1) as f32);
        let low = (place as usize).min(blocks.saturating_sub(2));
        (low, (low + 1).min(blocks - 1), place - low as f32)
    };
    let (left, right, u) = at(x / layout.side as f32, layout.columns);
    let (above, below, v) = at(y / layout.side as f32, layout.rows);
    let near = |low: usize, high: usize, part: f32| if part < 0.5 { low } else { high };
    let nearest = level(near(above, below, v) * layout.columns + near(left, right, u))?;
    let value = |row: usize, column: usize| level(row * layout.columns + column).unwrap_or(nearest);
    let mix = |row: usize| value(row, left) * (1.0 - u) + value(row, right) * u;
    Some(mix(above) * (1.0 - v) + mix(below) * v)
}

fn to_hex<S: Serializer>(samples: &[u16], serializer: S) -> Result<S::Ok, S::Error> {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_be_bytes()).collect();
    serializer.serialize_str(&hex::encode(bytes))
}

fn from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u16>, D::Error> {
    use serde::de::Error;
    let text = String::deserialize(deserializer)?;
    let bytes = hex::decode(text).map_err(D::Error::custom)?;
    if bytes.len() != 2 * GRID * GRID {
        return Err(D::Error::invalid_length(bytes.len() / 2, &"1024 samples"));
    }
    Ok(bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{MediaTime, WallEstimate, WallTime};
    use proptest::prelude::*;

    /// The part of `area`'s cell that a pixel covers, px².
    fn shared(area: &PixelBox, cell: (usize, usize), pixel: (usize, usize)) -> f64 {
        let along = |origin: f32, extent: f32, cell: usize, at: usize| {
            let (origin, extent) = (f64::from(origin), f64::from(extent) / GRID as f64);
            let (low, high) = (origin + cell as f64 * extent, origin + (cell + 1) as f64 * extent);
            (high.min(at as f64 + 1.0) - low.max(at as f64)).max(0.0)
        };
        along(area.x, area.w, cell.0, pixel.0) * along(area.y, area.h, cell.1, pixel.1)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_sample_is_the_mean_of_what_its_cell_covers(x in -6.0_f32..40.0, y in -6.0_f32..30.0, w in 3.0_f32..30.0, h in 3.0_f32..30.0, seed in 0_u32..1000) {
            let size = PictureSize::new(48, 36);
            let level = |x: usize, y: usize| ((x as u32 * 7 + y as u32 * 13 + seed).wrapping_mul(2_654_435_761) >> 24) as u8;
            let pixels: Vec<u8> = (0..48 * 36).map(|index| level(index % 48, index / 48)).collect();
            let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
            let picture = Picture::from_planes(size, PixelFormat::Gray8, vec![pixels], 0, MediaTime::ZERO, captured).expect("good");
            let bbox = PixelBox::new(x, y, w, h);
            let Some(patch) = PlacePatch::take(&picture, &bbox) else { return Ok(()) };
            let area = extent(&bbox).expect("a box");
            let cell_area = f64::from(area.w) * f64::from(area.h) / (GRID * GRID) as f64;
            for index in 0..GRID * GRID {
                let cell = (index % GRID, index / GRID);
                let (mut weight, mut sum) = (0.0, 0.0);
                for pixel in (0..48).flat_map(|x| (0..36).map(move |y| (x, y))) {
                    let part = shared(&area, cell, pixel);
                    weight += part;
                    sum += part * f64::from(level(pixel.0, pixel.1));
                }
                match patch.level(index) {
                    Some(found) => prop_assert!((f64::from(found) - sum / weight).abs() < 0.02, "{index}: {found}, {}", sum / weight),
                    None => prop_assert!(weight < 0.501 * cell_area, "{index}: {weight} of {cell_area}"),
                }
                prop_assert!(patch.level(index).is_none() || weight > 0.499 * cell_area);
            }
        }
    }
}
