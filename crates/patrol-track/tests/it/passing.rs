//! People who pass one another, and people who pass somebody lying.

use super::{jittered, lying, standing, watch};
use patrol_core::PixelBox;

#[test]
fn crossing_walkers_keep_their_ids() {
    for fps in [25.0, 5.0, 2.0] {
        let right = |t: f64| standing(100.0 + 36.0 * t as f32, 300.0);
        let left = |t: f64| standing(500.0 - 40.0 * t as f32, 308.0);
        let watched = watch(fps, (0.0, 10.0), |t, look| {
            // For half a second the one behind is hidden.
            let hidden = (right(t).x - left(t).x).abs() < 9.0;
            let mut boxes = vec![jittered(left(t), 1.5, look, 1)];
            boxes.extend((!hidden).then(|| jittered(right(t), 1.5, look, 2)));
            boxes
        });
        assert_eq!(watched.confirmed_ids().len(), 2, "{fps} fps");
        assert_eq!(watched.id_at(2.5, right(2.5)), watched.id_at(9.5, right(9.5)), "{fps} fps");
        assert_eq!(watched.id_at(2.5, left(2.5)), watched.id_at(9.5, left(9.5)), "{fps} fps");
    }
}

#[test]
fn a_passer_by_does_not_take_over_one_who_lies() {
    for fps in [25.0, 5.0, 2.0] {
        for walks_when_seen_first in [0.0, 27.0] {
            let body = lying(600.0, 400.0);
            let walker = |t: f64| standing(600.0 + 36.0 * (t as f32 - 30.0), 375.0);
            let watched = watch(fps, (0.0, 60.0), |t, look| {
                let over = walker(t).x + 18.0 > body.x && walker(t).x < body.x + body.w;
                let mut boxes = Vec::new();
                boxes.extend((t >= walks_when_seen_first && walker(t).x > 0.0).then(|| jittered(walker(t), 1.5, look, 1)));
                boxes.extend((!over).then(|| jittered(body, 1.5, look, 2)));
                boxes
            });
            let id = watched.id_at(10.0, body);
            for t in [28.0, 33.0, 45.0, 59.0] {
                let track = watched.at(t, body).unwrap_or_else(|| panic!("{fps} fps: nobody at {t} s"));
                assert_eq!(track.id.0, id, "{fps} fps at {t} s");
                assert!(track.still_since.is_some_and(|since| since.as_secs_f64() < 1.0), "{fps} fps at {t} s: {:?}", track.still_since);
            }
            assert_ne!(watched.id_at(36.0, walker(36.0)), id, "{fps} fps");
        }
    }
}

#[test]
fn two_people_a_metre_apart_are_two() {
    for fps in [25.0, 5.0, 2.0, 0.1] {
        let seconds = if fps < 1.0 { 300.0 } else { 30.0 };
        let (a, b) = (lying(300.0, 400.0), lying(310.0, 430.0));
        let watched = watch(fps, (0.0, seconds), |_, look| vec![jittered(a, 2.0, look, 1), jittered(b, 2.0, look, 2)]);
        assert_eq!(watched.confirmed_ids(), [1, 2], "{fps} fps");
        assert_ne!(watched.id_at(seconds - 1.0, a), watched.id_at(seconds - 1.0, b));
    }
}

/// Seen in a rendered street: a walker in front of one who sits makes one box of both, and walked off with his track.
#[test]
fn a_walker_who_hides_one_who_has_long_kept_his_place_does_not_take_his_track() {
    let sitting = PixelBox::new(600.0, 400.0, 21.0, 31.0);
    let walker = |t: f64| PixelBox::new(700.0 - 16.0 * (t - 120.0) as f32, 375.0, 24.0, 56.0);
    let scene = |t: f64, look: i64| {
        let him = jittered(sitting, 0.7, look, 1);
        if !(114.0..136.0).contains(&t) {
            return vec![him];
        }
        let passing = walker(t);
        let touches = passing.grown(3.0).intersection(&sitting) > 0.0;
        if touches {
            let (left, top) = (passing.x.min(sitting.x), passing.y.min(sitting.y));
            vec![PixelBox::from_corners(left, top, passing.right().max(sitting.right()), passing.bottom().max(sitting.bottom()))]
        } else {
            vec![him, passing]
        }
    };
    let watched = watch(1.0, (0.0, 200.0), scene);
    assert_eq!(watched.id_at(100.0, sitting), watched.id_at(199.0, sitting));
    let him = watched.at(199.0, sitting).unwrap();
    assert!(him.still_since.is_some_and(|since| since.as_secs_f64() < 2.0), "{:?}", him.still_since);
}
