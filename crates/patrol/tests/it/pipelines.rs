//! Pipeline files: each one we ship loads, and a wrong one is refused with every problem at once.

use patrol_sim::street::{Street, StreetConfig};
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
        .env("PATROL_CAMERA_PASSWORD", "for this test only")
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
        if text.lines().any(|line| line == "model = \"yolox-nano\"") && !root().join("models/yolox-nano/yolox_nano.onnx").is_file() {
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

const TRUTH: &str = r#"{"cameras": {"one": {}, "two": {}}, "people": [{"id": "p1"}]}"#;

/// As `sim` writes it.
const FAULTS: &str = r#"
[faults]
truth = "truth.json"
seed = 1
miss = 0.35
outages = [[60.0, 80.0]]
blind = [{ person = "p1", from_s = 200.0, to_s = 2000.0 }]
"#;

/// `GOOD` with a detector that reads the truth.
fn scripted() -> String {
    GOOD.replace("kind = \"hot-spot\"", "kind = \"scripted\"\ntruth = \"truth.json\"\ncamera = \"one\"")
}

/// What `check` says of a pipeline, and its exit code.
fn verdict(text: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("pictures")).expect("a folder");
    std::fs::write(folder.path().join("pipeline.toml"), text).expect("written");
    std::fs::write(folder.path().join("mapping.toml"), "crs = \"both\"\n[class]\nbig = \"05\"\nsmall = \"99\"\n").expect("written");
    std::fs::write(folder.path().join("truth.json"), TRUTH).expect("written");
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
fn a_decoder_that_is_not_there_is_refused_unless_the_cpu_may_stand_in() {
    let table = |lines: &str| format!("{GOOD}[run.decoders]\n{lines}\n");
    assert_eq!(verdict(&table("h264 = \"avdec_h264\"\nh265 = \"avdec_h265\"")), (Some(0), "ok\n".to_owned()));
    one_error(
        &table("h264 = \"nowhere264dec\""),
        &["run.decoders.h264: found nowhere264dec", "does not have on this machine", "fallback = true"],
    );
    one_error(&table("h265 = \"avdec_h264\"\nfallback = false"), &["run.decoders.h265", "does not decode H.265"]);
    one_warning(&table("h264 = \"nowhere264dec\"\nfallback = true"), &["run.decoders.h264", "the CPU decodes instead"]);
}

#[test]
fn several_pictures_at_once_need_a_gpu() {
    let model = "kind = \"onnx\"\nmodel = \"thermal-person-n\"";
    let with = |lines: &str| GOOD.replace("kind = \"hot-spot\"", &format!("{model}\n{lines}"));
    one_error(&with("batch_max = 8"), &["detector[0].batch_max", "device = \"cuda\""]);
    one_error(&with("device = \"cuda\"\nfallback = true\nbatch_max = 65"), &["detector[0].batch_max", "1 to 64"]);
    one_error(&GOOD.replace("kind = \"hot-spot\"", "kind = \"hot-spot\"\nbatch_max = 8"), &["detector[0].batch_max", "no model"]);
}

/// One live camera, with `lines` more.
fn live(address: &str, lines: &str) -> String {
    GOOD.replace("source = \"pictures\"\nfps = 5.0", &format!("source = \"{address}\"\n{lines}"))
}

#[test]
fn a_live_camera_needs_its_login_by_reference() {
    const LOGIN: &str = "user = \"admin\"\npassword = { env = \"PATROL_CAMERA_PASSWORD\" }";
    let ok = |text: &str| assert_eq!(verdict(text), (Some(0), "ok\n".to_owned()), "{text}");
    ok(&live("rtsp://10.0.0.7/1", ""));
    ok(&live("rtsp://10.0.0.7/1", LOGIN));
    ok(&live("rtsp://admin@10.0.0.7/1", LOGIN));
    ok(&live("rtsp://10.0.0.7/1", &format!("{LOGIN}\ntransport = \"udp\"\nsub_source = \"rtsp://10.0.0.7/2\"\nlooks_from = \"main\"")));
    let no_such = LOGIN.replace("PATROL_CAMERA_PASSWORD", "PATROL_TEST_NOT_SET");
    one_error(&live("rtsp://10.0.0.7/1", &no_such), &["camera[0].password: found the variable PATROL_TEST_NOT_SET, which is not set"]);
    let file = "user = \"admin\"\npassword = { file = \"no-such-file\" }";
    one_error(&live("rtsp://10.0.0.7/1", file), &["camera[0].password", "no-such-file"]);
    one_warning(&live("rtsp://10.0.0.7/1", "user = \"admin\""), &["camera[0].password", "tried with an empty password"]);
    one_error(&live("rtsp://10.0.0.7/1", "password = { env = \"PATROL_CAMERA_PASSWORD\" }"), &["camera[0].user"]);
    one_error(&live("rtsp://10.0.0.7/1", "transport = \"quic\""), &["camera[0].transport", "\"tcp-then-udp\", \"tcp\" or \"udp\""]);
    one_error(&live("rtsp://10.0.0.7/1", "looks_from = \"sub\""), &["camera[0].looks_from"]);
    one_error(&live("rtsp://10.0.0.7/1", "fps = 5.0"), &["camera[0].fps"]);
    one_error(&live("rtsps://10.0.0.7/1", ""), &["camera[0].source", "encrypted RTSP is not built in"]);
    one_error(&live("http://10.0.0.7/1", ""), &["camera[0].source", "only RTSP is spoken"]);
    one_error(&GOOD.replace("fps = 5.0", "fps = 5.0\ntransport = \"tcp\""), &["camera[0].transport"]);
    for rings in ["7", "65537"] {
        one_error(&format!("{GOOD}[run]\nrings_mib = {rings}\n"), &["run.rings_mib", "8 to 65536 MiB"]);
    }
}

#[test]
fn no_problem_shows_a_password() {
    for text in [
        live("rtsp://admin:geheim@10.0.0.7:554/1", ""),
        live("rtsp://10.0.0.7:554/1", "user = \"admin\"\npassword = \"geheim\""),
        live("rtsp://10.0.0.7:554/1", "user = \"admin\"\npassword = { value = \"geheim\" }"),
        live("rtsp://10.0.0.7:554/1", "user = \"admin\"\npassword = { env = \"ge heim\" }"),
        live("rtsp://10.0.0.7:554/1", "user = \"admin:geheim\"\npassword = { env = \"PATROL_CAMERA_PASSWORD\" }"),
        live("rtsp://10.0.0.7:554/1", "sub_source = \"rtsp://admin:geheim@10.0.0.7:554/2\""),
        live("rtsp://10.0.0.7:554/1?user=admin&password=geheim", ""),
    ] {
        let (code, told) = verdict(&text);
        assert_eq!(code, Some(2), "{told}");
        assert!(!told.contains("heim") && !told.contains("admin"), "{told}");
    }
    let (_, told) = verdict(&live("rtsp://admin:geheim@10.0.0.7:554/1", ""));
    assert!(told.contains("rtsp://10.0.0.7:554/…") && told.contains("password = { env = \"NAME\" }"), "{told}");
}

/// A pipeline with the register `csv` beside `GOOD`'s camera.
fn with_register(csv: &str, files: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("pictures")).expect("a folder");
    let text = format!("cameras = \"cameras.csv\"\n[register]\nthermal = [\"warm\"]\n{GOOD}");
    std::fs::write(folder.path().join("pipeline.toml"), text).expect("written");
    std::fs::write(folder.path().join("cameras.csv"), csv).expect("written");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let output = check(folder.path());
    (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn check_names_the_bad_rows_of_a_register_and_ends_with_2() {
    let heading = "id,source,user,secret,modality,hfov_deg,tilt_deg,height_m,interior\n";
    let good = "a,rtsp://10.0.0.1/1,admin,file:password,thermal,,,,\n";
    let files = [("password", "geheim\n")];
    assert_eq!(with_register(&format!("{heading}{good}"), &files), (Some(0), "ok\n".to_owned()));
    let (code, told) = with_register(
        &format!(
            "{heading}{good}b,rtsp://10.0.0.2/1,admin,file:none,thermal,,,,\nc,rtsp://10.0.0.3/1,,,thermal,sixty,10,6,\n\
             d,rtsp://10.0.0.4/1,,,thermal,,,,公共浴室\n"
        ),
        &files,
    );
    assert_eq!(code, Some(2), "{told}");
    for words in
        ["camera left out: cameras.csv:3 secret: found the file", "cameras.csv:4 hfov_deg: found \"sixty\"", "cameras.csv:5 interior"]
    {
        assert!(told.contains(words), "{words}\n{told}");
    }
    assert!(told.contains("Order 799, article 8") && told.matches("camera left out").count() == 3, "{told}");
    // The whole register: no column of addresses.
    let (code, told) = with_register("id,modality\na,thermal\n", &files);
    assert!(code == Some(2) && told.contains("error: cameras.csv:1") && told.contains("columns source"), "{told}");
}

#[test]
fn check_listens_to_live_cameras_and_says_which_give_no_pictures_or_key_frames_too_rarely() {
    let there = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let silent = there.local_addr().expect("an address");
    drop(there);
    let street = StreetConfig { cameras: 2, fps: 5.0, gop_s: 2.0, clip_s: 4.0, kbps: 200, ..StreetConfig::default() };
    let street = Street::start(street).expect("a street");
    let camera = |number: usize, source: &str, look_every_s: f64| {
        GOOD[GOOD.find("[[camera]]").expect("a camera")..]
            .replace("\"one\"", &format!("\"number-{number}\""))
            .replace("source = \"pictures\"\nfps = 5.0", &format!("source = \"{source}\"\nlook_every_s = {look_every_s}"))
    };
    let text = GOOD[..GOOD.find("[[camera]]").expect("a camera")].to_owned()
        + &camera(0, &format!("rtsp://{}/cam/000", street.address()), 5.0)
        + &camera(1, &format!("rtsp://{}/cam/001", street.address()), 1.5)
        + &camera(2, &format!("rtsp://{}/nowhere", street.address()), 5.0)
        + &camera(3, &format!("rtsp://{silent}/1"), 5.0);
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("pipeline.toml"), text).expect("written");
    let output =
        Command::new(env!("CARGO_BIN_EXE_patrol")).arg("check").arg(folder.path()).current_dir(root()).output().expect("patrol runs");
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "all of it is for the camera to mend: warnings\n{told}");
    assert!(!told.contains("camera[0]"), "its key frames come in time\n{told}");
    assert!(told.contains("warning: camera[1].source") && told.contains("key frames 2.0 s apart"), "{told}");
    assert!(told.contains("warning: camera[2].source") && told.contains("404"), "{told}");
    assert!(told.contains("warning: camera[3].source") && told.contains("does not answer"), "{told}");
}

#[test]
fn replay_wants_recordings_of_live_cameras() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("pipeline.toml"), live("rtsp://10.0.0.7/1?token=geheim", "")).expect("written");
    let output = Command::new(env!("CARGO_BIN_EXE_patrol"))
        .arg("replay")
        .arg(folder.path())
        .arg("--out")
        .arg(folder.path().join("out"))
        .current_dir(root())
        .output()
        .expect("patrol runs");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && told.contains("the live address rtsp://10.0.0.7/…"), "{told}");
    assert!(told.contains("--feed one=PATH") && !told.contains("geheim"), "{told}");
}

#[test]
fn what_does_not_fit_together_is_said() {
    // By its kind, whatever its name.
    one_warning(&GOOD.replace("thermal", "visible"), &["hot-spot on a visible camera"]);
    one_warning(&GOOD.replace("air_c = -4.0", ""), &["weather.air_c", "the month's mean minimum is assumed"]);
    one_warning(&format!("{GOOD}site_class = \"99999\"\n"), &["camera[0].site_class", "99999"]);
    one_error(&GOOD.replace("[\"warm\"]", "[\"warm\", \"warm\"]"), &["camera[0].detectors", "\"warm\" twice"]);
    let second = GOOD[GOOD.find("[[camera]]").expect("a camera")..].replace("\"one\"", "\"One\"");
    one_error(&format!("{GOOD}{second}"), &["camera[1].id", "differs from \"one\" in camera[0] only in case"]);
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
    let onnx = GOOD.replace("kind = \"hot-spot\"", "kind = \"onnx\"\nmodel = \"visible-person-n\"");
    one_warning(&onnx, &["only models for visible light on a thermal camera"]);
    one_error(&onnx.replace("kind =", "hot_spot = {}\nkind ="), &["detector[0].hot_spot"]);
}

#[test]
fn tiles_are_chosen_where_the_model_knows_sizes() {
    let with = |kind: &str, tiles: &str| GOOD.replace("kind = \"hot-spot\"", &format!("{kind}\ntiles = \"{tiles}\""));
    let ours = "kind = \"onnx\"\nmodel = \"thermal-person-n\"";
    for tiles in ["always", "in-full", "never"] {
        assert_eq!(verdict(&with(ours, tiles)).0, Some(0), "{tiles}");
    }
    one_error(&with(ours, "sometimes"), &["detector[0].tiles", "sometimes"]);
    one_error(&with("kind = \"hot-spot\"", "never"), &["detector[0].tiles", "`hot-spot` has no model"]);
    if !root().join("models/yolox-nano/yolox_nano.onnx").is_file() {
        println!("skipped: models/yolox-nano/yolox_nano.onnx is not there; scripts/setup says how to get it");
        return;
    }
    let yolox = verdict(&with("kind = \"onnx\"\nmodel = \"yolox-nano\"", "never"));
    assert!(yolox.0 == Some(2) && yolox.1.contains("the card of yolox-nano does not say at which size people are found"), "{yolox:?}");
}

#[test]
fn a_pose_model_and_a_detector_are_not_taken_for_one_another() {
    let with = |model: &str| format!("[pose]\nmodel = \"{model}\"\n{GOOD}");
    one_error(&with("visible-person-n"), &["pose.model", "\"visible-person-n\"", "a pose model", "[[detector]]"]);
    one_error(&with("no-such"), &["pose.model", "no card \"no-such\"", "movenet-lightning"]);
    if !root().join("models/movenet-lightning/movenet_lightning_int8.onnx").is_file() {
        println!("skipped: models/movenet-lightning/movenet_lightning_int8.onnx is not there");
        return;
    }
    one_warning(&with("movenet-lightning"), &["pose.model", "no camera that it is asked about"]);
    let detector = GOOD.replace("kind = \"hot-spot\"", "kind = \"onnx\"\nmodel = \"movenet-lightning\"");
    one_error(&detector, &["detector[0].model", "a model that finds people", "under [pose]"]);
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

#[test]
fn faults_and_scripted_detectors_are_checked() {
    for text in [format!("{GOOD}{FAULTS}"), scripted(), format!("{}{FAULTS}", scripted())] {
        assert_eq!(verdict(&text), (Some(0), "ok\n".to_owned()), "{text}");
    }
    let faults = |from: &str, to: &str| format!("{GOOD}{}", FAULTS.replace(from, to));
    one_error(&faults("truth.json", "nope.json"), &["faults.truth", "nope.json", "`patrol sim scene`"]);
    one_error(&faults("0.35", "nan"), &["faults.miss", "0 to 0.95"]);
    one_error(&faults("80.0", "50.0"), &["faults.outages[0]: found 60 to 50 s"]);
    one_error(&faults("\"p1\"", "\"p2\""), &["faults.blind[0].person: found \"p2\"; wanted the id of a person of the truth: p1"]);
    one_error(&faults("200.0", "-1.0"), &["faults.blind[0]: found -1"]);
    one_error(&faults("seed", "sede"), &["faults.sede", "did you mean `seed`?"]);
    one_error(&scripted().replace("truth.json", "nope.json"), &["detector[0].truth", "nope.json"]);
    one_error(&scripted().replace("truth = \"truth.json\"\n", ""), &["detector[0].truth: found nothing"]);
    one_error(&scripted().replace("camera = \"one\"", "camera = \"three\""), &["detector[0].camera", "a camera of the truth: one, two"]);
    one_error(&scripted().replace("camera = \"one\"", "camera = \"two\""), &["camera[0].detectors", "a scripted detector for \"two\""]);
    one_error(&scripted().replace("truth =", "min_score = 0.5\ntruth ="), &["detector[0].min_score", "`scripted` reads a truth"]);
    one_error(&GOOD.replace("kind =", "camera = \"one\"\nkind ="), &["detector[0].camera", "the kind `scripted`"]);
}

#[test]
fn a_patrol_of_the_world_refuses_what_stands_for_a_scene() {
    for (text, words) in [(format!("{GOOD}{FAULTS}"), "error: faults: found"), (scripted(), "error: detector[0].kind: found \"scripted\"")]
    {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("pipeline.toml"), text).expect("written");
        std::fs::write(folder.path().join("truth.json"), TRUTH).expect("written");
        let output = Command::new(env!("CARGO_BIN_EXE_patrol")).arg("run").arg(folder.path()).current_dir(folder.path()).output();
        let output = output.expect("patrol runs");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && told.contains(words) && told.contains("only in scenes for `replay`"), "{told}");
        assert!(!folder.path().join("patrol-data").is_dir(), "nothing is begun");
    }
}
