//! A detector that gives one person two boxes.

use super::{SIZE, chance, jittered, lying, seen, standing, watch};
use patrol_core::{MediaTime, PixelBox, TrackId};
use patrol_track::{Tracker, TrackerConfig};

#[test]
fn one_person_flickering_in_two_boxes_is_one_track() {
    for fps in [25.0, 5.0, 2.0] {
        let body = lying(600.0, 400.0);
        let legs = PixelBox::new(628.0, 402.0, 22.0, 16.0);
        let watched = watch(fps, (0.0, 120.0), |_, look| {
            let mut boxes = vec![jittered(body, 1.0, look, 1)];
            boxes.extend((chance(look, 2) < 0.6).then(|| jittered(legs, 1.0, look, 3)));
            boxes
        });
        assert_eq!(watched.confirmed_ids(), [1], "{fps} fps");
    }
}

#[test]
fn halves_that_turn_out_to_be_one_person_become_one_track() {
    let body = standing(600.0, 400.0);
    let (upper, lower) = (PixelBox::new(601.0, 400.0, 16.0, 24.0), PixelBox::new(602.0, 426.0, 15.0, 25.0));
    let watched = watch(5.0, (0.0, 30.0), |t, look| match t {
        t if t < 1.2 => vec![upper, lower],
        _ if chance(look, 5) < 0.25 => vec![body, lower],
        _ => vec![body],
    });
    let (_, tracks) = watched.looks.last().unwrap();
    assert_eq!(tracks.len(), 1, "{tracks:?}");
    assert!(watched.ended.iter().any(|ended| ended.merged_into == Some(tracks[0].id)), "{:?}", watched.ended);
}

#[test]
fn one_who_lies_behind_one_who_stands_is_not_his_second_box() {
    let sitting = PixelBox::new(604.0, 430.0, 16.0, 20.0);
    let helper = |t: f64| PixelBox::new(600.0 + 36.0 * (t as f32 - 42.0).min(0.0), 396.0, 24.0, 56.0);
    let watched = watch(5.0, (0.0, 120.0), |t, look| match t {
        t if t < 35.0 => vec![jittered(sitting, 1.0, look, 1)],
        t if t < 41.5 => vec![jittered(sitting, 1.0, look, 1), jittered(helper(t), 1.0, look, 2)],
        t if t < 80.0 => vec![jittered(helper(t), 1.0, look, 2)],
        _ => vec![jittered(sitting, 1.0, look, 1), standing(100.0, 100.0)],
    });
    assert_eq!(watched.id_at(119.0, sitting), 1);
    assert!(watched.at(119.0, sitting).unwrap().still_since.is_some_and(|since| since.as_secs_f64() < 1.0));
}

/// He has just sat down, his place is under watch, and somebody steps in front of him to cover him.
#[test]
fn one_whose_place_is_watched_is_nobodys_second_box_however_short_he_rests() {
    let sitting = PixelBox::new(604.0, 430.0, 16.0, 20.0);
    let helper = PixelBox::new(600.0, 396.0, 24.0, 56.0);
    let mut tracker = Tracker::new(TrackerConfig::default(), 1);
    for look in 0..200 {
        let boxes = match look {
            0..40 => vec![sitting],
            40..50 => vec![sitting, helper],
            _ => vec![helper],
        };
        let detections: Vec<_> = boxes.into_iter().map(|bbox| seen(jittered(bbox, 0.5, look, 1))).collect();
        tracker.update(MediaTime::from_secs_f64(look as f64 / 5.0), SIZE, &detections, &|_| Some(30.0));
        tracker.hold(|id| id == TrackId(1));
        assert!(tracker.ended().iter().all(|ended| ended.track.id != TrackId(1)), "look {look}: {:?}", tracker.ended());
    }
}
