//! Warm bodies are found whole, once each, by size and contrast; lamps, bonnets and walls are not bodies.

use crate::scene::{Pose, SIZE, Street};
use patrol_core::{CameraView, Detection, Modality, Picture, PixelBox};
use patrol_vision::{DetectContext, Detector, HotSpot, HotSpotConfig};

/// What the pipeline counts as seen.
const SCORE_MIN: f32 = 0.3;

fn found(picture: &Picture, view: Option<&CameraView>, gsd_m: Option<f32>) -> Vec<Detection> {
    let mut out = Vec::new();
    let context = DetectContext { modality: Modality::Thermal, view, gsd_m, in_full: Some(0) };
    HotSpot::new(HotSpotConfig::default()).detect(picture, &context, &mut out).expect("hot-spot does not fail");
    out.retain(|detection| detection.score >= SCORE_MIN && detection.resolved);
    out
}

/// Every wanted box is found once, well placed, and nothing else is.
fn check_street(street: &Street, wanted: &[PixelBox], what: &str) {
    for (noise_k, gain) in [(0.05, 8.0), (0.1, 14.0), (0.08, 5.0)] {
        let seen = found(&street.picture(7, noise_k, gain, 90.0), Some(&street.view), None);
        let boxes: Vec<_> = seen.iter().map(|detection| (detection.bbox, detection.score, detection.blob.expect("a blob"))).collect();
        for wanted in wanted {
            let hits = boxes.iter().filter(|(bbox, ..)| bbox.iou(wanted) > 0.5).count();
            assert_eq!(hits, 1, "{what}, noise {noise_k} K, gain {gain}: {wanted:?} in {boxes:?}");
        }
        assert_eq!(boxes.len(), wanted.len(), "{what}, noise {noise_k} K, gain {gain}: {boxes:?}");
    }
}

const POSES: [Pose; 6] = [Pose::Standing, Pose::Walking, Pose::Sitting, Pose::Lying(90.0), Pose::Lying(0.0), Pose::Lying(40.0)];

#[test]
fn every_pose_is_one_blob_near_and_far() {
    for (height_m, tilt_deg) in [(6.0, 15.0), (7.0, 25.0), (8.0, 35.0)] {
        for pose in POSES {
            for (ahead, right) in [(9.0, 1.0), (14.0, -3.0), (22.0, 4.0)] {
                let mut street = Street::new(height_m, tilt_deg);
                let body = street.person(ahead, right, pose, 3.0);
                check_street(&street, &[body], &format!("{pose:?} at {ahead} m, camera {height_m} m {tilt_deg}"));
            }
        }
    }
}

#[test]
fn people_a_metre_apart_are_two() {
    for pose in [Pose::Standing, Pose::Sitting, Pose::Lying(0.0)] {
        for ahead in [10.0, 16.0] {
            let mut street = Street::new(7.0, 25.0);
            let bodies = [street.person(ahead, -0.5, pose, 3.0), street.person(ahead, 0.55, pose, 2.5)];
            check_street(&street, &bodies, &format!("two {pose:?} at {ahead} m"));
        }
    }
}

/// At every threshold that shows both whole they are one region, which is as large as a person may seem.
#[test]
fn people_who_lie_against_one_another_are_two() {
    for (ahead, apart_m, turned, warmer_k, colder_k) in [
        (8.0, 0.65, 90.0, 3.0, 3.0),
        (9.0, 0.7, 90.0, 4.0, 4.0),
        (9.0, 0.75, 80.0, 4.0, 2.5),
        (10.0, 0.75, 90.0, 3.0, 3.0),
        (11.0, 0.85, 80.0, 4.0, 4.0),
        (12.0, 0.9, 80.0, 3.0, 3.0),
    ] {
        let mut street = Street::new(7.0, 27.0);
        let pose = Pose::Lying(turned);
        let bodies = [street.person(ahead, 1.0, pose, warmer_k), street.person(ahead + apart_m, 1.1, pose, colder_k)];
        check_street(&street, &bodies, &format!("two {pose:?} at {ahead} m, {apart_m} m apart, {warmer_k} and {colder_k} K"));
    }
}

#[test]
fn a_street_with_a_warm_wall_and_lamps_gives_its_people_only() {
    let mut street = Street::new(7.0, 22.0);
    street.wall(24.0, 2.0);
    street.lamp(20.0, -6.0, 5.0, 0.12, 40.0);
    street.lamp(20.0, 6.0, 5.0, 0.12, 40.0);
    let bodies = [
        street.person(21.0, -3.0, Pose::Standing, 4.0),
        street.person(15.0, 2.5, Pose::Walking, 3.0),
        street.person(11.0, -1.5, Pose::Lying(70.0), 3.0),
        street.person(17.0, 5.0, Pose::Sitting, 3.0),
    ];
    check_street(&street, &bodies, "the street");
}

#[test]
fn a_lamp_and_a_bonnet_are_refused() {
    let mut street = Street::new(7.0, 25.0);
    street.lamp(14.0, 2.0, 0.3, 0.07, 40.0);
    street.rectangle(&street.box_at(13.0, -3.0, 1.5, 1.15), 12.0);
    check_street(&street, &[], "lamp and bonnet");
}

#[test]
fn a_window_cut_by_the_edge_is_left_to_a_person() {
    let mut street = Street::new(7.0, 25.0);
    street.rectangle(&PixelBox::new(626.0, 150.0, 14.0, 36.0), 3.0);
    street.rectangle(&PixelBox::new(300.0, 0.0, 24.0, 12.0), 3.0);
    check_street(&street, &[], "cut windows");
    let mut street = Street::new(7.0, 25.0);
    street.rectangle(&PixelBox::new(300.0, 0.0, 24.0, 12.0), 3.0);
    let unknown_view = found(&street.picture(7, 0.08, 8.0, 90.0), None, None);
    assert!(unknown_view.is_empty(), "{unknown_view:?}");
}

#[test]
fn an_empty_street_is_empty() {
    let mut street = Street::new(7.0, 22.0);
    check_street(&street, &[], "empty");
    street.wall(24.0, 2.0);
    check_street(&street, &[], "empty with wall");
}

#[test]
fn gain_and_offset_of_an_agc_change_nothing() {
    let mut street = Street::new(7.0, 25.0);
    street.person(12.0, 1.0, Pose::Lying(60.0), 3.0);
    let (low, high) = (street.picture(3, 0.08, 6.0, 60.0), street.picture(3, 0.08, 12.0, 120.0));
    let (a, b) = (found(&low, Some(&street.view), None), found(&high, Some(&street.view), None));
    assert_eq!((a.len(), b.len()), (1, 1));
    assert!(a[0].bbox.iou(&b[0].bbox) > 0.85 && (a[0].score - b[0].score).abs() < 0.1, "{a:?} {b:?}");
}

#[test]
fn raw_counts_are_read_as_they_are() {
    let mut street = Street::new(7.0, 25.0);
    let body = street.person(12.0, 1.0, Pose::Sitting, 3.0);
    let seen = found(&street.raw(3, 0.05), Some(&street.view), None);
    assert_eq!(seen.len(), 1);
    assert!(seen[0].bbox.iou(&body) > 0.6, "{seen:?} {body:?}");
}

/// A lying body from above, as a drone sees it: a bright ellipse on noise.
fn field(length: f32, width: f32, angle: f32, gradient: f32) -> Picture {
    use rand::{Rng, SeedableRng};
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(11);
    let (s, c) = angle.sin_cos();
    let pixels = (0..SIZE.width * SIZE.height).map(|index| {
        let (x, y) = ((index % SIZE.width) as f32, (index / SIZE.width) as f32);
        let (dx, dy) = (x - 300.0, y - 200.0);
        let (along, across) = (dx * c + dy * s, dy * c - dx * s);
        let inside = (2.0 * along / length).powi(2) + (2.0 * across / width).powi(2) <= 1.0;
        let value = 70.0 + gradient * x + if inside { 40.0 } else { 0.0 } + (random.random::<f32>() - 0.5) * 12.0;
        value as u8
    });
    crate::scene::picture(patrol_core::PixelFormat::Gray8, vec![pixels.collect()])
}

#[test]
fn a_lying_ellipse_has_its_size_and_direction() {
    for (angle, gradient) in [(0.0, 0.0), (0.6, 0.1), (-1.2, 0.15)] {
        let seen = found(&field(28.0, 9.0, angle, gradient), None, Some(0.06));
        assert_eq!(seen.len(), 1, "{seen:?}");
        let blob = seen[0].blob.expect("hot-spot gives blobs");
        assert!((blob.major_px - 28.0).abs() < 3.0 && (blob.minor_px - 9.0).abs() < 2.0, "{blob:?}");
        assert!((blob.angle_rad - angle).abs() < 0.1, "{blob:?}");
        assert!((blob.centroid.x - 300.0).abs() < 1.0 && (blob.centroid.y - 200.0).abs() < 1.0, "{blob:?}");
    }
}

#[test]
fn black_borders_are_no_surroundings() {
    let street = {
        let mut street = Street::new(7.0, 25.0);
        street.person(12.0, 1.0, Pose::Standing, 3.0);
        street
    };
    let plain = street.picture(5, 0.08, 8.0, 90.0);
    let mut pixels = plain.plane(0).to_vec();
    for (index, value) in pixels.iter_mut().enumerate() {
        let (x, y) = (index % 640, index / 640);
        if !(40..472).contains(&y) || x < 16 {
            *value = 16;
        }
    }
    let bordered = found(&crate::scene::picture(patrol_core::PixelFormat::Gray8, vec![pixels]), Some(&street.view), None);
    let plain = found(&plain, Some(&street.view), None);
    assert_eq!((plain.len(), bordered.len()), (1, 1), "{plain:?} {bordered:?}");
    assert!(plain[0].bbox.iou(&bordered[0].bbox) > 0.8);
}
