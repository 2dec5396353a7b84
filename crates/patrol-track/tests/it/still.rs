//! Who has kept his place and since when, and who has walked out of the picture.

use super::{SIZE, chance, jittered, lying, standing, watch};
use patrol_core::PixelBox;

#[test]
fn a_small_figure_that_is_often_missed_is_still_from_the_start() {
    // 5 px/m would be the truth: without a view the long side of the box is taken for a person's height.
    let body = PixelBox::new(300.0, 200.0, 14.0, 8.0);
    for fps in [25.0, 5.0, 2.0] {
        let watched = watch(fps, (0.0, 180.0), |_, look| if chance(look, 4) < 0.4 { vec![jittered(body, 2.0, look, 1)] } else { vec![] });
        let (_, tracks) = watched.looks.last().unwrap();
        assert_eq!(tracks.len(), 1, "{fps} fps");
        let since = tracks[0].still_since.expect("still").as_secs_f64();
        assert!(since < 15.0, "{fps} fps: still since {since}");
    }
}

#[test]
fn getting_up_and_walking_away_is_motion_of_the_same_track() {
    let person = |t: f64| if t < 60.0 { lying(600.0, 431.0) } else { standing(615.0 + 36.0 * (t as f32 - 60.0).max(0.0), 400.0) };
    for fps in [25.0, 5.0] {
        let watched = watch(fps, (0.0, 70.0), |t, look| vec![jittered(person(t), 1.0, look, 1)]);
        assert!(watched.at(59.0, person(59.0)).unwrap().still_since.is_some());
        for t in [62.2, 64.0, 69.0] {
            assert_eq!(watched.at(t, person(t)).expect("tracked").still_since, None, "{fps} fps at {t}");
        }
    }
}

#[test]
fn one_who_paused_walks_on_as_the_same_track() {
    let person = |t: f64| standing(100.0 + 42.0 * (t.min(8.0) + (t - 25.0).max(0.0)) as f32, 300.0);
    for fps in [25.0, 5.0, 2.0] {
        let watched = watch(fps, (0.0, 32.0), |t, look| vec![jittered(person(t), 1.0, look, 1)]);
        assert_eq!(watched.confirmed_ids(), [1], "{fps} fps");
        assert!(watched.at(24.0, person(24.0)).unwrap().still_since.is_some(), "{fps} fps");
        assert_eq!(watched.at(31.0, person(31.0)).unwrap().still_since, None, "{fps} fps");
    }
}

#[test]
fn walking_out_is_told_from_vanishing_inside() {
    for fps in [25.0, 5.0, 2.0] {
        let out = |t: f64| standing(SIZE.width as f32 - 200.0 + 40.0 * t as f32, 300.0);
        let watched = watch(fps, (0.0, 10.0), |t, _| if out(t).right() <= SIZE.width as f32 { vec![out(t)] } else { vec![] });
        assert_eq!(watched.ended.iter().map(|ended| ended.walked_out).collect::<Vec<_>>(), [true], "{fps} fps");

        let inside = |t: f64| standing(200.0 + 40.0 * t as f32, 300.0);
        let watched = watch(fps, (0.0, 10.0), |t, _| if t < 5.0 { vec![inside(t)] } else { vec![] });
        assert_eq!(watched.ended.iter().map(|ended| ended.walked_out).collect::<Vec<_>>(), [false], "{fps} fps");

        // One who lies at the very edge has not walked out when he is no longer seen.
        let edge = lying(SIZE.width as f32 - 52.0, 300.0);
        let watched = watch(fps, (0.0, 120.0), |t, look| if t < 30.0 { vec![jittered(edge, 1.0, look, 1)] } else { vec![] });
        assert_eq!(watched.ended.iter().map(|ended| ended.walked_out).collect::<Vec<_>>(), [false], "{fps} fps");
    }
}
