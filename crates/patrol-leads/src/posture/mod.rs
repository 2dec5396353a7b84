//! How a body lies, sits or stands, judged from one look ([`judge`]) and over time ([`PostureFilter`]).
//!
//! With a view, figures of known size (`figures.rs`) are placed where the box is, turned and scaled, and all that fits what is seen is weighed (`shape.rs`):
//! that holds from a street lamp as well as straight down, where width over height alone says nothing.
//!
//! What cannot be told from an outline, by geometry: who lies along the line of sight is as high and wide as one who crouches, sits or stands where the camera looks down by about
//! 34°, 28–41° or 47° (his length · sin against their height · cos). There a warm region's moments help, the joints that a pose network sees (`joints.rs`), and time (`filter.rs`).

#[cfg(test)]
mod capsules;
#[cfg(test)]
mod dice;
mod figures;
mod filter;
mod joints;
#[cfg(test)]
mod rendered;
#[cfg(test)]
mod rendered_tests;
mod shape;
#[cfg(test)]
mod street_tests;

use figures::Kind;
pub use filter::PostureFilter;

use patrol_core::view::UPRIGHT_HEIGHT_M;
use patrol_core::{CameraView, Joints, PictureSize, Posture, Track};
use std::time::Duration;

/// Below this a body has no posture (design §5), pixels: short and long side; half a pixel less, by which edges are uncertain.
const BODY_MIN_PX: (f32, f32) = (7.5, 13.5);
/// Faster than this is walking, m/s; a crawl or the jitter of a lying body's box is slower than the second.
const WALKING_M_S: f32 = 0.3;
const SURELY_WALKING_M_S: f32 = 0.8;
/// A box so close to the picture's edge is cut by it, pixels.
const EDGE_PX: f32 = 1.5;

/// Reason given when a body is upright, or lies along the optical axis.
pub(crate) const AMBIGUOUS: &str = "ambiguous";
const TOO_SMALL: &str = "too-small";
const NO_BODY_FITS: &str = "no-body-fits";
const SITTING_OR_DOWN: &str = "sitting-or-down";
const DOG: &str = "smaller-than-a-body";
/// A dog with this share is called nothing. Rendered people who lie along the line of sight lose 0.7 % of looks to it, at 0.5 up to 9 %.
const DOG_MIN: f32 = 0.7;
/// Who is down so many times as likely as upright is called so: upright and lying are never confused on a guess.
const DOWN_OVER_STANDING: f32 = 1.5;
/// The same of sitting: with a warm region's moments, without them, and seen from above, where nobody watches for ten minutes.
const DOWN_OVER_SITTING: f32 = 0.67;
const DOWN_OVER_SITTING_BY_BOX: f32 = 1.0;
const DOWN_OVER_SITTING_FROM_ABOVE: f32 = 0.25;
const ABOVE_DEG: f32 = 45.0;
/// Who is down with this share, and is not called so, is not called anything: where he may sit, and where he may stand, which is no lead ever.
const DOUBT_MIN: f32 = 0.07;
const DOUBT_MIN_UPRIGHT: f32 = 0.03;
/// Of a look in doubt between sitting and down.
const DOUBT_CONFIDENCE: f32 = 0.2;
/// Nobody stays bent on straight legs without motion for so long: three times what tying a shoe takes in the scenes of `benches/motionless`.
const BENT_AT_MOST: Duration = Duration::from_mins(1);
/// Among those that are down, called lying.
const LYING_AMONG_DOWN: f32 = 0.05;

/// What one look offers.
#[derive(Debug, Clone, Copy)]
pub struct PostureInput<'a> {
    pub track: &'a Track,
    pub size: PictureSize,
    pub view: Option<&'a CameraView>,
    /// Height of an upright person at this row, learnt from walkers: for cameras without a view.
    pub learnt_upright_px: Option<UprightPx>,
    /// Where a pose network sees the joints.
    pub joints: Option<Joints>,
}

/// How tall a person who stands is in the picture, pixels, and by how much one of them differs (1 σ).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UprightPx {
    pub height: f32,
    pub sigma: f32,
}

/// One look's opinion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PostureJudgement {
    pub posture: Posture,
    /// 0–1: its share in all that fits; of `Unknown`, what the look weighs.
    pub confidence: f32,
    /// Stable reason: `shape`, `learnt-height`, `outline`, `joints`, `speed`; of `Unknown`: `too-small`, `cut-by-edge`, `above-horizon`, `no-body-fits`, `ambiguous`
    /// (upright or down), `sitting-or-down`, `smaller-than-a-body` (a dog).
    pub why: &'static str,
}

impl PostureJudgement {
    const fn new(posture: Posture, confidence: f32, why: &'static str) -> Self {
        Self { posture, confidence, why }
    }

    /// Upright, or lying along the optical axis.
    fn is_ambiguous(&self) -> bool {
        self.posture == Posture::Unknown && self.why == AMBIGUOUS
    }
}

/// Judges one look. Among those that are down doubt goes to lying; between them and others it is `Unknown`.
pub fn judge(input: &PostureInput) -> PostureJudgement {
    let bbox = input.track.bbox;
    let (w_px, h_px) = shape::body_px(input.track);
    if !bbox.is_finite() || w_px.min(h_px) < BODY_MIN_PX.0 || w_px.max(h_px) < BODY_MIN_PX.1 {
        return PostureJudgement::new(Posture::Unknown, 0.0, TOO_SMALL);
    }
    let scale = match (input.view, input.learnt_upright_px) {
        (Some(view), _) => view.pixels_per_metre(bbox.centre(), input.size),
        (None, Some(upright)) => Some(upright.height / UPRIGHT_HEIGHT_M),
        (None, None) => None,
    };
    // Of unknown scale, the box itself is the measure: its long side is a body's length.
    let speed_m_s = input.track.speed_px_s / scale.unwrap_or(bbox.w.max(bbox.h) / UPRIGHT_HEIGHT_M).max(1.0);
    let walking = PostureJudgement::new(Posture::Walking, 0.9, "speed");
    if speed_m_s > SURELY_WALKING_M_S {
        return walking;
    }
    let shape = match (input.view, input.learnt_upright_px) {
        (Some(view), _) => by_view(input, view),
        (None, Some(upright)) if upright.height >= BODY_MIN_PX.1 => joints::weighed(input, by_learnt_height(input, upright)),
        (None, _) => joints::weighed(input, by_outline(input)),
    };
    let is_clearly_down = shape.posture.is_down() && shape.confidence >= 0.6;
    if speed_m_s > WALKING_M_S && !is_clearly_down { walking } else { shape }
}

fn is_cut(input: &PostureInput) -> bool {
    let bbox = input.track.bbox;
    let (w, h) = (input.size.width as f32, input.size.height as f32);
    bbox.x <= EDGE_PX || bbox.y <= EDGE_PX || bbox.right() >= w - EDGE_PX || bbox.bottom() >= h - EDGE_PX
}

fn by_view(input: &PostureInput, view: &CameraView) -> PostureJudgement {
    let unknown = |confidence, why| PostureJudgement::new(Posture::Unknown, confidence, why);
    if is_cut(input) {
        return unknown(0.1, "cut-by-edge");
    }
    let Some(weighed) = shape::weigh(input.track, view, input.size, input.joints.as_ref()) else { return unknown(0.0, "above-horizon") };
    if !weighed.is_body {
        return unknown(0.1, NO_BODY_FITS);
    }
    let shares = weighed.shares;
    let rests = input.track.still_since.is_some_and(|since| input.track.last_seen.since(since) >= BENT_AT_MOST);
    let [standing, bent, sitting] = [Kind::Standing, Kind::Bent, Kind::Sitting].map(|kind| shares.of(kind));
    let down = shares.down();
    if shares.of(Kind::Dog) >= DOG_MIN {
        return unknown(0.3, DOG);
    }
    let is_above = view.depression_deg(input.track.bbox.centre(), input.size).is_some_and(|depression_deg| depression_deg >= ABOVE_DEG);
    let over_sitting = match () {
        () if is_above => DOWN_OVER_SITTING_FROM_ABOVE,
        () if input.track.blob.is_some() => DOWN_OVER_SITTING,
        () => DOWN_OVER_SITTING_BY_BOX,
    };
    let is_down = |shares: &shape::Shares| {
        let on_feet = shares.of(Kind::Standing) + if rests { 0.0 } else { shares.of(Kind::Bent) };
        shares.down() >= DOWN_OVER_STANDING * on_feet && shares.down() >= over_sitting * shares.of(Kind::Sitting)
    };
    if is_down(&shares) {
        let [lying, curled, slumped] = [Kind::Lying, Kind::Curled, Kind::Slumped].map(|kind| shares.of(kind));
        let posture = match () {
            () if lying >= LYING_AMONG_DOWN * down => Posture::Lying,
            () if curled >= slumped => Posture::Curled,
            () => Posture::Slumped,
        };
        return PostureJudgement::new(posture, down, "shape");
    }
    let is_upright = standing >= sitting + bent;
    // Whom his outline calls down, joints put in doubt and do not acquit: they may be another's.
    if is_down(&weighed.by_outline) || down >= if is_upright { DOUBT_MIN_UPRIGHT } else { DOUBT_MIN } {
        return if is_upright { unknown(0.3, AMBIGUOUS) } else { unknown(DOUBT_CONFIDENCE, SITTING_OR_DOWN) };
    }
    // Whoever is bent for longer than a moment is not bent, but huddled.
    let posture = if is_upright { Posture::Standing } else { Posture::Sitting };
    PostureJudgement::new(posture, standing.max(sitting + bent), "shape")
}

/// Without a view: sizes against the upright height learnt from walkers in this row.
fn by_learnt_height(input: &PostureInput, upright: UprightPx) -> PostureJudgement {
    if is_cut(input) {
        return PostureJudgement::new(Posture::Unknown, 0.1, "cut-by-edge");
    }
    let (h, w) = (input.track.bbox.h / upright.height, input.track.bbox.w / upright.height);
    let long = input.track.blob.map_or(h.hypot(w), |blob| blob.major_px / upright.height);
    let posture = match () {
        // Nobody throws so large a shape: a vehicle, or a height learnt wrongly.
        () if h > 1.6 || w > 1.6 => Posture::Unknown,
        () if h >= 0.8 => Posture::Standing,
        () if w >= 1.2 * h && long >= 0.7 => Posture::Lying,
        () if h >= 0.45 => Posture::Sitting,
        () if w >= h && long >= 0.4 => Posture::Curled,
        () => Posture::Unknown,
    };
    // Distance from the nearest border between two postures.
    let margin = [(h - 0.8).abs(), (h - 0.45).abs(), (w - 1.2 * h).abs()].into_iter().fold(f32::INFINITY, f32::min);
    let sigma = (h * upright.sigma / upright.height).max(0.01);
    let is_clear_of_it = 1.0 - (-0.5 * (margin / sigma).powi(2)).exp();
    PostureJudgement::new(posture, 0.2 + 0.5 * is_clear_of_it, "learnt-height")
}

/// Without any scale: the outline alone, with little confidence.
fn by_outline(input: &PostureInput) -> PostureJudgement {
    if is_cut(input) {
        return PostureJudgement::new(Posture::Unknown, 0.1, "cut-by-edge");
    }
    let bbox = input.track.bbox;
    let is_flat =
        input.track.blob.is_some_and(|blob| blob.major_px >= 2.0 * blob.minor_px && blob.angle_rad.abs() < std::f32::consts::FRAC_PI_6);
    match bbox.w / bbox.h {
        ratio if ratio > 1.2 || is_flat => PostureJudgement::new(Posture::Lying, 0.4, "outline"),
        ratio if ratio < 0.55 => PostureJudgement::new(Posture::Standing, 0.4, "outline"),
        _ => PostureJudgement::new(Posture::Unknown, 0.2, "outline"),
    }
}

#[cfg(test)]
mod tests;
