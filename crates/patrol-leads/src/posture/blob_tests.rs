use super::*;
use patrol_core::PixelPoint;
use proptest::prelude::*;

const SIZE: PictureSize = PictureSize::new(640, 512);

fn blob(at: [f32; 2], major_px: f32, minor_px: f32, angle_rad: f32) -> Blob {
    let area_px = std::f32::consts::FRAC_PI_4 * major_px * minor_px;
    Blob { area_px, centroid: PixelPoint { x: at[0], y: at[1] }, major_px, minor_px, angle_rad, contrast_sigma: 20.0 }
}

/// The same extents on the picture with the blur that the correction takes off.
fn with_blur(extent_px: f32) -> f32 {
    4.0 * ((extent_px / 4.0).powi(2) + BLUR_VARIANCE_PX2).sqrt()
}

#[test]
fn straight_down_a_pixel_is_height_over_focal_length() {
    let view = CameraView { height_m: 30.0, tilt_deg: 90.0, heading_deg: 40.0, hfov_deg: 45.5 };
    let gsd_m = (30.0 - LYING_MID_M) / view.focal_px(SIZE);
    let seen = BlobGround::measure(&blob([320.0, 256.0], with_blur(40.0), with_blur(12.0), 0.0), &view, SIZE).expect("on the ground");
    assert!((seen.long_m - 40.0 * gsd_m).abs() < 0.01 && (seen.short_m - 12.0 * gsd_m).abs() < 0.01, "{seen:?}");
    // The picture's x goes to the right of the heading.
    assert!((seen.orientation_deg - 130.0).abs() < 0.5 && seen.orientation_sigma_deg < 5.0, "{seen:?}");
    assert!((seen.depression_deg - 90.0).abs() < 0.1, "{seen:?}");
    let area_px = std::f32::consts::FRAC_PI_4 * 40.0 * 12.0;
    // One pixel of edges, 4 % of height, few pixels.
    let expected = gsd_m.hypot(0.04 * seen.long_m).hypot(seen.long_m / (2.0 * area_px).sqrt());
    assert!((seen.long_sigma_m - expected).abs() < 0.02, "{seen:?} {expected}");
}

#[test]
fn a_tilted_camera_shortens_along_its_axis_and_that_is_undone() {
    let view = CameraView { height_m: 20.0, tilt_deg: 30.0, heading_deg: 0.0, hfov_deg: 20.0 };
    let across_px = view.focal_px(SIZE) / (40.0 - 2.0 * LYING_MID_M);
    // 1.7 m × 0.5 m on the ground, along and across the line of sight.
    let along = blob([320.0, 256.0], with_blur(0.85 * across_px), with_blur(0.5 * across_px), std::f32::consts::FRAC_PI_2);
    let across = blob([320.0, 256.0], with_blur(1.7 * across_px), with_blur(0.25 * across_px), 0.0);
    for (region, orientation_deg) in [(along, 0.0), (across, 90.0)] {
        let seen = BlobGround::measure(&region, &view, SIZE).expect("on the ground");
        assert!((seen.long_m - 1.7).abs() < 0.02 && (seen.short_m - 0.5).abs() < 0.02, "{seen:?}");
        let turn = (seen.orientation_deg - orientation_deg).rem_euclid(180.0);
        assert!(turn.min(180.0 - turn) < 1.0, "{seen:?}");
        assert_eq!(seen.cannot_be_upright(), orientation_deg == 90.0, "{seen:?}");
    }
}

#[test]
fn a_round_region_has_no_direction_and_coarse_pixels_no_certainty() {
    let view = |height_m| CameraView { height_m, tilt_deg: 90.0, heading_deg: 0.0, hfov_deg: 45.5 };
    let round = BlobGround::measure(&blob([320.0, 256.0], 10.0, 9.9, 0.3), &view(40.0), SIZE).expect("on the ground");
    assert!(round.orientation_sigma_deg > 45.0, "{round:?}");
    let lying = |height_m: f32| {
        let px = view(height_m).focal_px(SIZE) / (height_m - LYING_MID_M);
        BlobGround::measure(&blob([320.0, 256.0], with_blur(1.7 * px), with_blur(0.5 * px), 0.3), &view(height_m), SIZE)
            .expect("on the ground")
    };
    assert!(lying(20.0).lying_probability() > 0.95, "{:?}", lying(20.0));
    assert!(lying(200.0).lying_probability() < 0.75, "{:?}", lying(200.0));
    assert!(lying(200.0).long_sigma_m > 2.0 * lying(20.0).long_sigma_m);
}

#[test]
fn nobody_lies_longer_than_a_body_or_shorter_than_half_of_one() {
    let view = CameraView { height_m: 20.0, tilt_deg: 90.0, heading_deg: 0.0, hfov_deg: 45.5 };
    let px = view.focal_px(SIZE) / (20.0 - LYING_MID_M);
    let cue = |long_m: f32, short_m: f32| {
        BlobGround::measure(&blob([320.0, 256.0], with_blur(long_m * px), with_blur(short_m * px), 0.0), &view, SIZE).expect("ground").cue()
    };
    assert_eq!(cue(2.7, 0.6), BlobCue::NotLying);
    assert_eq!(cue(0.85, 0.6), BlobCue::NotLying);
    assert!(matches!(cue(1.7, 0.5), BlobCue::Lying(p, FROM_ABOVE) if p > 0.95));
    assert_eq!(cue(1.7, 1.4), BlobCue::Unsure, "two side by side");
}

#[test]
fn along_the_line_of_sight_a_standing_person_is_as_long_as_one_who_lies() {
    let view = CameraView { height_m: 30.0, tilt_deg: 55.0, heading_deg: 0.0, hfov_deg: 30.0 };
    let sin = 55f32.to_radians().sin();
    let px = view.focal_px(SIZE) * sin / (30.0 - LYING_MID_M);
    let cue = |long_m: f32, short_m: f32, is_along: bool| {
        let (along, across) = if is_along { (long_m, short_m) } else { (short_m, long_m) };
        let (x_px, y_px) = (with_blur(across * px), with_blur(along * sin * px));
        let angle = if is_along { std::f32::consts::FRAC_PI_2 } else { 0.0 };
        BlobGround::measure(&blob([320.0, 256.0], x_px.max(y_px), x_px.min(y_px), angle), &view, SIZE).expect("ground").cue()
    };
    assert_eq!(cue(1.45, 0.5, true), BlobCue::MayStand);
    assert!(matches!(cue(1.45, 0.5, false), BlobCue::Lying(_, ACROSS_AXIS)));
}

proptest! {
    #[test]
    fn whatever_the_region_it_is_measured_or_not(
        x in -1e4f32..1e4, y in -1e4f32..1e4, angle in -10f32..10.0, tilt in -10f32..100.0, height in 0f32..500.0, hfov in 0.1f32..179.0,
        major in prop_oneof![0f32..1e3, Just(0.0), Just(f32::INFINITY), Just(f32::NAN), Just(f32::MAX), Just(-1.0), Just(1e-30)],
        minor in prop_oneof![0f32..1e3, Just(0.0), Just(f32::INFINITY), Just(f32::NAN), Just(f32::MAX)],
        area in prop_oneof![0f32..1e4, Just(0.0), Just(f32::NAN), Just(f32::INFINITY)],
    ) {
        let view = CameraView { height_m: height, tilt_deg: tilt, heading_deg: 17.0, hfov_deg: hfov };
        let region = Blob { area_px: area, ..blob([x, y], major, minor, angle) };
        if let Some(seen) = BlobGround::measure(&region, &view, SIZE) {
            prop_assert!(seen.is_finite() && seen.long_m >= seen.short_m && seen.long_sigma_m > 0.0 && seen.short_sigma_m > 0.0);
            prop_assert!((0.0..=180.0).contains(&seen.orientation_deg) && seen.orientation_sigma_deg >= 0.0);
            prop_assert!((0.0..=1.0).contains(&seen.lying_probability()));
            prop_assert!(view.ground_from_pixel(region.centroid, 0.0, SIZE).is_some(), "measured above the horizon");
            seen.cue();
        }
    }

    #[test]
    fn at_and_above_the_horizon_there_is_no_ground(x in 0f32..640.0, up_px in 0f32..200.0) {
        let view = CameraView { height_m: 8.0, tilt_deg: 10.0, heading_deg: 0.0, hfov_deg: 45.5 };
        let horizon = 256.0 - view.focal_px(SIZE) * 10f32.to_radians().tan();
        prop_assert!(BlobGround::measure(&blob([x, horizon - up_px], 30.0, 10.0, 0.5), &view, SIZE).is_none());
    }
}
