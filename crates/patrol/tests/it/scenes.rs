//! Rendered scenes with known truth, through the whole path: who is down is found once, who waits or walks is not.

use serde_json::Value;
use std::path::Path;
use std::process::Command;

fn patrol(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_patrol")).args(args).env("PATROL_LOG", "error").output().expect("patrol runs");
    assert!(output.status.success(), "patrol {args:?}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Renders, replays and compares; returns what `eval leads` says.
fn check(scene: &str, seed: u64, seconds: u64) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    patrol(&["sim", "scene", scene, "--seed", &seed.to_string(), "--seconds", &seconds.to_string(), "--out", &path("scene")]);
    patrol(&["replay", &path("scene"), "--out", &path("out")]);
    let (truth, leads, summary) = (path("scene/truth.json"), path("out/leads.jsonl"), path("out/summary.json"));
    let told = patrol(&["eval", "leads", "--truth", &truth, "--leads", &leads, "--summary", &summary, "--json"]);
    let score: Value = serde_json::from_str(&told).expect("JSON");
    assert!(Path::new(&path("out/run.json")).is_file());
    score
}

fn is_empty(value: &Value) -> bool {
    value.as_array().is_some_and(Vec::is_empty)
}

#[test]
fn a_winter_street_is_patrolled() {
    let score = check("winter-street", 11, 400);
    assert!(score["people"].as_u64() >= Some(3), "{score}");
    assert!(is_empty(&score["missed"]) && is_empty(&score["duplicates"]) && is_empty(&score["false_leads"]), "{score}");
}

#[test]
fn who_waits_is_no_lead() {
    let score = check("waiting-people", 5, 400);
    assert!(is_empty(&score["false_leads"]), "{score}");
}
