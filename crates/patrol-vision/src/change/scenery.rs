//! A slow picture of the place without its people.

use super::blocks::{BlockMaker, Blocks, Layout};
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

/// The place as block means, followed slowly. Keeps 5 bytes a block: 0.16 MB at 1080p.
#[derive(Debug, Clone, Default)]
pub struct Scenery {
    layout: Layout,
    /// Grey levels or counts, and how many pictures they are made of: 0 is not known.
    levels: Vec<f32>,
    learnt: Vec<u8>,
}

/// Buffers of one thread; nothing is carried from picture to picture.
#[derive(Debug, Default)]
struct Scratch {
    maker: BlockMaker,
    now: Blocks,
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
        SCRATCH.with_borrow_mut(|scratch| self.learn_in(scratch, picture, occupied));
    }

    fn learn_in(&mut self, scratch: &mut Scratch, picture: &Picture, occupied: &[PixelBox]) {
        scratch.now.measure(picture, &mut scratch.maker);
        let blocks = scratch.now.len();
        if self.layout != scratch.now.layout {
            self.layout = scratch.now.layout;
            self.levels.clear();
            self.levels.resize(blocks, 0.0);
            self.learnt.clear();
            self.learnt.resize(blocks, 0);
        }
        scratch.occupied.clear();
        scratch.occupied.resize(blocks, false);
        for area in occupied {
            let grown = area.grown((GROWN_PART * area.w.max(area.h)).max(GROWN_MIN_PX));
            self.layout.for_touched(&grown, |index| scratch.occupied[index] = true);
        }
        self.follow_light(scratch);
        for (index, (level, learnt)) in self.levels.iter_mut().zip(&mut self.learnt).enumerate() {
            if !scratch.occupied[index] {
                *learnt = learnt.saturating_add(1);
                *level += (scratch.now.level(index) - *level) * RATE.max(1.0 / f32::from(*learnt));
            }
        }
    }

    /// How the place of `bbox` looks without people; `None` if most of it is not known.
    pub fn patch(&self, bbox: &PixelBox) -> Option<PlacePatch> {
        PlacePatch::from_blocks(&self.layout, bbox, |index| (self.learnt[index] > 0).then(|| self.levels[index]))
    }

    /// The camera looks elsewhere.
    pub fn restart(&mut self) {
        self.layout = Layout::default();
        self.levels.clear();
        self.learnt.clear();
    }

    /// Takes a step of the light over.
    fn follow_light(&mut self, scratch: &mut Scratch) {
        let Scratch { now, occupied, pairs, values, .. } = scratch;
        let step = (now.len() / SAMPLES).max(1) | 1;
        let seen = (0..now.len()).step_by(step).filter(|&i| self.learnt[i] > 0 && !occupied[i] && now.clipped()[i] == 0);
        pairs.clear();
        pairs.extend(seen.map(|i| (self.levels[i], now.level(i))));
        if pairs.len() < PAIRS_MIN {
            return;
        }
        let light = Light::fit(pairs, LIGHT_FLOOR, values);
        let middle = pairs.iter().map(|(before, _)| before).sum::<f32>() / pairs.len() as f32;
        if (light.gain - 1.0).abs() > STEP_GAIN || (light.apply(middle) - middle).abs() > STEP_GREY {
            for level in &mut self.levels {
                *level = light.apply(*level);
            }
        }
    }
}
