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
