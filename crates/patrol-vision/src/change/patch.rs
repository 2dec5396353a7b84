//! How one place looks: a small grid of brightness over a person's box and a ring around it.

use super::blocks::Layout;
use crate::luma;
use patrol_core::{Picture, PictureSize, PixelBox, PixelFormat};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Samples along a side of a patch; the box itself is the middle half.
pub(super) const GRID: usize = 32;
/// A patch is so many times as wide and high as its box.
const EXTENT: f32 = 2.0;
/// Steps of a sample per grey level. Raw counts stand as they are.
const STEPS_PER_GREY: f32 = 256.0;
/// A sample outside of the picture, or of a place not known.
const UNKNOWN: u16 = u16::MAX;
/// Pixels of a row that are read at once.
const PART_PX: usize = 64;
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

impl PlacePatch {
    /// `None` if most of `bbox` lies outside of the picture, or is empty.
    pub fn take(picture: &Picture, bbox: &PixelBox) -> Option<Self> {
        let area = extent(bbox)?;
        let size = picture.size();
        let raw = picture.format() == PixelFormat::Gray16Le;
        let mut part = [0.0; PART_PX];
        let mut sums = [(0.0_f32, 0.0_f32); GRID * GRID];
        let (cell_w, cell_h) = (area.w / GRID as f32, area.h / GRID as f32);
        let clipped = area.clipped(size);
        let end = (clipped.right().ceil() as usize).min(size.width as usize);
        for y in clipped.y as usize..(clipped.bottom().ceil() as usize).min(size.height as usize) {
            let (top, bottom) = ((y as f32 - area.y) / cell_h, (y as f32 + 1.0 - area.y) / cell_h);
            for from in (clipped.x as usize..end).step_by(PART_PX) {
                let part = &mut part[..PART_PX.min(end - from)];
                luma::part_into(picture, from, y, part);
                for (x, &level) in (from..).zip(&*part) {
                    let (left, right) = ((x as f32 - area.x) / cell_w, (x as f32 + 1.0 - area.x) / cell_w);
                    spread(&mut sums, (left, right), (top, bottom), level);
                }
            }
        }
        let scale = if raw { 1.0 } else { STEPS_PER_GREY };
        // A sample of which less than half lies in the picture is not known.
        let samples = sums.iter().map(|&(weight, sum)| if weight < 0.5 { UNKNOWN } else { step_of(sum / weight * scale) }).collect();
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

/// Adds a pixel that covers `across` × `down` of the grid to the samples under it, by the part of each that it covers.
fn spread(sums: &mut [(f32, f32)], across: (f32, f32), down: (f32, f32), level: f32) {
    let cells = |(from, to): (f32, f32)| from.max(0.0) as usize..(to.ceil().max(0.0) as usize).min(GRID);
    let shared = |cell: usize, (from, to): (f32, f32)| (to.min(cell as f32 + 1.0) - from.max(cell as f32)).max(0.0);
    for y in cells(down) {
        let high = shared(y, down);
        for x in cells(across) {
            let weight = high * shared(x, across);
            let (weights, sum) = &mut sums[y * GRID + x];
            *weights += weight;
            *sum += weight * level;
        }
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
