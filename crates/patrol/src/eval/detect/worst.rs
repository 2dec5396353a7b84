//! What went wrong, worst first: the subjects of the report's pictures.

use super::score::{Outcome, overlap};
use super::sheets::{Rect, Target};

/// A person who was missed, or a detection of nobody.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Subject {
    /// Place of the picture.
    pub(super) picture: usize,
    pub(super) bbox: Rect,
    /// Of the detection; of a missed person the score, too low, with which he was found after all.
    pub(super) score: Option<f64>,
    /// Largest IoU with a detection that stands, or with a person. From 0.5 on: another one was nearer, so this is a second box, or a second person.
    pub(super) iou: f64,
}

/// People whom no detection with at least the threshold's score found, the largest first.
pub(super) fn misses(outcome: &Outcome, most: usize) -> Vec<Subject> {
    let mut missed = Vec::new();
    for (picture, (sheet, judged)) in outcome.sheets.iter().zip(&outcome.judged).enumerate() {
        for (place, target) in sheet.targets.iter().enumerate().filter(|(_, target)| !target.region) {
            let score = judged.iter().find(|judged| judged.person == Some(place)).map(|judged| judged.score);
            if score.is_none_or(|score| score < outcome.threshold) {
                let standing = sheet.found.iter().filter(|(score, _)| *score >= outcome.threshold);
                let iou = standing.map(|(_, found)| overlap(found, target)).fold(0.0, f64::max);
                missed.push(Subject { picture, bbox: target.bbox, score, iou });
            }
        }
    }
    missed.sort_by(|a, b| (b.bbox[2] * b.bbox[3]).total_cmp(&(a.bbox[2] * a.bbox[3])));
    missed.truncate(most);
    missed
}

/// Detections that are neither right nor to be ignored at IoU 0.5, the highest score first.
pub(super) fn false_alarms(outcome: &Outcome, most: usize) -> Vec<Subject> {
    let mut alarms = Vec::new();
    for (picture, (sheet, judged)) in outcome.sheets.iter().zip(&outcome.judged).enumerate() {
        for ((score, bbox), _) in sheet.found.iter().zip(judged).filter(|(_, judged)| judged.is_wrong()) {
            let people = sheet.targets.iter().filter(|target| !target.region);
            let iou = people.map(|target: &Target| overlap(bbox, target)).fold(0.0, f64::max);
            alarms.push(Subject { picture, bbox: *bbox, score: Some(*score), iou });
        }
    }
    alarms.sort_by(|a, b| b.score.unwrap_or(0.0).total_cmp(&a.score.unwrap_or(0.0)));
    alarms.truncate(most);
    alarms
}
