//! A camera that pans, turns and flies: whoever does not move in the scene is still, and whom the camera leaves has not walked out.
//!
//! People are placed on the ground; the camera's view of it at every look is known, and its motion is given to the tracker.

use super::{SIZE, Watched, jittered, lying, seen, standing};
use patrol_core::{Detection, MediaTime, PictureTransform, PixelBox, PixelPoint, TrackStage};
use patrol_track::{Tracker, TrackerConfig};

/// Looks at `people` (boxes on the ground; of those not wholly in view `part_seen` says what is detected) through `picture_from_ground`.
fn fly_on_seeing(
    part_seen: &dyn Fn(&PixelBox) -> Option<PixelBox>,
    tracker: &mut Tracker,
    watched: &mut Watched,
    fps: f64,
    (from_s, to_s): (f64, f64),
    picture_from_ground: &dyn Fn(f64) -> PictureTransform,
    people: &dyn Fn(f64) -> Vec<PixelBox>,
) {
    for look in 0..((to_s - from_s) * fps).round() as i64 {
        let t = from_s + look as f64 / fps;
        let view = picture_from_ground(t);
        if let Some((before, _)) = watched.looks.last() {
            let back = picture_from_ground(*before).inverse().unwrap_or_else(|| panic!("no way back from {before} s"));
            tracker.carry(&back.then(&view));
        }
        let in_view = |bbox: &PixelBox| bbox.clipped(SIZE).area() > 0.95 * bbox.area();
        let shown = people(t).into_iter().filter_map(|bbox| view.bbox(&bbox));
        let shown = shown
            .enumerate()
            .filter_map(|(i, bbox)| if in_view(&bbox) { Some(jittered(bbox, 1.0, look, i as i64)) } else { part_seen(&bbox) });
        let detections: Vec<Detection> = shown.map(seen).collect();
        let tracks = tracker.update(MediaTime::from_secs_f64(t), SIZE, &detections, &|_| Some(30.0)).to_vec();
        watched.ended.extend_from_slice(tracker.ended());
        watched.looks.push((t, tracks));
    }
}

fn fly_on(
    tracker: &mut Tracker,
    watched: &mut Watched,
    fps: f64,
    span: (f64, f64),
    picture_from_ground: &dyn Fn(f64) -> PictureTransform,
    people: &dyn Fn(f64) -> Vec<PixelBox>,
) {
    fly_on_seeing(&|_| None, tracker, watched, fps, span, picture_from_ground, people);
}

fn fly(fps: f64, seconds: f64, picture_from_ground: &dyn Fn(f64) -> PictureTransform, people: &dyn Fn(f64) -> Vec<PixelBox>) -> Watched {
    let mut tracker = Tracker::new(TrackerConfig::default(), 1);
    let mut watched = Watched { looks: Vec::new(), ended: Vec::new() };
    fly_on(&mut tracker, &mut watched, fps, (0.0, seconds), picture_from_ground, people);
    watched
}

fn pan(px_per_s: f64) -> impl Fn(f64) -> PictureTransform {
    move |t| PictureTransform::shift(-px_per_s * t, 0.0)
}

#[test]
fn one_who_lies_under_a_panning_turning_camera_keeps_his_id_and_his_stillness() {
    let body = lying(1100.0, 350.0);
    let middle = PixelPoint { x: 640.0, y: 360.0 };
    let slow_turn = |t: f64| PictureTransform::similarity(1.0 + 0.004 * t, 0.01 * t, middle, (-25.0 * t, 4.0 * t));
    for fps in [25.0, 5.0, 2.0, 1.0] {
        let watched = fly(fps, 30.0, &slow_turn, &|_| vec![body]);
        assert_eq!(watched.confirmed_ids(), [1], "{fps} fps");
        let shown = slow_turn(29.0).bbox(&body).unwrap();
        let track = watched.at(29.0, shown).expect("tracked");
        assert!(track.still_since.is_some_and(|since| since.as_secs_f64() < 1.0), "{fps} fps: {:?}", track.still_since);
        // He has gone through the picture, and nowhere.
        let way = (track.bbox.centre().x - track.entered_at.x).hypot(track.bbox.centre().y - track.entered_at.y);
        assert!(way < 5.0 && track.speed_px_s < 15.0, "{fps} fps: {way} px, {} px/s", track.speed_px_s);
    }
}

#[test]
fn a_walker_whom_the_camera_follows_is_not_still() {
    let walker = |t: f64| standing(600.0 + 40.0 * t as f32, 300.0);
    for fps in [25.0, 5.0, 2.0] {
        let watched = fly(fps, 20.0, &pan(40.0), &|t| vec![walker(t)]);
        assert_eq!(watched.confirmed_ids(), [1], "{fps} fps");
        for (t, tracks) in watched.looks.iter().filter(|(t, _)| *t > 4.0) {
            assert_eq!(tracks[0].still_since, None, "{fps} fps at {t}");
            assert!((tracks[0].speed_px_s - 40.0).abs() < 12.0, "{fps} fps at {t}: {}", tracks[0].speed_px_s);
        }
        let (t, tracks) = watched.looks.last().unwrap();
        let way = tracks[0].bbox.centre().x - tracks[0].entered_at.x;
        assert!((way - 40.0 * *t as f32).abs() < 15.0, "{fps} fps: {way} px after {t} s");
    }
}

#[test]
fn whom_the_camera_leaves_has_not_walked_out() {
    for fps in [25.0, 5.0, 2.0] {
        // One lies; one stands and has come into view too late to be called still.
        for (body, seconds) in [(lying(500.0, 300.0), 40.0), (standing(240.0, 300.0), 20.0)] {
            let watched = fly(fps, seconds, &pan(60.0), &|_| vec![body]);
            let told: Vec<_> = watched.ended.iter().map(|ended| (ended.walked_out, ended.out_of_view)).collect();
            assert_eq!(told, [(false, true)], "{fps} fps, {body:?}");
            // Where the camera has not looked, nothing was missed: only while half of him was in view.
            let track = &watched.ended[0].track;
            assert!(f64::from(track.looks - track.hits) <= 2.0 + 0.4 * fps, "{fps} fps: {} of {}", track.hits, track.looks);
        }
    }
}

#[test]
fn who_walks_out_of_a_panning_picture_has_walked_out() {
    // The camera pans towards him, more slowly than he walks.
    let walker = |t: f64| standing(1000.0 + 42.0 * t as f32, 300.0);
    for fps in [25.0, 5.0, 2.0] {
        let watched = fly(fps, 20.0, &pan(10.0), &|t| vec![walker(t)]);
        let told: Vec<_> = watched.ended.iter().map(|ended| (ended.walked_out, ended.out_of_view)).collect();
        assert_eq!(told, [(true, false)], "{fps} fps");
    }
}

#[test]
fn a_camera_that_comes_back_soon_finds_him_again() {
    let body = lying(100.0, 300.0);
    // Away for six seconds.
    let there_and_back = |t: f64| PictureTransform::shift(-100.0 * (t - 20.0).clamp(0.0, 4.0) + 100.0 * (t - 27.0).clamp(0.0, 4.0), 0.0);
    for fps in [25.0, 5.0, 2.0] {
        let watched = fly(fps, 60.0, &there_and_back, &|_| vec![body]);
        assert_eq!(watched.confirmed_ids(), [1], "{fps} fps");
        let since = watched.at(59.0, body).unwrap().still_since;
        assert!(since.is_some_and(|since| since.as_secs_f64() < 1.0), "{fps} fps: {since:?}");
        assert!(watched.ended.is_empty());
    }
}

/// The corner of a picture that moves shows a third of him, nothing for some seconds, a third again, and all of him: it is he all the time.
#[test]
fn who_lies_at_the_corner_of_a_moving_picture_is_taken_up_again() {
    let body = lying(400.0, 200.0);
    let (w, h) = (f64::from(body.w), f64::from(body.h));
    let view = |t: f64| match t {
        t if (80.0..84.0).contains(&t) || (90.0..93.0).contains(&t) => PictureTransform::shift(-400.0 - 0.66 * w, -200.0 - 0.25 * h),
        t if (84.0..90.0).contains(&t) => PictureTransform::shift(-400.0 - 1.5 * w, -200.0 - 0.25 * h),
        _ => PictureTransform::IDENTITY,
    };
    let part = |bbox: &PixelBox| Some(bbox.clipped(SIZE)).filter(|part| part.area() > 0.1 * bbox.area());
    for fps in [5.0, 2.0, 1.0] {
        let mut tracker = Tracker::new(TrackerConfig::default(), 1);
        let mut watched = Watched { looks: vec![], ended: vec![] };
        fly_on_seeing(&part, &mut tracker, &mut watched, fps, (0.0, 110.0), &view, &|_| vec![body]);
        assert_eq!(watched.confirmed_ids(), [1], "{fps} fps");
        let since = watched.at(108.0, body).expect("tracked").still_since;
        assert!(since.is_some_and(|since| since.as_secs_f64() < 1.0), "{fps} fps: {since:?}");
    }
}

/// The picture comes to show more and more of him, and less and less: the middle of what it shows moves, he does not.
#[test]
fn who_comes_into_a_moving_picture_does_not_move_for_that() {
    let body = lying(SIZE.width as f32 + 5.0, 300.0);
    let part = |bbox: &PixelBox| Some(bbox.clipped(SIZE)).filter(|part| part.area() > 0.15 * bbox.area());
    for (fps, px_per_s) in [(5.0, 30.0), (2.0, 25.0), (1.0, 20.0)] {
        let there_and_back = move |t: f64| PictureTransform::shift(-px_per_s * (t - 0.1).min(6.0 - t).max(0.0), 0.0);
        let mut tracker = Tracker::new(TrackerConfig::default(), 1);
        let mut watched = Watched { looks: vec![], ended: vec![] };
        fly_on_seeing(&part, &mut tracker, &mut watched, fps, (0.0, 6.0), &there_and_back, &|_| vec![body]);
        let speeds: Vec<f32> = watched.looks.iter().flat_map(|(_, tracks)| tracks).map(|track| track.speed_px_s).collect();
        assert!(speeds.len() > 3, "{fps} fps: seen {} times", speeds.len());
        let most = speeds.iter().copied().fold(0.0, f32::max);
        // Four tenths of a metre a second are no walk.
        assert!(most < 12.0, "{fps} fps: {most} px/s");
    }
}

#[test]
fn after_a_gap_the_place_in_the_scene_counts() {
    let body = lying(700.0, 400.0);
    let mut tracker = Tracker::new(TrackerConfig::default(), 1);
    let mut watched = Watched { looks: vec![], ended: vec![] };
    let view = pan(30.0);
    fly_on(&mut tracker, &mut watched, 5.0, (0.0, 5.0), &view, &|_| vec![body]);
    // Eight seconds later somebody else stands where he was in the picture.
    let other = view(13.0).inverse().unwrap().bbox(&view(4.8).bbox(&body).unwrap()).unwrap();
    fly_on(&mut tracker, &mut watched, 5.0, (13.0, 16.0), &view, &|_| vec![other, body]);
    let (id, before) = (watched.id_at(15.8, view(15.8).bbox(&body).unwrap()), watched.id_at(4.8, view(4.8).bbox(&body).unwrap()));
    assert_eq!(id, before);
    assert_ne!(watched.id_at(15.8, view(15.8).bbox(&other).unwrap()), before);
}

#[test]
fn lost_places_end_all_tracks_and_nobody_takes_them_over() {
    let body = lying(600.0, 400.0);
    let mut tracker = Tracker::new(TrackerConfig::default(), 1);
    let mut watched = Watched { looks: vec![], ended: vec![] };
    let stands = |_: f64| PictureTransform::IDENTITY;
    fly_on(&mut tracker, &mut watched, 5.0, (0.0, 30.0), &stands, &|_| vec![body]);
    tracker.lose_places();
    fly_on(&mut tracker, &mut watched, 5.0, (30.0, 35.0), &stands, &|_| vec![body]);
    assert_eq!(watched.confirmed_ids(), [1, 2]);
    assert!(watched.ended.len() == 1 && watched.ended[0].out_of_view && !watched.ended[0].walked_out, "{:?}", watched.ended);
    let since = watched.at(34.8, body).unwrap().still_since.unwrap().as_secs_f64();
    assert!(since >= 30.0, "{since}");
}

#[test]
fn a_place_beyond_the_horizon_is_lost() {
    let mut tracker = Tracker::new(TrackerConfig::default(), 1);
    for look in 0..4 {
        tracker.update(
            MediaTime::from_secs_f64(0.2 * f64::from(look)),
            SIZE,
            &[seen(lying(600.0, 600.0)), seen(lying(600.0, 50.0))],
            &|_| None,
        );
    }
    let tilted = PictureTransform::homography([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -1.0 / 500.0, 1.0]]).unwrap();
    tracker.carry(&tilted);
    let left = tracker.update(MediaTime::from_secs_f64(0.8), SIZE, &[], &|_| None).to_vec();
    assert!(left.len() == 1 && left[0].stage == TrackStage::Lost && left[0].bbox.y < 100.0, "{left:?}");
    assert!(tracker.ended().len() == 1 && tracker.ended()[0].out_of_view);
}
