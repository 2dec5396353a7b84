//! Faults of a scene, from its SPEC file to the tracks of a replay.

use std::path::Path;
use std::process::Command;

const SPEC: &str = r#"
duration_s = 60
weather = { air_c = -4.0 }
[detection]
scripted = true
outages = [[12.0, 20.0]]
outage_every_s = 40.0
outage_s = 6.0
blind = [{ person = "away", from_s = 0.0, to_s = 60.0 }]
[[camera]]
id = "c1"
name = "桥下"
at = [0, 0]
height_m = 8.0
tilt_deg = 42.0
hfov_deg = 58.0
size = [320, 256]
fps = 2.0
[[person]]
at_s = -20
from = [-1.5, 6]
# He walks to and fro: where nothing changes, nobody is looked for.
steps = [
  { do = "walk", to = [-3.5, 12.5], speed_m_s = 0.25 },
  { do = "walk", to = [-1.5, 6], speed_m_s = 0.25 },
  { do = "walk", to = [-3.5, 12.5], speed_m_s = 0.25 },
]
[[person]]
id = "away"
at_s = -20
from = [2, 9]
steps = [{ do = "lie", facing_deg = 80 }]
"#;

fn patrol(args: &[&str], folder: &Path) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_patrol")).args(args).current_dir(folder).env("PATROL_LOG", "error").output().expect("patrol runs");
    assert!(output.status.success(), "patrol {args:?}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn nobody_is_found_in_an_outage_and_whom_detectors_are_blind_to_never() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("spec.toml"), SPEC).expect("written");
    patrol(&["sim", "scene", "spec.toml", "--out", "scene"], folder.path());
    patrol(&["replay", "scene", "--out", "out"], folder.path());
    let tracks = std::fs::read_to_string(folder.path().join("out/tracks/c1.txt")).expect("tracks");
    let rows: Vec<Vec<f64>> = tracks.lines().map(|row| row.split(',').filter_map(|cell| cell.parse().ok()).collect()).collect();
    // Pictures are counted from 1, two a second.
    let times_s: Vec<f64> = rows.iter().map(|row| (row[0] - 1.0) / 2.0).collect();
    let seen_from = |from_s: f64, to_s: f64| times_s.iter().filter(|t_s| (from_s..to_s).contains(*t_s)).count();
    assert!(seen_from(12.0, 20.0) == 0 && seen_from(40.0, 46.0) == 0, "{times_s:?}");
    assert!(seen_from(5.0, 12.0) > 3 && seen_from(25.0, 40.0) > 8 && seen_from(50.0, 60.0) > 4, "{times_s:?}");
    // One row a picture: the other person is found in none.
    assert!(times_s.windows(2).all(|pair| pair[0] < pair[1]), "{times_s:?}");
    assert!(rows.iter().all(|row| row[2] < 160.0), "{rows:?}");
}
