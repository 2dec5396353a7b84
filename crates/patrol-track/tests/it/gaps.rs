//! Rare looks, gaps between looks, and scenes that change at once.

use super::{SIZE, Watched, chance, jittered, lying, seen, standing, watch, watch_on};
use patrol_core::{MediaTime, TrackStage};
use patrol_track::{Tracker, TrackerConfig};

#[test]
fn one_look_in_ten_seconds_confirms_and_keeps_one_who_lies() {
    let body = lying(600.0, 400.0);
    // Missed in three looks of ten.
    let watched = watch(0.1, (0.0, 1800.0), |_, look| {
        let missed = look > 4 && chance(look, 9) < 0.3;
        if missed { vec![] } else { vec![jittered(body, 2.0, look, 1)] }
    });
    assert_eq!(watched.confirmed_ids(), [1]);
    let (told, track) = watched.looks.iter().find_map(|(t, tracks)| Some((*t, tracks.iter().find(|t| t.still_since.is_some())?))).unwrap();
    assert!(told <= 40.0 && track.still_since == Some(MediaTime::ZERO), "told at {told}");
    assert!(watched.ended.is_empty(), "{:?}", watched.ended);
}

#[test]
fn rare_looks_at_walkers_make_no_track_of_them() {
    // Every look sees another place of the street.
    let watched = watch(0.1, (0.0, 3600.0), |_, look| vec![standing(1200.0 * chance(look, 1), 600.0 * chance(look, 2))]);
    assert!(watched.confirmed_ids().is_empty(), "{:?}", watched.confirmed_ids());
}

#[test]
fn a_gap_keeps_the_one_who_lies_and_carries_no_velocity() {
    let body = lying(600.0, 400.0);
    let walker = |t: f64| standing(100.0 + 36.0 * t as f32, 200.0);
    let mut tracker = Tracker::new(TrackerConfig::default(), 1);
    let mut watched = Watched { looks: vec![], ended: vec![] };
    watch_on(&mut tracker, &mut watched, 5.0, (0.0, 5.0), |t, look| vec![jittered(body, 1.0, look, 1), walker(t)]);
    let (body_id, walker_id) = (watched.id_at(4.8, body), watched.id_at(4.8, walker(4.8)));
    // Ten seconds later somebody is where the walker would have come to at his old speed.
    watch_on(&mut tracker, &mut watched, 5.0, (14.8, 20.0), |t, look| vec![jittered(body, 1.0, look, 1), walker(t)]);
    assert_eq!(watched.id_at(19.0, body), body_id);
    let after = watched.at(19.0, body).unwrap();
    assert!(after.still_since.is_some_and(|since| since.as_secs_f64() < 1.0), "{:?}", after.still_since);
    assert_ne!(watched.id_at(19.0, walker(19.0)), walker_id);
    assert!(watched.ended.iter().any(|ended| ended.track.id.0 == walker_id));
}

#[test]
fn one_who_lies_is_kept_through_a_minute_of_misses() {
    let body = lying(600.0, 400.0);
    let watched = watch(5.0, (0.0, 120.0), |t, look| if (20.0..75.0).contains(&t) { vec![] } else { vec![jittered(body, 1.0, look, 1)] });
    assert_eq!(watched.confirmed_ids(), [1]);
    assert_eq!(watched.at(119.0, body).unwrap().still_since, Some(MediaTime::ZERO));
    // A walker is not.
    let walker = |t: f64| standing(100.0 + 36.0 * t as f32, 200.0);
    let watched = watch(5.0, (0.0, 20.0), |t, _| if t < 10.0 { vec![walker(t)] } else { vec![] });
    assert_eq!(watched.ended.len(), 1);
    assert!(watched.looks.iter().filter(|(t, _)| *t > 13.0).all(|(_, tracks)| tracks.is_empty()));
}

#[test]
fn restart_motion_begins_stillness_anew_and_keeps_the_track() {
    let body = lying(600.0, 400.0);
    let mut tracker = Tracker::new(TrackerConfig::default(), 7);
    let mut watched = Watched { looks: vec![], ended: vec![] };
    watch_on(&mut tracker, &mut watched, 5.0, (0.0, 30.0), |_, look| vec![jittered(body, 1.0, look, 1)]);
    tracker.restart_motion(|_| false);
    watch_on(&mut tracker, &mut watched, 5.0, (30.0, 31.0), |_, look| vec![jittered(body, 1.0, look, 1)]);
    let track = watched.at(30.8, body).unwrap();
    assert_eq!((track.id.0, track.still_since), (7, None));
    watch_on(&mut tracker, &mut watched, 5.0, (31.0, 60.0), |_, look| vec![jittered(body, 1.0, look, 1)]);
    let since = watched.at(59.0, body).unwrap().still_since.unwrap().as_secs_f64();
    assert!((30.0..31.0).contains(&since), "{since}");
    assert_eq!(tracker.next_id(), 8);
}

#[test]
fn time_that_goes_back_is_a_jump_and_no_harm() {
    let body = lying(600.0, 400.0);
    let mut tracker = Tracker::new(TrackerConfig::default(), 1);
    for t in [0.0, 0.2, 0.4, 0.6, 900.0, 900.2, 5.0, 5.2, 5.4] {
        let at = MediaTime::from_secs_f64(t);
        let tracks = tracker.update(at, SIZE, &[seen(body)], &|_| None);
        assert_eq!(tracks.len(), 1);
        assert!(tracks[0].id.0 == 1 && tracks[0].first_seen <= at && tracks[0].last_seen == at, "{t}: {:?}", tracks[0]);
        assert!(tracks[0].still_since.is_none_or(|since| since <= at), "{t}: {:?}", tracks[0]);
    }
    assert_eq!(tracker.update(MediaTime::from_secs_f64(5.6), SIZE, &[], &|_| None)[0].stage, TrackStage::Lost);
}

/// Seen in a real video: people who come one by one to the same table, five seconds apart, were one track with the stillness of all.
#[test]
fn who_leaves_is_not_who_comes_next_to_the_same_place() {
    let place = standing(600.0, 400.0);
    let scene = |t: f64, look: i64| {
        let setting_off = |x: f32| jittered(standing(x, 400.0), 1.0, look, 1);
        match t {
            t if t < 12.0 => vec![jittered(place, 1.0, look, 1)],
            t if t < 12.4 => vec![setting_off(604.0)],
            t if t < 12.8 => vec![setting_off(613.0)],
            t if t < 17.6 => vec![],
            _ => vec![jittered(place, 1.0, look, 1)],
        }
    };
    let watched = watch(2.5, (0.0, 30.0), scene);
    assert_ne!(watched.id_at(11.6, place), watched.id_at(25.0, place));
    let next = watched.at(29.0, place).unwrap();
    assert!(next.still_since.is_some_and(|since| since.as_secs_f64() > 17.0), "{:?}", next.still_since);
}
