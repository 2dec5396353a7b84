//! Tiny models of every layout give the boxes they were made to give; wrong cards and files are named.

use crate::scene::sized;
use patrol_core::{Detection, DetectionSource, Joints, Modality, Picture, PictureSize, PixelBox, PixelFormat};
use patrol_vision::{
    BatchSession, DetectContext, Detector, Device, ModelCard, OnnxDetector, OnnxRuntime, PoseEstimator, PoseNetwork, VisionError,
};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// `None`, aloud, where scripts/setup has not run.
fn runtime() -> Option<Arc<OnnxRuntime>> {
    let Some(library) = OnnxRuntime::find(Path::new(env!("CARGO_MANIFEST_DIR"))) else {
        println!("skipped: ONNX Runtime is not in .runtime/ and PATROL_ONNXRUNTIME is not set");
        return None;
    };
    Some(OnnxRuntime::load(&library).expect("ONNX Runtime loads"))
}

/// A card for a model of `testdata/models`, beside a copy of it.
fn card(name: &str, layout: &str, more: &str, input: &str) -> (tempfile::TempDir, ModelCard) {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = std::fs::read(root().join("testdata/models").join(format!("{name}.onnx"))).expect("the tiny models are in the tree");
    std::fs::write(folder.path().join("model.onnx"), &bytes).expect("written");
    let text = format!(
        "name = \"{name}\"\ntitle = \"Tiny\"\nfile = \"model.onnx\"\nsha256 = \"{}\"\nlicence = \"Apache-2.0\"\nmodality = \"visible\"\n\
         layout = \"{layout}\"\nmin_score = 0.5\nnms_iou = 0.45\ntrained_on = \"nothing\"\n{more}\n[input]\nwidth = 32\nheight = 32\n{input}\n",
        hex::encode(Sha256::digest(&bytes))
    );
    std::fs::write(folder.path().join("model.toml"), text).expect("written");
    let card = ModelCard::load(folder.path()).expect("a good card");
    (folder, card)
}

const COLOUR: &str = "channels = 3\norder = \"bgr\"";
const GREY: &str = "channels = 1\norder = \"gray\"\nscale = 0.00392156862745098";

/// Black, with one bright square of `side` pixels at (x, y); twice the model's input.
fn square(x: usize, y: usize, side: usize) -> Picture {
    let mut pixels = vec![0_u8; 64 * 64];
    for row in y..y + side {
        pixels[row * 64 + x..row * 64 + x + side].fill(255);
    }
    sized(PictureSize::new(64, 64), PixelFormat::Gray8, vec![pixels])
}

fn detect(card: &ModelCard, picture: &Picture) -> Option<Vec<Detection>> {
    let mut detector = OnnxDetector::open(&runtime()?, card, Device::Cpu, None, 1).expect("opens");
    let mut out = Vec::new();
    let context = DetectContext { modality: Modality::Visible, view: None, gsd_m: None, in_full: Some(0) };
    detector.detect(picture, &context, &mut out).expect("runs");
    Some(out)
}

fn check(card: &ModelCard, picture: &Picture, wanted: &[(PixelBox, f32)]) {
    let Some(found) = detect(card, picture) else { return };
    assert_eq!(found.len(), wanted.len(), "{found:?}");
    for (detection, (bbox, score)) in found.iter().zip(wanted) {
        assert!(detection.bbox.iou(bbox) > 0.98 && (detection.score - score).abs() < 0.01, "{detection:?} {bbox:?} {score}");
        assert_eq!((detection.source, detection.resolved), (DetectionSource::Network, true));
    }
}

#[test]
fn center_gives_the_bright_cell() {
    let (_folder, card) = card("tiny-center", "center", "", GREY);
    // Cell (3, 5) of stride 4: centre (14, 22), 6 × 12; twice that in the picture; logit 10.
    check(&card, &square(24, 40, 8), &[(PixelBox::new(22.0, 32.0, 12.0, 24.0), 0.99995)]);
    check(&card, &square(0, 0, 0), &[]);
}

#[test]
fn yolox_decodes_its_grid_and_multiplies_its_scores() {
    let (_folder, card) = card("tiny-yolox", "yolox", "person_class = 1", COLOUR);
    // Cell (1, 2) of stride 8: centre (12, 20), 10 × 20; objectness 1 · person 0.9.
    check(&card, &square(16, 32, 16), &[(PixelBox::new(14.0, 20.0, 20.0, 40.0), 0.9)]);
}

#[test]
fn yolov8_reads_its_planes() {
    let (_folder, card) = card("tiny-yolov8", "yolov8", "person_class = 0", COLOUR);
    check(&card, &square(32, 16, 16), &[(PixelBox::new(30.0, 4.0, 20.0, 40.0), 1.0)]);
}

#[test]
fn a_place_is_looked_at_enlarged_and_in_visible_light_turned_too() {
    let (_folder, card) = card("tiny-yolox", "yolox", "person_class = 1", COLOUR);
    let Some(runtime) = runtime() else { return };
    let mut detector = OnnxDetector::open(&runtime, &card, Device::Cpu, None, 1).expect("opens");
    let mut look = |modality, place: PixelBox| {
        let (mut out, context) = (Vec::new(), DetectContext { modality, view: None, gsd_m: None, in_full: Some(0) });
        let inferences = detector.look_closer(&square(40, 40, 8), &place, &context, &mut out).expect("runs");
        (inferences, out)
    };
    // Around a place so small the right lower quarter is cut out, at the model's own scale: cell (1, 1) of stride 8 is at (40, 40) of the picture.
    let place = PixelBox::new(43.0, 42.4, 10.0, 11.2);
    let (inferences, out) = look(Modality::Thermal, place);
    assert_eq!((inferences, out.len()), (1, 1));
    assert!(out[0].bbox.iou(&PixelBox::new(39.0, 34.0, 10.0, 20.0)) > 0.98, "{out:?}");
    let (inferences, out) = look(Modality::Visible, place);
    assert_eq!(inferences, 3);
    assert!(out.iter().any(|found| found.bbox.w > found.bbox.h), "found upright in the turned picture, so it lies: {out:?}");
}

/// Black, with one bright square of `side` pixels at (x, y).
fn spot(size: PictureSize, x: usize, y: usize, side: usize) -> Picture {
    let width = size.width as usize;
    let mut pixels = vec![0_u8; width * size.height as usize];
    for row in y..y + side {
        pixels[row * width + x..][..side].fill(255);
    }
    sized(size, PixelFormat::Gray8, vec![pixels])
}

#[test]
fn a_network_of_any_size_is_given_the_proportions_of_each_picture_in_turn() {
    let (_folder, card) = card("tiny-any-size", "center", "", &format!("{GREY}\nany_size = true"));
    let Some(runtime) = runtime() else { return };
    let mut detector = OnnxDetector::open(&runtime, &card, Device::Cpu, None, 1).expect("opens");
    // An input of 32 × 32 has no other proportions; one of 64 × 64 has.
    let mut wide = card.clone();
    (wide.input.width, wide.input.height) = (64, 64);
    let mut larger = OnnxDetector::open(&runtime, &wide, Device::Cpu, None, 1).expect("opens");
    let check = |detector: &mut OnnxDetector, size: PictureSize, at: (usize, usize), wanted: PixelBox| {
        let context = DetectContext { modality: Modality::Visible, view: None, gsd_m: None, in_full: Some(0) };
        let mut out = Vec::new();
        detector.detect(&spot(size, at.0, at.1, 8), &context, &mut out).expect("runs");
        assert!(out.len() == 1 && out[0].bbox.iou(&wanted) > 0.98, "{size:?} {out:?}");
    };
    for _ in 0..2 {
        // 128 × 32 as it is, where a square input would have halved it; then 32 × 128, 64 × 64, and a picture of twice that side halved.
        check(&mut larger, PictureSize::new(128, 32), (40, 16), PixelBox::new(39.0, 12.0, 6.0, 12.0));
        check(&mut larger, PictureSize::new(32, 128), (16, 40), PixelBox::new(15.0, 36.0, 6.0, 12.0));
        check(&mut larger, PictureSize::new(64, 64), (40, 16), PixelBox::new(39.0, 12.0, 6.0, 12.0));
        check(&mut larger, PictureSize::new(128, 128), (40, 16), PixelBox::new(38.0, 8.0, 12.0, 24.0));
        check(&mut detector, PictureSize::new(64, 64), (24, 40), PixelBox::new(22.0, 32.0, 12.0, 24.0));
    }
}

#[test]
fn tiles_of_a_look_in_full_find_whom_the_whole_picture_is_too_small_for() {
    let more = "[scale]\nperson_px = [6.0, 16.0]\ntiles = \"in-full\"\n[calibration]\nraw = [0.5]\nscore = [0.3]";
    let (_folder, card) = card("tiny-any-size", "center", more, &format!("{GREY}\nany_size = true"));
    let Some(runtime) = runtime() else { return };
    // Lets through what is taken for 0.7 and more: raw scores that are higher.
    let mut detector = OnnxDetector::open(&runtime, &card, Device::Cpu, Some(0.7), 1).expect("opens");
    let picture = spot(PictureSize::new(448, 448), 208, 304, 16);
    let mut look = |in_full: bool| {
        let mut out = Vec::new();
        let context = DetectContext { modality: Modality::Visible, view: None, gsd_m: None, in_full: in_full.then_some(0) };
        detector.detect(&picture, &context, &mut out).expect("runs");
        out
    };
    // Shrunk fourteen times the spot is a twelfth of one cell.
    assert_eq!(look(false), []);
    let found = look(true);
    assert!(found.len() == 1 && found[0].bbox.iou(&PixelBox::new(204.0, 288.0, 24.0, 48.0)) > 0.95, "{found:?}");
    assert!((found[0].score - 0.99994).abs() < 1e-3, "{found:?}");
    assert_eq!(look(false), []);
}

fn check_refused(card: &ModelCard, wanted: &[&str]) {
    let Some(runtime) = runtime() else { return };
    let Err(error) = OnnxDetector::open(&runtime, card, Device::Cpu, None, 1) else { panic!("{} was opened", card.name) };
    let message = error.to_string();
    assert!(wanted.iter().all(|part| message.contains(part)), "{message}");
}

#[test]
fn a_card_that_does_not_fit_its_model_is_refused_with_both_sides() {
    let (_folder, turned) = card("tiny-yolox", "yolov8", "person_class = 20", COLOUR);
    check_refused(
        &turned,
        &["model.onnx", "output for layout yolov8", "found [1, 21, 7]", "wanted [1, more than 24, n]", "correct layout"],
    );
    let (_folder, grey) = card("tiny-yolox", "yolox", "", GREY);
    check_refused(&grey, &["input images", "[1, 3, 32, 32]", "wanted float32 [1, 1, 32, 32]"]);
    let (_folder, mut renamed) = card("tiny-yolox", "yolox", "", COLOUR);
    renamed.output = Some("boxes".to_owned());
    check_refused(&renamed, &["output tensor", "found output", "wanted boxes"]);
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    let (folder, mut card) = card("tiny-yolox", "yolox", "", COLOUR);
    std::fs::write(folder.path().join("model.onnx"), b"not a model").expect("written");
    check_refused(&card, &["model.onnx", "SHA-256 is", "the card wants"]);
    card.sha256 = hex::encode(Sha256::digest(b"not a model"));
    check_refused(&card, &["model.onnx", "cannot be opened"]);
}

#[test]
fn a_model_of_an_opset_to_come_is_refused_with_both_numbers() {
    let (folder, mut card) = card("tiny-center", "center", "", GREY);
    let mut bytes = std::fs::read(&card.file).expect("a model");
    // The last field of the file is the opset: version 13.
    assert_eq!(bytes.pop(), Some(13));
    bytes.push(99);
    std::fs::write(folder.path().join("model.onnx"), &bytes).expect("written");
    card.sha256 = hex::encode(Sha256::digest(&bytes));
    check_refused(&card, &["model.onnx", "99", "older opset"]);
}

#[test]
fn a_missing_gpu_is_an_error_unless_the_configuration_allows_the_cpu() {
    let (_folder, card) = card("tiny-yolox", "yolox", "person_class = 1", COLOUR);
    let Some(runtime) = runtime() else { return };
    match OnnxDetector::open(&runtime, &card, Device::Cuda { fallback: false }, None, 1) {
        Ok(detector) => {
            println!("skipped: this machine has CUDA");
            assert_eq!(detector.device(), Device::Cuda { fallback: false });
        }
        Err(error) => {
            assert!(matches!(error, VisionError::Device { .. }) && error.to_string().contains("fallback = true"), "{error}");
            let detector = OnnxDetector::open(&runtime, &card, Device::Cuda { fallback: true }, None, 1).expect("falls back");
            assert_eq!(detector.device(), Device::Cpu);
        }
    }
}

#[test]
fn workers_that_share_a_session_find_what_each_finds_alone() {
    let Some(runtime) = runtime() else { return };
    let card = ModelCard::load(&root().join("models/thermal-person-n")).expect("a card").in_fp32();
    let session = Arc::new(BatchSession::open(&runtime, &card, Device::Cpu, 4).expect("opens"));
    let context = DetectContext { modality: Modality::Thermal, view: None, gsd_m: None, in_full: None };
    let find = |detector: &mut OnnxDetector, worker: usize| {
        let mut out = Vec::new();
        for look in 0..3 {
            let picture = spot(PictureSize::new(640, 512), 100 * worker + 50, 60 * worker + 70 + look, 12);
            detector.detect(&picture, &context, &mut out).expect("runs");
        }
        out
    };
    let mut own = OnnxDetector::open(&runtime, &card, Device::Cpu, Some(0.05), 1).expect("opens");
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..5)
            .map(|worker| {
                let mut detector = OnnxDetector::sharing(&session, Some(0.05)).expect("shares");
                scope.spawn(move || find(&mut detector, worker))
            })
            .collect();
        for (worker, thread) in workers.into_iter().enumerate() {
            let (alone, together) = (find(&mut own, worker), thread.join().expect("no panic"));
            assert!(!alone.is_empty() && alone.len() == together.len(), "worker {worker}: {alone:?} {together:?}");
            for (alone, together) in alone.iter().zip(&together) {
                assert!(alone.bbox.iou(&together.bbox) > 0.99 && (alone.score - together.score).abs() < 1e-3, "{alone:?} {together:?}");
            }
        }
    });
}

#[test]
fn a_model_that_takes_one_picture_at_a_time_is_refused_several() {
    let (_folder, card) = card("tiny-center", "center", "", GREY);
    let Some(runtime) = runtime() else { return };
    assert!(BatchSession::open(&runtime, &card, Device::Cpu, 1).is_ok());
    let Err(error) = BatchSession::open(&runtime, &card, Device::Cpu, 2) else { panic!("it takes one picture at a time") };
    assert!(error.to_string().contains("[1, 1, 32, 32]") && error.to_string().contains("batch_max = 1"), "{error}");
}

#[test]
fn a_library_that_is_not_there_is_named() {
    let message = OnnxRuntime::load(Path::new("nowhere/libonnxruntime.so")).expect_err("missing").to_string();
    assert!(message.contains("nowhere/libonnxruntime.so") && message.contains("scripts/setup"), "{message}");
}

#[test]
fn cards_of_the_tree_load() {
    for entry in std::fs::read_dir(root().join("models")).expect("models/") {
        let folder = entry.expect("an entry").path();
        // How a model was made lies beside it.
        if folder.to_string_lossy().ends_with("-train") {
            continue;
        }
        let card = ModelCard::load(&folder).expect("a good card");
        if card.file.is_file() {
            card.verify().expect("the file is the card's");
            card.in_fp32().verify().expect("the FP32 file is the card's");
        } else {
            println!("skipped: {} is not here", card.file.display());
        }
    }
}

/// The first pictures of people-visible `val`, turned clockwise by so many quarters, each with its people over 100×100 pixels. `None`, aloud, where they are not.
fn large_people(quarters: u32) -> Option<Vec<(Picture, Vec<PixelBox>)>> {
    let Some(root) = std::env::var_os("PATROL_DATA").map(|data| PathBuf::from(data).join("people-visible")) else {
        println!("skipped: PATROL_DATA is not set");
        return None;
    };
    let Ok(text) = std::fs::read(root.join("val.json")) else {
        println!("skipped: people-visible is not here");
        return None;
    };
    let truth: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let of_picture = |entry: &serde_json::Value| {
        let mut image = image::open(root.join(entry["file_name"].as_str().expect("a name"))).expect("a picture").into_rgb8();
        for _ in 0..quarters {
            image = image::imageops::rotate90(&image);
        }
        let (width, height) = image.dimensions();
        let mut people = Vec::new();
        for annotation in truth["annotations"].as_array().expect("a list").iter().filter(|annotation| annotation["image_id"] == entry["id"])
        {
            let b: Vec<f32> =
                annotation["bbox"].as_array().expect("four").iter().map(|value| value.as_f64().expect("a number") as f32).collect();
            if b[2] * b[3] > 10_000.0 && annotation["iscrowd"] == 0 {
                let mut person = PixelBox::new(b[0], b[1], b[2], b[3]);
                for _ in 0..quarters {
                    // The pictures are square.
                    person = PixelBox::new(width as f32 - person.y - person.h, person.x, person.h, person.w);
                }
                people.push(person);
            }
        }
        (sized(PictureSize::new(width, height), PixelFormat::Rgb8, vec![image.into_raw()]), people)
    };
    Some(truth["images"].as_array().expect("a list").iter().take(40).map(of_picture).collect())
}

/// A card whose file is there; `None`, aloud, where it is not.
fn shipped(model: &str) -> Option<ModelCard> {
    let card = ModelCard::load(&root().join("models").join(model)).expect("a good card");
    if !card.file.is_file() {
        println!("skipped: the weights of {model} are not here");
    }
    card.file.is_file().then_some(card)
}

/// Of the large people of [`large_people`]: found, and all.
fn large_people_seen(model: &str, quarters: u32) -> Option<(usize, usize)> {
    let (card, pictures) = (shipped(model)?, large_people(quarters)?);
    let mut detector = OnnxDetector::open(&runtime()?, &card, Device::Cpu, None, 1).expect("opens");
    let (mut hits, mut all) = (0, 0);
    for (picture, people) in pictures {
        let mut found = Vec::new();
        let context = DetectContext { modality: Modality::Visible, view: None, gsd_m: None, in_full: Some(0) };
        detector.detect(&picture, &context, &mut found).expect("runs");
        all += people.len();
        hits += people.iter().filter(|person| found.iter().any(|detection| detection.bbox.iou(person) > 0.5)).count();
    }
    assert!(all > 10, "{all}");
    Some((hits, all))
}

/// Who is much higher than wide stands or walks; turned by quarters he lies, or stands on his head.
#[test]
fn a_pose_network_tells_which_way_a_trunk_points_however_it_is_turned() {
    for quarters in 0..4 {
        let (Some(card), Some(pictures), Some(runtime)) = (shipped("movenet-lightning"), large_people(quarters), runtime()) else { return };
        let mut pose = PoseNetwork::open(&runtime, &card).expect("opens");
        let wanted_rad = quarters as f32 * std::f32::consts::FRAC_PI_2;
        let (mut told, mut right, mut all, mut passes) = (0, 0, 0, 0);
        for (picture, people) in pictures {
            let is_upright = |person: &&PixelBox| {
                let [long, short] = if quarters % 2 == 0 { [person.h, person.w] } else { [person.w, person.h] };
                long > 1.8 * short
            };
            for person in people.iter().filter(is_upright) {
                let (joints, inferences) = pose.joints(&picture, person).expect("runs");
                (all, passes) = (all + 1, passes + inferences);
                let Some(Joints { shoulders, hips, .. }) = joints else { continue };
                told += 1;
                // Clockwise from up.
                let points_rad = (shoulders.x - hips.x).atan2(hips.y - shoulders.y);
                right += usize::from((points_rad - wanted_rad).cos() > 0.7);
            }
        }
        println!("turned by {quarters} quarters: {right} right of {told} told of {all}, {passes} inferences");
        // The processor's arithmetic decides about one or two: half of them are told of with AVX2, one more with AVX-512.
        assert!(all > 10 && told * 5 > all * 2 && right * 10 >= told * 8, "{right} right of {told} told of {all}");
    }
}

#[test]
fn a_detector_is_no_pose_network_and_the_other_way_round() {
    let Some(runtime) = runtime() else { return };
    let (_folder, tiny) = card("tiny-center", "center", "", GREY);
    let Err(error) = PoseNetwork::open(&runtime, &tiny) else { panic!("it finds people") };
    assert!(error.to_string().contains("layout: found center, wanted joints"), "{error}");
    let (_folder, tiny) = card("tiny-center", "joints", "", COLOUR);
    let Err(error) = PoseNetwork::open(&runtime, &tiny) else { panic!("its tensors are a detector's") };
    assert!(error.to_string().contains("wanted uint8 [1, 32, 32, 3]"), "{error}");
    let Some(movenet) = shipped("movenet-lightning") else { return };
    let Err(error) = OnnxDetector::open(&runtime, &movenet, Device::Cpu, None, 1) else { panic!("it finds nobody") };
    assert!(error.to_string().contains("movenet_lightning_int8.onnx"), "{error}");
}

#[test]
fn yolox_nano_sees_most_large_people() {
    let Some((hits, people)) = large_people_seen("yolox-nano", 0) else { return };
    assert!(hits * 10 >= people * 6, "{hits} of {people}");
}

#[test]
fn our_visible_networks_see_people_upright_and_some_who_are_turned() {
    for model in ["visible-person-n", "visible-person-s"] {
        let seen: Vec<_> = (0..4).filter_map(|quarters| large_people_seen(model, quarters)).collect();
        println!("{model}: {seen:?}");
        for (quarters, (hits, people)) in seen.iter().enumerate() {
            assert!(hits * 100 >= people * SEEN_MIN[usize::from(quarters > 0)], "{model}: {seen:?}");
        }
    }
}

/// Of a hundred large people at the card's threshold, upright and turned by quarters: well under what was measured (47 and 29 of `visible-person-n`, 67 and 45 of `visible-person-s`).
const SEEN_MIN: [usize; 2] = [32, 15];
