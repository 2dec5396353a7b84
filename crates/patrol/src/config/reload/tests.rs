use super::*;
use crate::config::SourcePlan;
use std::path::PathBuf;
use tempfile::TempDir;

const PIPELINE: &str = r#"
cameras = "cameras.csv"
[weather]
air_c = -4.0
[[detector]]
name = "warm"
kind = "hot-spot"
[register]
thermal = ["warm"]
[[camera]]
id = "mast"
source = "rtsp://10.0.0.100/1"
modality = "thermal"
detectors = ["warm"]
"#;
const HEADING: &str = "id,source,modality,user,secret,interior\n";
const A: &str = "a,rtsp://10.0.0.1/1,thermal,admin,file:password,\n";
const B: &str = "b,rtsp://10.0.0.2/1,thermal,,,\n";
const C: &str = "c,rtsp://10.0.0.3/1,thermal,,,\n";

struct Site {
    folder: TempDir,
    plan: Plan,
}

impl Site {
    /// Runs a mast and the cameras a, b and c.
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("pipeline.toml"), PIPELINE).expect("written");
        std::fs::write(folder.path().join("cameras.csv"), [HEADING, A, B, C].concat()).expect("written");
        std::fs::write(folder.path().join("password"), "geheim").expect("written");
        let (plan, problems) = Plan::load(folder.path()).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(problems.to_string(), "");
        Self { folder, plan }
    }
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    fn write(&self, name: &str, text: &str) -> &Self {
        std::fs::write(self.path(name), text).expect("written");
        self
    }
    fn rows(&self, rows: &[&str]) -> &Self {
        self.write("cameras.csv", &(HEADING.to_owned() + &rows.concat()))
    }
    fn try_reload(&self) -> Result<CamerasReload, Problems> {
        reload_cameras(self.folder.path(), &self.plan)
    }
    fn reload(&self) -> CamerasReload {
        self.try_reload().unwrap_or_else(|problems| panic!("{problems}"))
    }
}

/// Added, removed, changed, unchanged, kept.
fn diff(reload: &CamerasReload) -> [String; 5] {
    let said: usize = [&reload.added, &reload.changed, &reload.unchanged, &reload.kept].iter().map(|ids| ids.len()).sum();
    assert_eq!(said, reload.cameras.len(), "every camera is in exactly one list");
    [&reload.added, &reload.removed, &reload.changed, &reload.unchanged, &reload.kept]
        .map(|ids| ids.iter().map(CameraId::as_str).collect::<Vec<_>>().join(" "))
}

#[test]
fn a_reload_tells_what_changed_and_nothing_else() {
    let site = Site::new();
    assert_eq!(diff(&site.reload()), ["", "", "", "mast a b c", ""]);
    // A row more above moves the lines of all: they are the same cameras all the same.
    let moved = C.replace("10.0.0.3", "10.0.0.33");
    let reload = site.rows(&["d,rtsp://10.0.0.4/1,thermal,,,\n", &moved, A]).reload();
    assert_eq!(diff(&reload), ["d", "b", "c", "mast a", ""]);
    assert!(reload.needs_restart.is_empty() && reload.problems.0.is_empty() && reload.left_out.is_empty());
    // A new password is a change, though no file that names cameras changed.
    site.rows(&[A, B, C]).write("password", "neu");
    assert_eq!(diff(&site.reload()), ["", "", "a", "mast b c", ""]);
}

#[test]
fn a_slip_in_a_row_keeps_the_running_camera() {
    let site = Site::new();
    let reload = site.rows(&[A, &B.replace("thermal", "thermall"), C, "d,rtsp://10.0.0.4/1,,,,\n"]).reload();
    assert_eq!(diff(&reload), ["", "", "", "mast a c", "b"]);
    let told = reload.problems.to_string();
    assert!(
        told.contains("camera kept as it was: cameras.csv:3 modality") && told.contains("camera left out: cameras.csv:5 modality"),
        "{told}"
    );
    assert_eq!(reload.left_out.iter().map(|row| row.id.as_deref()).collect::<Vec<_>>(), [Some("d")]);
    let kept = reload.cameras.iter().find(|plan| plan.camera.id.as_str() == "b").expect("b");
    assert!(matches!(&kept.source, SourcePlan::Rtsp(rtsp) if rtsp.url == "rtsp://10.0.0.2/1"));
    // The same for a secret that is gone.
    std::fs::remove_file(site.path("password")).expect("removed");
    assert_eq!(diff(&site.rows(&[A, B, C]).reload()), ["", "", "", "mast b c", "a"]);
}

#[test]
fn rows_that_cannot_be_told_apart_stop_no_camera() {
    let site = Site::new();
    // An id deleted by a slip; a quote that is not closed swallows b and c.
    for rows in [[A, &B[1..], C], [&A.replace("admin", "\"admin"), B, C]] {
        let reload = site.rows(&rows).reload();
        assert!(reload.removed.is_empty() && reload.cameras.len() == 4, "{:?}", diff(&reload));
        assert!(reload.problems.to_string().contains("camera kept as it was: cameras.csv:"), "{}", reload.problems);
    }
    // Half a row, as a copy that broke off leaves it.
    let reload = site.rows(&[A, "b,rtsp://10.0"]).reload();
    assert_eq!(diff(&reload), ["", "", "", "mast a", "b c"]);
}

#[test]
fn a_camera_that_may_not_be_there_stops() {
    let site = Site::new();
    let reload = site.rows(&[A, &B.replace(",\n", ",更衣室\n"), C]).reload();
    assert_eq!(diff(&reload), ["", "b", "", "mast a c", ""]);
    assert!(reload.left_out[0].forbidden && reload.problems.to_string().contains("Order 799"));
}

#[test]
fn a_file_broken_as_a_whole_changes_nothing() {
    let site = Site::new();
    for (name, text) in [
        ("pipeline.toml", "[site"),
        ("pipeline.toml", &PIPELINE.replace("cameras.csv", "none.csv")),
        ("pipeline.toml", &PIPELINE.replace("rtsp://10.0.0.100/1", "rtsp://u:geheim@10.0.0.100/1")),
        ("cameras.csv", ""),
        ("cameras.csv", "id,modality\na,thermal\n"),
    ] {
        let before = std::fs::read_to_string(site.path(name)).expect("text");
        let told = site.write(name, text).try_reload().expect_err(text).to_string();
        assert!(!told.contains("geheim"), "{told}");
        site.write(name, &before);
    }
    std::fs::remove_file(site.path("cameras.csv")).expect("removed");
    assert!(site.try_reload().is_err());
}

#[test]
fn what_needs_a_restart_is_said_and_the_cameras_change_all_the_same() {
    let site = Site::new();
    let text = PIPELINE.replace("air_c = -4.0", "air_c = -8.0").replace("kind = \"hot-spot\"", "kind = \"hot-spot\"\nmin_score = 0.4");
    let reload = site.write("pipeline.toml", &(text + "[run]\nworkers = 2\n")).rows(&[A, B]).reload();
    assert_eq!(reload.needs_restart, ["detector", "run", "weather"]);
    assert_eq!(diff(&reload), ["", "c", "", "mast a b", ""]);
    // A detector that does not run cannot be named.
    let text = PIPELINE.replace("[register]", "[[detector]]\nname = \"new\"\nkind = \"hot-spot\"\n[register]");
    let told = site.write("pipeline.toml", &text.replace("thermal = [\"warm\"]", "thermal = [\"new\"]")).try_reload().expect_err("refused");
    assert!(told.to_string().contains("the detectors that the patrol began with"), "{told}");
}

#[test]
fn the_last_camera_does_not_go_by_mistake() {
    let site = Site::new();
    site.write("pipeline.toml", PIPELINE.split("[[camera]]").next().expect("a head"));
    assert!(site.rows(&[]).try_reload().is_err(), "an empty register");
}

#[test]
fn what_stands_for_a_scene_changes_nothing() {
    let site = Site::new();
    for more in ["[faults]\ntruth = \"truth.json\"\n", "[[detector]]\nname = \"s\"\nkind = \"scripted\"\n"] {
        let problems = site.write("pipeline.toml", &format!("{PIPELINE}{more}")).try_reload().expect_err(more).to_string();
        assert!(problems.contains("only in scenes for `replay`"), "{problems}");
    }
}
