//! Pictures through H.264: one in, one out, still good; folders byte for byte the same.

use patrol_core::MediaTime;
use patrol_sim::{Renderer, Scene, SceneStream, write_scene};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

#[test]
fn each_picture_comes_back_at_once_and_good() {
    let scene = Arc::new(Scene::named("winter-street", 2, 300.0).expect("a scene"));
    for camera in 0..3 {
        let mut stream = SceneStream::new(Arc::clone(&scene), camera).expect("a stream");
        let mut renderer = Renderer::new(Arc::clone(&scene), camera);
        let mut rendered = Vec::new();
        let mut before: Vec<u8> = Vec::new();
        for frame in 0..24u32 {
            let picture = stream.next().expect("decoded").expect("not the end");
            let t_s = f64::from(frame) / 2.0;
            assert_eq!((picture.sequence, picture.media_time), (u64::from(frame), MediaTime::from_secs_f64(t_s)));
            assert_eq!(picture.captured.at.seconds_since(scene.start()), t_s);
            renderer.render(t_s, &mut rendered);
            let size = picture.size();
            let squares: f64 = (0..size.height as usize)
                .flat_map(|y| picture.row(0, y).iter().zip(&rendered[y * size.width as usize..]))
                .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
                .sum();
            let psnr = 10.0 * (255.0f64.powi(2) * rendered.len() as f64 / squares.max(1.0)).log10();
            let luma: Vec<u8> = (0..size.height as usize).flat_map(|y| picture.row(0, y).to_vec()).collect();
            assert!(luma != before, "camera {camera}, picture {frame} looks frozen");
            before = luma;
            assert!(psnr > 32.0, "camera {camera}, picture {frame}: {psnr:.1} dB");
        }
    }
}

#[test]
fn colours_come_through_the_codec() {
    let scene = Arc::new(Scene::named("palettes", 2, 60.0).expect("a scene"));
    let colours: Vec<bool> = (0..4)
        .map(|camera| {
            let mut stream = SceneStream::new(Arc::clone(&scene), camera).expect("a stream");
            let picture = stream.next().expect("decoded").expect("not the end");
            (1..3).any(|plane| (0..256).any(|y| picture.row(plane, y).iter().any(|chroma| chroma.abs_diff(128) > 24)))
        })
        .collect();
    assert_eq!(colours, [false, true, true, true]);
}

#[test]
fn a_visible_scene_asks_for_a_detector_of_visible_light() {
    let dir = tempfile::tempdir().expect("a folder");
    let scene = Scene::named("headlights", 1, 10.0).expect("a scene");
    write_scene(&scene, dir.path(), &mut |_| {}).expect("written");
    let pipeline: toml::Table = fs::read_to_string(dir.path().join("pipeline.toml")).expect("a file").parse().expect("TOML");
    let text = |table: &str, index: usize, key: &str| pipeline[table][index][key].to_string();
    assert_eq!((text("camera", 0, "modality"), text("camera", 1, "modality")), ("\"thermal\"".into(), "\"visible\"".into()));
    assert_eq!((text("detector", 0, "kind"), text("detector", 1, "model")), ("\"hot-spot\"".into(), "\"yolox-nano\"".into()));
    assert_eq!(text("camera", 1, "detectors"), "[\"person\"]");
    let truth = fs::read_to_string(dir.path().join("truth.json")).expect("a file");
    assert!(truth.contains("\"modality\":\"visible\""));
}

#[test]
fn a_stream_ends_with_its_scene() {
    let scene = Arc::new(Scene::named("empty-street", 1, 10.0).expect("a scene"));
    let mut stream = SceneStream::new(scene, 0).expect("a stream");
    let mut pictures = 0;
    while stream.next().expect("decoded").is_some() {
        pictures += 1;
    }
    assert_eq!(pictures, 20);
}

fn contents(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).expect("a folder");
    entries
        .map(|entry| entry.expect("an entry"))
        .map(|entry| (entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path()).expect("a file")))
        .collect()
}

#[test]
fn a_folder_is_the_same_for_the_same_seed() {
    let dir = tempfile::tempdir().expect("a folder");
    let write = |name: &str, seed: u64| {
        let scene = Scene::named("winter-street", seed, 20.0).expect("a scene");
        let mut told = Vec::new();
        write_scene(&scene, &dir.path().join(name), &mut |part| told.push(part)).expect("written");
        assert!(told.is_sorted() && told.last() == Some(&1.0));
        contents(&dir.path().join(name))
    };
    let (one, again, other) = (write("one", 7), write("again \"quoted\"", 7), write("other", 8));
    let names: Vec<_> = one.keys().map(String::as_str).collect();
    assert_eq!(names, ["events.jsonl", "pipeline.toml", "truth.json", "video-drone-1.mp4", "video-street-1.mp4", "video-street-2.mp4"]);
    for name in names {
        assert!(one[name] == again[name], "{name} differs");
    }
    assert!(one["truth.json"] != other["truth.json"] && one["video-street-1.mp4"] != other["video-street-1.mp4"]);
    let pipeline: toml::Table = String::from_utf8_lossy(&one["pipeline.toml"]).parse().expect("TOML");
    let cameras = pipeline["camera"].as_array().expect("cameras");
    assert_eq!(cameras.len(), 3);
    assert_eq!(cameras[0]["source"].as_str(), Some("video-street-1.mp4"));
    assert_eq!(pipeline["detector"][0]["kind"].as_str(), Some("hot-spot"));
    let truth: serde_json::Value = serde_json::from_slice(&one["truth.json"]).expect("JSON");
    assert!(truth["cameras"]["drone-1"]["position"]["lon"].is_f64() && truth["people"].is_array());
}
