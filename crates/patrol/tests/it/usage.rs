//! Bad usage ends with exit code 2 and words that name the thing; what goes wrong in a replay is said, and ends with 1.

use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const SPEC: &str = r#"
duration_s = 12
weather = { air_c = -4.0 }
[[camera]]
id = "c1"
name = "桥下"
at = [0, 0]
height_m = 8.0
tilt_deg = 42.0
hfov_deg = 58.0
fps = 2.0
[[person]]
at_s = 0
from = [0, 8]
steps = [{ do = "stand" }]
"#;

fn patrol(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_patrol"))
        .args(args)
        .env("PATROL_LOG", "off")
        .env_remove("PATROL_CITY_SECRET")
        .env("PATROL_TEST_SECRET", "for this test only")
        .output()
        .expect("patrol runs")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn refused(args: &[&str], words: &str) {
    let output = patrol(args);
    let told = told(&output);
    assert_eq!(output.status.code(), Some(2), "patrol {args:?}\n{told}");
    assert!(told.contains(words), "patrol {args:?} does not say {words:?}:\n{told}");
}

/// A scene of 12 s in a folder of its own.
struct Scene(tempfile::TempDir);

impl Scene {
    fn new() -> Self {
        let scene = Self(tempfile::tempdir().expect("a folder"));
        std::fs::write(scene.0.path().join("spec.toml"), SPEC).expect("written");
        let output = patrol(&["sim", "scene", &scene.path("spec.toml"), "--out", &scene.path("scene")]);
        assert!(output.status.success(), "{}", told(&output));
        scene
    }
    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }
    fn write(&self, name: &str, text: &str) -> String {
        std::fs::write(self.0.path().join(name), text).expect("written");
        self.path(name)
    }
    fn replay(&self, more: &[&str]) -> Output {
        patrol(&[&["replay", &self.path("scene"), "--out", &self.path("out")], more].concat())
    }
    fn refused(&self, more: &[&str], words: &str) {
        refused(&[&["replay", &self.path("scene"), "--out", &self.path("out")], more].concat(), words);
        assert!(!Path::new(&self.path("out")).is_dir(), "nothing is written");
    }
    fn summary(&self) -> Value {
        let text = std::fs::read_to_string(self.path("out/summary.json")).expect("a summary");
        serde_json::from_str(&text).expect("JSON")
    }
}

#[test]
fn a_replay_that_cannot_begin_is_bad_usage() {
    let scene = Scene::new();
    for time in ["tomorrow", "99999999999999999", "-1", "2201-01-01T00:00:00Z"] {
        scene.refused(&["--start", time], "--start");
    }
    scene.refused(&["--events", "/nope"], "--events: found /nope");
    scene.refused(&["--feed", "c1=/nope"], "camera c1: found /nope");
    scene.refused(&["--feed", "c2=/nope"], "\"c2\"");
    scene.refused(&["--feed", &format!("c1={}", scene.write("no-video.mp4", "not a video"))], "no-video.mp4");
    scene.refused(&["--feed", "c1=rtsp://admin:geheim@10.0.0.7/1"], "the address rtsp://10.0.0.7/…;");
    refused(&["replay", &scene.path(""), "--out", &scene.path("out")], "a folder without pipeline.toml");
}

#[test]
fn lines_of_events_that_cannot_be_are_named() {
    let scene = Scene::new();
    let confirm = |by: &str, reason: &str| {
        let action = json!({"do": "review", "lead": "XL-20260105-000009", "decision": "confirmed"});
        json!({"t_s": 1, "officer": {"by": by, "reason": reason, "action": action}}).to_string()
    };
    for (line, words) in [
        (r#"{"t_s":0,"weather":{"air_c":4000}}"#.to_owned(), "events:2: found weather.air_c 4000; wanted -60 to 60 °C"),
        (r#"{"t_s":0,"weather":{"air_c":-4,"wind_kmh":-50}}"#.to_owned(), "weather.wind_kmh -50"),
        (
            r#"{"t_s":0,"camera_lost":"nocam"}"#.to_owned(),
            "events:2: found camera \"nocam\"; wanted the id of a camera of the pipeline: c1",
        ),
        (r#"{"t_s":0,"camera_back":"nocam"}"#.to_owned(), "camera \"nocam\""),
        (r#"{"t_s":-1,"camera_lost":"c1"}"#.to_owned(), "t_s -1"),
        (confirm("", "倒卧"), "officer.by is empty"),
        (confirm("王芳", " "), "officer.reason is empty"),
    ] {
        let events = scene.write("events", &format!("{{\"t_s\":0,\"weather\":{{\"air_c\":-4}}}}\n{line}\n"));
        scene.refused(&["--events", &events], words);
    }
    // What only the desk can know is refused on the way; the results are there all the same.
    let events = scene.write("events", &format!("{{\"t_s\":0,\"weather\":{{\"air_c\":-4}}}}\n{}\n", confirm("王芳", "倒卧")));
    let output = scene.replay(&["--events", &events]);
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(told(&output).contains(&format!("{events}:2: refused: 线索 XL-20260105-000009 不存在")), "{}", told(&output));
    assert_eq!(scene.summary()["cameras"]["c1"].get("error"), None);
}

#[test]
fn results_of_an_earlier_run_go_and_nothing_else() {
    let scene = Scene::new();
    for folder in ["out/evidence", "out/tracks"] {
        std::fs::create_dir_all(scene.path(folder)).expect("a folder");
    }
    let old = ["out/evidence/old.jpg", "out/tracks/old.txt"].map(|name| scene.write(name, "old"));
    let kept = ["out/evidence/note.txt", "out/tracks/note.md", "out/old.jpg"].map(|name| scene.write(name, "kept"));
    let output = scene.replay(&[]);
    assert!(output.status.success(), "{}", told(&output));
    assert!(old.iter().all(|path| !Path::new(path).is_file()), "of an earlier run");
    assert!(kept.iter().all(|path| Path::new(path).is_file()), "not ours");
    // A recording that lies there is not removed.
    let video = PathBuf::from(scene.path("out/evidence/video.jpg"));
    std::fs::copy(scene.path("scene/video.mp4"), &video).expect("copied");
    refused(&["replay", &scene.path("scene"), "--out", &scene.path("out"), "--feed", &format!("c1={}", video.display())], "inside --out");
    assert!(video.is_file());
}

#[test]
fn a_replay_goes_on_where_the_store_ends() {
    let scene = Scene::new();
    let store = scene.path("store");
    assert!(scene.replay(&["--store", &store]).status.success());
    let first = scene.summary()["start_unix_s"].as_i64().expect("a time");
    let output = scene.replay(&["--store", &store]);
    assert!(output.status.success() && told(&output).contains("the replay starts at 2026-01-05T00:00:"), "{}", told(&output));
    let second = scene.summary()["start_unix_s"].as_i64().expect("a time");
    assert!((first + 1..first + 60).contains(&second), "{first}, then {second}");
    let output = scene.replay(&["--store", &store, "--start", "2026-01-01T00:00:00+08:00"]);
    assert!(told(&output).contains("warning: --start"), "{}", told(&output));
}

#[test]
fn detect_names_what_is_not_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (images, out) = (path("images"), path("out.json"));
    std::fs::create_dir(&images).expect("a folder");
    // A link that leads back up is not followed for ever.
    std::os::unix::fs::symlink(&images, folder.path().join("images/loop")).expect("a link");
    refused(&["detect", "--hot-spot", "--images", "nope", "--out", &out], "--images nope");
    refused(&["detect", "--model", "nope", "--images", &images, "--out", &out], "no card \"nope\"");
    let two = ["detect", "--model", "visible-person-n", "--model", "thermal-person-n", "--images", &images, "--out", &out];
    refused(&two, "--model thermal-person-n: for other pictures than visible-person-n");
    refused(&["detect", "--hot-spot", "--images", &images, "--ann", "/nope", "--out", &out], "--ann /nope");
    refused(&["detect", "--hot-spot", "--images", &images, "--min-score", "nan", "--out", &out], "--min-score");
    refused(&["detect", "--hot-spot", "--images", &images, "--out", &out], "no picture among 0 files");
    image::GrayImage::from_pixel(64, 48, image::Luma([90])).save(folder.path().join("images/one.png")).expect("a picture");
    refused(&["detect", "--hot-spot", "--images", &images, "--out", "/nope/out.json"], "--out /nope/out.json");
    let output = patrol(&["detect", "--hot-spot", "--images", &images, "--out", &out]);
    assert!(output.status.success() && told(&output).starts_with("1 pictures"), "{}", told(&output));
}

#[test]
fn sim_and_models_name_what_they_cannot_use() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = folder.path().join("spec.toml").display().to_string();
    std::fs::write(&spec, "duration_s = 12\n").expect("written");
    let out = folder.path().join("out").display().to_string();
    refused(&["sim", "scene", "bogus", "--out", &out], "\"bogus\"");
    refused(&["sim", "scene", "empty-street", "--seconds", "nan", "--out", &out], "--seconds");
    refused(&["sim", "scene", &spec, "--out", &out], &spec);
    refused(&["sim", "city"], "PATROL_CITY_SECRET is not set");
    let city = ["sim", "city", "--listen", "127.0.0.1:0", "--secret-env", "PATROL_TEST_SECRET"];
    for (more, words) in [
        (["--faults", "{"].as_slice(), "--faults"),
        (&["--faults", "{\"status\":7}"], "status 7"),
        (&["--callback-url", "nowhere"], "nowhere"),
        (&["--speed=0", "--start", "0"], "--speed"),
        (&["--start", "tomorrow"], "--start"),
    ] {
        refused(&[&city, more].concat(), words);
    }
    refused(&["models", "fetch", "nope"], "no card \"nope\"");
}
