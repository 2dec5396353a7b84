//! A scene's truth in place of a network. Exists only in pipelines that `patrol sim` wrote.

use crate::eval::truth::Truth;
use patrol_core::{Detection, DetectionSource, Picture, PixelBox};
use patrol_vision::{DetectContext, Detector, VisionError};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::Arc;

/// Of whom less is to be seen is not found.
const VISIBLE_MIN: f64 = 0.15;
/// The truth tells where people are once a second. Between samples farther apart, somebody was out of sight, seconds.
const APART_MAX_S: f64 = 1.5;
/// Farther from all samples nothing is known, seconds.
const AWAY_MAX_S: f64 = 1.0;
const SCORE: f32 = 0.8;
/// No detector draws the same box twice, pixels.
const JITTER_PX: f64 = 1.0;

/// A scene's truth, and the SHA-256 of its file in hexadecimal.
pub(crate) struct TruthFile {
    pub(crate) truth: Truth,
    pub(crate) sha256: String,
}

impl TruthFile {
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let reader = &mut serde_json::Deserializer::from_slice(&bytes);
        let truth = serde_path_to_error::deserialize(reader).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { truth, sha256: hex::encode(Sha256::digest(&bytes)) })
    }
}

/// Where people are in the pictures of one camera.
pub(crate) struct TrueBoxes(Vec<TruePerson>);

struct TruePerson {
    id: String,
    /// In the order of time.
    samples: Vec<Sample>,
}

#[derive(Clone, Copy)]
struct Sample {
    t_s: f64,
    bbox: PixelBox,
    visible: f64,
}

/// A person at a moment.
pub(crate) struct TrueBox<'a> {
    pub(crate) person: &'a str,
    pub(crate) bbox: PixelBox,
    /// 0–1, never 0.
    pub(crate) visible: f64,
}

impl TrueBoxes {
    pub(crate) fn of(truth: &Truth, camera: &str) -> Self {
        let people = truth.people.iter().map(|person| {
            let seen = person.seen.iter().filter(|seen| seen.camera == camera);
            let mut samples: Vec<Sample> = seen
                .map(|seen| {
                    let [x, y, w, h] = seen.bbox.map(|px| px as f32);
                    Sample { t_s: seen.t_s, bbox: PixelBox::new(x, y, w, h), visible: seen.visible }
                })
                .collect();
            samples.sort_by(|a, b| a.t_s.total_cmp(&b.t_s));
            TruePerson { id: person.id.clone(), samples }
        });
        Self(people.filter(|person| !person.samples.is_empty()).collect())
    }

    /// Everyone of whom something is to be seen at `t_s`, seconds from the scene's start.
    pub(crate) fn at(&self, t_s: f64) -> impl Iterator<Item = TrueBox<'_>> {
        self.0.iter().filter_map(move |person| {
            let Sample { bbox, visible, .. } = person.at(t_s)?;
            (visible > 0.0).then_some(TrueBox { person: &person.id, bbox, visible })
        })
    }
}

impl TruePerson {
    fn at(&self, t_s: f64) -> Option<Sample> {
        let next = self.samples.partition_point(|sample| sample.t_s <= t_s);
        let (before, after) = (next.checked_sub(1).map(|last| self.samples[last]), self.samples.get(next).copied());
        if let (Some(a), Some(b)) = (before, after)
            && b.t_s - a.t_s <= APART_MAX_S
        {
            let k = (t_s - a.t_s) / (b.t_s - a.t_s);
            let between = |a: f32, b: f32| a + (b - a) * k as f32;
            let (p, q) = (a.bbox, b.bbox);
            let bbox = PixelBox::new(between(p.x, q.x), between(p.y, q.y), between(p.w, q.w), between(p.h, q.h));
            return Some(Sample { t_s, bbox, visible: a.visible + (b.visible - a.visible) * k });
        }
        let away_s = |sample: &Sample| (sample.t_s - t_s).abs();
        let nearest = before.into_iter().chain(after).min_by(|a, b| away_s(a).total_cmp(&away_s(b)))?;
        (away_s(&nearest) <= AWAY_MAX_S).then_some(nearest)
    }
}

/// Finds everyone whom the truth says to be in the picture of one camera.
pub(crate) struct Scripted {
    boxes: Arc<TrueBoxes>,
    truth_sha256: String,
}

impl Scripted {
    pub(crate) fn new(boxes: Arc<TrueBoxes>, truth_sha256: String) -> Self {
        Self { boxes, truth_sha256 }
    }
}

impl Detector for Scripted {
    fn detect(&mut self, picture: &Picture, _: &DetectContext<'_>, out: &mut Vec<Detection>) -> Result<(), VisionError> {
        let at = picture.media_time;
        for TrueBox { person, bbox, .. } in self.boxes.at(at.as_secs_f64()).filter(|seen| seen.visible >= VISIBLE_MIN) {
            let shift = |edge: u64| (JITTER_PX * (2.0 * drawn(&[at.0 as u64, key_of(person), edge]) - 1.0)) as f32;
            let (left, top) = (bbox.x + shift(0), bbox.y + shift(1));
            let bbox = PixelBox::from_corners(left, top, bbox.right() + shift(2), bbox.bottom() + shift(3)).clipped(picture.size());
            if bbox.w > 0.0 && bbox.h > 0.0 {
                out.push(Detection { bbox, score: SCORE, source: DetectionSource::Network, resolved: true, blob: None });
            }
        }
        Ok(())
    }
    fn name(&self) -> &'static str {
        "scripted"
    }
    /// The truth's: it stands where a network's model does.
    fn model_sha256(&self) -> &str {
        &self.truth_sha256
    }
}

/// From 0 to below 1, by chance, and the same for the same keys.
pub(crate) fn drawn(keys: &[u64]) -> f64 {
    let key = keys.iter().fold(0, |key, next| mix(key ^ next));
    (key >> 11) as f64 / (1_u64 << 53) as f64
}

pub(crate) fn key_of(text: &str) -> u64 {
    text.bytes().fold(0, |key, byte| mix(key ^ u64::from(byte)))
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): every bit of the result depends on every bit of `x`.
const fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use patrol_core::picture::PixelFormat;
    use patrol_core::{MediaTime, Modality, PictureSize, WallEstimate, WallTime};

    pub(crate) const CONTEXT: DetectContext<'static> =
        DetectContext { modality: Modality::Thermal, view: None, gsd_m: None, in_full: Some(0) };

    pub(crate) fn picture(t_s: f64) -> Picture {
        let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
        let (size, planes) = (PictureSize::new(320, 240), vec![vec![0; 320 * 240]]);
        Picture::from_planes(size, PixelFormat::Gray8, planes, 0, MediaTime::from_secs_f64(t_s), captured).expect("a picture")
    }

    /// `walks` from x = 10 at second 0 to x = 50 at second 2, is gone, and is back from second 9 on; `lies` is to be seen in part.
    pub(crate) fn boxes() -> TrueBoxes {
        let seen = |t_s: f64, x: f64, visible: f64| serde_json::json!({"camera": "c", "t_s": t_s, "box": [x, 20.0, 20.0, 40.0], "visible": visible});
        let elsewhere = serde_json::json!({"camera": "d", "t_s": 0.0, "box": [1, 1, 9, 9]});
        let walks = [seen(2.0, 50.0, 1.0), seen(0.0, 10.0, 1.0), seen(1.0, 30.0, 1.0), elsewhere, seen(9.0, 90.0, 1.0)];
        let lies: Vec<_> = (0..20).map(|second| seen(f64::from(second), 200.0, if second < 5 { 0.5 } else { 0.1 })).collect();
        let truth = serde_json::json!({"people": [{"id": "walks", "seen": walks}, {"id": "lies", "seen": lies}]});
        TrueBoxes::of(&serde_json::from_value(truth).expect("a truth"), "c")
    }

    fn found(t_s: f64) -> Vec<PixelBox> {
        let (mut detector, mut out) = (Scripted::new(Arc::new(boxes()), "hash".to_owned()), Vec::new());
        detector.detect(&picture(t_s), &CONTEXT, &mut out).expect("detected");
        assert!(out.iter().all(|seen| seen.score == SCORE && seen.resolved && seen.source == DetectionSource::Network));
        out.into_iter().map(|seen| seen.bbox).collect()
    }

    #[test]
    fn people_are_found_where_the_truth_has_them() {
        let near = |found: &PixelBox, x: f32| (found.x - x).abs() <= 1.0 && (found.right() - x - 20.0).abs() <= 1.0;
        let both = found(0.5);
        assert!(both.len() == 2 && near(&both[0], 20.0) && near(&both[1], 200.0), "{both:?}");
        assert_eq!(both, found(0.5), "the same picture, the same boxes");
        assert_ne!(both[1], found(0.75)[1], "another picture, other edges");
        // Of `lies` too little is to be seen from second 5 on.
        assert!(near(&found(2.9)[0], 50.0) && found(4.0).len() == 1 && found(6.0).is_empty());
        let back = found(8.1);
        assert!(back.len() == 1 && near(&back[0], 90.0) && found(10.1).is_empty(), "{back:?}");
    }
}
