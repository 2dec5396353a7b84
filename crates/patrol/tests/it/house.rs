//! The rule of the house: arrows go down, and crates of one floor do not know each other. Dev-dependencies too.

use serde_json::Value;
use std::process::Command;

/// Floor of each crate; a crate that is not named here has no floor and fails the test.
const FLOORS: [(&str, u8); 11] = [
    ("patrol-core", 1),
    ("patrol-ingest", 2),
    ("patrol-vision", 2),
    ("patrol-track", 2),
    ("patrol-leads", 2),
    ("patrol-store", 2),
    ("patrol-city", 2),
    ("patrol-console", 2),
    ("patrol-sim", 2),
    ("patrol-pipeline", 3),
    ("patrol", 4),
];

fn floor(name: &str) -> Option<u8> {
    FLOORS.iter().find(|(known, _)| *known == name).map(|(_, floor)| *floor)
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
}

#[test]
fn arrows_go_down() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() >= FLOORS.len(), "found {} packages", packages.len());
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().expect("a name");
        // The benches may use everything.
        if name == "patrol-benches" {
            continue;
        }
        let Some(from) = floor(name) else {
            wrong.push(format!("{name} has no floor: give it one in this test"));
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let on = dependency["name"].as_str().expect("a name");
            let kind = dependency["kind"].as_str().unwrap_or("normal");
            if let Some(to) = floor(on)
                && to >= from
            {
                wrong.push(format!("{name} (floor {from}) has a {kind} dependency on {on} (floor {to})"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn core_has_no_io_no_ffi_no_async_no_wire_formats() {
    let metadata = metadata();
    let core = metadata["packages"].as_array().expect("packages").iter().find(|package| package["name"] == "patrol-core").expect("core");
    let known: Vec<&str> = core["dependencies"].as_array().expect("dependencies").iter().filter_map(|on| on["name"].as_str()).collect();
    assert_eq!(known, ["serde", "thiserror"], "every new dependency of patrol-core is a decision: argue it in ARCHITECTURE.md");
}
