//! Whether whoever was confirmed at a place is there still.

use super::patch::{GRID, PlacePatch, is_inner};
use super::ring::{Carry, Grid, Noise, coarsened};
use std::ops::RangeInclusive;

/// A template is of use when its presence is measured to an eighth, and it stands out by so many levels (root mean square over the box).
const STRENGTH_MIN: f32 = 8.0;
const CONTRAST_MIN: f32 = 1.2;
/// He is there when this much of the template is, and nothing else on top of it: by noise, or in parts of his contrast.
const PRESENT_MIN: f32 = 0.7;
const PRESENT_MAX: f32 = 1.6;
const CHANGE_MAX: f32 = 4.0;
const REST_PART_MAX: f32 = 0.35;
/// The place is empty when no more than this is there, and nothing stands out by more than so many σ.
const ABSENT_MAX: f32 = 0.12;
const LEFTOVER_MAX: f32 = 3.8;
/// And only if somebody under a quilt, who keeps this part of his contrast, would stand out by so many σ.
const QUILT_PART: f32 = 0.15;
const QUILT_SIGMA: f32 = 5.0;
/// All three are asked for so many times more strictly where the scenery is not known: the ground under him is a guess.
const UNKNOWN_CARE: f32 = 1.4;
/// There, what stands out is also measured by what stands out of the ring: a kerb that crosses the place crosses the ring too. Never more than
/// this part of what he stood out by himself, which a quilt over him would keep.
const AS_RING: f32 = 1.2;
const LEFTOVER_PART_MAX: f32 = 0.2;
/// And only in a light that AGC explains: by most of the ring, with about this contrast, and without a slope over the patch.
const AGREED_MIN: f32 = 0.6;
const GONE_GAIN: RangeInclusive<f32> = 0.6..=1.65;
const GONE_SLOPE_PART: f32 = 0.5;
const GONE_SLOPE_SIGMA: f32 = 2.0;
/// Levels beyond which a sample is cut off, and the part of the box that may newly be.
const CUT: (f32, f32) = (2.0, 250.0);
const DAZZLED_PART: f32 = 0.1;

/// What a place says now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceVerdict {
    /// What was seen when he was confirmed is there still.
    Unchanged,
    /// The place looks as it did before he came.
    Gone,
    /// Neither: something else stands there, or too little shows.
    Unclear,
}

/// A verdict and what it rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlaceReading {
    pub verdict: PlaceVerdict,
    /// How much of what set him off is there: 1 all of it, 0 nothing.
    pub presence: f32,
    /// Strongest difference from how the place looked when he was confirmed, σ.
    pub change: f32,
    /// Strongest difference from how the place looks without him, σ.
    pub leftover: f32,
}

impl PlaceReading {
    /// All of what set him off from the ground is there, whatever else has come.
    pub fn has_all_of_him(&self) -> bool {
        (PRESENT_MIN..=PRESENT_MAX).contains(&self.presence)
    }

    /// Nothing differs from how the place looked when he was confirmed.
    pub fn is_the_same(&self) -> bool {
        self.change <= CHANGE_MAX
    }
}

/// `confirmed`: when somebody was last confirmed there; `before`: the scenery before he came, if known.
///
/// What set him off from the ground is a template. How much of it is there now says whether he is; a place is called empty only if besides
/// nothing stands out that did not before, and a quilt over him would.
pub fn read_place(confirmed: &PlacePatch, before: Option<&PlacePatch>, now: &PlacePatch) -> PlaceReading {
    let before = before.filter(|before| before.compares_with(confirmed));
    // What cannot be compared is not the same.
    let unclear = PlaceReading { verdict: PlaceVerdict::Unclear, presence: 0.0, change: f32::MAX, leftover: 0.0 };
    if now.compares_with(confirmed) { read(confirmed, before, now).unwrap_or(unclear) } else { unclear }
}

fn read(confirmed: &PlacePatch, before: Option<&PlacePatch>, now: &PlacePatch) -> Option<PlaceReading> {
    let then = levels(confirmed);
    let independent = now.independent();
    // Two means over a width leave 2/3 of one sample's noise divided by the width.
    let kept = |width: f32| (2.0 / 3.0 / width.max(f32::MIN_POSITIVE)).min(1.0);
    // Everything in the light of when he was confirmed.
    let light = Carry::fit(&levels(now), &then, true)?;
    let seen = light.carry(&levels(now));
    // Without the scenery the ground is taken for a plane through its ring.
    let scenery = before.map_or([0.0; GRID * GRID], levels);
    // The scenery is coarse: what is compared with it is made as coarse, or every edge of the ground would be left over.
    let coarseness = before.map_or((0.0, 0.0), PlacePatch::coarseness);
    let (then_coarse, seen_coarse) = (coarsened(&then, coarseness), coarsened(&seen, coarseness));
    let independent_coarse = independent * kept(coarseness.0) * kept(coarseness.1);
    let ground = Carry::fit(&scenery, &then_coarse, false)?.carry(&scenery);
    let template = minus(&then_coarse, &ground);
    let there = minus(&seen_coarse, &ground);
    let changed = minus(&seen, &then);
    let (template_noise, ground_noise, noise) =
        (Noise::of(&template, independent_coarse), Noise::of(&there, independent_coarse), Noise::of(&changed, independent));

    let (mut n, mut energy, mut shared) = (0.0_f32, 0.0_f32, 0.0_f32);
    for i in (0..GRID * GRID).filter(|&i| is_inner(i) && template[i].is_finite() && there[i].is_finite()) {
        n += 1.0;
        energy += template[i] * template[i];
        shared += template[i] * there[i];
    }
    // Noise of the template itself is no part of him.
    energy -= n * template_noise.sample.powi(2);
    let (change, _) = noise.strongest(&changed);
    let (leftover, _) = ground_noise.strongest(&there);
    let unclear = PlaceReading { verdict: PlaceVerdict::Unclear, presence: 0.0, change, leftover };
    if n < 1.0 || energy <= 0.0 {
        return Some(unclear);
    }
    let presence = shared / energy;
    let contrast = (energy / n).sqrt();
    let strength = (energy * independent_coarse).sqrt() / ground_noise.sample;
    if strength < STRENGTH_MIN || contrast < CONTRAST_MIN {
        return Some(PlaceReading { presence, ..unclear });
    }
    let rest = std::array::from_fn(|i| there[i] - presence * template[i]);
    let (rest_sigma, rest_level) = noise.strongest(&rest);
    let as_he_was =
        change <= CHANGE_MAX || (presence <= PRESENT_MAX && (rest_sigma <= CHANGE_MAX || rest_level <= REST_PART_MAX * contrast));
    let is_there = presence >= PRESENT_MIN && as_he_was;
    let plain_light = light.agreed >= AGREED_MIN
        && GONE_GAIN.contains(&light.gain)
        && light.slope() <= (GONE_SLOPE_PART * contrast).max(GONE_SLOPE_SIGMA * noise.sample);
    let care = if before.is_some() { 1.0 } else { UNKNOWN_CARE };
    let telling = QUILT_PART * contrast >= care * QUILT_SIGMA * ground_noise.of_box();
    let is_even = care * leftover <= LEFTOVER_MAX
        || before.is_none() && {
            let (his, _) = ground_noise.strongest(&template);
            leftover <= (AS_RING * ground_noise.strongest_on_ring(&there)).min(LEFTOVER_PART_MAX * his)
        };
    let is_empty = care * presence.abs() <= ABSENT_MAX && is_even && plain_light && telling && !is_dazzled(confirmed, now);
    let verdict = if is_there {
        PlaceVerdict::Unchanged
    } else if is_empty {
        PlaceVerdict::Gone
    } else {
        PlaceVerdict::Unclear
    };
    Some(PlaceReading { verdict, presence, change, leftover })
}

fn levels(patch: &PlacePatch) -> Grid {
    std::array::from_fn(|i| patch.level(i).unwrap_or(f32::NAN))
}

fn minus(a: &Grid, b: &Grid) -> Grid {
    std::array::from_fn(|i| a[i] - b[i])
}

/// Whether much of the box is at white or black now that was not when he was confirmed: nothing shows there.
fn is_dazzled(confirmed: &PlacePatch, now: &PlacePatch) -> bool {
    if now.is_raw() {
        return false;
    }
    let cut = |patch: &PlacePatch, i: usize| patch.level(i).is_some_and(|level| !(CUT.0..=CUT.1).contains(&level));
    let inner = (0..GRID * GRID).filter(|&i| is_inner(i));
    let newly = inner.filter(|&i| cut(now, i) && !cut(confirmed, i)).count();
    newly as f32 > DAZZLED_PART * (GRID * GRID / 4) as f32
}
