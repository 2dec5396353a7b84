//! Capsules of people of many sizes, seen by many cameras, judged; and the confusions counted.

use super::capsules::{BODIES, Body};
use super::*;
use patrol_core::{Blob, DetectionSource, GroundPoint, MediaTime, PixelBox, PixelPoint, TrackId, TrackStage};
use std::collections::BTreeMap;

const SIZE: PictureSize = PictureSize::new(1280, 720);

pub(super) fn track(bbox: PixelBox, blob: Option<Blob>, speed_px_s: f32) -> Track {
    Track {
        id: TrackId(1),
        stage: TrackStage::Confirmed,
        bbox,
        score: 0.9,
        score_mean: 0.9,
        source: DetectionSource::Both,
        resolved: true,
        blob,
        first_seen: MediaTime::ZERO,
        last_seen: MediaTime::ZERO,
        hits: 10,
        looks: 10,
        still_since: None,
        speed_px_s,
        entered_at: PixelPoint { x: 0.0, y: 0.0 },
    }
}

/// A repeatable spread of numbers in −1..1 (van der Corput).
fn spread(mut n: u32, base: u32) -> f32 {
    let (mut value, mut part) = (0.0, 1.0);
    while n > 0 {
        part /= base as f32;
        value += part * (n % base) as f32;
        n /= base;
    }
    2.0 * value - 1.0
}

/// How bodies of `body`'s kind are called from depressions `from_deg..=to_deg`, as parts of one.
fn called(body: Body, from_deg: u32, to_deg: u32, has_blob: bool) -> BTreeMap<String, f32> {
    let (mut counts, mut total) = (BTreeMap::new(), 0.0);
    let mut n = 1;
    for depression in (from_deg..=to_deg).step_by(5) {
        for azimuth in 0..36 {
            n += 1;
            let slant_m = 14.0 + 8.0 * spread(n, 2);
            let (sin, cos) = (depression as f32).to_radians().sin_cos();
            let view = CameraView {
                height_m: slant_m * sin,
                tilt_deg: depression as f32 + 4.0 * spread(n, 3),
                heading_deg: 70.0 * spread(n, 5),
                hfov_deg: 55.0,
            };
            let (sin_h, cos_h) = view.heading_deg.to_radians().sin_cos();
            let ahead = slant_m * cos;
            let ground = GroundPoint { east_m: ahead * sin_h, north_m: ahead * cos_h, error_m: 0.0 };
            let size = 1.0 + 0.1 * spread(n, 7);
            let body = Body {
                along_m: body.along_m * size,
                up_m: body.up_m.map(|up| up * size),
                radius_m: body.radius_m * (1.0 + 0.12 * spread(n, 11)),
            };
            let Some(seen) = body.seen(&view, SIZE, &ground, (azimuth as f32 * 10.0).to_radians()) else { continue };
            let jitter = |base: u32, px: f32| px * spread(n, base);
            let bbox = PixelBox { w: seen.bbox.w + jitter(13, 1.5), h: seen.bbox.h + jitter(17, 1.5), ..seen.bbox };
            let blob = Blob {
                area_px: bbox.area() * 0.7,
                centroid: bbox.centre(),
                major_px: seen.major_px + jitter(19, 1.5),
                minor_px: seen.minor_px + jitter(23, 1.0),
                angle_rad: seen.angle_rad + jitter(29, 0.1),
                contrast_sigma: 8.0,
                score: 0.9,
                body_like: true,
            };
            let track = track(bbox, has_blob.then_some(blob), 0.0);
            let posture =
                judge(&PostureInput { track: &track, size: SIZE, view: Some(&view), learnt_upright_px: None, joints: None }).posture;
            *counts.entry(format!("{posture:?}")).or_insert(0.0) += 1.0;
            total += 1.0;
        }
    }
    for count in counts.values_mut() {
        *count /= total;
    }
    counts
}

fn part(counts: &BTreeMap<String, f32>, names: &[&str]) -> f32 {
    names.iter().filter_map(|name| counts.get(*name)).sum()
}

#[test]
fn lying_and_standing_are_not_confused() {
    let [standing, _, sitting, _, slumped, lying, curled] = BODIES;
    for has_blob in [true, false] {
        for (from, to) in [(10, 40), (45, 65), (70, 90)] {
            let table = [("standing", standing), ("sitting", sitting), ("slumped", slumped), ("lying", lying), ("curled", curled)]
                .map(|(name, body)| (name, called(body, from, to, has_blob)));
            for (name, row) in &table {
                println!("blob {has_blob:5} {from:2}–{to:2}° {name:9} {row:.2?}");
            }
            let [standing, sitting, _, lying, curled] = table.map(|(_, row)| row);
            assert!(part(&standing, &["Lying", "Curled"]) <= 0.01, "standing called lying: {standing:?}");
            // A bar without arms or legs along the line of sight is as long there as one who stands; of rendered bodies none is called so.
            let upright_max = if (from, to) == (45, 65) { 0.06 } else { 0.02 };
            assert!(part(&lying, &["Standing", "Walking"]) <= upright_max, "lying called standing: {lying:?}");
            assert!(part(&curled, &["Standing", "Walking"]) <= 0.05, "curled called standing: {curled:?}");
            if (from, to) == (10, 40) {
                assert!(part(&standing, &["Standing"]) >= 0.80, "{standing:?}");
                assert!(part(&lying, &["Lying", "Curled", "Slumped"]) >= 0.80, "{lying:?}");
                // The others may as well be down: unknown.
                assert!(part(&sitting, &["Sitting"]) >= 0.55 && part(&sitting, &["Standing"]) <= 0.02, "{sitting:?}");
                assert!(part(&sitting, &["Lying", "Curled", "Slumped"]) <= 0.05, "sitting called down: {sitting:?}");
            }
            if (from, to) == (70, 90) {
                assert!(part(&lying, &["Lying", "Curled", "Slumped"]) >= 0.90, "{lying:?}");
            }
        }
    }
}

/// A figure of balls that knows nothing of the capsules above: legs, hips, shoulders, head. (Along the body, sideways, radius), metres.
fn figure() -> Vec<(f32, f32, f32)> {
    let mut balls = vec![(0.92, 0.0, 0.17), (1.62, 0.0, 0.11)];
    for side in [-0.1, 0.1] {
        balls.extend((0..9).map(|n| (0.08 + 0.1 * n as f32, side, 0.085)));
        balls.extend((0..6).map(|n| (0.95 + 0.09 * n as f32, side * 1.3, 0.14)));
    }
    balls
}

/// Box and blob of the figure upright or lying at an azimuth: its balls painted pixel by pixel.
fn painted(view: &CameraView, ground: &GroundPoint, upright: bool, azimuth: f32, stature: f32) -> Option<(PixelBox, Blob)> {
    let (sin_a, cos_a) = azimuth.sin_cos();
    let focal_px = view.focal_px(SIZE);
    let mut discs = Vec::new();
    for (along, side, radius) in figure() {
        let (along, side) = (along * stature, side * stature);
        let (forward, up) = if upright { (0.0, along) } else { (along - 0.85 * stature, 0.16) };
        let point = GroundPoint {
            east_m: ground.east_m + forward * sin_a + side * cos_a,
            north_m: ground.north_m + forward * cos_a - side * sin_a,
            error_m: 0.0,
        };
        let at = view.pixel_from_ground(&point, up, SIZE)?;
        let slant_m = point.east_m.hypot(point.north_m).hypot(view.height_m - up);
        discs.push((at, focal_px * radius / slant_m));
    }
    let (mut n, mut sum, mut sum_sq, mut sum_xy) = (0.0f64, [0.0f64; 2], [0.0f64; 2], 0.0f64);
    let mut corners = [f32::MAX, f32::MAX, f32::MIN, f32::MIN];
    let reach = |pick: fn(&PixelPoint) -> f32, most: u32| {
        let from = discs.iter().map(|(at, r)| pick(at) - r).fold(f32::MAX, f32::min).max(0.0) as u32;
        let to = discs.iter().map(|(at, r)| pick(at) + r).fold(0.0, f32::max) as u32 + 1;
        from..to.min(most)
    };
    for y in reach(|at| at.y, SIZE.height) {
        for x in reach(|at| at.x, SIZE.width) {
            let (px, py) = (x as f32 + 0.5, y as f32 + 0.5);
            if discs.iter().any(|(at, r)| (at.x - px).hypot(at.y - py) <= *r) {
                n += 1.0;
                sum = [sum[0] + f64::from(px), sum[1] + f64::from(py)];
                sum_sq = [sum_sq[0] + f64::from(px).powi(2), sum_sq[1] + f64::from(py).powi(2)];
                sum_xy += f64::from(px) * f64::from(py);
                corners = [corners[0].min(px - 0.5), corners[1].min(py - 0.5), corners[2].max(px + 0.5), corners[3].max(py + 0.5)];
            }
        }
    }
    if n < 50.0 {
        return None;
    }
    let (mx, my) = (sum[0] / n, sum[1] / n);
    let (xx, yy, xy) = (sum_sq[0] / n - mx * mx, sum_sq[1] / n - my * my, sum_xy / n - mx * my);
    let root = (((xx - yy) / 2.0).powi(2) + xy * xy).sqrt();
    let (large, small) = (f64::midpoint(xx, yy) + root, f64::midpoint(xx, yy) - root);
    let blob = Blob {
        area_px: n as f32,
        centroid: PixelPoint { x: mx as f32, y: my as f32 },
        major_px: (4.0 * large.sqrt()) as f32,
        minor_px: (4.0 * small.max(0.0).sqrt()) as f32,
        angle_rad: (0.5 * (2.0 * xy).atan2(xx - yy)) as f32,
        contrast_sigma: 8.0,
        score: 0.9,
        body_like: true,
    };
    Some((PixelBox::from_corners(corners[0], corners[1], corners[2], corners[3]), blob))
}

#[test]
fn a_figure_of_other_make_is_judged_alike() {
    let mut failures = Vec::new();
    for (has_blob, least_right) in [(true, 0.75), (false, 0.65)] {
        for (upright, from, to) in [(true, 10, 40), (false, 10, 40), (false, 70, 90)] {
            let (mut wrong, mut right, mut total, mut n) = (0.0, 0.0, 0.0, 0);
            for depression in (from..=to).step_by(5) {
                for azimuth in (0..180).step_by(3) {
                    n += 1;
                    let (sin, cos) = (depression as f32).to_radians().sin_cos();
                    let slant_m = 16.0 + 6.0 * spread(n, 2);
                    let view = CameraView {
                        height_m: slant_m * sin,
                        tilt_deg: depression as f32 + 4.0 * spread(n, 3),
                        heading_deg: 0.0,
                        hfov_deg: 55.0,
                    };
                    let ground = GroundPoint { east_m: 0.0, north_m: slant_m * cos, error_m: 0.0 };
                    let Some((bbox, blob)) = painted(&view, &ground, upright, (azimuth as f32).to_radians(), 1.0 + 0.06 * spread(n, 7))
                    else {
                        continue;
                    };
                    let track = track(bbox, has_blob.then_some(blob), 0.0);
                    let posture =
                        judge(&PostureInput { track: &track, size: SIZE, view: Some(&view), learnt_upright_px: None, joints: None })
                            .posture;
                    total += 1.0;
                    right += f32::from(u8::from(if upright { posture == Posture::Standing } else { posture.is_down() }));
                    wrong += f32::from(u8::from(if upright { posture.is_down() } else { posture == Posture::Standing }));
                }
            }
            println!(
                "figure blob {has_blob:5} upright {upright:5} {from}–{to}°: right {:.3} wrong {:.3} of {total}",
                right / total,
                wrong / total
            );
            if wrong / total > if upright { 0.01 } else { 0.02 } || right / total < least_right {
                failures.push((has_blob, upright, from, right / total, wrong / total));
            }
        }
    }
    assert!(failures.is_empty(), "blob, upright, from °, right, wrong: {failures:?}");
}

#[test]
fn small_cut_or_walking_bodies() {
    let view = CameraView { height_m: 6.0, tilt_deg: 25.0, heading_deg: 0.0, hfov_deg: 60.0 };
    let judged = |bbox, speed| {
        judge(&PostureInput { track: &track(bbox, None, speed), size: SIZE, view: Some(&view), learnt_upright_px: None, joints: None })
    };
    assert_eq!(judged(PixelBox::new(600.0, 300.0, 6.0, 13.0), 0.0).posture, Posture::Unknown);
    assert_eq!(judged(PixelBox::new(600.0, 640.0, 60.0, 80.0), 0.0).why, "cut-by-edge");
    assert_eq!(judged(PixelBox::new(600.0, 300.0, 40.0, 140.0), 120.0).posture, Posture::Walking);
}

#[test]
fn without_a_view_the_learnt_height_or_the_outline_speak() {
    let judged = |w, h, upright: Option<f32>| {
        let track = track(PixelBox::new(600.0, 300.0, w, h), None, 0.0);
        let learnt_upright_px = upright.map(|height| UprightPx { height, sigma: 0.08 * height });
        judge(&PostureInput { track: &track, size: SIZE, view: None, learnt_upright_px, joints: None })
    };
    // Near the height at which one begins to stand, a look counts for less.
    assert!(judged(30.0, 82.0, Some(100.0)).confidence < judged(30.0, 98.0, Some(100.0)).confidence - 0.2);
    assert_eq!(judged(30.0, 100.0, Some(100.0)).posture, Posture::Standing);
    assert_eq!(judged(95.0, 30.0, Some(100.0)).posture, Posture::Lying);
    assert_eq!(judged(45.0, 62.0, Some(100.0)).posture, Posture::Sitting);
    assert_eq!(judged(45.0, 35.0, Some(100.0)).posture, Posture::Curled);
    let guess = judged(95.0, 40.0, None);
    assert!(guess.posture == Posture::Lying && guess.confidence <= 0.5);
    assert_eq!(judged(30.0, 90.0, None).posture, Posture::Standing);
    assert_eq!(judged(60.0, 70.0, None).posture, Posture::Unknown);
}

/// Rendered: somebody on his back, head away from the camera, elbows out; as wide as high, as one who bends down is for a moment.
#[test]
fn who_has_not_moved_for_a_minute_is_not_bent() {
    let view = CameraView { height_m: 7.74, tilt_deg: 24.6, heading_deg: 0.0, hfov_deg: 56.9 };
    let bbox = PixelBox::new(528.27, 323.46, 44.68, 46.23);
    let blob = Blob {
        area_px: 824.0,
        centroid: PixelPoint { x: 551.50, y: 343.54 },
        major_px: 41.33,
        minor_px: 34.70,
        angle_rad: 1.174,
        contrast_sigma: 20.6,
        score: 0.84,
        body_like: true,
    };
    let judged = |still_s: f64| {
        let seen =
            Track { last_seen: MediaTime::from_secs_f64(still_s), still_since: Some(MediaTime::ZERO), ..track(bbox, Some(blob), 0.0) };
        let input =
            PostureInput { track: &seen, size: PictureSize::new(640, 512), view: Some(&view), learnt_upright_px: None, joints: None };
        judge(&input)
    };
    assert_eq!((judged(30.0).posture, judged(30.0).why), (Posture::Unknown, SITTING_OR_DOWN));
    assert_eq!(judged(60.0).posture, Posture::Lying);
}
