//! Figures of `hot-spot` on HIT-UAV: AP50, recall at 0.1 and 1 false box per picture, milliseconds per picture.
//!
//! `cargo run -p patrol-vision --example hot_spot_hituav [val|train] [view|gsd|none] [every]`, with the data in the folder that PATROL_DATA names.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a bench that prints its figures")]

use patrol_core::{
    CameraView, Clock, MediaTime, Modality, Picture, PictureSize, PixelBox, PixelFormat, SystemClock, WallEstimate, WallTime,
};
use patrol_vision::{DetectContext, Detector, HotSpot, HotSpotConfig};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Measured, not the published 45.5°: cars of 4.6 m are 172 px long at 60 m, seen from straight above.
const HFOV_DEG: f32 = 16.16;

fn main() {
    let Some(data) = std::env::var_os("PATROL_DATA").map(PathBuf::from) else {
        println!("skipped: PATROL_DATA is not set");
        return;
    };
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let split = arguments.first().map_or("val", String::as_str);
    let scale = arguments.get(1).map_or("gsd", String::as_str);
    let every: usize = arguments.get(2).map_or(1, |text| text.parse().expect("a number"));
    let root = data.join("hit-uav");
    let annotations: Value =
        serde_json::from_slice(&std::fs::read(root.join(format!("{split}.json"))).expect("the annotations")).expect("JSON");
    let mut truth: BTreeMap<u64, Vec<(PixelBox, bool)>> = BTreeMap::new();
    for annotation in annotations["annotations"].as_array().expect("a list") {
        let ignore = annotation["iscrowd"].as_u64() == Some(1);
        if ignore || annotation["category_id"].as_u64() == Some(1) {
            let b: Vec<f32> = annotation["bbox"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect();
            truth.entry(annotation["image_id"].as_u64().unwrap()).or_default().push((PixelBox::new(b[0], b[1], b[2], b[3]), ignore));
        }
    }
    let clock = SystemClock::new();
    let mut detector = HotSpot::new(HotSpotConfig { min_score: 0.02, ..HotSpotConfig::default() });
    let (mut ranked, mut people, mut pictures, mut spent) = (Vec::new(), 0_usize, 0_usize, std::time::Duration::ZERO);
    let mut least = std::time::Duration::MAX;
    let mut all = Vec::new();
    for entry in annotations["images"].as_array().expect("a list").iter().step_by(every) {
        let picture = read(&root.join(entry["file_name"].as_str().unwrap()));
        let (height_m, tilt_deg) = (entry["altitude_m"].as_f64().unwrap() as f32, entry["camera_angle"].as_f64().unwrap() as f32);
        let view = CameraView { height_m, tilt_deg, heading_deg: 0.0, hfov_deg: HFOV_DEG };
        let gsd_m = height_m / tilt_deg.to_radians().sin() / view.focal_px(picture.size());
        let context = DetectContext {
            modality: Modality::Thermal,
            view: (scale == "view").then_some(&view),
            gsd_m: (scale == "gsd").then_some(gsd_m),
            in_full: Some(0),
        };
        let mut found = Vec::new();
        let before = clock.monotonic();
        detector.detect(&picture, &context, &mut found).expect("detected");
        let took = clock.monotonic().saturating_sub(before);
        spent += took;
        least = least.min(took);
        pictures += 1;
        let empty = Vec::new();
        let wanted = truth.get(&entry["id"].as_u64().unwrap()).unwrap_or(&empty);
        people += wanted.iter().filter(|(_, ignore)| !ignore).count();
        let mut taken = vec![false; wanted.len()];
        for detection in &found {
            let best = (0..wanted.len())
                .filter(|&i| !wanted[i].1 && !taken[i])
                .max_by(|&a, &b| wanted[a].0.iou(&detection.bbox).total_cmp(&wanted[b].0.iou(&detection.bbox)));
            let hit = best.filter(|&i| wanted[i].0.iou(&detection.bbox) >= 0.5);
            if let Some(index) = hit {
                taken[index] = true;
            } else if wanted.iter().any(|(b, ignore)| *ignore && b.intersection(&detection.bbox) > 0.5 * detection.bbox.area()) {
                continue;
            }
            ranked.push((detection.score, hit.is_some()));
        }
        all.push(serde_json::json!({"file": entry["file_name"], "found": found.iter().map(|d| (d.bbox.x, d.bbox.y, d.bbox.w, d.bbox.h, d.score, d.blob.unwrap().contrast_sigma)).collect::<Vec<_>>()}));
    }
    if let Some(path) = std::env::var_os("HOT_SPOT_OUT") {
        std::fs::write(path, serde_json::to_vec(&all).unwrap()).unwrap();
    }
    report(ranked, people, pictures, spent.as_secs_f64() * 1e3 / pictures as f64);
    println!("quickest picture {:.2} ms", least.as_secs_f64() * 1e3);
}

fn report(mut ranked: Vec<(f32, bool)>, people: usize, pictures: usize, ms: f64) {
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut hits, mut misses) = (0_usize, 0_usize);
    let mut curve = Vec::new();
    let mut recall_at = [0.0_f64; 2];
    let mut score_at = [1.0_f32; 2];
    for (score, hit) in ranked {
        if hit {
            hits += 1;
        } else {
            misses += 1;
        }
        let recall = hits as f64 / people as f64;
        curve.push((recall, hits as f64 / (hits + misses) as f64));
        for (index, limit) in [0.1, 1.0].into_iter().enumerate() {
            if misses as f64 <= limit * pictures as f64 {
                recall_at[index] = recall;
                score_at[index] = score;
            }
        }
    }
    // COCO's 101 points of recall.
    let ap = (0..=100)
        .map(|point| {
            curve.iter().filter(|(recall, _)| *recall >= f64::from(point) / 100.0).map(|(_, precision)| *precision).fold(0.0, f64::max)
        })
        .sum::<f64>()
        / 101.0;
    println!(
        "pictures {pictures}, people {people}, AP50 {ap:.3}, recall {:.3} at 0.1 false a picture (score {:.2}), {:.3} at 1 (score {:.2}), best recall {:.3}, {ms:.2} ms a picture",
        recall_at[0],
        score_at[0],
        recall_at[1],
        score_at[1],
        curve.last().map_or(0.0, |last| last.0)
    );
}

fn read(path: &std::path::Path) -> Picture {
    let image = image::open(path).expect("a picture").into_luma8();
    let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
    Picture::from_planes(
        PictureSize::new(image.width(), image.height()),
        PixelFormat::Gray8,
        vec![image.into_raw()],
        0,
        MediaTime::ZERO,
        captured,
    )
    .expect("good")
}
