use super::score::{DetectScore, Figures, Outcome, score};
use super::sheets::Found;
use super::worst::{false_alarms, misses};
use super::*;
use serde::Deserialize as _;
use serde_json::{Value, json};

fn judged(truth: &Value, found: &Value) -> Outcome {
    let (truth, found) = (Truth::deserialize(truth).unwrap(), Vec::<Found>::deserialize(found).unwrap());
    score(&truth, &found).unwrap()
}

fn check(truth: &Value, found: &Value) -> DetectScore {
    judged(truth, found).score
}

fn truth() -> Value {
    json!({
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
        &json!([
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
        &json!([
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
    let score = check(&json!({"images": [{"id": 1}], "annotations": []}), &json!([]));
    assert_eq!((score.ap, score.recall_at_1_fp), (None, None));
}

/// Two flights: low by day with a person found, high by night with two, of whom one is found after a false alarm.
fn flights() -> (Value, Value) {
    let truth = json!({
        "images": [
            {"id": 1, "file_name": "val/low.png", "altitude_m": 60, "camera_angle": 90, "night": 0},
            {"id": 2, "file_name": "val/high.png", "altitude_m": 80, "camera_angle": 50, "night": 1},
        ],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [10, 10, 20, 40]},
            {"image_id": 2, "category_id": 1, "bbox": [10, 10, 8, 8]},
            {"image_id": 2, "category_id": 1, "bbox": [40, 10, 10, 20]},
        ],
    });
    let found = json!([
        {"image_id": 1, "bbox": [10, 10, 20, 40], "score": 0.9},
        {"image_id": 2, "bbox": [70, 70, 9, 9], "score": 0.8},
        {"image_id": 2, "bbox": [10, 10, 8, 8], "score": 0.7},
    ]);
    (truth, found)
}

fn bands(bands: &[breakdown::Band]) -> Vec<(&str, Figures)> {
    bands.iter().map(|band| (band.range.as_str(), band.figures.clone())).collect()
}

fn figures(ap50: f64, few: f64, one: f64, people: usize, pictures: usize) -> Figures {
    Figures { ap50: Some(ap50), recall_at_0_1_fp: Some(few), recall_at_1_fp: Some(one), people, pictures }
}

#[test]
fn the_breakdown_counts_each_band_by_itself() {
    let (truth, found) = flights();
    let by = judged(&truth, &found).by;
    let low = figures(1.0, 1.0, 1.0, 1, 1);
    // Half the recall at half the precision; the only picture's false alarm is one a picture.
    let high = figures(51.0 * 0.5 / 101.0, 0.0, 0.5, 2, 1);
    assert_eq!(bands(&by.altitude), [("60-80", low.clone()), ("80-100", high.clone())]);
    assert_eq!(bands(&by.time), [("day", low.clone()), ("night", high.clone())]);
    assert_eq!(bands(&by.angle), [("50-70", high), ("70-90", low)]);
    // The false alarm is as small as the smallest person; who is larger is neither missed nor found there.
    let small = figures(0.5, 0.0, 1.0, 1, 2);
    assert_eq!(bands(&by.size), [("<10", small), ("10-16", figures(0.0, 0.0, 0.0, 1, 2)), (">24", figures(1.0, 1.0, 1.0, 1, 2))]);
    let lines = by.lines().unwrap();
    assert!(lines.contains("\n60-80                         1.000    1.000    1.000        1        1\n"), "{lines}");
}

#[test]
fn people_of_another_size_are_ignored_and_no_false_alarms() {
    // A detection of 16 px finds a person of 15 px: right for the person's size, no false alarm for its own.
    let truth = json!({
        "images": [{"id": 1}],
        "annotations": [
            {"image_id": 1, "category_id": 1, "bbox": [10, 10, 15, 15]},
            {"image_id": 1, "category_id": 1, "bbox": [50, 50, 20, 20]},
        ],
    });
    let found = json!([
        {"image_id": 1, "bbox": [10, 10, 16, 16], "score": 0.9},
        {"image_id": 1, "bbox": [50, 50, 20, 20], "score": 0.8},
    ]);
    let size = judged(&truth, &found).by.size;
    assert_eq!(bands(&size), [("10-16", figures(1.0, 1.0, 1.0, 1, 1)), ("16-24", figures(1.0, 1.0, 1.0, 1, 1))]);
}

#[test]
fn the_breakdown_leaves_out_what_the_truth_does_not_have() {
    let Outcome { score, by, .. } = judged(&truth(), &json!([]));
    let told = serde_json::to_value(Told { score: &score, by: &by }).unwrap();
    assert_eq!(told["people"], 2);
    assert_eq!(told["by"].as_object().unwrap().keys().collect::<Vec<_>>(), ["size"]);
    assert_eq!(
        told["by"]["size"][0],
        json!({"range": "10-16", "ap50": 0.0, "recall_at_0_1_fp": 0.0, "recall_at_1_fp": 0.0, "people": 1, "pictures": 2})
    );
}

#[test]
fn the_worst_come_first() {
    let (truth, mut found) = flights();
    // Two false alarms are one a picture; the third, and whoever is found with less, falls below the threshold.
    let more =
        [json!({"image_id": 1, "bbox": [90, 90, 9, 9], "score": 0.85}), json!({"image_id": 1, "bbox": [12, 12, 20, 40], "score": 0.75})];
    found.as_array_mut().unwrap().extend(more);
    let outcome = judged(&truth, &found);
    assert_eq!(outcome.threshold, 0.8);
    let missed: Vec<_> = misses(&outcome, 100).iter().map(|miss| (miss.picture, miss.bbox[2], miss.score)).collect();
    assert_eq!(missed, [(1, 10.0, None), (1, 8.0, Some(0.7))]);
    let alarms = false_alarms(&outcome, 100);
    assert_eq!(alarms.iter().filter_map(|alarm| alarm.score).collect::<Vec<_>>(), [0.85, 0.8, 0.75]);
    assert!(alarms[2].iou > 0.5, "a second box on the same person: {alarms:?}");
    assert_eq!(false_alarms(&outcome, 1).len(), 1);
}

#[test]
fn other_results_are_named_with_or_without_a_time() {
    let also = |name: &str, results: &str, ms| Also { name: name.to_owned(), results: PathBuf::from(results), ms };
    assert_eq!(Also::parse("nano=out/x.json@12.5"), Ok(also("nano", "out/x.json", Some(12.5))));
    assert_eq!(Also::parse("a=x@2x.json"), Ok(also("a", "x@2x.json", None)));
    for bad in ["x.json", "=x.json", "a=", "a=@3", "a=x.json@-1"] {
        assert!(Also::parse(bad).unwrap_err().contains("NAME=RESULTS.json"), "{bad}");
    }
}

/// 45 people of 6 to 50 px, one a picture, the largest in the last; nobody is found. Picture n is all of grey n.
fn crowd(dir: &Path) -> Value {
    let side = |n: u32| 5 + n;
    for n in 1..=45_u32 {
        image::GrayImage::from_pixel(120, 100, image::Luma([100 + n as u8])).save(dir.join(format!("p{n}.png"))).unwrap();
    }
    json!({
        "images": (1..=45).map(|n| json!({"id": n, "file_name": format!("val/p{n}.png")})).collect::<Vec<_>>(),
        "annotations": (1..=45).map(|n| json!({"image_id": n, "category_id": 1, "bbox": [30, 30, side(n), side(n)]})).collect::<Vec<_>>(),
    })
}

fn report(dir: &Path, truth: &Value, found: &Value, ms: Option<f64>) -> Result<PathBuf> {
    let entry = |name: &str, found: &Value, ms| Entry { name: name.to_owned(), ms, outcome: judged(truth, found) };
    let entries = [entry("ours", found, ms), entry("<other>", &json!([]), None)];
    report::write(&dir.join("report"), "val.json", &Truth::deserialize(truth).unwrap(), &entries, Some(dir))
}

#[test]
fn the_report_shows_the_largest_who_were_missed_first() {
    let dir = tempfile::tempdir().unwrap();
    let truth = crowd(dir.path());
    std::fs::create_dir(dir.path().join("report")).unwrap();
    std::fs::write(dir.path().join("report/misses-4.jpg"), "of an earlier report").unwrap();
    let file = report(dir.path(), &truth, &json!([{"image_id": 3, "bbox": [80, 60, 10, 20], "score": 0.5}]), Some(7.5)).unwrap();

    let html = std::fs::read_to_string(&file).unwrap();
    let place = |words: &str| html.find(words).unwrap_or_else(|| panic!("no {words:?} in the report"));
    let order = [
        "漏检 / misses",
        "misses-1.jpg",
        "p45 · – · 50×50",
        "p44 · –",
        "misses-2.jpg",
        "misses-3.jpg",
        "p1 · –",
        "误报 / false alarms",
        "p3 · 0.50",
    ];
    assert!(order.map(place).is_sorted(), "{:?}", order.map(place));
    assert!(html.contains("&lt;other&gt;") && html.contains("AP50 against time") && html.contains("框的大小"));
    assert!(!html.contains("misses-4.jpg") && !dir.path().join("report/misses-4.jpg").is_file());

    // The first tile is picture 45 with its box in the middle; the last page has a row of 5.
    let page = image::open(dir.path().join("report/misses-1.jpg")).unwrap().into_rgb8();
    let [r, g, b] = page.get_pixel(4 + 128, 100).0;
    assert!([r, g, b].iter().all(|value| value.abs_diff(145) < 4), "{r} {g} {b}");
    assert!(page.enumerate_pixels().any(|(x, y, pixel)| x < 260 && y < 256 && pixel[0] > 220 && pixel[1] < 100), "no red box");
    let last = image::open(dir.path().join("report/misses-3.jpg")).unwrap();
    assert_eq!((last.width(), last.height()), (page.width(), page.height() / 4));
}

#[test]
fn a_picture_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let truth = crowd(dir.path());
    std::fs::remove_file(dir.path().join("p45.png")).unwrap();
    let why = report(dir.path(), &truth, &json!([]), None).unwrap_err().to_string();
    assert!(why.contains("val/p45.png"), "{why}");
}
