//! How people hold themselves, as a pose network sees it: about whom it is asked, and how long an answer stands.

use patrol_core::{Detection, Joints, MediaTime, PictureTransform, PixelBox, Track};
use std::time::Duration;

/// An answer stands so long, for a box that overlaps the one it was given for so much: who lies still is not asked about at every look. One that no answer before
/// it bears out stands for less, so that it does not fill all votes on a posture.
const STANDS_FOR: Duration = Duration::from_secs(10);
const ALONE_STANDS_FOR: Duration = Duration::from_secs(2);
const SAME_IOU: f32 = 0.7;
/// It is remembered when somebody was asked about for so long, and of so many places: the others come first.
const REMEMBERED_FOR: Duration = Duration::from_mins(5);
const REMEMBERED_MAX: usize = 64;
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
/// Trunks whose directions differ by less bear one another out.
const AGREED_DEG: f32 = 30.0;

#[derive(Debug, Default)]
pub(crate) struct Poses {
    /// The oldest first.
    answers: Vec<Answer>,
}

#[derive(Debug)]
struct Answer {
    place: PixelBox,
    at: MediaTime,
    /// `None` where they could not be told.
    joints: Option<Joints>,
    stands_for: Duration,
}

impl Poses {
    /// Whose pose is to be asked for now: who was not asked about yet, then who was so longest ago; of these who rests first, then the higher score.
    pub(crate) fn wanted(&mut self, now: MediaTime, detections: &[Detection], tracks: &[Track]) -> Vec<PixelBox> {
        self.answers.retain(|answer| answer.at <= now && now.since(answer.at) < REMEMBERED_FOR);
        let mut wanted: Vec<(Option<usize>, bool, f32, PixelBox)> = Vec::new();
        for detection in detections.iter().filter(|detection| detection.bbox.w.max(detection.bbox.h) >= PERSON_MIN_PX) {
            let overlap = |track: &&Track| track.bbox.iou(&detection.bbox);
            let whose = tracks.iter().max_by(|a, b| overlap(a).total_cmp(&overlap(b))).filter(|track| overlap(track) >= HIS_IOU);
            let Some(track) = whose.filter(|track| track.hits >= HITS_MIN) else { continue };
            let walks = track.speed_px_s > WALKING_LENGTHS_S * detection.bbox.w.max(detection.bbox.h);
            let last = self.last(&detection.bbox);
            if !walks && last.is_none_or(|last| !self.answers[last].stands(now)) {
                wanted.push((last, track.still_since.is_some(), detection.score, detection.bbox));
            }
        }
        wanted.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)).then(b.2.total_cmp(&a.2)));
        wanted.into_iter().take(ASKED_MAX).map(|(.., place)| place).collect()
    }

    pub(crate) fn told(&mut self, now: MediaTime, place: &PixelBox, joints: Option<Joints>) {
        let is_borne_out = self.last(place).is_some_and(|before| agree(self.answers[before].joints.as_ref(), joints.as_ref()));
        let stands_for = if is_borne_out { STANDS_FOR } else { ALONE_STANDS_FOR };
        self.answers.retain(|answer| answer.place.iou(place) < SAME_IOU);
        if self.answers.len() == REMEMBERED_MAX {
            self.answers.remove(0);
        }
        self.answers.push(Answer { place: *place, at: now, joints, stands_for });
    }

    /// What is known now of whoever is at `place`.
    pub(crate) fn joints(&self, now: MediaTime, place: &PixelBox) -> Option<Joints> {
        self.last(place).map(|last| &self.answers[last]).filter(|answer| answer.stands(now)).and_then(|answer| answer.joints)
    }

    /// The camera moved: so did what it shows.
    pub(crate) fn carry(&mut self, now_from_before: &PictureTransform) {
        self.answers.retain_mut(|answer| {
            let Some(place) = now_from_before.bbox(&answer.place) else { return false };
            answer.place = place;
            answer.joints = answer.joints.and_then(|joints| {
                let knees = joints.knees.and_then(|at| now_from_before.point(at));
                Some(Joints {
                    shoulders: now_from_before.point(joints.shoulders)?,
                    hips: now_from_before.point(joints.hips)?,
                    knees,
                    score: joints.score,
                })
            });
            true
        });
    }

    pub(crate) fn forget(&mut self) {
        self.answers.clear();
    }

    /// Index of the answer that was given for who is at `place`.
    fn last(&self, place: &PixelBox) -> Option<usize> {
        let overlaps = self.answers.iter().map(|answer| answer.place.iou(place)).enumerate();
        overlaps.max_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, iou)| *iou >= SAME_IOU).map(|(index, _)| index)
    }
}

impl Answer {
    fn stands(&self, now: MediaTime) -> bool {
        self.at <= now && now.since(self.at) < self.stands_for
    }
}

fn agree(before: Option<&Joints>, now: Option<&Joints>) -> bool {
    let direction_deg = |joints: &Joints| (joints.shoulders.x - joints.hips.x).atan2(joints.hips.y - joints.shoulders.y).to_degrees();
    match (before, now) {
        (None, None) => true,
        (Some(before), Some(now)) => {
            let apart = (direction_deg(before) - direction_deg(now)).rem_euclid(360.0);
            apart.min(360.0 - apart) < AGREED_DEG
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patrol_core::{DetectionSource, PixelPoint, TrackId, TrackStage};

    fn at(t_s: f64) -> MediaTime {
        MediaTime::from_secs_f64(t_s)
    }

    fn people(count: u32) -> (Vec<Detection>, Vec<Track>) {
        let place = |number: u32| PixelBox::new(100.0 * number as f32, 50.0, 40.0, 60.0);
        let detection = |number: u32| Detection {
            bbox: place(number),
            score: 0.9 - 0.1 * number as f32,
            source: DetectionSource::Network,
            resolved: true,
            blob: None,
        };
        let track = |number: u32| Track {
            id: TrackId(number.into()),
            stage: TrackStage::Confirmed,
            bbox: place(number),
            score: 0.5,
            score_mean: 0.5,
            source: DetectionSource::Network,
            resolved: true,
            blob: None,
            first_seen: at(0.0),
            last_seen: at(0.0),
            hits: 5,
            looks: 5,
            still_since: Some(at(0.0)),
            speed_px_s: 0.0,
            entered_at: place(number).centre(),
        };
        ((0..count).map(detection).collect(), (0..count).map(track).collect())
    }

    fn trunk(place: &PixelBox, deg: f32) -> Joints {
        let hips = place.centre();
        let shoulders = PixelPoint { x: hips.x + 20.0 * deg.to_radians().sin(), y: hips.y - 20.0 * deg.to_radians().cos() };
        Joints { shoulders, hips, knees: None, score: 0.7 }
    }

    #[test]
    fn everybody_is_asked_about_in_turn_however_rare_the_looks() {
        let (detections, tracks) = people(5);
        let mut poses = Poses::default();
        let mut asked = [0; 5];
        for look in 0..10 {
            let now = at(10.0 * f64::from(look));
            for place in poses.wanted(now, &detections, &tracks) {
                asked[(place.x / 100.0) as usize] += 1;
                poses.told(now, &place, Some(trunk(&place, 90.0)));
            }
        }
        assert_eq!(asked, [6; 5]);
    }

    #[test]
    fn an_answer_stands_for_long_once_another_bears_it_out() {
        let (detections, tracks) = people(1);
        let mut poses = Poses::default();
        let mut asked = Vec::new();
        for look in 0..60 {
            let now = at(0.5 * f64::from(look));
            for place in poses.wanted(now, &detections, &tracks) {
                asked.push(now.as_secs_f64());
                // The first answer is wrong.
                poses.told(now, &place, Some(trunk(&place, if look == 0 { 5.0 } else { 80.0 })));
            }
            assert!(poses.joints(now, &detections[0].bbox).is_some());
        }
        assert_eq!(asked, [0.0, 2.0, 4.0, 14.0, 24.0]);
        assert_eq!(poses.joints(at(40.0), &detections[0].bbox), None, "too old");
        assert_eq!(poses.joints(at(3.0), &detections[0].bbox), None, "not yet given");
    }

    #[test]
    fn answers_go_with_the_camera() {
        let (detections, tracks) = people(1);
        let mut poses = Poses::default();
        let place = poses.wanted(at(0.0), &detections, &tracks)[0];
        poses.told(at(0.0), &place, Some(trunk(&place, 90.0)));
        poses.carry(&PictureTransform::shift(300.0, 0.0));
        assert_eq!(poses.joints(at(1.0), &place), None);
        let there = PixelBox { x: place.x + 300.0, ..place };
        let joints = poses.joints(at(1.0), &there).expect("carried along");
        assert!((joints.hips.x - there.centre().x).abs() < 0.01 && joints.shoulders.x > joints.hips.x + 19.0, "{joints:?}");
    }
}
