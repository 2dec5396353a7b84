//! COCO annotations and results, sorted by picture.

use super::score::DETECTIONS_MAX;
use anyhow::{Result, bail};
use serde::Deserialize;
use std::collections::HashMap;

pub(super) const PERSON: i64 = 1;

#[derive(Debug, Deserialize)]
pub(super) struct Truth {
    pub(super) images: Vec<Image>,
    annotations: Vec<Annotation>,
    #[serde(default)]
    categories: Vec<Category>,
}

/// A picture; how it was taken is our own addition to COCO, and may be missing.
#[derive(Debug, Deserialize)]
pub(super) struct Image {
    id: serde_json::Value,
    #[serde(default)]
    pub(super) file_name: String,
    pub(super) altitude_m: Option<f64>,
    /// Degrees below the horizon.
    pub(super) camera_angle: Option<f64>,
    /// 0 or 1.
    pub(super) night: Option<u8>,
}

#[derive(Debug, Deserialize)]
struct Annotation {
    image_id: serde_json::Value,
    category_id: i64,
    bbox: Rect,
    #[serde(default)]
    iscrowd: u8,
}

#[derive(Debug, Deserialize)]
struct Category {
    id: i64,
    name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Found {
    image_id: Option<serde_json::Value>,
    file_name: Option<String>,
    #[serde(default = "person")]
    category_id: i64,
    bbox: Rect,
    score: f64,
}

fn person() -> i64 {
    PERSON
}

/// x, y, w, h. Double precision: a box of whole pixels at exactly IoU 0.5 must fall as it does in `pycocotools`.
pub(super) type Rect = [f64; 4];

#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) bbox: Rect,
    /// To be ignored, however many detections lie inside.
    pub(super) region: bool,
}

/// One picture.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    pub(super) targets: Vec<Target>,
    /// Best first, at most 100.
    pub(super) found: Vec<(f64, Rect)>,
}

/// All pictures, in the truth's order.
pub(super) struct Sorted {
    pub(super) sheets: Vec<Sheet>,
    /// On these pictures, before the limit of 100 a picture.
    pub(super) detections: usize,
    /// Results for other pictures.
    pub(super) elsewhere: usize,
}

pub(super) fn sort_by_picture(truth: &Truth, found: &[Found]) -> Result<Sorted> {
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
        let region = annotation.iscrowd != 0;
        if annotation.category_id != PERSON && !(region && ignorable(annotation.category_id)) {
            continue;
        }
        let Some(&index) = by_id.get(&annotation.image_id.to_string()) else {
            bail!("annotations[{number}]: image_id {} is not among the images", annotation.image_id);
        };
        sheets[index].targets.push(Target { bbox: annotation.bbox, region });
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
    let detections = sheets.iter().map(|sheet| sheet.found.len()).sum();
    for sheet in &mut sheets {
        sheet.found.sort_by(|a, b| b.0.total_cmp(&a.0));
        sheet.found.truncate(DETECTIONS_MAX);
    }
    Ok(Sorted { sheets, detections, elsewhere })
}

pub(super) fn base_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}
