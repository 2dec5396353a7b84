//! Real video, visible light, our own network and YOLOX-nano: nobody where nobody is, one lead where one person lies, the same bytes each time.

use patrol_core::WallTime;
use patrol_ingest::{FeedEvent, OpenOptions};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A night on which a lying person is an A at once, so that half a minute of video is enough.
const PIPELINE: &str = r#"
[weather]
air_c = -18.0
wind_kmh = 20.0
alert = "red"
[[detector]]
name = "person"
kind = "onnx"
model = "MODEL"
[[camera]]
id = "street"
source = "SOURCE"
fps = 5.0
modality = "visible"
detectors = ["person"]
look_every_s = 0.4
"#;

/// Ours lies in the repository.
const OURS: &str = "visible-person";
const YOLOX: &str = "yolox-nano";

/// The folder of videos, where it and the model are there.
fn needs(model: &str) -> Option<PathBuf> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/yolox-nano/yolox_nano.onnx");
    let Ok(data) = std::env::var("PATROL_DATA") else {
        println!("skipped: PATROL_DATA is not set");
        return None;
    };
    if model == YOLOX && !file.is_file() {
        println!("skipped: models/yolox-nano/yolox_nano.onnx is not there; scripts/setup says how to get it");
        return None;
    }
    Some(PathBuf::from(data).join("video"))
}

/// Replays `source`; leads, sightings, and all bytes that must be the same each time.
fn replay(model: &str, source: &Path, folder: &Path) -> (Vec<Value>, Vec<Value>, String) {
    let pipeline = folder.join("pipeline.toml");
    std::fs::write(&pipeline, PIPELINE.replace("SOURCE", &source.display().to_string()).replace("MODEL", model)).expect("written");
    let out = folder.join("out");
    let output = Command::new(env!("CARGO_BIN_EXE_patrol"))
        .arg("replay")
        .arg(&pipeline)
        .arg("--out")
        .arg(&out)
        .env("PATROL_LOG", "error")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .output()
        .expect("patrol runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| std::fs::read_to_string(out.join(name)).expect("a result");
    let lines = |name: &str| read(name).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let mut evidence: Vec<_> =
        std::fs::read_dir(out.join("evidence")).expect("a folder").map(|entry| entry.expect("an entry").file_name()).collect();
    evidence.sort();
    let all =
        format!("{}{}{}{}{evidence:?}", read("leads.jsonl"), read("sightings.jsonl"), read("summary.json"), read("tracks/street.txt"));
    (lines("leads.jsonl"), lines("sightings.jsonl"), all)
}

fn cars_are_not_people(model: &str) {
    let Some(videos) = needs(model) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (leads, sightings, _) = replay(model, &videos.join("car-detection.mp4"), folder.path());
    assert!(leads.is_empty(), "{leads:?}");
    assert!(sightings.is_empty(), "{sightings:?}");
}

fn people_who_come_stand_and_leave_are_seen_and_make_no_lead_of_lying(model: &str) {
    let Some(videos) = needs(model) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let (leads, sightings, _) = replay(model, &videos.join("one-by-one-person-detection.mp4"), folder.path());
    assert!((6..=20).contains(&sightings.len()), "seven people come one by one: {} tracks", sightings.len());
    assert!(leads.iter().all(|lead| lead["posture"] != "lying"), "{leads:?}");
}

/// The positive control: the car video, with a person who lies there from second 20.
fn a_lying_person_composited_in_is_exactly_one_lead_twice_the_same(model: &str) {
    let Some(videos) = needs(model) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).expect("a folder");
    composite(&videos, &pictures);
    let (leads, _, first) = replay(model, &pictures, folder.path());
    assert_eq!(leads.len(), 1, "{leads:?}");
    assert_eq!(leads[0]["posture"], "lying");
    std::fs::remove_dir_all(folder.path().join("out")).expect("removed");
    let (_, _, second) = replay(model, &pictures, folder.path());
    assert_eq!(first, second, "byte-equal twice");
}

/// Each of these with each model.
macro_rules! with_each_model {
    ($($case:ident),*) => {
        mod ours {
            $(#[test] fn $case() { super::$case(super::OURS); })*
        }
        mod yolox {
            $(#[test] fn $case() { super::$case(super::YOLOX); })*
        }
    };
}

with_each_model!(
    cars_are_not_people,
    people_who_come_stand_and_leave_are_seen_and_make_no_lead_of_lying,
    a_lying_person_composited_in_is_exactly_one_lead_twice_the_same
);

/// Pictures of a video as RGB, every `step`-th, with their times in seconds.
fn frames(path: &Path, step: u64) -> Vec<(f64, image::RgbImage)> {
    let options = OpenOptions { start: WallTime(0), pictures_fps: None, decoder_threads: 1 };
    let mut feed = patrol_ingest::open(path, &options).expect("a video");
    let mut frames = Vec::new();
    loop {
        match feed.next().expect("readable") {
            FeedEvent::Picture { picture, .. } if picture.sequence % step == 0 => {
                frames.push((picture.media_time.as_secs_f64(), rgb(&picture)));
            }
            FeedEvent::Picture { .. } | FeedEvent::Undecodable { .. } | FeedEvent::Skipped { .. } | FeedEvent::Idle => {}
            FeedEvent::End => return frames,
        }
    }
}

fn rgb(picture: &patrol_core::Picture) -> image::RgbImage {
    let jpeg = patrol_vision::jpeg::whole(picture, None, 4096, 95).expect("a JPEG");
    image::load_from_memory(&jpeg).expect("decodes").to_rgb8()
}

/// Cuts the person out of second 130 of the one-by-one video by the difference from its empty first picture, turns them by
/// 90°, halves them, and pastes them into the car video from second 20 on. Five pictures a second, 30 s.
fn composite(videos: &Path, out: &Path) {
    let people = frames(&videos.join("one-by-one-person-detection.mp4"), 1300);
    let (empty, person) = (&people[0].1, &people[1].1);
    let differs = |x: u32, y: u32| {
        let (a, b) = (empty.get_pixel(x, y).0, person.get_pixel(x, y).0);
        a.iter().zip(b).map(|(a, b)| i32::from(*a).abs_diff(i32::from(b))).sum::<u32>() > 60
    };
    // The person stands in the middle of the picture; shadows at its edge are left out.
    let columns = person.width() * 2 / 5..person.width() * 18 / 25;
    for (number, (t_s, mut frame)) in
        frames(&videos.join("car-detection.mp4"), 1).into_iter().enumerate().filter(|(number, _)| number % 5 < 2)
    {
        if t_s >= 20.0 {
            for x in columns.clone().step_by(2) {
                for y in (0..person.height()).step_by(2) {
                    if differs(x, y) {
                        let (at_x, at_y) = (200 + y / 2, 150 + (columns.end - x) / 2);
                        frame.put_pixel(at_x, at_y, *person.get_pixel(x, y));
                    }
                }
            }
        }
        frame.save(out.join(format!("{number:04}.png"))).expect("written");
    }
}
