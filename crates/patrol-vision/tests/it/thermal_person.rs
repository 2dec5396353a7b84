//! Our own thermal detector: what it finds on real drone pictures of dates it was not trained on, and what it makes of pictures that show nothing.

use crate::scene::sized;
use patrol_core::{Detection, Modality, Picture, PictureSize, PixelBox, PixelFormat};
use patrol_vision::{DetectContext, Detector, Device, ModelCard, OnnxDetector, OnnxRuntime};
use std::path::{Path, PathBuf};

const SIZES: [&str; 2] = ["thermal-person-n", "thermal-person-s"];
const CONTEXT: DetectContext<'_> = DetectContext { modality: Modality::Thermal, view: None, gsd_m: None, in_full: Some(0) };

fn card(name: &str) -> ModelCard {
    ModelCard::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models").join(name)).expect("the card is in the tree")
}

/// `None`, aloud, where scripts/setup has not run.
fn open(card: &ModelCard) -> Option<OnnxDetector> {
    let Some(library) = OnnxRuntime::find(Path::new(env!("CARGO_MANIFEST_DIR"))) else {
        println!("skipped: ONNX Runtime is not in .runtime/ and PATROL_ONNXRUNTIME is not set");
        return None;
    };
    let runtime = OnnxRuntime::load(&library).expect("ONNX Runtime loads");
    Some(OnnxDetector::open(&runtime, card, Device::Cpu, None, 1).expect("opens"))
}

fn found(detector: &mut OnnxDetector, picture: &Picture) -> Vec<Detection> {
    let mut out = Vec::new();
    detector.detect(picture, &CONTEXT, &mut out).expect("runs");
    out
}

fn grey(width: u32, height: u32, level: impl Fn(u32, u32) -> u8) -> Picture {
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| level(x, y)).collect();
    sized(PictureSize::new(width, height), PixelFormat::Gray8, vec![pixels])
}

#[test]
fn pictures_that_show_nothing_give_nobody() {
    for name in SIZES {
        let Some(mut detector) = open(&card(name)) else { return };
        for (width, height) in [(640, 512), (1, 1), (1, 512), (640, 1), (3, 7), (320, 256), (1280, 1024)] {
            for level in [0, 1, 128, 254, 255] {
                let seen = found(&mut detector, &grey(width, height, |_, _| level));
                assert!(seen.is_empty(), "{name} {width}×{height} of level {level}: {seen:?}");
            }
        }
        // A step and a slope are no people either.
        for picture in [grey(640, 512, |x, _| if x < 320 { 40 } else { 200 }), grey(640, 512, |_, y| (y / 2) as u8)] {
            let seen = found(&mut detector, &picture);
            assert!(seen.is_empty(), "{name}: {seen:?}");
        }
    }
}

#[test]
fn both_precisions_are_the_same_network() {
    let Some(frames) = frames(40) else { return };
    for name in SIZES {
        let card = card(name);
        let (Some(mut int8), Some(mut fp32)) = (open(&card), open(&card.in_fp32())) else { return };
        assert_ne!(int8.model_sha256(), fp32.model_sha256());
        let (a, b) = (recall(&mut int8, &frames), recall(&mut fp32, &frames));
        assert!((a - b).abs() < 0.05, "{name}: recall {a} in INT8, {b} in FP32");
    }
}

/// Measured on all of `val` the card says more; this holds it against a broken file, layout or input.
#[test]
fn people_on_other_dates_are_found() {
    let Some(frames) = frames(8) else { return };
    for (name, wanted) in SIZES.into_iter().zip([0.62, 0.67]) {
        let Some(mut detector) = open(&card(name)) else { return };
        let recall = recall(&mut detector, &frames);
        assert!(recall >= wanted, "{name}: {recall}, wanted {wanted}");
    }
}

struct Frame {
    picture: Picture,
    people: Vec<PixelBox>,
}

/// Every `step`-th picture of HIT-UAV `val` with people in it.
fn frames(step: usize) -> Option<Vec<Frame>> {
    let Some(root) = std::env::var_os("PATROL_DATA").map(|data| PathBuf::from(data).join("hit-uav")) else {
        println!("skipped: PATROL_DATA is not set");
        return None;
    };
    let Ok(text) = std::fs::read(root.join("val.json")) else {
        println!("skipped: hit-uav is not in PATROL_DATA");
        return None;
    };
    let truth: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let (images, annotations) = (truth["images"].as_array().expect("a list"), truth["annotations"].as_array().expect("a list"));
    let people = |id: &serde_json::Value| {
        let mine = annotations.iter().filter(|one| one["image_id"] == *id && one["category_id"] == 1 && one["iscrowd"] == 0);
        mine.map(|one| {
            let side = |index: usize| one["bbox"][index].as_f64().expect("a number") as f32;
            PixelBox::new(side(0), side(1), side(2), side(3))
        })
        .collect::<Vec<_>>()
    };
    let frames = images.iter().map(|image| (image, people(&image["id"]))).filter(|(_, people)| !people.is_empty()).step_by(step);
    Some(
        frames
            .map(|(image, people)| {
                let image = image::open(root.join(image["file_name"].as_str().expect("a name"))).expect("a picture").into_luma8();
                let size = PictureSize::new(image.width(), image.height());
                Frame { picture: sized(size, PixelFormat::Gray8, vec![image.into_raw()]), people }
            })
            .collect(),
    )
}

/// At the card's own threshold, IoU 0.5.
fn recall(detector: &mut OnnxDetector, frames: &[Frame]) -> f32 {
    let (mut hits, mut people) = (0, 0);
    for frame in frames {
        let seen = found(detector, &frame.picture);
        people += frame.people.len();
        hits += frame.people.iter().filter(|person| seen.iter().any(|one| one.bbox.iou(person) >= 0.5)).count();
    }
    hits as f32 / people.max(1) as f32
}
