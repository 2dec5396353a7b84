//! A slow picture of the place without its people.

use super::blocks::{Blocks, Layout, measured};
use super::fit::Light;
use super::patch::PlacePatch;
use patrol_core::{Picture, PixelBox};
use std::cell::RefCell;

/// Each picture counts for this part once the place is known; before, all count alike.
const RATE: f32 = 1.0 / 20.0;
/// Boxes of people are grown by this part of their longer side, and at least so many pixels: what they lie on, their shadow.
const GROWN_PART: f32 = 0.15;
const GROWN_MIN_PX: f32 = 4.0;
/// A step of the light is taken over also where somebody stands: contrast, and grey levels of the middle grey. Less is followed as dusk is.
const STEP_GAIN: f32 = 0.05;
const STEP_GREY: f32 = 4.0;
/// Blocks that the light is fitted by, and with how few it is left alone.
const SAMPLES: usize = 2048;
const PAIRS_MIN: usize = 16;
/// σ that is always allowed.
const LIGHT_FLOOR: f32 = 0.05;

/// Where a level is rounded to a step differs from block to block by the golden ratio and from picture to picture by √2 (low-discrepancy sequences), in 2⁻³² steps:
/// always to the nearest, a level would stay ten steps from one that it follows, and a step of raw counts may be worth ten.
const BLOCKS_APART: u32 = 0x9e37_79b9;
const PICTURES_APART: u32 = 0x6a09_e667;

/// The place as block means, followed slowly. Keeps 3 bytes a block: 0.1 MB at 1080p.
#[derive(Debug, Clone, Default)]
pub struct Scenery {
    layout: Layout,
    /// In steps of [`Blocks::unit`], and how many pictures they are made of: 0 is not known.
    levels: Vec<u16>,
    learnt: Vec<u8>,
    /// Where the last picture's first block was rounded.
    rounded_at: u32,
}

/// Buffers of one thread; nothing is carried from picture to picture.
#[derive(Debug, Default)]
struct Scratch {
    occupied: Vec<bool>,
    pairs: Vec<(f32, f32)>,
    values: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::default());
}

impl Scenery {
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in a picture; places under `occupied` (people, watch cells) keep their old look.
    pub fn learn(&mut self, picture: &Picture, occupied: &[PixelBox]) {
        SCRATCH.with_borrow_mut(|scratch| measured(picture, |now| self.learn_in(scratch, now, occupied)));
    }

    fn learn_in(&mut self, scratch: &mut Scratch, now: &Blocks, occupied: &[PixelBox]) {
        let blocks = now.len();
        if self.layout != now.layout {
            self.layout = now.layout;
            self.levels.clear();
            self.levels.resize(blocks, 0);
            self.learnt.clear();
            self.learnt.resize(blocks, 0);
        }
        scratch.occupied.clear();
        scratch.occupied.resize(blocks, false);
        for area in occupied {
            let grown = area.grown((GROWN_PART * area.w.max(area.h)).max(GROWN_MIN_PX));
            self.layout.for_touched(&grown, |index| scratch.occupied[index] = true);
        }
        self.follow_light(scratch, now);
        self.rounded_at = self.rounded_at.wrapping_add(PICTURES_APART);
        let mut rounded_at = self.rounded_at;
        let known = self.levels.iter_mut().zip(&mut self.learnt).zip(now.levels());
        for (((level, learnt), &now), _) in known.zip(&scratch.occupied).filter(|(_, occupied)| !**occupied) {
            *learnt = learnt.saturating_add(1);
            let followed = f32::from(*level) + (f32::from(now) - f32::from(*level)) * RATE.max(1.0 / f32::from(*learnt));
            rounded_at = rounded_at.wrapping_add(BLOCKS_APART);
            // Below one: the upper 24 bits are exact.
            *level = (followed + (rounded_at >> 8) as f32 / (1 << 24) as f32) as u16;
        }
    }

    /// How the place of `bbox` looks without people; `None` if most of it is not known.
    pub fn patch(&self, bbox: &PixelBox) -> Option<PlacePatch> {
        PlacePatch::from_blocks(&self.layout, bbox, |index| (self.learnt[index] > 0).then(|| self.level(index)))
    }

    /// The camera looks elsewhere.
    pub fn restart(&mut self) {
        self.layout = Layout::default();
        self.levels.clear();
        self.learnt.clear();
    }

    /// Takes a step of the light over.
    fn follow_light(&mut self, scratch: &mut Scratch, now: &Blocks) {
        let Scratch { occupied, pairs, values } = scratch;
        let step = (now.len() / SAMPLES).max(1) | 1;
        let seen = (0..now.len()).step_by(step).filter(|&i| self.learnt[i] > 0 && !occupied[i] && now.clipped()[i] == 0);
        pairs.clear();
        pairs.extend(seen.map(|i| (self.level(i), now.level(i))));
        if pairs.len() < PAIRS_MIN {
            return;
        }
        let light = Light::fit(pairs, LIGHT_FLOOR, values);
        let middle = pairs.iter().map(|(before, _)| before).sum::<f32>() / pairs.len() as f32;
        if (light.gain - 1.0).abs() > STEP_GAIN || (light.apply(middle) - middle).abs() > STEP_GREY {
            let unit = self.layout.unit();
            for level in &mut self.levels {
                *level = (light.apply(f32::from(*level) * unit) / unit + 0.5) as u16;
            }
        }
    }

    /// Grey levels or counts.
    fn level(&self, index: usize) -> f32 {
        f32::from(self.levels[index]) * self.layout.unit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{MediaTime, PictureSize, PixelFormat, WallEstimate, WallTime};

    #[test]
    fn a_scene_that_becomes_a_little_warmer_is_followed() {
        let raw = |count: u16| {
            let pixels = count.to_le_bytes().repeat(640 * 512);
            let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
            Picture::from_planes(PictureSize::new(640, 512), PixelFormat::Gray16Le, vec![pixels], 0, MediaTime::ZERO, captured)
                .expect("good")
        };
        // Where blocks are rounded depends on how many of them are free.
        for occupied in [PixelBox::new(0.0, 0.0, 0.0, 0.0), PixelBox::new(40.0, 40.0, 142.0, 12.0)] {
            let mut scenery = Scenery::new();
            (0..20).for_each(|_| scenery.learn(&raw(8000), &[]));
            // Less than ten steps, of which a twentieth would always be rounded away, and than what is taken for a step of the light.
            (0..200).for_each(|_| scenery.learn(&raw(8003), &[occupied]));
            let known = scenery.levels.iter().zip(&scenery.learnt);
            let free: Vec<u16> = known.filter(|(_, learnt)| **learnt > 20).map(|(level, _)| *level).collect();
            let mean = free.iter().map(|&level| f64::from(level)).sum::<f64>() / free.len() as f64;
            assert!((mean - 8003.0).abs() < 0.1 && free.len() > 19_000, "{mean} of {}", free.len());
            assert!(free.iter().all(|&level| level.abs_diff(8003) <= 1));
        }
    }
}
