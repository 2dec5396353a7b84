//! Warm bodies in thermal pictures, without a model.
//!
//! 1. The picture is smoothed lightly, and each pixel is measured against the median of its surroundings in σ of their
//!    texture (`background`). The window is a few body lengths wide *at that row*, so that a near person does not become
//!    his own background; gain and offset of an AGC cancel.
//! 2. Connected regions are taken at a ladder of thresholds, and form a tree: low thresholds give whole bodies and
//!    what they touch, high ones heads, trunks, and people apart (`regions`).
//! 3. Each region is judged as a person: size on the ground, shape, contrast against its own ring (`judge`).
//! 4. From each branch the best is kept: a body before its head, two people before their union.
//! 5. What is too large for one body and comes apart higher up is shared out among those who lie there (`apart`).

mod apart;
mod background;
mod blown_out;
mod burnt_in;
mod evidence;
mod judge;
mod lanes;
mod pixels;
mod regions;

use crate::detector::{DetectContext, Detector};
use crate::error::VisionError;
use background::Background;
use judge::{Judge, RING, Scale};
use patrol_core::{Detection, DetectionSource, Picture, PixelFormat};
use regions::{Forest, Region};
use serde::{Deserialize, Serialize};

/// Pictures smaller than this on a side hold no surroundings to measure against.
const SIDE_MIN: usize = 24;
/// A branch whose people look on average this much better than their union is split.
const UNION_ADVANTAGE: f32 = 0.8;
/// A part of a body may look this much better than the whole: a trunk before its spread legs.
const WHOLE_ADVANTAGE: f32 = 0.85;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HotSpotConfig {
    /// Contrast against the ring below which nothing is reported, in σ of the neighbourhood.
    pub threshold_sigma: f32,
    /// Scores below are dropped, 0–1.
    pub min_score: f32,
    /// Shortest and longest body in pixels of a picture 640 wide, where neither view nor ground sampling distance is known:
    /// people in HIT-UAV (60–130 m above ground) are 8–40 px long.
    pub length_px: [f32; 2],
    /// Most detections per picture, best first.
    pub most: usize,
}

impl Default for HotSpotConfig {
    fn default() -> Self {
        Self { threshold_sigma: 4.0, min_score: 0.1, length_px: [5.0, 48.0], most: 100 }
    }
}

/// Keeps its buffers from picture to picture, and nothing else: pictures of many cameras may take turns.
#[derive(Debug)]
pub struct HotSpot {
    config: HotSpotConfig,
    raw: Vec<u16>,
    background: Background,
    forest: Forest,
    choice: Vec<Choice>,
    parts: Vec<Region>,
    circle: [[f32; 2]; RING],
}

/// What is known of a branch when the deeper levels have been judged.
#[derive(Debug, Clone, Copy, Default)]
struct Choice {
    own: f32,
    /// Sum of the scores of the people below, and their number.
    below: f32,
    people_below: u32,
    taken: bool,
    /// Taken as several people.
    apart: bool,
    contrast_sigma: f32,
}

/// The part of the picture that is not border.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Active {
    pub(crate) left: usize,
    pub(crate) top: usize,
    pub(crate) right: usize,
    pub(crate) bottom: usize,
}

impl HotSpot {
    pub fn new(config: HotSpotConfig) -> Self {
        Self {
            config,
            raw: Vec::new(),
            background: Background::default(),
            forest: Forest::default(),
            choice: Vec::new(),
            parts: Vec::new(),
            circle: judge::circle(),
        }
    }
}

/// Settles every branch from its tips down, then takes the settled regions from the roots up.
fn choose(
    config: &HotSpotConfig,
    regions: &[Region],
    choices: &mut Vec<Choice>,
    parts: &mut Vec<Region>,
    judge: &Judge<'_>,
    out: &mut Vec<Detection>,
) {
    choices.clear();
    choices.resize(regions.len(), Choice::default());
    for (index, region) in regions.iter().enumerate().rev() {
        let verdict = judge.person(region);
        let choice = &mut choices[index];
        choice.own = verdict.score;
        choice.contrast_sigma = verdict.contrast_sigma;
        let mean_below = choice.below / choice.people_below.max(1) as f32;
        let wanted = mean_below * if choice.people_below > 1 { UNION_ADVANTAGE } else { WHOLE_ADVANTAGE };
        choice.taken = choice.own >= config.min_score && choice.own >= wanted && !judge.is_burnt_in(region);
        let mut people = 1;
        // A person and a warm patch of wall beside him look like two as well, but neither like one nor like two who were found.
        let may_be_several = choice.taken || choice.people_below > 1;
        if may_be_several && apart::apart(index, regions, judge, parts) {
            let verdict = judge.people(region, parts);
            if verdict.score >= config.min_score && verdict.score >= WHOLE_ADVANTAGE * mean_below {
                (choice.own, choice.contrast_sigma) = (verdict.score, verdict.contrast_sigma);
                (choice.taken, choice.apart, people) = (true, true, parts.len() as u32);
            }
        }
        // The best of a branch is passed on, so that thresholds cannot creep down by small concessions.
        let (sum, people) =
            if choice.taken { (people as f32 * choice.own.max(mean_below), people) } else { (choice.below, choice.people_below) };
        if let Some(parent) = region.parent {
            let parent = &mut choices[parent as usize];
            parent.below += sum;
            parent.people_below += people;
        }
    }
    let first = out.len();
    for (index, region) in regions.iter().enumerate() {
        if region.parent.is_some_and(|parent| choices[parent as usize].taken) {
            // Everything above a taken region is part of it.
            choices[index].taken = true;
        } else if choices[index].taken {
            let Choice { own: score, contrast_sigma, apart, .. } = choices[index];
            let detection = |region: &Region| {
                let body_like = !judge.may_be_lamp(region, contrast_sigma) && !judge.is_cut(region) && !judge.is_blown_out(region);
                Detection {
                    bbox: judge.bbox(region),
                    score,
                    source: DetectionSource::HotSpot,
                    resolved: body_like,
                    blob: Some(region.blob(contrast_sigma, score, body_like)),
                }
            };
            if apart && apart::apart(index, regions, judge, parts) {
                out.extend(parts.iter().map(detection));
            } else {
                out.push(detection(region));
            }
        }
    }
    out[first..].sort_by(|a, b| b.score.total_cmp(&a.score));
    out.truncate(first + config.most);
}

impl Detector for HotSpot {
    fn detect(&mut self, picture: &Picture, context: &DetectContext<'_>, out: &mut Vec<Detection>) -> Result<(), VisionError> {
        let size = picture.size();
        let (w, h) = (size.width as usize, size.height as usize);
        pixels::read(picture, &mut self.raw);
        let Some(active) = pixels::active_part(&self.raw, w, h, picture.format()) else { return Ok(()) };
        pixels::unstick(&mut self.raw, w, active);
        let scale = Scale::new(context, size, &self.config);
        self.background.measure(&self.raw, w, h, active, |y| scale.body_px(y));
        let scene = self.background.scene();
        self.forest.grow(scene.residual, scene.smooth, w, active, scale.least_area_px());
        let levels = (picture.format() != PixelFormat::Gray16Le).then_some(self.raw.as_slice());
        let judge = Judge {
            levels,
            scale,
            scene,
            active,
            size,
            threshold_sigma: self.config.threshold_sigma,
            least: self.config.min_score,
            circle: &self.circle,
        };
        choose(&self.config, &self.forest.regions, &mut self.choice, &mut self.parts, &judge, out);
        Ok(())
    }
    fn name(&self) -> &'static str {
        "hot-spot"
    }
    fn model_sha256(&self) -> &'static str {
        ""
    }
}
