//! Cameras whose link stands and that show nothing: no pictures, the same one, a black one, a covered one.

use super::run::{FaultyStreet, faulty_street};
use super::script::{LOOK_EVERY_S, LOOK_LIMIT_S};

/// "Within three looks" in seconds: three promises, the moment until silence is noticed, the desk's tick; and as much again for a
/// machine that is busy with other tests.
const RINGS_WITHIN_S: f64 = 2.0 * (3.0 * LOOK_EVERY_S + 0.5);
/// The first key frame and the first look.
const SEES_WITHIN_S: f64 = 5.0;

/// What the camera must have done: shown the promise as broken and rung within three looks for a lead and for itself, with words; never
/// seen anything meanwhile but `as_if_seen` looks; seen again soon.
fn check(street: &FaultyStreet, camera: &str, why: &str, words: &str, as_if_seen: usize) {
    let span = street.span(camera);
    let leads = street.open_leads(camera);
    assert!(!leads.is_empty(), "{camera}: a lead is open when the fault begins");

    let lost = street.rang("camera-lost", camera, span.began_s).expect("the lead rings");
    assert!(lost.lead.as_ref().is_some_and(|lead| leads.contains(lead)), "the open lead goes to a human: {lost:?}");
    assert!(lost.text.contains("最后确认"), "{lost:?}");
    let broken = street.rang("promise-broken", camera, span.began_s).expect("the camera rings");
    // A limit of three looks may be over a moment before the reason is known.
    assert!(broken.text.contains(words) || broken.text.contains("秒未查看"), "{broken:?}");
    for ring in [lost, broken] {
        let looks = street.looks(camera).iter().filter(|look| look.captured_s > span.began_s && look.end_s <= ring.at_s).count();
        assert!(looks <= 3, "{camera}: rang after {looks} looks: {ring:?}");
        assert!(ring.at_s - span.began_s <= RINGS_WITHIN_S, "{camera}: rang {:.1} s after the fault began", ring.at_s - span.began_s);
    }

    // On a busy machine the ring may be about looks that were late when the fault began; what it shows then may be good again for a look.
    let during: Vec<_> = street.shown(camera).filter(|(at, _)| (span.began_s..span.ended_s).contains(at)).collect();
    let settled = during.iter().rposition(|(_, shown)| shown["promise_broken"] != true).map_or(0, |last_well| last_well + 1);
    let (settled_s, _) = *during.get(settled).expect("shown as one that does not see when the fault ends");
    assert!(settled_s - span.began_s <= RINGS_WITHIN_S, "{camera}: sees, it was shown, for {:.1} s of the fault", settled_s - span.began_s);
    for (at, shown) in during.iter().filter(|(at, _)| *at > settled_s + 1.0) {
        assert_eq!((&shown["condition"]["state"], &shown["condition"]["why"]), (&"cannot-see".into(), &why.into()), "{camera} at {at}");
    }
    let meanwhile = street.looks(camera).iter().filter(|look| look.captured_s > span.began_s + 0.5 && look.end_s < span.ended_s);
    let seen = meanwhile.filter(|look| look.keeps_promise()).count();
    assert!(seen <= as_if_seen, "{camera}: {seen} looks kept the promise");

    let back_s = street.saw_after_s(camera, span.ended_s).expect("sees again");
    assert!(back_s <= SEES_WITHIN_S, "{camera}: saw again after {back_s:.1} s");
    assert_eq!(street.last_shown(camera)["condition"]["state"], "seeing");
    assert_eq!(street.last_shown(camera)["promise_broken"], false);
    println!(
        "{camera}: lead rang after {:.1} s, camera after {:.1} s, sees again after {back_s:.1} s",
        lost.at_s - span.began_s,
        broken.at_s - span.began_s
    );
}

#[test]
fn a_stalled_camera_rings_within_three_looks() {
    let street = faulty_street();
    check(street, "stall", "stalled", "画面停止", 0);
    street.check_pictures("stall");
    street.check_all_readable("stall");
    assert_eq!(street.last_shown("stall")["link"]["sessions"], 1, "a stall is no reason to hang up before 20 s are over");
}

#[test]
fn a_frozen_camera_rings_within_three_looks() {
    let street = faulty_street();
    // The first two equal pictures cannot be known to be.
    check(street, "freeze", "unusable-frozen", "画面冻结", 2);
    let span = street.span("freeze");
    let lies =
        |look: &super::record::Look| look.captured_s > span.began_s && look.coded_s().is_some_and(|taken| look.captured_s - taken > 2.5);
    for look in street.looks("freeze").iter().filter(|look| lies(look)) {
        assert_eq!(look.outcome, "unusable-frozen", "an old picture under a new time: {look:?}");
    }
}

#[test]
fn a_black_camera_rings_within_three_looks() {
    let street = faulty_street();
    check(street, "black", "unusable-dark", "画面全黑", 0);
    street.check_pictures("black");
}

#[test]
fn a_covered_camera_rings_within_three_looks() {
    let street = faulty_street();
    check(street, "covered", "unusable-covered", "被遮挡", 0);
    street.check_pictures("covered");
}

#[test]
fn blind_cameras_keep_the_promise_of_no_picture() {
    let street = faulty_street();
    for camera in ["stall", "freeze", "black", "covered"] {
        let span = street.span(camera);
        let blind_s = street.max_blind_s(camera, street.well_s, street.stopped_s);
        assert!(
            blind_s > LOOK_LIMIT_S,
            "{camera}: by its own pictures it was blind for {blind_s:.1} s of {:.1} s",
            span.ended_s - span.began_s
        );
    }
}
