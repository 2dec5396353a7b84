//! Cameras' clocks, and pictures that come late: what is old is never given as new.

use super::run::faulty_street;
use super::script::{LOOK_EVERY_S, LOOK_LIMIT_S};

/// A burst of six seconds' pictures is worked off in less.
const WORKED_OFF_S: f64 = 5.0;

#[test]
fn a_step_of_the_clock_in_reports_alone_changes_no_picture_and_rings() {
    let street = faulty_street();
    let (camera, span) = ("clock-rtcp", street.span("clock-rtcp"));
    street.check_pictures(camera);
    street.check_all_readable(camera);
    let skewed =
        street.shown(camera).filter(|(_, shown)| shown["link"]["clock_skew_s"].as_f64().is_some_and(|skew| (skew - 3600.0).abs() < 1.0));
    assert!(skewed.count() > 0, "the skew is shown");
    let ring = street.rang("camera-clock", camera, span.began_s).expect("somebody is told to set the clock");
    assert!(ring.text.contains("+3600 秒") && ring.text.contains("请校时"), "{ring:?}");
    assert_eq!(street.last_shown(camera)["link"]["clock_steps"], 2, "there and back");
    let blind_s = street.max_blind_s(camera, street.well_s, street.stopped_s);
    println!("{camera}: rang after {:.1} s, blind for {blind_s:.2} s at most", ring.at_s - span.began_s);
    assert!(blind_s <= LOOK_LIMIT_S, "blind for {blind_s:.1} s");
}

#[test]
fn a_step_of_all_clocks_ahead_is_bridged() {
    step_is_bridged("clock-media");
}

#[test]
fn a_step_of_all_clocks_back_is_bridged() {
    step_is_bridged("clock-back");
}

fn step_is_bridged(camera: &str) {
    let street = faulty_street();
    street.check_pictures(camera);
    street.check_all_readable(camera);
    let shown = street.last_shown(camera);
    assert!(shown["link"]["clock_steps"].as_u64() >= Some(2), "there and back: {shown}");
    assert_eq!(shown["link"]["sessions"], 1, "a step is no reason to hang up");
    let blind_s = street.max_blind_s(camera, street.well_s, street.stopped_s);
    println!("{camera}: blind for {blind_s:.2} s at most");
    assert!(blind_s <= LOOK_LIMIT_S, "blind for {blind_s:.1} s");
    // Whoever was there is there: stillness begins anew, leads stay.
    let (before, after) = (street.open_leads(camera).len(), street.leads_at(camera).len());
    assert_eq!(before, after, "one person, one lead: {:?}", street.leads_at(camera));
}

#[test]
fn a_burst_of_old_pictures_is_not_taken_for_new_ones() {
    let street = faulty_street();
    let (camera, span) = ("burst", street.span("burst"));
    street.check_pictures(camera);
    street.check_all_readable(camera);
    let lost = street.rang("camera-lost", camera, span.began_s).expect("nothing comes for six seconds: its lead rings");
    assert!(lost.text.contains("stalled") || lost.text.contains("停止"), "{lost:?}");
    let burst_s = span.began_s + 6.0;
    let back_s = street.saw_after_s(camera, burst_s).expect("sees again");
    println!("burst: lead rang after {:.1} s, sees the present again {back_s:.1} s after the burst", lost.at_s - span.began_s);
    assert!(back_s <= WORKED_OFF_S, "the backlog took {back_s:.1} s");
    // What happened meanwhile is looked at, too, as far as there was time: never twice, never backwards.
    let looks = street.looks(camera);
    for pair in looks.windows(2) {
        assert!(pair[1].coded_s() > pair[0].coded_s(), "{pair:?}");
    }
    // The console owns up to it: while only old pictures were seen, the camera counted as blind.
    let blind_s = street.max_blind_s(camera, street.well_s, street.stopped_s);
    assert!(blind_s >= 6.0 - LOOK_EVERY_S, "blind for {blind_s:.1} s by its pictures");
}
