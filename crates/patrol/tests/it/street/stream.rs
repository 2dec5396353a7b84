//! What cameras send: damaged, changed, or coded in another way. No picture that is not whole may be judged.

use super::record::{Grey, Look, Part};
use super::run::{FaultyStreet, clip_frames, faulty_street};
use super::script::{LOOK_LIMIT_S, SIZE};
use std::collections::BTreeMap;

/// A key frame comes every 1.5 s; with the look after it, and a busy machine.
const SEES_WITHIN_S: f64 = 6.0;
/// Rows of the block code and below it: they differ from camera to camera.
const CODE_ROWS: usize = 48;
/// A picture shown live, below the code; and which one of the loop it is, if that can be known.
fn shown(street: &FaultyStreet, camera: &str, place: impl Fn(&Grey) -> Option<u32>) -> Vec<(Option<u32>, Grey)> {
    let (_, parts) = street.live.iter().find(|(id, _)| id == camera).expect("a view");
    let picture = |part: &Part| {
        let grey = Grey::decode(&part.jpeg);
        (place(&grey), grey)
    };
    parts.iter().map(picture).collect()
}

/// Largest difference below the code, grey levels.
fn difference(a: &Grey, b: &Grey) -> u8 {
    let below = CODE_ROWS * a.width;
    a.luma[below..].iter().zip(&b.luma[below..]).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(u8::MAX)
}

/// Every picture of `camera` is the very one that `reference` shows at the same place of the loop.
fn check_whole(reference: &[(Option<u32>, Grey)], pictures: &[(Option<u32>, Grey)], camera: &str) {
    let known: BTreeMap<u32, &Grey> = reference.iter().filter_map(|(place, grey)| Some(((*place)?, grey))).collect();
    let mut compared = 0;
    for (place, picture) in pictures {
        let place = place.unwrap_or_else(|| panic!("{camera}: a picture without a code was shown"));
        let Some(same) = known.get(&place) else { continue };
        let apart = difference(same, picture);
        // Bit for bit the same, before and after JPEG.
        assert_eq!(apart, 0, "{camera}: picture {place} of the loop is smeared: {apart} grey levels apart");
        compared += 1;
    }
    println!("{camera}: {compared} of {} pictures shown were compared, all whole", pictures.len());
    assert!(compared >= 10, "{camera}: {compared} pictures could be compared");
}

#[test]
fn packets_lost_on_the_way_show_no_smeared_picture() {
    let street = faulty_street();
    let places = clip_frames(&street.folder);
    let place = |grey: &Grey| grey.code().and_then(|code| places.get(&(code.camera, code.frame)).copied());
    check_whole(&shown(street, "healthy-a", place), &shown(street, "loss", place), "loss");
    street.check_pictures("loss");
    street.check_all_readable("loss");

    let (span, last) = (street.span("loss"), street.last_shown("loss"));
    assert!(last["link"]["lost_packets"].as_u64() > Some(0), "losses are counted: {last}");
    assert!(street.counted("loss", "undecodable") > 0, "{last}");
    assert!(last["last_error"].as_str().is_some_and(|error| error.contains("packets were lost; waiting for the next key frame")), "{last}");
    let back_s = street.saw_after_s("loss", span.ended_s).expect("sees again");
    println!(
        "loss: {} packets lost, {} pictures undecodable, sees again after {back_s:.1} s",
        last["link"]["lost_packets"],
        street.counted("loss", "undecodable")
    );
    assert!(back_s <= SEES_WITHIN_S, "{back_s:.1} s");
    // Should it ring, then for what it is: packets came all the time.
    for (at, one) in street.shown("loss").filter(|(_, one)| one["condition"]["state"] == "cannot-see") {
        assert_eq!(one["condition"]["why"], "undecodable", "{at}");
    }
}

#[test]
fn h265_is_seen_and_its_losses_show_no_smeared_picture() {
    let street = faulty_street();
    let place = |grey: &Grey| grey.code().map(|code| code.frame);
    check_whole(&shown(street, "h265", place), &shown(street, "h265-loss", place), "h265-loss");
    assert_eq!(street.last_shown("h265")["link"]["codec"], "H.265");
    // Their codes were made with the clip: when a picture was taken is not in it.
    let looks = street.looks("h265");
    assert!(looks.iter().all(|look| look.outcome == "examined" && look.code.is_some()), "{looks:?}");
    let mut gaps = looks.windows(2).map(|pair| pair[1].end_s - pair[0].captured_s);
    assert!(gaps.all(|gap_s| gap_s <= LOOK_LIMIT_S));
    assert!(street.counted("h265-loss", "undecodable") > 0);
}

#[test]
fn a_session_that_begins_between_key_frames_shows_nothing_before_one() {
    let street = faulty_street();
    street.check_pictures("non-idr");
    street.check_all_readable("non-idr");
    let first = &street.looks("non-idr")[0];
    println!("non-idr: first look {:.1} s after the start", first.end_s - street.started_s);
    assert!(first.keeps_promise(), "what came before the first key frame was looked at: {first:?}");
    assert!(street.counted("non-idr", "undecodable") < 9);
}

#[test]
fn stale_parameters_in_the_description_do_no_harm() {
    let street = faulty_street();
    street.check_pictures("stale-sdp");
    street.check_all_readable("stale-sdp");
    let looks = street.looks("stale-sdp");
    assert!(looks.iter().all(|look| look.width == SIZE.width && look.outcome == "examined"), "{looks:?}");
    assert_eq!(street.counted("stale-sdp", "undecodable"), 0);
}

#[test]
fn wrong_parameter_sets_are_recovered_from() {
    let street = faulty_street();
    let span = street.span("wrong-sps");
    let right = |look: &&Look| look.width == SIZE.width && look.outcome == "examined" && look.captured_s >= span.ended_s;
    let back_s = street.looks("wrong-sps").iter().find(right).expect("sees again").end_s - span.ended_s;
    println!("wrong-sps: sees again after {back_s:.1} s");
    assert!(back_s <= SEES_WITHIN_S, "{back_s:.1} s");
    let looks = street.looks("wrong-sps");
    assert!(looks.last().is_some_and(|look| look.width == SIZE.width && look.outcome == "examined"));
    assert_eq!(street.last_shown("wrong-sps")["link"]["sessions"], 1, "the link was well all the time");
}

#[test]
fn pictures_of_wrong_parameter_sets_are_not_taken_for_good_ones() {
    let street = faulty_street();
    let span = street.span("wrong-sps");
    // A picture laid out by another width is noise, however well its first rows can be read.
    let noise = street.looks("wrong-sps").iter().filter(|look| look.width != SIZE.width);
    let judged: Vec<_> = noise.filter(|look| look.keeps_promise()).collect();
    assert!(judged.is_empty(), "{} pictures of noise kept the promise: {:?}", judged.len(), judged[0]);
    let lost = street.rang("camera-lost", "wrong-sps", span.began_s).expect("its lead rings");
    println!("wrong-sps: lead rang after {:.1} s", lost.at_s - span.began_s);
}

#[test]
fn another_resolution_mid_stream_is_taken_up() {
    let street = faulty_street();
    let (camera, span) = ("resize", street.span("resize"));
    street.check_pictures(camera);
    street.check_all_readable(camera);
    let mut other = street.looks(camera).iter().filter(|look| look.width != SIZE.width && look.outcome == "examined");
    let (first, last) = (other.next().expect("looks at the other size"), other.next_back().expect("more of them"));
    let taken_up_s = first.end_s - span.began_s;
    assert!(taken_up_s <= SEES_WITHIN_S, "taken up after {taken_up_s:.1} s");
    assert!(last.captured_s - first.captured_s > 5.0, "and kept up");
    assert_eq!(street.looks(camera).last().map(|look| look.width), Some(SIZE.width), "and back");
    let blind_s = street.max_blind_s(camera, street.well_s, street.stopped_s);
    println!("resize: taken up after {taken_up_s:.1} s, blind for {blind_s:.2} s at most");
    assert!(blind_s <= LOOK_LIMIT_S, "blind for {blind_s:.1} s");
    assert_eq!(street.last_shown(camera)["link"]["sessions"], 1);
    assert_eq!(street.counted(camera, "undecodable"), 0);
    assert_eq!(street.open_leads(camera), street.leads_at(camera), "whoever lies there is the same lead in either size");
}

#[test]
fn b_frames_come_in_the_order_they_were_taken() {
    let street = faulty_street();
    for camera in ["b-frames-a", "b-frames-b"] {
        street.check_pictures(camera);
        street.check_all_readable(camera);
        for pair in street.looks(camera).windows(2) {
            assert!(pair[1].coded_s() > pair[0].coded_s(), "{camera}: {pair:?}");
        }
        assert_eq!(street.counted(camera, "undecodable"), 0);
    }
}

#[test]
fn long_and_changing_intervals_of_key_frames_are_looked_through() {
    let street = faulty_street();
    let camera = "sparse";
    street.check_pictures(camera);
    street.check_all_readable(camera);
    let blind_s = street.max_blind_s(camera, street.well_s, street.stopped_s);
    let longest_s = street.shown(camera).filter_map(|(_, shown)| shown["link"]["key_interval_s"].as_f64()).fold(0.0, f64::max);
    println!("sparse: key frames up to {longest_s:.1} s apart, blind for {blind_s:.2} s at most");
    assert!(longest_s >= 5.0, "the interval is shown");
    assert!(blind_s <= LOOK_LIMIT_S, "blind for {blind_s:.1} s");
    assert_eq!(street.counted(camera, "undecodable"), 0);
}
