//! Cameras that are not ours: what GStreamer's own RTSP server sends must arrive whole, in order and in time.
//!
//! ```text
//! serve.py (GStreamer's RTSP server) ─┬─► a reader for each mount ─► every picture, by the number it bears
//!                                     └─► patrol run ─► looks.csv, strips, console
//! ```
//! The server is a Python program rather than a crate: where it is not installed these tests are skipped, and everything still builds.

mod world;

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use world::{FPS, PASSWORD, Run, Shown, Stream, World, world};

/// What may be told of access units before the first picture of a session: it began between key frames, or the decoder waits for the recovery
/// point of a stream that has none.
const BEFORE_THE_FIRST: [&str; 2] =
    ["no key frame has come yet; the session began between two", "the decoder gave no picture for this access unit"];
/// While a session begins, a picture that was under way for less than all before sets capture times right at once, which may take them back: by as
/// much as a busy server held up the first.
const BEGINNING_MAX_MS: i64 = 2_000;
/// From its first picture on, each came once, in order, at its own time, and none was lost; before it came at most what lies between two key
/// frames.
fn whole<'a>(world: &'a World, name: &str) -> &'a Stream {
    let stream = &world.streams[name];
    let words: BTreeSet<&str> = stream.undecodable.iter().map(|(_, why)| why.as_str()).collect();
    let context = format!("{name}: {} pictures, {words:?}, {:?}", stream.pictures.len(), stream.error);
    assert!(stream.pictures.len() >= 40, "{context}");
    assert!(stream.undecodable.iter().all(|(before, why)| *before == 0 && BEFORE_THE_FIRST.contains(&why.as_str())), "{context}");
    assert_eq!((stream.skipped, stream.link.lost_packets), (0, 0), "{context}");
    let first = stream.pictures[0];
    let first_number = first.number.unwrap_or_else(|| panic!("{context}: the first picture bears no number"));
    for (index, picture) in stream.pictures.iter().enumerate() {
        let index = index as i64;
        assert_eq!(picture.number, Some(first_number + index), "{context}: picture {index}");
        let media_ms = index * 1000 / FPS;
        assert!((picture.media_ms - media_ms).abs() <= 2, "{context}: picture {index} at {} ms", picture.media_ms);
        assert!(!picture.discontinuity, "{context}: picture {index}");
    }
    let back_ms = |pair: &[Shown]| pair[0].captured_ms - pair[1].captured_ms;
    let pairs = || stream.pictures.windows(2);
    assert!(pairs().all(|pair| back_ms(pair) < BEGINNING_MAX_MS), "{context}: captured goes back by {:?} ms", pairs().map(back_ms).max());
    stream
}

fn check_whole(name: &str) {
    if let Some(world) = world() {
        whole(world, name);
    }
}

#[test]
fn baseline_comes_whole() {
    let Some(world) = world() else { return };
    let stream = whole(world, "baseline");
    assert_eq!((stream.link.transport.as_str(), stream.link.codec.as_str()), ("TCP", "H.264"));
    assert_eq!(stream.link.key_interval_s, Some(2.0));
}

#[test]
fn h264_b_pictures_come_in_order() {
    check_whole("b-pictures");
}

#[test]
fn h265_b_pictures_come_in_order() {
    let Some(world) = world() else { return };
    assert_eq!(whole(world, "h265-b-pictures").link.codec, "H.265");
}

#[test]
fn pictures_of_several_slices_come_whole() {
    check_whole("slices");
}

#[test]
fn fields_come_as_whole_pictures() {
    check_whole("interlaced");
}

#[test]
fn ten_bits_and_full_height_colour_are_understood() {
    check_whole("h265-422-10");
}

#[test]
fn a_stream_that_only_refreshes_is_shown() {
    check_whole("intra-refresh");
}

#[test]
fn whoever_joins_between_key_frames_waits_for_one() {
    let Some(world) = world() else { return };
    let late = whole(world, "baseline-late");
    assert!(late.undecodable.len() <= 2 * FPS as usize, "{}", late.undecodable.len());
}

/// Without key frames there is no telling when the picture is whole but to wait.
#[test]
fn a_stream_that_only_refreshes_is_shown_to_whoever_joins_it() {
    let Some(world) = world() else { return };
    let late = whole(world, "intra-refresh-late");
    assert!(late.undecodable.len() <= 13 * FPS as usize, "{}", late.undecodable.len());
}

/// Its key frames but the first are none by the letter (recovery points, no IDR).
#[test]
fn open_groups_of_pictures_come_whole_early_and_late() {
    let Some(world) = world() else { return };
    whole(world, "open-gop");
    whole(world, "open-gop-late");
}

#[test]
fn video_is_found_behind_audio() {
    check_whole("audio-first");
}

#[test]
fn of_two_videos_the_first_is_taken() {
    let Some(world) = world() else { return };
    assert_eq!(whole(world, "two-videos").pictures[0].size, (256, 144));
}

#[test]
fn an_answer_without_rtp_info_will_do() {
    let Some(world) = world() else { return };
    whole(world, "no-rtp-info");
    assert!(world.events.iter().any(|event| event["event"] == "cut"), "it was in the answer and taken out");
}

#[test]
fn a_camera_that_refuses_tcp_is_asked_for_udp() {
    let Some(world) = world() else { return };
    assert_eq!(whole(world, "udp").link.transport, "UDP");
}

#[test]
fn udp_can_be_chosen_where_tcp_would_do() {
    let Some(world) = world() else { return };
    assert_eq!(whole(world, "udp-by-choice").link.transport, "UDP");
}

#[test]
fn motion_jpeg_is_refused_in_clear_words() {
    let Some(world) = world() else { return };
    let error = world.streams["mjpeg"].error.as_deref().expect("refused");
    assert!(error.contains("found video jpeg; wanted a video stream in H.264 or H.265; change the camera's encoding"), "{error}");
}

#[test]
fn passwords_are_given_by_basic_and_by_digest() {
    let Some(world) = world() else { return };
    whole(world, "basic");
    whole(world, "digest");
}

#[test]
fn a_wrong_or_missing_password_is_told_and_not_shown() {
    let Some(world) = world() else { return };
    let error = |name: &str| world.streams[name].error.clone().expect("refused");
    assert!(error("digest-wrong").contains("wrong user or password (401)"), "{}", error("digest-wrong"));
    assert!(error("digest-none").contains("wants a user and a password (401)"), "{}", error("digest-none"));
    assert!(!error("digest-wrong").contains("falsch") && !world.run.log.contains(PASSWORD));
}

/// 25 s with a server that forgets a silent client after 10 (and 5 it adds): over UDP nothing but keep-alive speaks for us.
#[test]
fn a_session_is_kept_alive() {
    let Some(world) = world() else { return };
    for (name, transport) in [("patience-udp", "UDP"), ("patience-tcp", "TCP")] {
        let stream = whole(world, name);
        assert_eq!((stream.link.transport.as_str(), stream.link.sessions), (transport, 1));
        assert!(stream.pictures.last().expect("pictures").media_ms > 24_000);
        let mut settled = stream.pictures.windows(2).rev().take(30);
        assert!(settled.all(|pair| pair[0].captured_ms < pair[1].captured_ms), "{name}: after 20 s captured only goes ahead");
    }
}

/// The server's clock is ours: its RTCP sender reports say so, and say how old pictures are.
#[test]
fn sender_reports_are_believed() {
    let Some(world) = world() else { return };
    for name in ["patience-tcp", "patience-udp", "intra-refresh"] {
        let skew = world.streams[name].link.clock_skew_s.unwrap_or_else(|| panic!("{name}: no report came"));
        assert!(skew.abs() < 0.5, "{name}: {skew}");
        assert_eq!(world.streams[name].link.clock_steps, 0, "{name}");
    }
}

/// An end without a word would be noticed only after 20 s.
#[test]
fn a_server_that_says_goodbye_is_left_soon() {
    let Some(world) = world() else { return };
    let stream = &world.streams["ends"];
    let error = stream.error.as_deref().expect("an end");
    assert!(stream.pictures.len() >= 85, "{}", stream.pictures.len());
    assert!(error.contains("said goodbye") && stream.silent_s < 5.0, "after {} s: {error}", stream.silent_s);
}

fn camera<'a>(run: &'a Run, id: &str) -> &'a Value {
    run.cameras.iter().find(|camera| camera["id"] == id).unwrap_or_else(|| panic!("{id} is no camera: {}", run.log))
}

/// Capture times of the looks that saw something, seconds.
fn looks(run: &Run, id: &str) -> Vec<f64> {
    let fields = run.looks.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    fields.filter(|fields| fields[0] == id).map(|fields| fields[1].parse().expect("seconds")).collect()
}

#[test]
fn the_patrol_keeps_its_promises_with_foreign_cameras() {
    let Some(world) = world() else { return };
    let run = &world.run;
    assert!(run.ended_well, "{}", run.log);
    for id in ["b-pictures", "udp", "digest"] {
        let captured = looks(run, id);
        let longest = captured.windows(2).map(|pair| pair[1] - pair[0]).fold(0.0, f64::max);
        assert!(captured.len() >= 20, "{id}: {} looks\n{}", captured.len(), run.log);
        assert!(captured.windows(2).all(|pair| pair[0] < pair[1]), "{id}");
        // The promise is 1 s; the machine of the tests may be busy.
        assert!(longest < 3.0, "{id}: {longest} s from picture to picture");
        assert_eq!(camera(run, id)["link"]["sessions"], 1, "{id}");
    }
}

/// The picture itself says when it was taken: the patrol's own word must agree.
#[test]
fn capture_times_run_with_the_pictures() {
    let Some(world) = world() else { return };
    let seen = &world.run.strips;
    assert!(seen.len() >= 20, "{}", seen.len());
    // Where the pictures' zero lies on the clock, by each look. The first second settles how long the fastest picture is under way.
    let zeros: Vec<f64> = seen.iter().skip(2).map(|(captured, number)| captured - *number as f64 / FPS as f64).collect();
    let spread = zeros.iter().copied().fold(f64::MIN, f64::max) - zeros.iter().copied().fold(f64::MAX, f64::min);
    assert!(spread < 0.5, "{spread} s: {seen:?}");
}

#[test]
fn the_patrol_comes_back_to_a_camera_that_ended() {
    let Some(world) = world() else { return };
    let ends = camera(&world.run, "ends");
    assert!(ends["link"]["sessions"].as_u64() >= Some(2), "{ends}\n{}", world.run.log);
}

#[test]
fn the_operator_is_told_what_a_camera_should_send() {
    let Some(world) = world() else { return };
    let error = camera(&world.run, "mjpeg")["last_error"].as_str().unwrap_or_default();
    assert!(error.contains("wanted a video stream in H.264 or H.265"), "{error:?}");
}

#[test]
fn sessions_are_torn_down_when_the_patrol_stops() {
    let Some(world) = world() else { return };
    let count = |event: &str, mount: &str| world.events.iter().filter(|told| told["event"] == event && told["mount"] == mount).count();
    for mount in ["b-pictures", "guarded", "slices"] {
        assert_eq!(count("teardown", mount), count("play", mount), "{mount}");
    }
}

fn videos(world: &World) -> Option<&Path> {
    world.run.videos.as_deref().map_err(|why| println!("skipped: {why}")).ok()
}

/// Seconds of the video and whether anybody was seen, of every look that an officer asked for.
fn asked(run: &Run, id: &str) -> Vec<(f64, bool)> {
    let began = *looks(run, id).first().expect("a look");
    let answers = run.asked[id].iter().filter(|answer| answer["outcome"] == "examined");
    let of = |answer: &Value| {
        (answer["captured"].as_i64().expect("a time") as f64 / 1e9, !answer["people"].as_array().expect("people").is_empty())
    };
    answers.map(of).map(|(captured, is_someone)| (captured - began, is_someone)).collect()
}

/// Seconds of the video in which a replay of the same file sees people, by its looks.
fn replayed(video: &Path) -> Vec<f64> {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let pipeline = "[weather]\nair_c = -18.0\nwind_kmh = 20.0\nalert = \"red\"\n[[detector]]\nname = \"person\"\nkind = \"onnx\"\nmodel = \"yolox-nano\"\n\
                    [[camera]]\nid = \"people\"\nmodality = \"visible\"\ndetectors = [\"person\"]\nlook_every_s = 0.4\n";
    std::fs::write(folder.join("replay.toml"), format!("{pipeline}source = \"{}\"\n", video.display())).expect("written");
    let out = folder.join("replay");
    let output = Command::new(env!("CARGO_BIN_EXE_patrol"))
        .arg("replay")
        .arg(folder.join("replay.toml"))
        .arg("--out")
        .arg(&out)
        .env("PATROL_LOG", "error")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
        .output()
        .expect("patrol runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let tracks = std::fs::read_to_string(out.join("tracks/people.txt")).expect("tracks");
    // Pictures are counted from 1; there are ten a second.
    let picture = |line: &str| line.split(',').next().and_then(|number| number.parse::<f64>().ok()).expect("a picture");
    tracks.lines().map(|line| (picture(line) - 1.0) / 10.0).collect()
}

#[test]
fn people_of_a_real_video_are_seen_as_in_replay_and_make_no_lead() {
    let Some(world) = world() else { return };
    let Some(videos) = videos(world) else { return };
    let seen = replayed(&videos.join("one-by-one-person-detection.mp4"));
    let (mut with, mut without, mut wrong) = (0, 0, Vec::new());
    for (at_s, is_someone) in asked(&world.run, "people") {
        // Where somebody comes or goes, a look here and a look there may differ; and the first look's time may be half a second off.
        let near = seen.iter().filter(|seen_s| (**seen_s - at_s).abs() <= 1.6).count();
        match near {
            0 => without += 1,
            // Of eight.
            7.. => with += 1,
            _ => continue,
        }
        if (near > 0) != is_someone {
            wrong.push((at_s, is_someone));
        }
    }
    assert!(with >= 10 && without >= 5, "{with} looks with people, {without} without");
    assert!(wrong.len() <= 1, "of {with} looks with people and {without} without these are wrong: {wrong:?}");
    assert!(looks(&world.run, "people").len() >= 50, "{} looks in 28 s", looks(&world.run, "people").len());
    assert_eq!(world.run.leads.as_array().map(Vec::len), Some(0), "{}", world.run.leads);
}

#[test]
fn cars_of_a_real_video_are_nobody() {
    let Some(world) = world() else { return };
    if videos(world).is_none() {
        return;
    }
    let asked = asked(&world.run, "cars");
    assert!(asked.len() >= 15, "{} looks", asked.len());
    assert!(asked.iter().all(|(_, is_someone)| !is_someone), "{asked:?}");
    assert_eq!(world.run.leads.as_array().map(Vec::len), Some(0), "{}", world.run.leads);
}
