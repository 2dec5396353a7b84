//! What a thermal camera makes of its picture is undone, and nobody is taken for a logo.
//!
//! The palettes, letters and places here are not those that the method was built with.

use crate::scene::{Pose, SIZE, Street, sized};
use patrol_core::{MediaTime, Modality, Picture, PictureSize, PixelBox, PixelFormat, WallEstimate, WallTime};
use patrol_vision::thermal::{Palette, Polarity};
use patrol_vision::{DetectContext, Detector, HotSpot, HotSpotConfig, ThermalConfig, ThermalNormaliser};

const W: usize = SIZE.width as usize;
const H: usize = SIZE.height as usize;

/// A winter street with someone lying and someone standing, each picture with its own noise.
fn street(seed: u64) -> (Vec<u8>, PixelBox) {
    let mut street = Street::new(7.0, 35.0);
    let lying = street.person(11.0, 0.5, Pose::Lying(35.0), 5.0);
    street.person(14.0, -3.0, Pose::Standing, 5.0);
    street.lamp(13.0, 4.0, 2.0, 0.15, 9.0);
    let picture = street.picture(seed, 0.08, 14.0, 70.0);
    ((0..H).flat_map(|y| picture.row(0, y).to_vec()).collect(), lying)
}

/// I420 of BT.601 limited range from red, green and blue per pixel, with its chroma halved as a codec does.
fn i420(size: PictureSize, at_s: f64, rgb: impl Fn(usize, usize) -> [f32; 3]) -> Picture {
    let (w, h) = (size.width as usize, size.height as usize);
    let yuv = |x: usize, y: usize| {
        let [r, g, b] = rgb(x.min(w - 1), y.min(h - 1));
        let luma = 0.299 * r + 0.587 * g + 0.114 * b;
        [16.0 + luma * 0.859, 128.0 + (b - luma) * 0.4957, 128.0 + (r - luma) * 0.6266]
    };
    let mut planes = vec![Vec::new(), Vec::new(), Vec::new()];
    for y in 0..h {
        planes[0].extend((0..w).map(|x| yuv(x, y)[0].round() as u8));
    }
    for y in (0..h).step_by(2) {
        for x in (0..w).step_by(2) {
            let four = [yuv(x, y), yuv(x + 1, y), yuv(x, y + 1), yuv(x + 1, y + 1)];
            for channel in [1, 2] {
                planes[channel].push((four.iter().map(|yuv| yuv[channel]).sum::<f32>() / 4.0).round() as u8);
            }
        }
    }
    let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
    Picture::from_planes(size, PixelFormat::I420, planes, 0, MediaTime::from_secs_f64(at_s), captured).expect("good")
}

fn grey(levels: &[u8], at_s: f64) -> Picture {
    i420(SIZE, at_s, |x, y| [f32::from(levels[y * W + x]); 3])
}

fn levels_of(picture: &Picture) -> Vec<f32> {
    let (w, h) = (picture.size().width as usize, picture.size().height as usize);
    let mut levels = vec![0.0; w * h];
    for (y, row) in levels.chunks_exact_mut(w).enumerate() {
        patrol_vision::luma::row_into(picture, y, row);
    }
    levels
}

fn correlation(a: &[f32], b: &[u8]) -> f32 {
    let n = a.len() as f32;
    let (mean_a, mean_b) = (a.iter().sum::<f32>() / n, b.iter().map(|b| f32::from(*b)).sum::<f32>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, f32::from(*b) - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    ab / (aa * bb).sqrt()
}

fn finds(picture: &Picture, body: &PixelBox) -> bool {
    let mut found = Vec::new();
    let context = DetectContext { modality: Modality::Thermal, view: None, gsd_m: None, in_full: Some(0) };
    let config = HotSpotConfig { length_px: [8.0, 90.0], ..HotSpotConfig::default() };
    HotSpot::new(config).detect(picture, &context, &mut found).expect("detected");
    found.iter().any(|found| found.bbox.iou(body) > 0.2)
}

/// Colour maps of plotting programs, by their published formulas, none of them a camera's.
fn jet(t: f32) -> [f32; 3] {
    [3.0, 2.0, 1.0].map(|centre| 255.0 * (1.5 - (4.0 * t - centre).abs()).clamp(0.0, 1.0))
}
fn gnuplot(t: f32) -> [f32; 3] {
    [t.sqrt(), t.powi(3), (std::f32::consts::TAU * t).sin().max(0.0)].map(|part| 255.0 * part)
}
fn cool(t: f32) -> [f32; 3] {
    [255.0 * t, 255.0 * (1.0 - t), 255.0]
}
fn hot(t: f32) -> [f32; 3] {
    [255.0 * (2.63 * t).min(1.0), 255.0 * (2.63 * t - 1.0).clamp(0.0, 1.0), 255.0 * (4.0 * t - 3.0).clamp(0.0, 1.0)]
}

#[test]
fn a_plain_picture_is_passed_on_as_it_is() {
    let mut normaliser = ThermalNormaliser::new(&ThermalConfig::default());
    for look in 0..20 {
        let picture = grey(&street(look).0, look as f64 * 10.0);
        let seen = normaliser.normalise(&picture).expect("read");
        assert_eq!(seen.plane(0).as_ptr(), picture.plane(0).as_ptr(), "look {look}: {:?}", normaliser.reading());
    }
    let reading = normaliser.reading();
    assert_eq!((reading.palette, reading.polarity, reading.masked_fraction), ("grey", Polarity::WhiteHot, 0.0));
    let mut raw = Street::new(7.0, 25.0);
    raw.person(12.0, 0.0, Pose::Standing, 4.0);
    let picture = raw.raw(1, 0.05);
    let mut normaliser = ThermalNormaliser::new(&ThermalConfig::default());
    assert_eq!(normaliser.normalise(&picture).expect("read").plane(0).as_ptr(), picture.plane(0).as_ptr());
    assert_eq!(normaliser.reading().palette, "raw");
}

#[test]
fn palettes_never_seen_are_read_back() {
    for (name, map) in [("jet", jet as fn(f32) -> [f32; 3]), ("gnuplot", gnuplot), ("cool", cool), ("hot", hot)] {
        let mut normaliser = ThermalNormaliser::new(&ThermalConfig::default());
        for look in 0..3 {
            let (levels, lying) = street(look);
            let picture = i420(SIZE, look as f64 * 10.0, |x, y| map(f32::from(levels[y * W + x]) / 255.0));
            let seen = normaliser.normalise(&picture).expect("read");
            assert_eq!((seen.format(), seen.size()), (PixelFormat::Gray8, SIZE));
            let alike = correlation(&levels_of(&seen), &levels);
            assert!(alike > 0.8, "{name}, look {look}: {alike} {:?}", normaliser.reading());
            let plain = finds(&grey(&levels, 0.0), &lying);
            assert!(finds(&seen, &lying) || !plain, "{name}, look {look}: who lies there is lost");
        }
    }
}

#[test]
fn a_palette_switched_on_and_off_is_followed_at_once() {
    let mut normaliser = ThermalNormaliser::new(&ThermalConfig::default());
    for look in 0..30 {
        let (levels, _) = street(look);
        let coloured = (10..20).contains(&look);
        let picture =
            if coloured { i420(SIZE, look as f64, |x, y| jet(f32::from(levels[y * W + x]) / 255.0)) } else { grey(&levels, look as f64) };
        let seen = normaliser.normalise(&picture).expect("read");
        let alike = correlation(&levels_of(&seen), &levels);
        assert!(alike > 0.8, "look {look}: {alike} {:?}", normaliser.reading());
    }
}

#[test]
fn borders_of_any_kind_are_left_out() {
    let (levels, lying) = street(1);
    let size = PictureSize::new(760, 590);
    let (left, top) = (50, 41);
    let inside = |x: usize, y: usize| {
        let (x, y) = (x.checked_sub(left)?, y.checked_sub(top)?);
        let cut = {
            let (dx, dy) = (30.0 - (x.min((W - 1).saturating_sub(x)) as f32 + 0.5), 30.0 - (y.min((H - 1).saturating_sub(y)) as f32 + 0.5));
            dx > 0.0 && dy > 0.0 && dx.hypot(dy) > 30.0
        };
        (x < W && y < H && !cut).then(|| [f32::from(levels[y * W + x]); 3])
    };
    for border in [[0.0; 3], [128.0; 3], [255.0; 3]] {
        let picture = i420(size, 0.0, |x, y| inside(x, y).unwrap_or(border));
        let mut normaliser = ThermalNormaliser::new(&ThermalConfig::default());
        let seen = normaliser.normalise(&picture).expect("read");
        let found = normaliser.reading().border;
        assert!((50..54).contains(&found.left) && (41..45).contains(&found.top), "{found:?}");
        assert!((70..74).contains(&found.right) && (37..41).contains(&found.bottom), "{found:?}");
        assert!((24..40).contains(&found.corner_px), "{found:?}");
        assert!(normaliser.reading().masked_fraction > 0.2);
        let body = PixelBox::new(lying.x + left as f32, lying.y + top as f32, lying.w, lying.h);
        assert!(finds(&seen, &body) || !finds(&grey(&levels, 0.0), &lying), "border {border:?}: who lies there is lost");
    }
}

/// Digits of 3 × 5 dots, each `scale` pixels.
fn is_written(text: &[u8], x: usize, y: usize, scale: usize) -> bool {
    const DIGITS: [u16; 11] = [
        0b111_101_101_101_111,
        0b010_110_010_010_111,
        0b111_001_111_100_111,
        0b111_001_111_001_111,
        0b101_101_111_001_001,
        0b111_100_111_001_111,
        0b111_100_111_101_111,
        0b111_001_010_010_010,
        0b111_101_111_101_111,
        0b111_101_111_001_111,
        0b000_010_000_010_000,
    ];
    let (column, row) = (x / scale, y / scale);
    let Some(&digit) = text.get(column / 4) else { return false };
    column % 4 < 3 && row < 5 && DIGITS[usize::from(digit - b'0')] >> (14 - row * 3 - column % 4) & 1 == 1
}

#[test]
fn a_clock_and_a_crosshair_are_filled_and_people_beside_them_are_not() {
    let mut normaliser = ThermalNormaliser::new(&ThermalConfig::default());
    let (clock_x, clock_y) = (333, 471);
    for look in 0..40_usize {
        let (levels, lying) = street(look as u64);
        let text = format!("{:02}:{:02}:{:02}", 3, look / 6, look * 10 % 60);
        let written = |x: usize, y: usize| {
            let clock = x >= clock_x && y >= clock_y && is_written(text.as_bytes(), x - clock_x, y - clock_y, 3);
            let (dx, dy) = (x.abs_diff(200), y.abs_diff(151));
            let cross = (dx < 2 && (6..24).contains(&dy)) || (dy < 2 && (6..24).contains(&dx));
            clock || cross
        };
        let picture = i420(SIZE, look as f64 * 10.0, |x, y| [if written(x, y) { 255.0 } else { f32::from(levels[y * W + x]) }; 3]);
        let seen = normaliser.normalise(&picture).expect("read");
        if look < 12 {
            continue;
        }
        let seen = levels_of(&seen);
        let body =
            (lying.y as usize..lying.bottom() as usize).flat_map(|y| (lying.x as usize..lying.right() as usize).map(move |x| y * W + x));
        let changed = body.filter(|index| (seen[*index] - f32::from(levels[*index])).abs() > 3.0).count();
        assert_eq!(changed, 0, "look {look}: who lies there is seen as he is");
        let left: Vec<(usize, usize)> = (0..W * H)
            .map(|index| (index % W, index / W))
            .filter(|&(x, y)| written(x, y) && (seen[y * W + x] - f32::from(levels[y * W + x])).abs() > 60.0)
            .collect();
        assert!(left.len() < 20, "look {look}: {} pixels are left: {:?} {:?}", left.len(), &left[..20], normaliser.reading());
        assert!(normaliser.reading().masked_fraction < 0.02 && normaliser.reading().overlays.len() == 2, "{:?}", normaliser.reading());
    }
}

#[test]
fn who_lies_still_for_half_an_hour_is_never_masked() {
    // As the worst camera shows him: clipped to white by the gain, hardly blurred, with arms and legs of a stroke's width.
    for (gain, angle) in [(14.0, 0.0), (45.0, 0.0), (45.0, 90.0), (45.0, 37.0)] {
        let mut normaliser = ThermalNormaliser::new(&ThermalConfig::default());
        for look in 0..45 {
            let mut scene = Street::new(7.0, 35.0);
            let lying = scene.person(12.0, 0.0, Pose::Lying(angle), 6.0);
            for (index, ahead) in [8.0, 10.0, 15.0, 19.0].into_iter().enumerate() {
                scene.person(ahead, index as f32 - 3.0, Pose::Lying(index as f32 * 30.0), 6.0);
            }
            let picture = scene.picture(look, 0.05, gain, 60.0);
            let levels: Vec<u8> = (0..H).flat_map(|y| picture.row(0, y).to_vec()).collect();
            let picture = grey(&levels, look as f64 * 40.0);
            let seen = normaliser.normalise(&picture).expect("read");
            let untouched = seen.plane(0).as_ptr() == picture.plane(0).as_ptr();
            assert!(untouched, "gain {gain}, angle {angle}, look {look}: {:?}", normaliser.reading());
            assert!(look % 15 != 0 || gain > 20.0 || finds(&seen, &lying), "angle {angle}, look {look}");
        }
    }
}

#[test]
fn black_hot_is_inverted_when_told_and_when_what_moves_is_dark() {
    let (levels, lying) = street(3);
    let negative: Vec<u8> = levels.iter().map(|level| 255 - level).collect();
    let config = ThermalConfig { polarity: Polarity::BlackHot, ..ThermalConfig::default() };
    let mut normaliser = ThermalNormaliser::new(&config);
    let seen = normaliser.normalise(&grey(&negative, 0.0)).expect("read");
    assert!(correlation(&levels_of(&seen), &levels) > 0.99);
    assert_eq!(finds(&seen, &lying), finds(&grey(&levels, 0.0), &lying));
    assert_eq!(normaliser.reading().polarity_confidence, 1.0);

    for inverted in [false, true] {
        let mut normaliser = ThermalNormaliser::new(&ThermalConfig::default());
        for look in 0..200_u64 {
            let mut scene = Street::new(7.0, 25.0);
            scene.person(9.0 + look as f32 * 0.7 % 14.0, -2.0, Pose::Standing, 6.0);
            scene.person(22.0 - look as f32 * 0.9 % 12.0, 2.0, Pose::Standing, 6.0);
            let picture = scene.picture(look, 0.08, 14.0, 70.0);
            let levels: Vec<u8> =
                (0..H).flat_map(|y| picture.row(0, y).to_vec()).map(|level| if inverted { 255 - level } else { level }).collect();
            normaliser.normalise(&grey(&levels, look as f64 * 10.0)).expect("read");
        }
        let wanted = if inverted { Polarity::BlackHot } else { Polarity::WhiteHot };
        assert_eq!(normaliser.reading().polarity, wanted, "{:?}", normaliser.reading());
        assert!(normaliser.reading().polarity_confidence > 0.8, "{:?}", normaliser.reading());
    }
}

/// Whoever was there from the first look on is in what the street is compared with, and leaves a dark hole in it.
#[test]
fn who_was_there_first_and_has_gone_does_not_make_a_street_black_hot() {
    let mut normaliser = ThermalNormaliser::new(&ThermalConfig::default());
    for look in 0..160_u64 {
        let mut scene = Street::new(7.0, 25.0);
        if look < 13 {
            for (ahead_m, left_m) in [(9.0, -2.0), (10.0, 0.0), (9.0, 2.0)] {
                scene.person(ahead_m, left_m, Pose::Standing, 12.0);
            }
        }
        let picture = scene.picture(look, 0.08, 14.0, 70.0);
        let levels: Vec<u8> = (0..H).flat_map(|y| picture.row(0, y).to_vec()).collect();
        normaliser.normalise(&grey(&levels, look as f64 * 10.0)).expect("read");
        assert_eq!(normaliser.reading().polarity, Polarity::WhiteHot, "look {look}: {:?}", normaliser.reading());
    }
}

#[test]
fn a_switch_of_polarity_is_followed_in_the_same_look() {
    let mut normaliser = ThermalNormaliser::new(&ThermalConfig::default());
    for look in 0..24 {
        let (levels, _) = street(look);
        let inverted = (8..16).contains(&look);
        let shown: Vec<u8> = levels.iter().map(|level| if inverted { 255 - level } else { *level }).collect();
        let seen = normaliser.normalise(&grey(&shown, look as f64 * 10.0)).expect("read");
        assert!(correlation(&levels_of(&seen), &levels) > 0.95, "look {look}: {:?}", normaliser.reading());
    }
}

#[test]
fn configuration_names_its_words() {
    let config: ThermalConfig = toml::from_str("polarity = \"black-hot\"\npalette = \"rainbow-hc\"").expect("good");
    assert_eq!((config.polarity, config.palette, config.mask_overlays), (Polarity::BlackHot, Palette::RainbowHc, true));
    assert!(toml::from_str::<ThermalConfig>("polarty = \"auto\"").is_err(), "a typo is refused");
    let tiny = sized(PictureSize::new(8, 8), PixelFormat::Rgb8, vec![[200, 30, 40].repeat(64)]);
    assert_eq!(ThermalNormaliser::new(&ThermalConfig::default()).normalise(&tiny).expect("read").size(), PictureSize::new(8, 8));
}
