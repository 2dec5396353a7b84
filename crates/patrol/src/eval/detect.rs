//! Average precision as COCO defines it, for the class *person*; agrees with `pycocotools` to rounding.
//!
//! Ten IoU thresholds (0.50–0.95), 101 recall points, at most 100 detections a picture, all areas. An annotation with `iscrowd` of the class, or of
//! a class named `dontcare`, is a region to be ignored: a detection inside it (by the part of the detection it covers) is neither right nor wrong.

use super::{read_json, tell};
use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::PathBuf;

#[derive(clap::Args)]
pub(super) struct Args {
    /// COCO annotations.
    #[arg(long)]
    truth: PathBuf,
    /// COCO results: a list of {"image_id" or "file_name", "category_id", "bbox": [x, y, w, h], "score"}.
    #[arg(long)]
    results: PathBuf,
    /// One JSON object instead of lines.
    #[arg(long)]
    json: bool,
}

const PERSON: i64 = 1;
const THRESHOLDS: usize = 10;
const RECALL_POINTS: usize = 101;
const DETECTIONS_MAX: usize = 100;

#[derive(Debug, Deserialize)]
struct Truth {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    #[serde(default)]
    categories: Vec<Category>,
}

#[derive(Debug, Deserialize)]
struct Image {
    id: serde_json::Value,
    #[serde(default)]
    file_name: String,
}

#[derive(Debug, Deserialize)]
struct Annotation {
    image_id: serde_json::Value,
    category_id: i64,
    bbox: [f64; 4],
    #[serde(default)]
    iscrowd: u8,
}

#[derive(Debug, Deserialize)]
struct Category {
    id: i64,
    name: String,
}

#[derive(Debug, Deserialize)]
struct Found {
    image_id: Option<serde_json::Value>,
    file_name: Option<String>,
    #[serde(default = "person")]
    category_id: i64,
    bbox: [f64; 4],
    score: f64,
}

fn person() -> i64 {
    PERSON
}

/// What `patrol eval detect --json` writes. A share that has no denominator is null.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct DetectScore {
    /// Mean of the average precision over IoU 0.50 to 0.95.
    ap: Option<f64>,
    ap50: Option<f64>,
    /// Mean over the same IoUs of the recall with at most 100 detections a picture.
    ar: Option<f64>,
    /// Recall at IoU 0.5 with the score threshold at which there are at most 0.1, and 1, false detections a picture.
    recall_at_0_1_fp: Option<f64>,
    recall_at_1_fp: Option<f64>,
    pictures: usize,
    /// Annotated people, without the regions to be ignored; those regions.
    people: usize,
    ignored_regions: usize,
    /// Detections of people on pictures of the truth, before the limit of 100 a picture.
    detections: usize,
    /// Results for pictures that the truth does not have; they are left out.
    results_elsewhere: usize,
}

#[derive(Debug, Clone, Copy)]
struct Target {
    bbox: Rect,
    ignored: bool,
}

/// Double precision: a box of whole pixels at exactly IoU 0.5 must fall as it does in `pycocotools`.
type Rect = [f64; 4];

#[derive(Debug, Default)]
struct Sheet {
    targets: Vec<Target>,
    found: Vec<(f64, Rect)>,
}

/// One detection after matching: whether it is right, or to be ignored, at every threshold.
struct Judged {
    score: f64,
    right: [bool; THRESHOLDS],
    ignored: [bool; THRESHOLDS],
}

pub(super) fn run(args: &Args) -> Result<()> {
    let truth: Truth = read_json(&args.truth)?;
    let found: Vec<Found> = read_json(&args.results)?;
    tell(&score(&truth, &found)?, args.json)
}

fn score(truth: &Truth, found: &[Found]) -> Result<DetectScore> {
    let (mut sheets, results_elsewhere) = sort_by_picture(truth, found)?;
    let people = sheets.iter().flat_map(|sheet| &sheet.targets).filter(|target| !target.ignored).count();
    let ignored_regions = sheets.iter().map(|sheet| sheet.targets.len()).sum::<usize>() - people;
    let detections = sheets.iter().map(|sheet| sheet.found.len()).sum();
    let mut judged: Vec<Judged> = sheets.iter_mut().flat_map(judge).collect();
    judged.sort_by(|a, b| b.score.total_cmp(&a.score));

    let curves: Vec<(f64, f64)> = (0..THRESHOLDS).map(|t| precision_and_recall(&judged, t, people)).collect();
    let mean = |values: &dyn Fn(&(f64, f64)) -> f64| curves.iter().map(values).sum::<f64>() / THRESHOLDS as f64;
    let known = |value: f64| (people > 0).then_some(value);
    Ok(DetectScore {
        ap: known(mean(&|curve| curve.0)),
        ap50: known(curves[0].0),
        ar: known(mean(&|curve| curve.1)),
        recall_at_0_1_fp: known(recall_at(&judged, people, sheets.len(), 0.1)),
        recall_at_1_fp: known(recall_at(&judged, people, sheets.len(), 1.0)),
        pictures: sheets.len(),
        people,
        ignored_regions,
        detections,
        results_elsewhere,
    })
}

/// One sheet a picture, in the truth's order, and the number of results for other pictures.
fn sort_by_picture(truth: &Truth, found: &[Found]) -> Result<(Vec<Sheet>, usize)> {
    let mut sheets: Vec<Sheet> = truth.images.iter().map(|_| Sheet::default()).collect();
    let by_id: HashMap<String, usize> = truth.images.iter().enumerate().map(|(index, image)| (image.id.to_string(), index)).collect();
    let by_name: HashMap<&str, usize> = truth.images.iter().enumerate().map(|(index, image)| (image.file_name.as_str(), index)).collect();
    // A base name that two pictures share says nothing.
    let mut by_base: HashMap<&str, Option<usize>> = HashMap::new();
    for (index, image) in truth.images.iter().enumerate() {
        by_base.entry(base_name(&image.file_name)).and_modify(|one| *one = None).or_insert(Some(index));
    }
    let ignorable = |id: i64| id == PERSON || truth.categories.iter().any(|category| category.id == id && category.name == "dontcare");
    for (number, annotation) in truth.annotations.iter().enumerate() {
        let ignored = annotation.iscrowd != 0;
        if annotation.category_id != PERSON && !(ignored && ignorable(annotation.category_id)) {
            continue;
        }
        let Some(&index) = by_id.get(&annotation.image_id.to_string()) else {
            bail!("annotations[{number}]: image_id {} is not among the images", annotation.image_id);
        };
        sheets[index].targets.push(Target { bbox: annotation.bbox, ignored });
    }
    let mut elsewhere = 0;
    for (number, found) in found.iter().enumerate().filter(|(_, found)| found.category_id == PERSON) {
        if !found.score.is_finite() || found.bbox.iter().any(|side| !side.is_finite()) {
            bail!("results[{number}]: wanted finite numbers, found bbox {:?}, score {}", found.bbox, found.score);
        }
        let index = match (&found.image_id, &found.file_name) {
            (Some(id), _) if !id.is_null() => by_id.get(&id.to_string()).copied(),
            (_, Some(name)) => by_name.get(name.as_str()).copied().or_else(|| by_base.get(base_name(name)).copied().flatten()),
            _ => bail!("results[{number}]: wanted image_id or file_name, found neither"),
        };
        match index {
            Some(index) => sheets[index].found.push((found.score, found.bbox)),
            None => elsewhere += 1,
        }
    }
    Ok((sheets, elsewhere))
}

fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// Matches the detections of one picture, best first, each to the free person it overlaps most, else to a region to be ignored.
fn judge(sheet: &mut Sheet) -> Vec<Judged> {
    sheet.targets.sort_by_key(|target| target.ignored);
    sheet.found.sort_by(|a, b| b.0.total_cmp(&a.0));
    sheet.found.truncate(DETECTIONS_MAX);
    let mut judged: Vec<Judged> =
        sheet.found.iter().map(|&(score, _)| Judged { score, right: [false; THRESHOLDS], ignored: [false; THRESHOLDS] }).collect();
    let overlaps: Vec<Vec<f64>> =
        sheet.found.iter().map(|(_, found)| sheet.targets.iter().map(|target| overlap(found, target)).collect()).collect();
    for t in 0..THRESHOLDS {
        // Steps as numpy's linspace makes them, to the last bit: boxes of whole pixels do lie exactly on a threshold.
        let threshold = 0.5 + (0.95 - 0.5) / (THRESHOLDS - 1) as f64 * t as f64;
        let mut taken = vec![false; sheet.targets.len()];
        for (judged, overlaps) in judged.iter_mut().zip(&overlaps) {
            let mut best = threshold.min(1.0 - 1e-10);
            let mut matched: Option<usize> = None;
            for (g, target) in sheet.targets.iter().enumerate() {
                if taken[g] && !target.ignored {
                    continue;
                }
                if target.ignored && matched.is_some_and(|m| !sheet.targets[m].ignored) {
                    break;
                }
                if overlaps[g] >= best {
                    best = overlaps[g];
                    matched = Some(g);
                }
            }
            if let Some(g) = matched {
                taken[g] = true;
                judged.ignored[t] = sheet.targets[g].ignored;
                judged.right[t] = !sheet.targets[g].ignored;
            }
        }
    }
    judged
}

/// IoU, or the part of the detection inside a region to be ignored.
fn overlap(found: &Rect, target: &Target) -> f64 {
    let [ax, ay, aw, ah] = *found;
    let [bx, by, bw, bh] = target.bbox;
    let w = (ax + aw).min(bx + bw) - ax.max(bx);
    let h = (ay + ah).min(by + bh) - ay.max(by);
    if w <= 0.0 || h <= 0.0 {
        return 0.0;
    }
    let whole = if target.ignored { aw * ah } else { aw * ah + bw * bh - w * h };
    w * h / whole
}

/// Average precision over 101 recall points, and the last recall, at one threshold. `judged`: best first.
fn precision_and_recall(judged: &[Judged], t: usize, people: usize) -> (f64, f64) {
    let (mut right, mut wrong) = (0_usize, 0_usize);
    let mut points: Vec<(f64, f64)> = Vec::new();
    for found in judged.iter().filter(|found| !found.ignored[t]) {
        if found.right[t] {
            right += 1;
        } else {
            wrong += 1;
        }
        points.push((right as f64 / people as f64, right as f64 / (right + wrong) as f64));
    }
    for i in (1..points.len()).rev() {
        points[i - 1].1 = points[i - 1].1.max(points[i].1);
    }
    let mut sum = 0.0;
    for point in 0..RECALL_POINTS {
        let recall = point as f64 * (1.0 / (RECALL_POINTS - 1) as f64);
        let at = points.partition_point(|(reached, _)| *reached < recall);
        sum += points.get(at).map_or(0.0, |point| point.1);
    }
    (sum / RECALL_POINTS as f64, points.last().map_or(0.0, |point| point.0))
}

/// Best recall at IoU 0.5 over all score thresholds with at most `rate` false detections a picture.
fn recall_at(judged: &[Judged], people: usize, pictures: usize, rate: f64) -> f64 {
    let (mut right, mut wrong, mut best) = (0_usize, 0_usize, 0_usize);
    for (index, found) in judged.iter().enumerate() {
        if !found.ignored[0] {
            right += usize::from(found.right[0]);
            wrong += usize::from(!found.right[0]);
        }
        // Equal scores stand or fall together.
        let threshold_here = judged.get(index + 1).is_none_or(|next| next.score < found.score);
        if threshold_here && wrong as f64 <= rate * pictures as f64 {
            best = right;
        }
    }
    best as f64 / people as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(truth: &serde_json::Value, found: &serde_json::Value) -> DetectScore {
        let (truth, found) = (Truth::deserialize(truth).unwrap(), Vec::<Found>::deserialize(found).unwrap());
        score(&truth, &found).unwrap()
    }

    fn truth() -> serde_json::Value {
        serde_json::json!({
            "images": [{"id": 7, "file_name": "val/a.webp"}, {"id": 8, "file_name": "val/b.webp"}],
            "categories": [{"id": 1, "name": "person"}, {"id": 5, "name": "dontcare"}],
            "annotations": [
                {"image_id": 7, "category_id": 1, "bbox": [10, 10, 20, 40], "iscrowd": 0},
                {"image_id": 7, "category_id": 5, "bbox": [100, 100, 50, 50], "iscrowd": 1},
                {"image_id": 8, "category_id": 1, "bbox": [50, 50, 10, 20]},
                {"image_id": 8, "category_id": 2, "bbox": [0, 0, 90, 90]},
            ],
        })
    }

    #[test]
    fn perfect_results_score_one_by_name_as_by_id() {
        let score = check(
            &truth(),
            &serde_json::json!([
                {"file_name": "a.webp", "bbox": [10, 10, 20, 40], "score": 0.9},
                {"image_id": 8, "category_id": 1, "bbox": [50, 50, 10, 20], "score": 0.8},
                {"image_id": 7, "category_id": 1, "bbox": [110, 110, 9, 9], "score": 0.99},
            ]),
        );
        assert_eq!((score.ap, score.ap50, score.ar), (Some(1.0), Some(1.0), Some(1.0)));
        assert_eq!((score.recall_at_0_1_fp, score.people, score.ignored_regions, score.detections), (Some(1.0), 2, 1, 3));
    }

    #[test]
    fn false_alarms_before_a_hit_cost_precision_and_recall_at_a_rate() {
        let score = check(
            &truth(),
            &serde_json::json!([
                {"image_id": 7, "bbox": [200, 200, 20, 40], "score": 0.95},
                {"image_id": 7, "bbox": [10, 10, 20, 40], "score": 0.9},
                {"image_id": 99, "bbox": [10, 10, 20, 40], "score": 0.9},
            ]),
        );
        // Half the recall at half the precision: 51 of 101 points.
        assert!((score.ap50.unwrap() - 0.5 * 51.0 / 101.0).abs() < 1e-12);
        assert_eq!((score.recall_at_0_1_fp, score.recall_at_1_fp, score.results_elsewhere), (Some(0.0), Some(0.5), 1));
    }

    #[test]
    fn nobody_in_the_truth_has_no_recall() {
        let score = check(&serde_json::json!({"images": [{"id": 1}], "annotations": []}), &serde_json::json!([]));
        assert_eq!((score.ap, score.recall_at_1_fp), (None, None));
    }
}
