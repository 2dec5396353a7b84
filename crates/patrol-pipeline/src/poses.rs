//! How people hold themselves, as a pose network sees it: about whom it is asked, and how long an answer stands.

use patrol_core::{Detection, Joints, MediaTime, PixelBox, Track};
use std::time::Duration;

/// An answer stands so long, for a box that overlaps the one it was given for so much: who lies still is not asked about at every look.
const STANDS_FOR: Duration = Duration::from_secs(10);
const SAME_IOU: f32 = 0.7;
/// Questions of one look: up to four passes of some 10 ms each, one core.
const ASKED_MAX: usize = 3;
/// Of whoever is shorter joints cannot be told: a head of 5 pixels.
const PERSON_MIN_PX: f32 = 40.0;
/// Seen in as many looks and somebody is there, not a flicker of a detector.
const HITS_MIN: u32 = 2;
/// The detection of this look that is somebody's, by overlap.
const HIS_IOU: f32 = 0.4;
/// Faster than this he walks, body lengths a second: 0.8 m/s.
const WALKING_LENGTHS_S: f32 = 0.5;

#[derive(Debug, Default)]
pub(crate) struct Poses {
    /// Where, when, and what was told; `None` where it could not be told.
    answers: Vec<(PixelBox, MediaTime, Option<Joints>)>,
}

impl Poses {
    /// Whose pose is to be asked for now: who rests first, then who was found with the higher score.
    pub(crate) fn wanted(&mut self, now: MediaTime, detections: &[Detection], tracks: &[Track]) -> Vec<PixelBox> {
        self.answers.retain(|(_, at, _)| *at <= now && now.since(*at) < STANDS_FOR);
        let mut wanted: Vec<(bool, f32, PixelBox)> = Vec::new();
        for detection in detections.iter().filter(|detection| detection.bbox.w.max(detection.bbox.h) >= PERSON_MIN_PX) {
            let overlap = |track: &&Track| track.bbox.iou(&detection.bbox);
            let whose = tracks.iter().max_by(|a, b| overlap(a).total_cmp(&overlap(b))).filter(|track| overlap(track) >= HIS_IOU);
            let Some(track) = whose.filter(|track| track.hits >= HITS_MIN) else { continue };
            let walks = track.speed_px_s > WALKING_LENGTHS_S * detection.bbox.w.max(detection.bbox.h);
            if !walks && self.answer(&detection.bbox).is_none() {
                wanted.push((track.still_since.is_some(), detection.score, detection.bbox));
            }
        }
        wanted.sort_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)));
        wanted.into_iter().take(ASKED_MAX).map(|(.., place)| place).collect()
    }

    pub(crate) fn told(&mut self, now: MediaTime, place: &PixelBox, joints: Option<Joints>) {
        self.answers.push((*place, now, joints));
    }

    /// What is known of whoever is at `place`.
    pub(crate) fn joints(&self, place: &PixelBox) -> Option<Joints> {
        self.answer(place).and_then(|(_, _, joints)| *joints)
    }

    pub(crate) fn forget(&mut self) {
        self.answers.clear();
    }

    fn answer(&self, place: &PixelBox) -> Option<&(PixelBox, MediaTime, Option<Joints>)> {
        let best = self.answers.iter().max_by(|a, b| a.0.iou(place).total_cmp(&b.0.iou(place)));
        best.filter(|(at, ..)| at.iou(place) >= SAME_IOU)
    }
}
