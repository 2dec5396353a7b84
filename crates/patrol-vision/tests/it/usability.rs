//! Pictures in which nobody could be seen are refused; hard but usable ones are not. Evidence can be opened again.

use crate::scene::{Pose, SIZE, Street, picture, sized};
use patrol_core::{Picture, PictureSize, PixelBox, PixelFormat, UnusableKind};
use patrol_vision::{UsabilityGuard, jpeg};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn grey(value: impl Fn(f32, f32, &mut ChaCha8Rng) -> f32, seed: u64) -> Picture {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let pixels = (0..SIZE.width * SIZE.height)
        .map(|i| value((i % SIZE.width) as f32, (i / SIZE.width) as f32, &mut random).clamp(0.0, 255.0) as u8)
        .collect();
    picture(PixelFormat::Gray8, vec![pixels])
}

fn noise(random: &mut ChaCha8Rng, sigma: f32) -> f32 {
    ((0..4).map(|_| random.random::<f32>()).sum::<f32>() - 2.0) * sigma * 1.732
}

/// Blocks of a street: sharp edges 40 grey levels high.
fn blocks(x: f32, y: f32) -> f32 {
    90.0 + 40.0 * f32::from(u8::from((x / 57.0) as u32 % 2 == (y / 43.0) as u32 % 2))
}

fn check(picture: &Picture, wanted: Option<UnusableKind>, what: &str) {
    assert_eq!(UsabilityGuard::new().judge(picture), wanted, "{what}");
}

#[test]
fn nothing_to_see_is_refused() {
    check(&grey(|_, _, r| 17.0 + noise(r, 1.5), 1), Some(UnusableKind::Dark), "black");
    check(&grey(|_, _, r| 120.0 + noise(r, 2.0), 1), Some(UnusableKind::Covered), "a bag over the lens");
    let time = |x: f32, y: f32, r: &mut ChaCha8Rng| {
        if y < 30.0 && x < 200.0 && (x as u32 / 6).is_multiple_of(2) { 235.0 } else { 120.0 + noise(r, 1.0) }
    };
    check(&grey(time, 1), Some(UnusableKind::Covered), "a bag, with the time burnt in");
    // An edge smeared over 70 pixels.
    let smeared = |x: f32, _: f32, r: &mut ChaCha8Rng| {
        120.0 + 80.0 * ((x - 320.0) / 35.0).tanh() + 60.0 * ((x - 120.0) / 35.0).tanh() + noise(r, 0.3)
    };
    check(&grey(smeared, 1), Some(UnusableKind::Blurred), "out of focus");
}

#[test]
fn hard_pictures_are_looked_at() {
    check(&grey(|x, y, r| 20.0 + 0.1 * (blocks(x, y) - 90.0) + noise(r, 6.0), 2), None, "a noisy night");
    check(&grey(|x, y, r| 150.0 + 0.12 * (blocks(x, y) - 90.0) + noise(r, 1.5), 2), None, "fog");
    let lit = |x: f32, y: f32, r: &mut ChaCha8Rng| if (x - 300.0).hypot(y - 200.0) < 20.0 { 90.0 } else { 18.0 + noise(r, 1.0) };
    check(&grey(lit, 2), None, "a lit window in the night");
    let mut street = Street::new(7.0, 25.0);
    street.person(12.0, 0.0, Pose::Lying(50.0), 3.0);
    check(&street.picture(4, 0.05, 3.0, 90.0), None, "a thermal picture of low contrast");
    check(&street.raw(4, 0.05), None, "raw counts");
    check(&Street::new(7.0, 35.0).picture(4, 0.05, 8.0, 90.0), None, "empty ground without sky or wall");
    check(&grey(|x, y, r| blocks(x, y) + noise(r, 1.0), 2), None, "a plain street");
}

#[test]
fn the_third_equal_picture_is_frozen() {
    let mut guard = UsabilityGuard::new();
    let still = grey(|x, y, r| blocks(x, y) + noise(r, 2.0), 3);
    assert_eq!([guard.judge(&still), guard.judge(&still), guard.judge(&still)], [None, None, Some(UnusableKind::Frozen)]);
    assert_eq!(guard.judge(&grey(|x, y, r| blocks(x, y) + noise(r, 2.0), 4)), None, "it runs again");
}

#[test]
fn another_scene_is_guarded_once() {
    let mut guard = UsabilityGuard::new();
    let scene = |shift: f32, seed| grey(move |x, y, r| blocks(x, y) + shift + noise(r, 2.0), seed);
    assert_eq!(guard.judge(&scene(0.0, 1)), None);
    assert_eq!(guard.judge(&scene(2.0, 2)), None, "a small AGC step");
    assert_eq!(guard.judge(&scene(40.0, 3)), Some(UnusableKind::SceneChange));
    assert_eq!(guard.judge(&scene(0.0, 4)), None, "two in a row are weather");
    assert_eq!(guard.judge(&scene(40.0, 5)), None);
    assert_eq!(guard.judge(&scene(40.0, 6)), None, "it holds still");
    assert_eq!(guard.judge(&scene(0.0, 7)), Some(UnusableKind::SceneChange));
}

#[test]
fn a_bus_before_the_camera_is_no_other_scene() {
    let mut guard = UsabilityGuard::new();
    assert_eq!(guard.judge(&grey(|x, y, r| blocks(x, y) + noise(r, 2.0), 1)), None);
    let bus = grey(|x, y, r| if x > 200.0 && y > 150.0 { 220.0 + noise(r, 3.0) } else { blocks(x, y) + noise(r, 2.0) }, 2);
    assert_eq!(guard.judge(&bus), None);
}

#[test]
fn the_whole_picture_carries_its_mark() {
    let street = grey(|x, y, _| blocks(x, y), 1);
    let bytes = jpeg::whole(&street, Some(&PixelBox::new(200.0, 100.0, 120.0, 200.0)), 320, 90).expect("encoded");
    let image = image::load_from_memory(&bytes).expect("a picture").into_rgb8();
    assert_eq!(image.dimensions(), (320, 256));
    let image::Rgb([r, _, b]) = *image.get_pixel(130, 50);
    assert!(r > 180 && b < 130, "the upper edge of the mark: {r} {b}");
    let image::Rgb([r, g, b]) = *image.get_pixel(130, 100);
    assert!(r.abs_diff(g) < 12 && g.abs_diff(b) < 12, "inside the mark nothing is painted");
}

#[test]
fn a_crop_has_its_margin_and_stays_inside() {
    let street = grey(|x, y, _| blocks(x, y), 1);
    let size = |bbox: &PixelBox, margin: f32| {
        image::load_from_memory(&jpeg::crop(&street, bbox, margin, 85).expect("encoded")).expect("a picture").into_rgb8().dimensions()
    };
    assert_eq!(size(&PixelBox::new(200.0, 100.0, 40.0, 100.0), 0.5), (140, 200));
    assert_eq!(size(&PixelBox::new(200.0, 100.0, 10.0, 10.0), 0.5), (58, 58), "at least 24 px around");
    assert_eq!(size(&PixelBox::new(620.0, 500.0, 40.0, 40.0), 0.0), (44, 36), "cut at the corner");
    let outside = jpeg::crop(&street, &PixelBox::new(900.0, 100.0, 10.0, 10.0), 0.0, 85).expect_err("outside").to_string();
    assert!(outside.contains("lies outside of the picture"), "{outside}");
}

#[test]
fn colours_and_raw_counts_survive() {
    let red = sized(PictureSize::new(64, 48), PixelFormat::Rgb8, vec![[200, 30, 40].repeat(64 * 48)]);
    let image = image::load_from_memory(&jpeg::whole(&red, None, 64, 95).expect("encoded")).expect("a picture").into_rgb8();
    let image::Rgb([r, g, b]) = *image.get_pixel(30, 20);
    assert!(r.abs_diff(200) < 6 && g.abs_diff(30) < 6 && b.abs_diff(40) < 6, "{r} {g} {b}");
    let mut street = Street::new(7.0, 25.0);
    let body = street.person(12.0, 0.0, Pose::Standing, 4.0);
    let image =
        image::load_from_memory(&jpeg::crop(&street.raw(1, 0.05), &body, 0.0, 90).expect("encoded")).expect("a picture").into_luma8();
    let centre = image.get_pixel(image.width() / 2, image.height() / 2)[0];
    assert!(centre > image.get_pixel(3, 3)[0] + 30, "the body is brighter than the ground");
}

/// Bars of 8 pixels and a step of colour at 48, reddish, in limited range.
fn bars(width: u32, height: u32, format: PixelFormat) -> Picture {
    let (chroma_width, rows) = (width.div_ceil(2), height.div_ceil(2));
    let luma = (0..width * height).map(|at| bar_luma(at % width)).collect();
    let blue = |at: u32| bar_blue(2 * (at % chroma_width));
    let chroma = || 0..chroma_width * rows;
    let planes = match format {
        PixelFormat::Nv12 => vec![luma, chroma().flat_map(|at| [blue(at), RED]).collect()],
        _ => vec![luma, chroma().map(blue).collect(), vec![RED; chroma().len()]],
    };
    sized(PictureSize::new(width, height), format, planes)
}

const RED: u8 = 170;

fn bar_luma(x: u32) -> u8 {
    60 + (x / 8 % 12 * 8) as u8
}

fn bar_blue(x: u32) -> u8 {
    if x < 48 { 100 } else { 150 }
}

/// What is at column `x` in full range: ITU-R BT.601 up to 576 lines, BT.709 above.
fn bar_rgb(x: u32, height: u32) -> [f64; 3] {
    let (rv, gu, gv, bu) = if height > 576 { (1.7927, 0.2132, 0.5329, 2.1124) } else { (1.5960, 0.3918, 0.8130, 2.0172) };
    let luma = (f64::from(bar_luma(x)) - 16.0) * 255.0 / 219.0;
    let (cb, cr) = (f64::from(bar_blue(x)) - 128.0, f64::from(RED) - 128.0);
    [luma + rv * cr, luma - gu * cb - gv * cr, luma + bu * cb].map(|level| level.clamp(0.0, 255.0))
}

fn levels_off(got: image::Rgb<u8>, wanted: [f64; 3]) -> f64 {
    got.0.iter().zip(wanted).map(|(got, wanted)| (f64::from(*got) - wanted).abs()).fold(0.0, f64::max)
}

/// At the picture's own size and smaller, of odd sizes, up to the last row and column.
#[test]
fn evidence_shows_the_picture_as_it_is() {
    for (width, height, format) in
        [(161, 99, PixelFormat::I420), (160, 90, PixelFormat::Nv12), (704, 576, PixelFormat::I420), (962, 720, PixelFormat::I420)]
    {
        let picture = bars(width, height, format);
        for max_width in [width, width / 2] {
            let bytes = jpeg::whole(&picture, None, max_width, 95).expect("encoded");
            let image = image::load_from_memory(&bytes).expect("a picture").into_rgb8();
            assert_eq!(image.width(), max_width);
            let scale = f64::from(width) / f64::from(max_width);
            // The middles of the bars.
            for (x, y) in (0..10).flat_map(|bar| [0, image.height() / 2, image.height() - 1].map(|y| (bar * 8 + 4, y))) {
                let off = levels_off(*image.get_pixel((f64::from(x) / scale) as u32, y), bar_rgb(x, height));
                assert!(off < 9.0, "{width}×{height} {format:?} as {max_width}, at {x} {y}: {off} levels off");
            }
            let image::Rgb(corner) = *image.get_pixel(max_width - 1, image.height() - 1);
            assert!(corner[0] > 100, "the last column is the picture's: {corner:?}");
        }
    }
}

#[test]
fn a_crop_shows_what_is_in_the_box() {
    for format in [PixelFormat::I420, PixelFormat::Nv12] {
        let picture = bars(161, 99, format);
        let bytes = jpeg::region(&picture, &PixelBox::new(21.0, 33.0, 75.0, 41.0), 95).expect("encoded");
        let image = image::load_from_memory(&bytes).expect("a picture").into_rgb8();
        assert_eq!(image.dimensions(), (75, 41));
        for x in (3..12).map(|bar| bar * 8 + 4) {
            let off = levels_off(*image.get_pixel(x - 21, 20), bar_rgb(x, 99));
            assert!(off < 9.0, "{format:?} at {x}: {off} levels off");
        }
    }
}

#[test]
fn the_mark_is_a_closed_frame_also_at_the_pictures_edge() {
    let street = grey(|_, _, _| 90.0, 1);
    let opened = |bbox: &PixelBox| {
        image::load_from_memory(&jpeg::whole(&street, Some(bbox), SIZE.width, 95).expect("encoded")).expect("a picture").into_rgb8()
    };
    let is_marked = |image: &image::RgbImage, x: u32, y: u32| {
        let image::Rgb([r, _, b]) = *image.get_pixel(x, y);
        r > 150 && b < 110
    };
    let image = opened(&PixelBox::new(200.0, 100.0, 120.0, 200.0));
    for (x, y) in [(200, 200), (319, 200), (260, 100), (260, 299), (200, 100), (319, 299)] {
        assert!(is_marked(&image, x, y), "{x} {y}");
    }
    for (x, y) in [(196, 200), (324, 200), (260, 95), (260, 304), (260, 200), (206, 106)] {
        assert!(!is_marked(&image, x, y), "{x} {y}");
    }
    let image = opened(&PixelBox::new(600.0, 480.0, 100.0, 100.0));
    assert!(is_marked(&image, SIZE.width - 1, SIZE.height - 10) && is_marked(&image, 620, SIZE.height - 1) && is_marked(&image, 600, 500));
    // Smaller than its own line, and without any extent.
    assert!(is_marked(&opened(&PixelBox::new(300.0, 300.0, 1.0, 1.0)), 300, 300));
    assert_eq!(opened(&PixelBox::new(300.0, 300.0, 0.0, 0.0)).dimensions(), (SIZE.width, SIZE.height));
}
