//! Cameras that stand still while much goes on before them, and cameras that move, with known truth.

use patrol_core::{MediaTime, Picture, PictureSize, PictureTransform, PixelBox, PixelFormat, PixelPoint, WallEstimate, WallTime};
use patrol_vision::{CameraMotion, Motion, MotionKind};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const THERMAL: PictureSize = PictureSize::new(640, 512);
const FULL_HD: PictureSize = PictureSize::new(1920, 1080);

/// Ground that goes on for ever: grey levels of smooth noise in three sizes, and the edges of paving.
fn ground(x: f32, y: f32) -> f32 {
    let noise = |x: f32, y: f32, salt: u32| {
        let (i, j, u, v) = (x.floor() as i32, y.floor() as i32, x - x.floor(), y - y.floor());
        let at = |i: i32, j: i32| {
            let mut z = (i as u32).wrapping_mul(0x9e37_79b1) ^ (j as u32).wrapping_mul(0x85eb_ca77) ^ salt.wrapping_mul(0xc2b2_ae3d);
            z = (z ^ (z >> 15)).wrapping_mul(0x2c1b_3c6d);
            z = (z ^ (z >> 12)).wrapping_mul(0x297a_2d39);
            (z >> 16) as f32 / 32_768.0 - 1.0
        };
        let (u, v) = (u * u * (3.0 - 2.0 * u), v * v * (3.0 - 2.0 * v));
        (at(i, j) * (1.0 - u) + at(i + 1, j) * u) * (1.0 - v) + (at(i, j + 1) * (1.0 - u) + at(i + 1, j + 1) * u) * v
    };
    110.0 + 22.0 * noise(x / 80.0, y / 80.0, 1) + 14.0 * noise(x / 25.0, y / 25.0, 2) + 8.0 * noise(x / 9.0, y / 9.0, 3)
}

/// What a camera shows: the ground under `ground_from_picture`, with sensor noise and whatever is painted over it.
struct Scene {
    size: PictureSize,
    rng: ChaCha8Rng,
    noise: f32,
}

impl Scene {
    fn new(size: PictureSize, noise: f32) -> Self {
        Self { size, rng: ChaCha8Rng::seed_from_u64(7), noise }
    }

    fn levels(&mut self, picture_from_ground: &PictureTransform) -> Vec<f32> {
        let ground_from_picture = picture_from_ground.inverse().expect("sound");
        // Sizes of structure go with the picture: 1080p shows the same street in more pixels.
        let zoom = self.size.width as f32 / 640.0;
        let (w, h) = (self.size.width as usize, self.size.height as usize);
        let mut levels = Vec::with_capacity(w * h);
        for y in 0..h {
            for x in 0..w {
                let at = ground_from_picture.point(PixelPoint { x: x as f32 + 0.5, y: y as f32 + 0.5 }).expect("in view");
                levels.push(ground(at.x / zoom, at.y / zoom));
            }
        }
        levels
    }

    /// Rounds after adding noise.
    fn shoot(&mut self, levels: &[f32], format: PixelFormat, at_s: f64) -> Picture {
        let (mut bytes, noise) = (Vec::new(), self.noise);
        for &level in levels {
            // Sum of twelve: a normal deviate.
            let deviate: f32 = if noise > 0.0 { (0..12).map(|_| self.rng.random::<f32>()).sum::<f32>() - 6.0 } else { 0.0 };
            let level = level + noise * deviate;
            if format == PixelFormat::Gray16Le {
                bytes.extend(((21_000.0 + 6.0 * level) as u16).to_le_bytes());
            } else {
                bytes.push(level.round().clamp(0.0, 255.0) as u8);
            }
        }
        let mut planes = vec![bytes];
        for plane in 1..format.planes() {
            let (row, rows) = format.plane_extent(plane, self.size);
            planes.push(vec![128; row * rows]);
        }
        let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
        Picture::from_planes(self.size, format, planes, 0, MediaTime::from_secs_f64(at_s), captured).expect("good")
    }
}

fn paint(levels: &mut [f32], size: PictureSize, bbox: &PixelBox, level: impl Fn(f32, f32) -> f32) {
    let inside = bbox.clipped(size);
    for y in inside.y as usize..inside.bottom() as usize {
        for x in inside.x as usize..inside.right() as usize {
            levels[y * size.width as usize + x] = level(x as f32 - bbox.x, y as f32 - bbox.y);
        }
    }
}

/// The most that nine points of the picture are carried wrongly, pixels.
fn error_px(found: &PictureTransform, truth: &PictureTransform, size: PictureSize) -> f32 {
    let mut worst = 0.0_f32;
    for part_x in [0.1, 0.5, 0.9] {
        for part_y in [0.1, 0.5, 0.9] {
            let at = PixelPoint { x: part_x * size.width as f32, y: part_y * size.height as f32 };
            let (a, b) = (found.point(at).expect("in view"), truth.point(at).expect("in view"));
            worst = worst.max((a.x - b.x).hypot(a.y - b.y));
        }
    }
    worst
}

fn centre(size: PictureSize) -> PixelPoint {
    PixelPoint { x: size.width as f32 / 2.0, y: size.height as f32 / 2.0 }
}

fn moved_between(size: PictureSize, format: PixelFormat, noise: f32, truth: &PictureTransform) -> Motion {
    let mut scene = Scene::new(size, noise);
    let mut motion = CameraMotion::new();
    let levels = scene.levels(&PictureTransform::IDENTITY);
    motion.estimate(&scene.shoot(&levels, format, 0.0), &[]);
    let levels = scene.levels(truth);
    motion.estimate(&scene.shoot(&levels, format, 0.5), &[])
}

#[test]
fn shifts_turns_and_zooms_are_found_to_a_pixel() {
    let about = centre(THERMAL);
    let tilted = [[1.0, 0.01, 6.0], [0.0, 1.02, -9.0], [2e-5, 6e-5, 1.0]];
    for (what, truth) in [
        ("two pixels", PictureTransform::shift(2.0, -1.3)),
        ("a pan", PictureTransform::shift(-37.4, 11.2)),
        ("a fast pan", PictureTransform::shift(150.0, -60.0)),
        ("a turn", PictureTransform::similarity(1.0, 0.07, about, (0.0, 0.0))),
        ("a turn and a shift", PictureTransform::similarity(1.0, -0.09, about, (40.0, 25.0))),
        ("a zoom", PictureTransform::similarity(1.08, 0.0, about, (0.0, 0.0))),
        ("a climb with a turn", PictureTransform::similarity(0.93, 0.04, about, (-12.0, 8.0))),
        ("a flight ahead, seen at a slant", PictureTransform::homography(tilted).expect("sound")),
    ] {
        for noise in [0.0, 6.0] {
            let motion = moved_between(THERMAL, PixelFormat::Gray8, noise, &truth);
            let error = error_px(&motion.now_from_before, &truth, THERMAL);
            assert_eq!(motion.kind, MotionKind::Moved, "{what}, noise {noise}");
            assert!(error < 1.0, "{what}, noise {noise}: {error} px, {} points", motion.inliers);
        }
    }
}

/// A thermal camera that flies over something hot sets its gain anew at once, not little by little.
#[test]
fn a_moving_camera_whose_gain_changes_is_followed() {
    for (gain, offset) in [(1.0, -28.0), (1.0, 40.0), (1.6, -60.0), (0.5, 20.0), (0.6, 80.0)] {
        for (x, y) in [(4.0, 28.0), (-22.0, 17.0), (-60.0, 30.0)] {
            let (mut scene, mut motion) = (Scene::new(THERMAL, 2.0), CameraMotion::new());
            let mut look = |number: u32, gain: f32, offset: f32| {
                let levels = scene.levels(&PictureTransform::shift(x * f64::from(number), y * f64::from(number)));
                let levels: Vec<f32> = levels.iter().map(|level| level * gain + offset).collect();
                motion.estimate(&scene.shoot(&levels, PixelFormat::Gray8, f64::from(number)), &[])
            };
            for number in 0..3 {
                look(number, 1.0, 0.0);
            }
            for number in 3..5 {
                let found = look(number, gain, offset);
                assert_eq!(found.kind, MotionKind::Moved, "gain {gain}, offset {offset}, {x}, {y}");
                let error = error_px(&found.now_from_before, &PictureTransform::shift(x, y), THERMAL);
                assert!(error < 1.5, "gain {gain}, offset {offset}, {x}, {y}: {error} px");
            }
        }
    }
}

/// A camera that tilts down sees less of the dark sky: the picture is brighter as a whole, and its light is the same.
#[test]
fn a_camera_that_tilts_away_from_the_sky_is_followed() {
    let (mut scene, mut motion) = (Scene::new(THERMAL, 2.0), CameraMotion::new());
    for number in 0..8_u32 {
        let gone = 25.0 * f64::from(number);
        let mut levels = scene.levels(&PictureTransform::shift(0.0, -gone));
        let sky = PixelBox::new(0.0, 0.0, 640.0, (165.0 - gone as f32).max(0.0));
        paint(&mut levels, THERMAL, &sky, |_, _| 30.0);
        let found = motion.estimate(&scene.shoot(&levels, PixelFormat::Gray8, f64::from(number)), &[]);
        if number > 0 {
            let error = error_px(&found.now_from_before, &PictureTransform::shift(0.0, -25.0), THERMAL);
            assert!(found.kind == MotionKind::Moved && error < 1.5, "look {number}: {found:?}, {error} px");
        }
    }
}

#[test]
fn every_format_and_size_gives_the_same_motion() {
    let truth = PictureTransform::similarity(1.01, 0.02, centre(FULL_HD), (33.0, -20.0));
    let motion = moved_between(FULL_HD, PixelFormat::I420, 3.0, &truth);
    assert!(motion.kind == MotionKind::Moved && error_px(&motion.now_from_before, &truth, FULL_HD) < 2.0, "{motion:?}");
    let truth = PictureTransform::shift(14.0, -9.0);
    let motion = moved_between(THERMAL, PixelFormat::Gray16Le, 1.0, &truth);
    assert!(motion.kind == MotionKind::Moved && error_px(&motion.now_from_before, &truth, THERMAL) < 1.0, "{motion:?}");
}

#[test]
fn the_same_pictures_give_the_same_motion_to_the_last_bit() {
    let truth = PictureTransform::similarity(0.98, 0.05, centre(THERMAL), (21.0, 5.0));
    let motions: Vec<Motion> = (0..3).map(|_| moved_between(THERMAL, PixelFormat::Gray8, 6.0, &truth)).collect();
    assert!(motions.iter().all(|motion| *motion == motions[0]) && motions[0].inliers > 0, "{motions:?}");
}

/// A slow pan is less than can be told from one picture to the next, and adds up.
#[test]
fn a_slow_pan_is_not_lost_in_small_steps() {
    let mut scene = Scene::new(THERMAL, 3.0);
    let mut motion = CameraMotion::new();
    let mut found = PictureTransform::IDENTITY;
    let speed = 0.12;
    for look in 0..250_u32 {
        let levels = scene.levels(&PictureTransform::shift(speed * f64::from(look), 0.0));
        let moved = motion.estimate(&scene.shoot(&levels, PixelFormat::Gray8, f64::from(look) / 25.0), &[]);
        assert_ne!(moved.kind, MotionKind::Unknown, "look {look}");
        found = found.then(&moved.now_from_before);
        let error = error_px(&found, &PictureTransform::shift(speed * f64::from(look), 0.0), THERMAL);
        assert!(error < 3.0, "look {look}: {error} px");
    }
}

/// People and cars that move do not make the camera move, nor hide that it does.
#[test]
fn what_moves_before_the_camera_is_not_the_camera() {
    for pan in [0.0, 6.5] {
        let mut scene = Scene::new(THERMAL, 4.0);
        let mut motion = CameraMotion::new();
        for look in 0..20_u32 {
            let camera = PictureTransform::shift(pan * f64::from(look), 0.0);
            let mut levels = scene.levels(&camera);
            let went = 9.0 * look as f32;
            // A bus, a car and three walkers: a third of the picture.
            // Windows, people and advertisements: strong, and nowhere the same.
            let panels = |x: f32, y: f32| if ground(7.3 * (x / 14.0).floor(), 5.1 * (y / 21.0).floor()) > 110.0 { 190.0 } else { 60.0 };
            let boxes = [
                PixelBox::new(-120.0 + went, 180.0, 330.0, 150.0),
                PixelBox::new(620.0 - 2.0 * went, 370.0, 180.0, 90.0),
                PixelBox::new(100.0 + 0.3 * went, 90.0, 16.0, 44.0),
                PixelBox::new(400.0 - 0.3 * went, 110.0, 16.0, 44.0),
                PixelBox::new(520.0, 400.0 - 0.3 * went, 18.0, 48.0),
            ];
            for bbox in &boxes {
                paint(&mut levels, THERMAL, bbox, panels);
            }
            let moved = motion.estimate(&scene.shoot(&levels, PixelFormat::Gray8, 0.5 * f64::from(look)), &boxes[2..]);
            if look == 0 || pan == 0.0 {
                assert_eq!(moved.kind, MotionKind::Still, "pan {pan}, look {look}");
            } else {
                let error = error_px(&moved.now_from_before, &PictureTransform::shift(pan, 0.0), THERMAL);
                assert!(moved.kind == MotionKind::Moved && error < 1.5, "pan {pan}, look {look}: {error} px, {moved:?}");
            }
        }
    }
}

#[test]
fn a_standing_camera_stands_in_noise_snow_and_changing_light() {
    let mut scene = Scene::new(THERMAL, 6.0);
    let mut motion = CameraMotion::new();
    let street = scene.levels(&PictureTransform::IDENTITY);
    for look in 0..60_u32 {
        // AGC: contrast and brightness step every few looks, as when a warm car comes in.
        let (gain, offset) = [(1.0, 0.0), (1.35, -45.0), (0.7, 30.0), (1.0, 25.0)][look as usize / 5 % 4];
        let mut levels: Vec<f32> = street.iter().map(|level| level * gain + offset).collect();
        for _ in 0..[0, 250, 700][look as usize / 20] {
            let side = scene.rng.random_range(2.0..7.0);
            let flake = PixelBox::new(scene.rng.random_range(0.0..630.0), scene.rng.random_range(0.0..500.0), side, side);
            paint(&mut levels, THERMAL, &flake, |_, _| 235.0);
        }
        let moved = motion.estimate(&scene.shoot(&levels, PixelFormat::Gray8, 0.4 * f64::from(look)), &[]);
        // In a blizzard that hides the ground nothing is known; that is no motion either.
        let blizzard = look >= 40 && moved.kind == MotionKind::Unknown;
        assert!(blizzard || moved.kind == MotionKind::Still, "look {look}: {moved:?}");
        assert_eq!(moved.now_from_before, PictureTransform::IDENTITY);
    }
    assert!(!motion.is_mover(MediaTime::from_secs_f64(30.0)));
}

#[test]
fn a_scene_without_structure_stands_still() {
    let mut scene = Scene::new(THERMAL, 6.0);
    let mut motion = CameraMotion::new();
    for look in 0..30_u32 {
        // Snow-covered ground at night, in a slowly changing light, and one who walks over it.
        let mut levels: Vec<f32> = (0..640 * 512).map(|index| 60.0 + 20.0 * (index / 640) as f32 / 512.0 + 0.3 * look as f32).collect();
        paint(&mut levels, THERMAL, &PixelBox::new(200.0 + 8.0 * look as f32, 200.0, 14.0, 36.0), |_, _| 220.0);
        let moved = motion.estimate(&scene.shoot(&levels, PixelFormat::Gray8, 0.5 * f64::from(look)), &[]);
        assert_eq!(moved.kind, MotionKind::Still, "look {look}");
    }
}

#[test]
fn a_cut_to_another_place_is_unknown_and_the_next_picture_begins_anew() {
    let mut scene = Scene::new(THERMAL, 3.0);
    let mut motion = CameraMotion::new();
    let mut shoot = |motion: &mut CameraMotion, place: f64, at_s: f64| {
        let levels = scene.levels(&PictureTransform::shift(place, 0.0));
        motion.estimate(&scene.shoot(&levels, PixelFormat::Gray8, at_s), &[])
    };
    assert_eq!(shoot(&mut motion, 0.0, 0.0).kind, MotionKind::Still);
    assert_eq!(shoot(&mut motion, 5000.0, 1.0).kind, MotionKind::Unknown);
    let moved = shoot(&mut motion, 5012.0, 2.0);
    let error = error_px(&moved.now_from_before, &PictureTransform::shift(12.0, 0.0), THERMAL);
    assert!(moved.kind == MotionKind::Moved && error < 1.0, "{moved:?}");
    let (soon, later) = (MediaTime::from_secs_f64(10.0), MediaTime::from_secs_f64(100.0));
    assert!(!motion.is_mover(soon), "a gust makes no drone of a mast");
    for (place, at_s) in [(5024.0, 3.0), (5036.0, 4.0)] {
        assert_eq!(shoot(&mut motion, place, at_s).kind, MotionKind::Moved);
    }
    assert!(motion.is_mover(soon) && !motion.is_mover(later));
}

#[test]
fn another_size_is_unknown() {
    let mut motion = CameraMotion::new();
    for (size, kind) in [(THERMAL, MotionKind::Still), (PictureSize::new(320, 256), MotionKind::Unknown)] {
        let mut scene = Scene::new(size, 0.0);
        let levels = scene.levels(&PictureTransform::IDENTITY);
        assert_eq!(motion.estimate(&scene.shoot(&levels, PixelFormat::Gray8, 0.0), &[]).kind, kind);
    }
    // Too small for a single block: nothing can be said, and nothing breaks.
    let mut tiny = Scene::new(PictureSize::new(12, 9), 5.0);
    for look in 0..4_u32 {
        let levels = tiny.levels(&PictureTransform::shift(3.0 * f64::from(look), 0.0));
        motion.estimate(&tiny.shoot(&levels, PixelFormat::Gray8, f64::from(look)), &[]);
    }
}

/// Burnt-in text stands still in the picture of a drone that flies on.
#[test]
fn burnt_in_text_does_not_hold_a_moving_camera_still() {
    let mut scene = Scene::new(THERMAL, 3.0);
    let mut motion = CameraMotion::new();
    let text = [PixelBox::new(10.0, 8.0, 620.0, 24.0), PixelBox::new(10.0, 480.0, 300.0, 24.0), PixelBox::new(300.0, 236.0, 40.0, 40.0)];
    for look in 0..12_u32 {
        let mut levels = scene.levels(&PictureTransform::shift(-11.0 * f64::from(look), 4.0 * f64::from(look)));
        for bbox in &text {
            paint(&mut levels, THERMAL, bbox, |x, y| if (x / 6.0) as i32 % 3 == 0 || (y / 8.0) as i32 % 2 == 0 { 250.0 } else { 10.0 });
        }
        let moved = motion.estimate(&scene.shoot(&levels, PixelFormat::Gray8, 0.2 * f64::from(look)), &[]);
        let error = error_px(&moved.now_from_before, &PictureTransform::shift(-11.0, 4.0), THERMAL);
        assert!(look == 0 || (moved.kind == MotionKind::Moved && error < 1.5), "look {look}: {error} px, {moved:?}");
    }
}
