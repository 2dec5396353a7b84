//! Pipeline files: each one we ship loads, and a wrong one is refused with every problem at once.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn check(pipeline: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_patrol"))
        .args(["check", "--offline"])
        .arg(pipeline)
        .env("PATROL_CITY_SECRET", "for this test only")
        .current_dir(root())
        .output()
        .expect("patrol runs")
}

#[test]
fn every_shipped_pipeline_loads() {
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("pipelines")).expect("pipelines/") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.extension().is_none_or(|end| end != "toml") || name.starts_with("mapping") {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("text");
        if text.contains("yolox-nano") && !root().join("models/yolox-nano/yolox_nano.onnx").is_file() {
            println!("skipped: {name} needs models/yolox-nano/yolox_nano.onnx; scripts/setup says how to get it");
            continue;
        }
        let output = check(&path);
        assert!(output.status.success(), "{name}:\n{}", String::from_utf8_lossy(&output.stdout));
        seen += 1;
    }
    assert!(seen > 0, "no pipeline was checked");
}

#[test]
fn a_wrong_pipeline_is_refused_with_every_problem_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipeline = folder.path().join("wrong.toml");
    std::fs::write(
        &pipeline,
        r#"
        [site]
        nmae = "x"
        [[detector]]
        name = "a"
        kind = "onnx"
        model = "no-such-model"
        [[camera]]
        id = "one"
        source = "not-there.mp4"
        modality = "thermal"
        detectors = ["a", "b"]
        [console]
        listen = "0.0.0.0:8460"
        [city]
        base = "http://127.0.0.1:1"
        mapping = "mapping.toml"
        app_key = "k"
        secret = { env = "PATROL_TEST_SECRET_THAT_IS_NOT_SET" }
        "#,
    )
    .expect("written");
    // A mapping without the city's class: there is no default.
    std::fs::write(folder.path().join("mapping.toml"), "crs = \"both\"\n").expect("written");
    let output = check(&pipeline);
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(2), "{told}");
    for place in ["site.nmae", "detector[0].model", "camera[0].detectors", "console.listen", "city.secret", "class"] {
        assert!(told.contains(place), "{place} is not named in\n{told}");
    }
    assert!(told.contains("warning: camera[0].source"), "an unreachable camera is a warning:\n{told}");
}

/// A pipeline without fault; each test spoils it in its own way.
const GOOD: &str = r#"
[site]
system_code = "31010100085026000001"
region = "310101"
[weather]
air_c = -4.0
[[detector]]
name = "warm"
kind = "hot-spot"
[[camera]]
id = "one"
source = "pictures"
fps = 5.0
modality = "thermal"
detectors = ["warm"]
height_m = 6.0
tilt_deg = 25.0
hfov_deg = 60.0
"#;

const CITY: &str = r#"
[city]
base = "http://127.0.0.1:8470"
mapping = "mapping.toml"
app_key = "k"
secret = { env = "PATROL_CITY_SECRET" }
"#;

/// What `check` says of a pipeline, and its exit code.
fn verdict(text: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("pictures")).expect("a folder");
    std::fs::write(folder.path().join("pipeline.toml"), text).expect("written");
    std::fs::write(folder.path().join("mapping.toml"), "crs = \"both\"\n[class]\nbig = \"05\"\nsmall = \"99\"\n").expect("written");
    let output = check(folder.path());
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `check` finds exactly one error, and says all of `words`.
fn one_error(text: &str, words: &[&str]) {
    let (code, told) = verdict(text);
    assert_eq!(code, Some(2), "{words:?}\n{told}");
    let errors: Vec<&str> = told.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{words:?}\n{told}");
    assert!(words.iter().all(|word| told.contains(word)), "{words:?}\n{told}");
}

fn one_warning(text: &str, words: &[&str]) {
    let (code, told) = verdict(text);
    assert_eq!(code, Some(0), "{words:?}\n{told}");
    assert_eq!(told.matches("warning: ").count(), 1, "{words:?}\n{told}");
    assert!(words.iter().all(|word| told.contains(word)), "{words:?}\n{told}");
}

#[test]
fn a_good_pipeline_is_ok() {
    assert_eq!(verdict(GOOD), (Some(0), "ok\n".to_owned()));
    assert_eq!(verdict(&format!("{GOOD}{CITY}")), (Some(0), "ok\n".to_owned()));
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let camera = |line: &str| format!("{GOOD}{line}\n");
    for line in ["heading_deg = nan", "look_every_s = nan", "look_every_s = -1", "look_every_s = inf", "position_error_m = -1"] {
        one_error(&camera(line), &["camera[0].", line.split(' ').next().expect("a key")]);
    }
    for line in ["position_error_m = nan", "rescan_every_s = nan", "site_class = \"underpass\"", "look_limit_s = nan"] {
        one_error(&camera(line), &["camera[0].", line.split(' ').next().expect("a key")]);
    }
    one_error(&camera("look_every_s = 5.0\nlook_limit_s = 2.0"), &["look_limit_s: found 2; wanted look_every_s, here 5, to 86400 seconds"]);
    for value in ["nan", "4000", "-inf"] {
        one_error(&GOOD.replace("air_c = -4.0", &format!("air_c = {value}")), &["weather.air_c", "-60 to 60 °C"]);
    }
    for line in ["wind_kmh = nan", "wind_kmh = -50", "precip_mm_h = nan"] {
        let key = line.split(' ').next().expect("a key");
        one_error(&GOOD.replace("[[detector]]", &format!("{line}\n[[detector]]")), &[&format!("weather.{key}")]);
    }
    let months = "month_min_c = [nan, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n[[detector]]";
    one_error(&GOOD.replace("[[detector]]", months), &["weather.month_min_c[0]"]);
    for line in ["min_score = 2", "min_score = nan", "hot_spot = { min_score = -1 }", "hot_spot = { length_px = [9, 3] }"] {
        one_error(&GOOD.replace("kind = \"hot-spot\"", &format!("kind = \"hot-spot\"\n{line}")), &["detector[0]"]);
    }
    for line in ["device = \"cuda\"", "fallback = false"] {
        one_error(&GOOD.replace("kind = \"hot-spot\"", &format!("kind = \"hot-spot\"\n{line}")), &["detector[0]", "no model"]);
    }
    one_error(&GOOD.replace("fps = 5.0", "fps = nan"), &["camera[0].fps"]);
    one_error(&GOOD.replace("height_m = 6.0", "height_m = nan"), &["camera[0].height_m"]);
    for workers in ["0", "257"] {
        one_error(&format!("{GOOD}[run]\nworkers = {workers}\n"), &["run.workers", "1 to 256"]);
    }
}

#[test]
fn live_addresses_are_refused_without_showing_their_password() {
    let (code, told) = verdict(&GOOD.replace("source = \"pictures\"", "source = \"rtsp://admin:geheim@10.0.0.7:554/1\""));
    assert_eq!(code, Some(2), "{told}");
    assert!(
        told.contains("not built yet: live feeds come later; give a video file or a folder") && told.contains("10.0.0.7:554"),
        "{told}"
    );
    assert!(!told.contains("geheim") && !told.contains("admin"), "{told}");
}

#[test]
fn what_does_not_fit_together_is_said() {
    // By its kind, whatever its name.
    one_warning(&GOOD.replace("thermal", "visible"), &["hot-spot on a visible camera"]);
    one_warning(&GOOD.replace("air_c = -4.0", ""), &["weather.air_c", "the month's mean minimum is assumed"]);
    one_warning(&format!("{GOOD}site_class = \"99999\"\n"), &["camera[0].site_class", "99999"]);
    one_error(&GOOD.replace("[\"warm\"]", "[\"warm\", \"warm\"]"), &["camera[0].detectors", "\"warm\" twice"]);
    let second = GOOD[GOOD.find("[[camera]]").expect("a camera")..].replace("\"one\"", "\"One\"");
    one_error(&format!("{GOOD}{second}"), &["camera[1].id", "differs from \"one\" only in case"]);
    // No camera is said beside other problems, and only when there is none.
    let (code, told) = verdict("[site]\nnmae = \"x\"\n");
    assert!(code == Some(2) && told.contains("no camera") && told.contains("site.nmae"), "{told}");
    one_error(&GOOD.replace("modality = \"thermal\"", "modality = \"warm\""), &["camera[0].modality"]);
    one_error("[site", &["pipeline"]);
}

#[test]
fn a_detector_that_cannot_be_read_is_one_error() {
    one_error(&GOOD.replace("kind = \"hot-spot\"", "kind = 5"), &["detector[0].kind"]);
    one_error(&GOOD.replace("name = \"warm\"", "name = 5"), &["detector[0].name"]);
    one_error(&GOOD.replace("[[detector]]", "[detector]"), &["error: detector:"]);
    one_error(&GOOD.replace("[\"warm\"]", "[\"cold\"]"), &["\"cold\"; wanted the name of a [[detector]]: warm"]);
}

#[test]
fn a_model_for_the_other_light_is_a_warning() {
    if !root().join("models/yolox-nano/yolox_nano.onnx").is_file() {
        println!("skipped: models/yolox-nano/yolox_nano.onnx is not there; scripts/setup says how to get it");
        return;
    }
    let onnx = GOOD.replace("kind = \"hot-spot\"", "kind = \"onnx\"\nmodel = \"yolox-nano\"");
    one_warning(&onnx, &["only models for visible light on a thermal camera"]);
    one_error(&onnx.replace("kind =", "hot_spot = {}\nkind ="), &["detector[0].hot_spot"]);
}

#[test]
fn a_city_needs_to_know_who_tells_it_and_where_it_is() {
    let good = format!("{GOOD}{CITY}");
    for base in ["http://", "ftp://city.example", "city.example", "http://:80", "http://city.example/?a=1"] {
        one_error(&good.replace("http://127.0.0.1:8470", base), &["city.base"]);
    }
    let (_, told) = verdict(&good.replace("http://127", "http://me:geheim@127"));
    assert!(told.contains("city.base") && !told.contains("geheim"), "{told}");
    one_error(&good.replace("app_key = \"k\"", "app_key = \" \""), &["city.app_key"]);
    one_error(&format!("{good}media_base = \"/pictures\"\n"), &["city.media_base"]);
    one_error(&good.replace("31010100085026000001", "3101"), &["site.system_code", "20 digits"]);
    one_error(&good.replace("region = \"310101\"", ""), &["site.region: found nothing"]);
    one_error(&good.replace("region = \"310101\"", "region = 310101"), &["site.region"]);
}

#[test]
fn a_folder_without_a_pipeline_is_said_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = check(folder.path());
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(2) && told.contains("a folder without pipeline.toml"), "{told}");
}
