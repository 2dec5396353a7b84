//! Views of one turning camera are found in one another, and nowhere else.

use patrol_core::{CameraView, MediaTime, Picture, PictureSize, PixelFormat, PixelPoint, WallEstimate, WallTime};
use patrol_vision::ViewMap;

const SIZE: PictureSize = PictureSize::new(320, 256);
const HOME: CameraView = CameraView { height_m: 7.0, tilt_deg: 28.0, heading_deg: 0.0, hfov_deg: 60.0 };

/// Discs of some levels all around the camera, the later ones before the earlier: degrees to the right, degrees down, radius, level.
fn surroundings(seed: u64) -> Vec<(f64, f64, f64, u8)> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = |low: f64, high: f64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        low + (high - low) * (state % 65_536) as f64 / 65_536.0
    };
    (0..700).map(|_| (next(-180.0, 180.0), next(-30.0, 90.0), next(1.0, 6.0), next(40.0, 200.0) as u8)).collect()
}

/// Degrees to the right and down of what `pixel` shows.
fn ray(view: &CameraView, pixel: PixelPoint) -> (f64, f64) {
    let focal = f64::from(view.focal_px(SIZE));
    let (right, below) = (f64::from(pixel.x - 160.0) / focal, f64::from(pixel.y - 128.0) / focal);
    let (sin, cos) = f64::from(view.tilt_deg).to_radians().sin_cos();
    let (ahead, down) = (cos - below * sin, sin + below * cos);
    (f64::from(view.heading_deg) + right.atan2(ahead).to_degrees(), down.atan2(ahead.hypot(right)).to_degrees())
}

fn seen(view: &CameraView, discs: &[(f64, f64, f64, u8)]) -> Picture {
    let level = |x: u32, y: u32| {
        let (right, down) = ray(view, PixelPoint { x: x as f32, y: y as f32 });
        let shown = discs.iter().rev().find(|(at, below, radius, _)| {
            let aside = ((right - at + 540.0).rem_euclid(360.0) - 180.0) * down.to_radians().cos();
            aside.hypot(down - below) < *radius
        });
        shown.map_or(90, |disc| disc.3)
    };
    let pixels = (0..SIZE.height).flat_map(|y| (0..SIZE.width).map(move |x| (x, y))).map(|(x, y)| level(x, y)).collect();
    let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
    Picture::from_planes(SIZE, PixelFormat::Gray8, vec![pixels], 0, MediaTime::ZERO, captured).expect("a picture")
}

fn map(view: &CameraView, seed: u64) -> ViewMap {
    ViewMap::take(&seen(view, &surroundings(seed))).expect("large enough")
}

#[test]
fn a_view_turned_by_36_degrees_is_found_where_it_is_known_how_the_first_looks() {
    for seed in 1..=2 {
        let turned = CameraView { heading_deg: 36.0, tilt_deg: 32.0, hfov_deg: 45.0, ..HOME };
        let (home, other) = (map(&HOME, seed), map(&turned, seed));
        let to_home = home.relate(&other, Some(&HOME)).expect("they share a quarter");
        // In the left third of the turned view, which both show, and where only the turned one looks.
        for (x, y) in [(30.0, 60.0), (60.0, 125.0), (30.0, 200.0), (200.0, 60.0), (290.0, 200.0)] {
            let pixel = PixelPoint { x, y };
            let at = ray(&HOME, to_home.point(pixel).expect("in front"));
            let wanted = ray(&turned, pixel);
            assert!((at.0 - wanted.0).hypot(at.1 - wanted.1) < 0.4, "seed {seed}, {pixel:?}: {at:?} for {wanted:?}");
        }
    }
}

#[test]
fn views_that_share_nothing_are_not_related() {
    for seed in 1..=2 {
        let away = CameraView { heading_deg: 110.0, ..HOME };
        assert_eq!(map(&HOME, seed).relate(&map(&away, seed), Some(&HOME)), None, "elsewhere, seed {seed}");
        assert_eq!(map(&HOME, seed).relate(&map(&HOME, seed + 10), Some(&HOME)), None, "another street, seed {seed}");
    }
}

/// Through a wide lens a corner of the turned view lies behind the first one's picture: half of its people would be told where they are not.
#[test]
fn a_view_that_lies_behind_the_other_in_part_is_not_related() {
    let wide = CameraView { hfov_deg: 90.0, ..HOME };
    let turned = CameraView { heading_deg: -54.0, ..wide };
    assert_eq!(map(&wide, 1).relate(&map(&turned, 1), Some(&wide)), None);
}
