//! Whether bright is hot.
//!
//! Nothing in a picture says so for certain: sheet metal under a clear sky is colder than all around it, and as small and sharp
//! as a warm body. So pictures are read white-hot, as cameras are delivered, until the evidence against it is strong and lasting.
//! - *Spots*: what the hot-spot method finds in the picture and in its negative. Weights from HIT-UAV `train`. They raise doubt, and decide only
//!   for palettes whose hot end is not known.
//! - *Motion*: before a camera that stands still, what comes and goes outdoors in winter is warmer than the ground: people, animals,
//!   engines.
//! - *A flip*: the same scene turned into its own negative. Certain, whichever of the two it was before.

use crate::canvas::Canvas;
use crate::detector::{DetectContext, Detector};
use crate::error::VisionError;
use crate::hot_spot::{HotSpot, HotSpotConfig};
use patrol_core::{Detection, Modality, Picture, PixelFormat};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;

/// Log-odds per logarithm of the ratio of squared scores, and of people found; fitted over flights of HIT-UAV `train`.
const WEIGHT_SCORES: f32 = 0.44;
const WEIGHT_PEOPLE: f32 = 1.05;
/// What counts as found, and what keeps ratios of nothing from counting.
const PERSON_SCORE: f32 = 0.5;
const SCORES_BASE: f32 = 0.3;
const PEOPLE_BASE: f32 = 1.0;
/// Mean log-odds below which a picture is read black-hot.
const INVERT_BELOW: f32 = -2.6;
/// Spots alone count no more than this against white-hot, and so never invert a known palette: at −2.2 they would find 27 % of the black-hot
/// flights of HIT-UAV `val` and wrongly invert 4 % of the white-hot ones, of which there are many more. They lower the confidence all the same.
const SPOTS_LEAST: f32 = -1.5;
/// What moves counts after so many judgements that saw motion.
const MOTION_MIN: f32 = 4.0;
/// And above which it is read white-hot again.
const RETURN_ABOVE: f32 = -0.5;
/// Nothing is inverted on fewer judgements.
const JUDGEMENTS_MIN: u32 = 5;
/// Judgements remembered: an hour of a camera looked at every 10 s.
const MEMORY: f32 = 40.0;
/// Nineteen of twenty cameras are left as delivered: log-odds 3.
const PRIOR: f32 = 3.0;
/// The hot end of an estimated palette is a guess: half the evidence turns it round, and half the prior stands for it.
const GUESSED: f32 = 0.5;
/// Side of the blocks in which motion is seen, pixels.
const BLOCK: usize = 4;
/// A block differs from its background by so many σ, and levels.
const MOTION_SIGMA: f32 = 6.0;
const MOTION_LEVELS: f32 = 8.0;
/// More than this part at once is the camera that moved.
const CAMERA_MOVED_PART: f32 = 0.06;
/// Judgements that a background needs, and levels by which it may follow at each.
const BACKGROUND_MIN: u32 = 10;
const FOLLOW_LEVELS: f32 = 6.0;
/// Log-odds of what only ever comes warm; blocks of motion that count half as much.
const MOTION_WEIGHT: f32 = 4.0;
const MOTION_BLOCKS: f32 = 6.0;
/// A scene against its own negative.
const FLIP_CORRELATION: f32 = -0.8;
const THUMBNAIL: usize = 24;

/// Which end of the grey scale is hot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Polarity {
    /// Judged from the pictures; white-hot until the evidence against it is strong.
    #[default]
    Auto,
    WhiteHot,
    BlackHot,
}

/// Mean of what was judged.
#[derive(Debug, Clone, Copy, Default)]
struct Evidence {
    mean: f32,
    count: f32,
}

impl Evidence {
    fn add(&mut self, log_odds: f32) {
        self.count = (self.count + 1.0).min(MEMORY);
        self.mean += (log_odds - self.mean) / self.count;
    }
}

/// Spots are sought by one for each thread: it keeps nothing of a picture but its buffers.
#[derive(Debug)]
struct Spots {
    hot_spot: HotSpot,
    canvas: Canvas,
    found: Vec<Detection>,
}

thread_local! {
    static SPOTS: RefCell<Spots> =
        RefCell::new(Spots { hot_spot: HotSpot::new(HotSpotConfig::default()), canvas: Canvas::default(), found: Vec::new() });
}

#[derive(Debug)]
pub(super) struct PolarityJudge {
    from_spots: Evidence,
    from_motion: Evidence,
    judgements: u32,
    /// The sign of the prior: a flip turns it over.
    as_delivered: f32,
    /// 1, or [`GUESSED`].
    prior: f32,
    inverted: bool,
    flipped: bool,
    background: Vec<f32>,
    background_age: u32,
    blocks: Vec<f32>,
    /// How each block differed from the background when it was judged last: −1 colder, 1 warmer.
    differed: Vec<i8>,
    sorted: Vec<f32>,
    thumbnail: Vec<f32>,
}

impl Spots {
    /// Sum of squared scores and number of likely people in `plane`, whose levels are turned over by `mask`: 0 or all bits.
    fn scores(&mut self, plane: &[u8], mask: u8, of: &Picture) -> Result<(f32, f32), VisionError> {
        let picture = self.canvas.picture(of, of.size(), PixelFormat::Gray8, |planes| {
            for (level, shown) in planes[0].iter_mut().zip(plane) {
                *level = shown ^ mask;
            }
        })?;
        self.found.clear();
        let context = DetectContext { modality: Modality::Thermal, view: None, gsd_m: None, in_full: Some(0) };
        self.hot_spot.detect(&picture, &context, &mut self.found)?;
        let people = self.found.iter().filter(|found| found.score > PERSON_SCORE).count();
        Ok((self.found.iter().map(|found| found.score * found.score).sum(), people as f32))
    }
}

impl PolarityJudge {
    pub(super) fn new() -> Self {
        Self {
            from_spots: Evidence::default(),
            from_motion: Evidence::default(),
            judgements: 0,
            as_delivered: 1.0,
            prior: 1.0,
            inverted: false,
            flipped: false,
            background: Vec::new(),
            background_age: 0,
            blocks: Vec::new(),
            differed: Vec::new(),
            sorted: Vec::new(),
            thumbnail: Vec::new(),
        }
    }

    /// Forgets the scene and all evidence: the palette has changed.
    pub(super) fn restart(&mut self) {
        *self = Self::new();
    }

    /// Whether it is known which end of the palette is hot in a white-hot camera.
    pub(super) fn expect(&mut self, known: bool) {
        self.prior = if known { 1.0 } else { GUESSED };
    }

    /// Forgets what the next picture would be compared with.
    pub(super) fn forget_scene(&mut self) {
        self.thumbnail.clear();
        self.background_age = 0;
    }

    pub(super) fn is_inverted(&self) -> bool {
        self.inverted
    }

    /// How likely the decision is right, 0–1, and what it rests on.
    pub(super) fn confidence(&self) -> (f32, &'static str) {
        let log_odds = PRIOR * self.prior * self.as_delivered + self.mean() * self.from_spots.count.min(2.0);
        let decided = if self.inverted { -log_odds } else { log_odds };
        let reason = if self.flipped {
            "the scene turned into its own negative"
        } else if self.judgements == 0 {
            "not judged yet: read as cameras are delivered"
        } else if self.mean().abs() < 0.5 {
            "no evidence either way: read as cameras are delivered"
        } else if self.from_motion.count > 0.0 && self.from_motion.mean.abs() > self.from_spots.mean.abs() {
            "by what moves"
        } else if (self.mean() < 0.0) != self.inverted {
            "spots of a person's size speak against it, not strongly enough to decide"
        } else {
            "by spots of a person's size"
        };
        (1.0 / (1.0 + (-decided).exp()), reason)
    }

    fn mean(&self) -> f32 {
        (self.from_spots.mean + self.motion_mean()).clamp(-6.0, 6.0)
    }

    fn motion_mean(&self) -> f32 {
        if self.from_motion.count >= MOTION_MIN { self.from_motion.mean } else { 0.0 }
    }

    /// Compares with the last picture, whose intensities these are too. Call at every look, before [`judge`](Self::judge); `true`: the scene flipped.
    pub(super) fn watch_for_flip<'a>(&mut self, width: usize, height: usize, row: impl Fn(usize) -> &'a [u8]) -> bool {
        self.sorted.clear();
        for y in 0..THUMBNAIL {
            let row = row((2 * y + 1) * height / (2 * THUMBNAIL));
            for x in 0..THUMBNAIL {
                let centre = ((2 * x + 1) * width / (2 * THUMBNAIL)).min(width.saturating_sub(4));
                let near = &row[centre..(centre + 4).min(width)];
                self.sorted.push(near.iter().map(|value| f32::from(*value)).sum::<f32>() / near.len() as f32);
            }
        }
        let flipped = self.thumbnail.len() == self.sorted.len() && correlation(&self.thumbnail, &self.sorted) < FLIP_CORRELATION;
        std::mem::swap(&mut self.thumbnail, &mut self.sorted);
        if flipped {
            self.from_spots.mean = -self.from_spots.mean;
            self.from_motion.mean = -self.from_motion.mean;
            self.as_delivered = -self.as_delivered;
            self.inverted = !self.inverted;
            self.flipped = !self.flipped;
            self.background_age = 0;
        }
        flipped
    }

    /// Weighs one picture of intensities, bright as the camera shows it. `inside`: left, top, right and bottom of what is no border.
    pub(super) fn judge(&mut self, plane: &[u8], picture: &Picture, inside: [usize; 4]) -> Result<(), VisionError> {
        let size = picture.size();
        let (as_shown, negative) = SPOTS
            .with_borrow_mut(|spots| Ok::<_, VisionError>((spots.scores(plane, 0, picture)?, spots.scores(plane, u8::MAX, picture)?)))?;
        let ratio = |shown: f32, negative: f32, base: f32| ((shown + base) / (negative + base)).ln();
        self.from_spots
            .add(WEIGHT_SCORES * ratio(as_shown.0, negative.0, SCORES_BASE) + WEIGHT_PEOPLE * ratio(as_shown.1, negative.1, PEOPLE_BASE));
        if let Some(motion) = self.motion(plane, size.width as usize, inside) {
            self.from_motion.add(motion);
        }
        self.judgements += 1;
        let mean = self.from_spots.mean.max(SPOTS_LEAST) + self.motion_mean();
        let invert_below = INVERT_BELOW * self.prior;
        if self.flipped {
            // A flip is certain; only strong evidence says that the scene before it was read wrongly.
            let wrong = if self.inverted { mean > -invert_below } else { mean < invert_below };
            if wrong && self.judgements >= JUDGEMENTS_MIN {
                self.inverted = !self.inverted;
                self.flipped = false;
                self.as_delivered = if self.inverted { -1.0 } else { 1.0 };
            }
        } else if self.inverted {
            self.inverted = mean <= RETURN_ABOVE * self.prior;
        } else {
            self.inverted = mean <= invert_below && self.judgements >= JUDGEMENTS_MIN;
        }
        Ok(())
    }

    /// Log-odds from what differs from the background; `None` when nothing does, or all.
    fn motion(&mut self, plane: &[u8], width: usize, [left, top, right, bottom]: [usize; 4]) -> Option<f32> {
        self.blocks.clear();
        for y in (top..bottom.saturating_sub(BLOCK - 1)).step_by(BLOCK) {
            for x in (left..right.saturating_sub(BLOCK - 1)).step_by(BLOCK) {
                let sum: u32 =
                    (y..y + BLOCK).map(|y| plane[y * width + x..][..BLOCK].iter().map(|value| u32::from(*value)).sum::<u32>()).sum();
                self.blocks.push(sum as f32 / (BLOCK * BLOCK) as f32);
            }
        }
        if self.background.len() != self.blocks.len() || self.background_age == 0 {
            self.background.clear();
            self.background.extend_from_slice(&self.blocks);
            self.differed.clear();
            self.differed.resize(self.blocks.len(), 0);
            self.background_age = 1;
            return None;
        }
        // The camera's gain and offset drift: the median difference is no motion.
        self.sorted.clear();
        self.sorted.extend(self.blocks.iter().zip(&self.background).map(|(now, before)| now - before));
        let drift = median(&mut self.sorted)?;
        for value in &mut self.sorted {
            *value = (*value - drift).abs();
        }
        let limit = (MOTION_SIGMA * 1.4826 * median(&mut self.sorted)?).max(MOTION_LEVELS);
        let (mut warmer, mut colder) = (0_usize, 0_usize);
        let (mut came_warm, mut came_cold) = (0_usize, 0_usize);
        for ((now, before), differed) in self.blocks.iter().zip(&mut self.background).zip(&mut self.differed) {
            let change = now - *before - drift;
            let differs = i8::from(change > limit) - i8::from(change < -limit);
            warmer += usize::from(differs > 0);
            colder += usize::from(differs < 0);
            // Whoever was there when the background was learnt leaves a hole in it that stays: it came once.
            came_warm += usize::from(differs > 0 && differs != *differed);
            came_cold += usize::from(differs < 0 && differs != *differed);
            *differed = differs;
            *before += drift + change.clamp(-FOLLOW_LEVELS, FOLLOW_LEVELS);
        }
        self.background_age += 1;
        if (warmer + colder) as f32 > CAMERA_MOVED_PART * self.blocks.len() as f32 {
            self.background_age = 0;
            return None;
        }
        if self.background_age <= BACKGROUND_MIN || came_warm + came_cold == 0 {
            return None;
        }
        let (warmer, colder) = (came_warm as f32, came_cold as f32);
        Some(MOTION_WEIGHT * (warmer - colder) / (warmer + colder + MOTION_BLOCKS))
    }
}

fn median(values: &mut [f32]) -> Option<f32> {
    if values.is_empty() {
        return None;
    }
    let middle = values.len() / 2;
    Some(*values.select_nth_unstable_by(middle, f32::total_cmp).1)
}

fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let n = a.len() as f32;
    let (mean_a, mean_b) = (a.iter().sum::<f32>() / n, b.iter().sum::<f32>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    // Even pictures resemble anything.
    if aa.min(bb) < 16.0 * n { 0.0 } else { ab / (aa * bb).sqrt() }
}
