//! Average precision as COCO defines it, for the class *person*; agrees with `pycocotools` to rounding.
//!
//! Ten IoU thresholds (0.50–0.95), 101 recall points, at most 100 detections a picture, all areas. An annotation with `iscrowd` of the class, or of
//! a class named `dontcare`, is a region to be ignored: a detection inside it (by the part of the detection it covers) is neither right nor wrong.

use super::breakdown::{Breakdown, break_down};
use super::sheets::{Found, Rect, Sheet, Target, Truth, sort_by_picture};
use anyhow::Result;
use serde::Serialize;

const THRESHOLDS: usize = 10;
const RECALL_POINTS: usize = 101;
pub(super) const DETECTIONS_MAX: usize = 100;

/// What `patrol eval detect --json` writes. A share that has no denominator is null.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct DetectScore {
    /// Mean of the average precision over IoU 0.50 to 0.95.
    pub(super) ap: Option<f64>,
    pub(super) ap50: Option<f64>,
    /// Mean over the same IoUs of the recall with at most 100 detections a picture.
    pub(super) ar: Option<f64>,
    /// Recall at IoU 0.5 with the score threshold at which there are at most 0.1, and 1, false detections a picture.
    pub(super) recall_at_0_1_fp: Option<f64>,
    pub(super) recall_at_1_fp: Option<f64>,
    pub(super) pictures: usize,
    /// Annotated people, without the regions to be ignored; those regions.
    pub(super) people: usize,
    pub(super) ignored_regions: usize,
    /// Detections of people on pictures of the truth, before the limit of 100 a picture.
    pub(super) detections: usize,
    /// Results for pictures that the truth does not have; they are left out.
    pub(super) results_elsewhere: usize,
}

/// The figures of a part of the truth, at IoU 0.5. Thresholds are the part's own.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Figures {
    pub(super) ap50: Option<f64>,
    pub(super) recall_at_0_1_fp: Option<f64>,
    pub(super) recall_at_1_fp: Option<f64>,
    pub(super) people: usize,
    pub(super) pictures: usize,
}

/// One detection after matching: whether it is right, or to be ignored, at every threshold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judged {
    pub(super) score: f64,
    right: [bool; THRESHOLDS],
    ignored: [bool; THRESHOLDS],
    /// Whom it found at IoU 0.5, by place among the picture's targets.
    pub(super) person: Option<usize>,
}

impl Judged {
    pub(super) fn is_wrong(&self) -> bool {
        !self.right[0] && !self.ignored[0]
    }
}

/// A file of results, matched: the figures, and what pages of pictures are made of.
pub(super) struct Outcome {
    pub(super) score: DetectScore,
    pub(super) by: Breakdown,
    /// Precision at IoU 0.5 at the 101 recalls 0, 0.01, … 1.
    pub(super) curve: Vec<f64>,
    /// The lowest score at which there is at most 1 false detection a picture; infinite when every score brings more.
    pub(super) threshold: f64,
    pub(super) sheets: Vec<Sheet>,
    /// As the sheets' `found`.
    pub(super) judged: Vec<Vec<Judged>>,
}

pub(super) fn score(truth: &Truth, found: &[Found]) -> Result<Outcome> {
    let sorted = sort_by_picture(truth, found)?;
    let sheets = sorted.sheets;
    let judged: Vec<Vec<Judged>> = sheets.iter().map(|sheet| judge(sheet, |_| true)).collect();
    let people = sheets.iter().flat_map(|sheet| &sheet.targets).filter(|target| !target.region).count();
    let ranked = ranked(judged.iter().flatten());
    let curves: Vec<Curve> = (0..THRESHOLDS).map(|t| Curve::of(&ranked, t, people)).collect();
    let mean = |values: &dyn Fn(&Curve) -> f64| curves.iter().map(values).sum::<f64>() / THRESHOLDS as f64;
    let known = |value: f64| (people > 0).then_some(value);
    let figures = figures(&ranked, people, sheets.len());
    Ok(Outcome {
        score: DetectScore {
            ap: known(mean(&Curve::average_precision)),
            ap50: figures.ap50,
            ar: known(mean(&|curve| curve.recall)),
            recall_at_0_1_fp: figures.recall_at_0_1_fp,
            recall_at_1_fp: figures.recall_at_1_fp,
            pictures: sheets.len(),
            people,
            ignored_regions: sheets.iter().map(|sheet| sheet.targets.len()).sum::<usize>() - people,
            detections: sorted.detections,
            results_elsewhere: sorted.elsewhere,
        },
        by: break_down(truth, &sheets, &judged),
        curve: curves[0].precision.clone(),
        threshold: at_rate(&ranked, sheets.len(), 1.0).1,
        sheets,
        judged,
    })
}

/// Best first; equal scores in the order of the pictures.
pub(super) fn ranked<'a>(judged: impl Iterator<Item = &'a Judged>) -> Vec<Judged> {
    let mut ranked: Vec<Judged> = judged.copied().collect();
    ranked.sort_by(|a, b| b.score.total_cmp(&a.score));
    ranked
}

pub(super) fn figures(ranked: &[Judged], people: usize, pictures: usize) -> Figures {
    let known = |value: f64| (people > 0).then_some(value);
    let recall_at = |rate: f64| known(at_rate(ranked, pictures, rate).0 as f64 / people as f64);
    Figures {
        ap50: known(Curve::of(ranked, 0, people).average_precision()),
        recall_at_0_1_fp: recall_at(0.1),
        recall_at_1_fp: recall_at(1.0),
        people,
        pictures,
    }
}

/// Matches the detections of one picture, best first, each to the free person it overlaps most, else to what is to be ignored: regions, people
/// whose box does not count. A detection that matches nothing is wrong when its own box counts, else ignored.
pub(super) fn judge(sheet: &Sheet, counts: impl Fn(&Rect) -> bool) -> Vec<Judged> {
    let ignored: Vec<bool> = sheet.targets.iter().map(|target| target.region || !counts(&target.bbox)).collect();
    let mut order: Vec<usize> = (0..sheet.targets.len()).collect();
    order.sort_by_key(|&g| ignored[g]);
    let judge_new = |&(score, _): &(f64, Rect)| Judged { score, right: [false; THRESHOLDS], ignored: [false; THRESHOLDS], person: None };
    let mut judged: Vec<Judged> = sheet.found.iter().map(judge_new).collect();
    let overlaps: Vec<Vec<f64>> =
        sheet.found.iter().map(|(_, found)| sheet.targets.iter().map(|target| overlap(found, target)).collect()).collect();
    for t in 0..THRESHOLDS {
        // Steps as numpy's linspace makes them, to the last bit: boxes of whole pixels do lie exactly on a threshold.
        let threshold = 0.5 + (0.95 - 0.5) / (THRESHOLDS - 1) as f64 * t as f64;
        let mut taken = vec![false; sheet.targets.len()];
        for (d, judged) in judged.iter_mut().enumerate() {
            let mut best = threshold.min(1.0 - 1e-10);
            let mut matched: Option<usize> = None;
            for &g in &order {
                if taken[g] && !sheet.targets[g].region {
                    continue;
                }
                if ignored[g] && matched.is_some_and(|m| !ignored[m]) {
                    break;
                }
                if overlaps[d][g] >= best {
                    best = overlaps[d][g];
                    matched = Some(g);
                }
            }
            if let Some(g) = matched {
                taken[g] = true;
                judged.ignored[t] = ignored[g];
                judged.right[t] = !ignored[g];
            } else {
                judged.ignored[t] = !counts(&sheet.found[d].1);
            }
            if t == 0 {
                judged.person = matched.filter(|&g| !ignored[g]);
            }
        }
    }
    judged
}

/// IoU, or the part of the detection inside a region to be ignored.
pub(super) fn overlap(found: &Rect, target: &Target) -> f64 {
    let [ax, ay, aw, ah] = *found;
    let [bx, by, bw, bh] = target.bbox;
    let w = (ax + aw).min(bx + bw) - ax.max(bx);
    let h = (ay + ah).min(by + bh) - ay.max(by);
    if w <= 0.0 || h <= 0.0 {
        return 0.0;
    }
    let whole = if target.region { aw * ah } else { aw * ah + bw * bh - w * h };
    w * h / whole
}

struct Curve {
    /// At the 101 recalls; 0 beyond what was reached.
    precision: Vec<f64>,
    /// With all detections.
    recall: f64,
}

impl Curve {
    fn of(ranked: &[Judged], t: usize, people: usize) -> Self {
        let (mut right, mut wrong) = (0_usize, 0_usize);
        let mut points: Vec<(f64, f64)> = Vec::new();
        for found in ranked.iter().filter(|found| !found.ignored[t]) {
            right += usize::from(found.right[t]);
            wrong += usize::from(!found.right[t]);
            points.push((right as f64 / people as f64, right as f64 / (right + wrong) as f64));
        }
        for i in (1..points.len()).rev() {
            points[i - 1].1 = points[i - 1].1.max(points[i].1);
        }
        let at = |point: usize| {
            let recall = point as f64 * (1.0 / (RECALL_POINTS - 1) as f64);
            points.get(points.partition_point(|(reached, _)| *reached < recall)).map_or(0.0, |point| point.1)
        };
        Self { precision: (0..RECALL_POINTS).map(at).collect(), recall: points.last().map_or(0.0, |point| point.0) }
    }

    fn average_precision(&self) -> f64 {
        self.precision.iter().sum::<f64>() / RECALL_POINTS as f64
    }
}

/// Most people found at IoU 0.5 over all score thresholds with at most `rate` false detections a picture, and that threshold.
fn at_rate(ranked: &[Judged], pictures: usize, rate: f64) -> (usize, f64) {
    let (mut right, mut wrong, mut best) = (0_usize, 0_usize, (0_usize, f64::INFINITY));
    for (index, found) in ranked.iter().enumerate() {
        right += usize::from(found.right[0]);
        wrong += usize::from(found.is_wrong());
        // Equal scores stand or fall together.
        let threshold_here = ranked.get(index + 1).is_none_or(|next| next.score < found.score);
        if threshold_here && wrong as f64 <= rate * pictures as f64 {
            best = (right, found.score);
        }
    }
    best
}
