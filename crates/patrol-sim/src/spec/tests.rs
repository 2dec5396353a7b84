use super::*;

const BASE: &str = "duration_s = 60\nweather = { air_c = -4.0 }\n[[camera]]\nid = \"c1\"\nname = \"x\"\nat = [0, 0]\nheight_m = 7\ntilt_deg = 26\nhfov_deg = 58\n";

#[test]
fn the_documented_example_is_understood() {
    let lines = include_str!("mod.rs").lines().filter_map(|line| line.strip_prefix("//!"));
    let example: Vec<_> = lines.skip_while(|line| !line.contains("```toml")).skip(1).take_while(|line| !line.contains("```")).collect();
    let spec = SceneSpec::parse(&example.join("\n")).expect("a scene");
    assert!(spec.people.len() == 1 && spec.props.manholes.len() == 1 && spec.props.strips.len() == 1);
    let detection = &spec.detection;
    assert!(detection.scripted && detection.has_faults() && detection.blind[0].person == "p1");
    assert_eq!(detection.outages_until(400.0), [[60.0, 80.0], [150.0, 170.0], [300.0, 320.0]]);
    assert!(spec.props.dogs.len() == 1 && spec.props.doorways.len() == 1 && spec.cameras[0].output.overlays.len() == 6);
}

/// Refused, and the message names the thing, what was found and what is wanted.
fn refused(added: &str, words: &[&str]) {
    let error = SceneSpec::parse(&format!("{BASE}{added}")).expect_err(added).to_string();
    assert!(words.iter().all(|word| error.contains(word)), "{added}\n{error}");
}

#[test]
fn problems_are_named() {
    assert!(SceneSpec::parse(BASE).is_ok());
    let with = |from: &str, to: &str| SceneSpec::parse(&BASE.replace(from, to)).expect_err(to).to_string();
    let error = with("tilt_deg = 26", "tilt_deg = 126");
    assert!(error.contains("\"c1\"") && error.contains("126") && error.contains("0 to 90"), "{error}");
    let error = with("tilt_deg = 26", "tilt_deg = 26\nzoom = 3");
    assert!(error.contains("zoom"), "{error}");
    let error = with("air_c = -4.0", "air_c = 400.0");
    assert!(error.contains("weather: air_c is 400"), "{error}");
    let error = with("air_c = -4.0", "air_c = nan");
    assert!(error.contains("weather: air_c is NaN"), "{error}");
    let error = with("air_c = -4.0", "air_c = -4.0, wind_kmh = -3.0");
    assert!(error.contains("wind_kmh is -3"), "{error}");
    let error = with("duration_s = 60", "duration_s = 60\nsnow = { rate = 3.0 }");
    assert!(error.contains("snow: rate is 3, wanted 0 to 1"), "{error}");
}

#[test]
fn things_that_no_street_has_are_named() {
    refused("[[person]]\nfrom = [0, 9]\nsteps = []", &["person 1", "steps", "at least one"]);
    refused("[[person]]\nfrom = [0, 9]\nsteps = [{ do = \"lie\", cover = \"tent\" }]", &["tent", "quilt"]);
    refused("[[person]]\nfrom = [0, nan]\nsteps = [{ do = \"lie\" }]", &["person 1", "from", "NaN"]);
    let one = "[[person]]\nid = \"a\"\nfrom = [0, 9]\nsteps = [{ do = \"lie\" }]\n";
    refused(&format!("{one}{one}"), &["person 2", "each id once"]);
    refused(
        "[[person]]\nfrom = [0, 9]\nsteps = [{ do = \"walk\", to = [0, 10], speed_m_s = 0.0 }]",
        &["person 1, step 1", "speed_m_s is 0"],
    );
    refused("[[dog]]\nfrom = [0, 9]\nsteps = [{ do = \"bend\" }]", &["dog 1, step 1", "walk, stand"]);
    refused("[[dog]]\nfrom = [0, 9]\nlength_m = 4.0\nsteps = [{ do = \"lie\" }]", &["dog 1", "length_m is 4"]);
    refused("[[car]]\npath = [[0, 0]]", &["car 1", "path", "two"]);
    refused("[[lamp]]\nat = [0, 9]\nheight_m = 4\nflicker_every_s = 0", &["lamp 1", "flicker_every_s is 0"]);
    refused("[[doorway]]\nat = [0, 9]\nfacing_deg = 0\nwidth_m = 0.1", &["doorway 1", "width_m is 0.1"]);
    refused("[[steam]]\nat = [0, 9]\nwarm_k = 900", &["steam 1", "warm_k is 900"]);
}

#[test]
fn cameras_that_cannot_be_are_named() {
    refused("motion = { kind = \"sway\", deg = 30.0, period_s = 3.0 }", &["camera \"c1\"", "deg is 30"]);
    refused("motion = { kind = \"tour\", presets = [[0, 20, 50]], stay_s = 9, move_s = 1 }", &["number of presets is 1"]);
    refused("motion = { kind = \"flight\", path = [[0, 0]], speed_m_s = 3 }", &["camera \"c1\"", "path"]);
    refused("[camera.output]\nnoise_grey = 90", &["camera \"c1\"", "noise_grey is 90"]);
    refused("[camera.output]\npalette = \"sepia\"", &["palette is sepia", "iron", "random-N"]);
    refused("[camera.output]\nborders = { top = 300 }", &["borders top and bottom", "300"]);
    refused("[camera.output]\noverlays = [\"flag\"]", &["flag", "clock"]);
    refused("[camera.output]\nlight = \"ir\"", &["camera \"c1\"", "light", "visible camera"]);
    refused("modality = \"visible\"\n[camera.output]\npalette = \"iron\"", &["palette", "thermal camera"]);
}

#[test]
fn faults_that_cannot_be_are_named() {
    let refused =
        |detection: &str, words: &[&str]| refused(&format!("[[person]]\nfrom = [0, 9]\nsteps = [{{ do = \"lie\" }}]\n{detection}"), words);
    refused("[detection]\nmiss = 1.0", &["detection: miss is 1", "0 to 0.95"]);
    refused("[detection]\nmiss = nan", &["detection: miss is NaN"]);
    refused("[detection]\noutages = [[1, 2], [9, 5]]", &["detection: outage 2", "is 5", "later than its first second, here 9"]);
    refused("[detection]\noutages = [[-1, 2]]", &["detection: outage 1", "its first second is -1"]);
    refused("[detection]\noutage_every_s = 60", &["detection: outage_s is left out", "both"]);
    refused("[detection]\noutage_s = 20", &["detection: outage_every_s is left out"]);
    refused("[detection]\noutage_every_s = 60\noutage_s = 70", &["detection: outage_s is 70", "0.1 to 60 s"]);
    let blind = |who: &str| format!("[detection]\nblind = [{{ person = {who}, from_s = 9, to_s = 3 }}]");
    refused(&blind("\"p2\""), &["detection: blind 1", "person is \"p2\"", "[[person]]: p1"]);
    refused(&blind("\"p1\""), &["detection: blind 1", "to_s is 3", "later than from_s, here 9"]);
    refused("[detection]\nhits = 0.5", &["hits"]);
}
