//! Who lies on open ground is found at a known contrast; stuck pixels, borders and writing are nobody; broken pictures do no harm.

use crate::scene::sized;
use patrol_core::{Detection, Modality, PictureSize, PixelBox, PixelFormat};
use patrol_vision::{DetectContext, Detector, HotSpot, HotSpotConfig};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const W: usize = 640;
const H: usize = 512;

fn detect(levels: Vec<u8>, size: (usize, usize), gsd_m: Option<f32>) -> Vec<Detection> {
    let picture = sized(PictureSize::new(size.0 as u32, size.1 as u32), PixelFormat::Gray8, vec![levels]);
    let mut out = Vec::new();
    let context = DetectContext { modality: Modality::Thermal, view: None, gsd_m, in_full: Some(0) };
    HotSpot::new(HotSpotConfig::default()).detect(&picture, &context, &mut out).expect("hot-spot does not fail");
    for found in &out {
        assert!(found.score.is_finite() && found.bbox.is_finite(), "{found:?}");
    }
    out
}

/// Ground with patches, a kerb and a warm wall, before the camera, in σ of its own fine texture.
struct Ground {
    sigma: Vec<f32>,
    random: ChaCha8Rng,
}

impl Ground {
    fn new(seed: u64) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut sigma = vec![0.0; W * H];
        for (cell, strength) in [(97.0_f32, 2.0_f32), (41.0, 0.8)] {
            let (a, b): (f32, f32) = (random.random_range(0.0..6.0), random.random_range(0.0..6.0));
            for (index, value) in sigma.iter_mut().enumerate() {
                let (x, y) = ((index % W) as f32 / cell, (index / W) as f32 / cell);
                *value += strength * ((x + a + y * 0.3).sin() * (y + b).cos());
            }
        }
        let (kerb, wall) = (random.random_range(100..400), random.random_range(20..60));
        for (index, value) in sigma.iter_mut().enumerate() {
            let (x, y) = (index % W, index / W);
            *value += if y + x / 9 > kerb + 40 { 3.0 } else { 0.0 } + if x < wall { 12.0 } else { 0.0 };
        }
        Self { sigma, random }
    }

    /// Somebody lying: trunk, legs that are a little colder, and a head; `contrast` σ above the ground.
    fn body(&mut self, length: f32, width: f32, contrast: f32, taken: &mut Vec<PixelBox>) {
        for _ in 0..200 {
            let angle = self.random.random_range(0.0..std::f32::consts::PI);
            let (cx, cy) = (self.random.random_range(110.0..W as f32 - 50.0), self.random.random_range(50.0..H as f32 - 50.0));
            let (s, c) = angle.sin_cos();
            let half = [length / 2.0 * c.abs() + width / 2.0 * s.abs(), length / 2.0 * s.abs() + width / 2.0 * c.abs()];
            let place = PixelBox::new(cx - half[0], cy - half[1], 2.0 * half[0], 2.0 * half[1]);
            if taken.iter().any(|other| other.grown(length).intersection(&place) > 0.0) {
                continue;
            }
            for y in (cy - length) as usize..=(cy + length) as usize {
                for x in (cx - length) as usize..=(cx + length) as usize {
                    let (dx, dy) = (x as f32 + 0.5 - cx, y as f32 + 0.5 - cy);
                    let (along, across) = ((dx * c + dy * s) / length * 2.0, (dy * c - dx * s) / width * 2.0);
                    // The trunk is as wide as all of it, legs and head are narrower.
                    let wide = if along < -0.1 {
                        0.75
                    } else if along > 0.72 {
                        0.5
                    } else {
                        1.0
                    };
                    if along.abs() <= 1.0 && across.abs() <= wide && x < W && y < H {
                        let ground = self.sigma[y * W + x];
                        self.sigma[y * W + x] = ground
                            + contrast
                                * if along < -0.1 {
                                    0.85
                                } else if along > 0.72 {
                                    1.3
                                } else {
                                    1.0
                                };
                    }
                }
            }
            taken.push(place);
            return;
        }
    }

    /// Lens, noise of σ 1 after the 1-2-1 that the detector itself smooths with, and an AGC of `gain` levels per σ.
    fn picture(mut self, gain: f32, level: f32) -> Vec<u8> {
        for (stride, length) in [(1, W), (W, H)] {
            let before = self.sigma.clone();
            for (index, value) in self.sigma.iter_mut().enumerate() {
                let at = index / stride % length;
                let low = if at == 0 { index } else { index - stride };
                let high = if at + 1 == length { index } else { index + stride };
                *value = (before[low] + 2.0 * before[index] + before[high]) / 4.0;
            }
        }
        let smoothing = 0.375; // √(6/16 · 6/16): what 1-2-1 along both axes leaves of white noise.
        let random = &mut self.random;
        self.sigma
            .iter()
            .map(|value| {
                let normal: f32 = (0..12).map(|_| random.random::<f32>()).sum::<f32>() - 6.0;
                (level + gain * (value + normal / smoothing)).clamp(0.0, 255.0) as u8
            })
            .collect()
    }
}

const PICTURES: u64 = 12;

/// Recall of bodies and false boxes a picture on ground without people.
fn recall(contrast: f32, lengths: [f32; 2], gsd_m: impl Fn(f32) -> Option<f32>) -> (f32, f32) {
    let (mut hits, mut bodies, mut false_boxes) = (0, 0, 0);
    for seed in 0..PICTURES {
        let gain = [1.5, 2.5, 4.0][seed as usize % 3];
        let length = lengths[0] + (lengths[1] - lengths[0]) * seed as f32 / (PICTURES - 1) as f32;
        let mut ground = Ground::new(seed);
        let mut taken = Vec::new();
        for place in 0..5 {
            let width = length * [0.28, 0.32, 0.36, 0.4, 0.45][place];
            ground.body(length, width, contrast / LEFT_OF_CONTRAST, &mut taken);
        }
        let found = detect(ground.picture(gain, 90.0), (W, H), gsd_m(length));
        bodies += taken.len();
        hits += taken.iter().filter(|body| found.iter().any(|found| found.score >= SCORE_MIN && found.bbox.iou(body) >= 0.4)).count();
        let empty = detect(Ground::new(seed + 1000).picture(gain, 90.0), (W, H), gsd_m(length));
        false_boxes += empty.iter().filter(|found| found.score >= SCORE_MIN).count();
    }
    (hits as f32 / bodies as f32, false_boxes as f32 / PICTURES as f32)
}

/// Lens and smoothing leave this part of a body's contrast, on the mean of lengths and parts.
const LEFT_OF_CONTRAST: f32 = 0.8;
/// What is reported by default.
const SCORE_MIN: f32 = 0.1;

#[test]
fn bodies_on_open_ground_are_found_by_their_contrast() {
    // Lengths of HIT-UAV with the distance known, and of wide lenses with and without.
    let known = |length: f32| Some(1.7 / length);
    for (what, lengths, gsd) in [
        ("near", [24.0, 90.0], &known as &dyn Fn(f32) -> Option<f32>),
        ("far", [12.0, 34.0], &known),
        ("distance unknown", [12.0, 34.0], &|_| None),
    ] {
        for (contrast, least) in [(4.0, 0.35), (6.0, 0.85), (8.0, 0.9)] {
            let (recall, false_boxes) = recall(contrast, lengths, gsd);
            println!("{what}, {contrast} σ: recall {recall:.2}, {false_boxes:.2} false a picture");
            assert!(recall >= least, "{what}, {contrast} σ: {recall}");
            assert!(false_boxes <= 0.1, "{what}: {false_boxes} false a picture");
        }
    }
}

#[test]
fn stuck_pixels_are_nobody_and_hide_nobody() {
    for gsd_m in [Some(0.06), Some(0.1), None] {
        let mut ground = Ground::new(5);
        let mut bodies = Vec::new();
        for _ in 0..5 {
            ground.body(22.0, 8.0, 10.0, &mut bodies);
        }
        let clean = ground.picture(2.0, 90.0);
        let mut stuck = clean.clone();
        let mut random = ChaCha8Rng::seed_from_u64(9);
        // Apart from one another: defects of a sensor seldom touch.
        for (x, y) in (0..W / 16).flat_map(|x| (0..H / 16).map(move |y| (x, y))) {
            let at = (y * 16 + random.random_range(1..15)) * W + x * 16 + random.random_range(1..15);
            stuck[at] = random.random_range(200..=255);
        }
        let (before, after) = (detect(clean, (W, H), gsd_m), detect(stuck, (W, H), gsd_m));
        let seen = |found: &[Detection], body: &PixelBox| found.iter().any(|found| found.bbox.iou(body) >= 0.4);
        assert!(bodies.iter().filter(|body| seen(&before, body)).count() >= 4, "{gsd_m:?}: the scene itself");
        for body in bodies.iter().filter(|body| seen(&before, body)) {
            assert!(seen(&after, body), "{gsd_m:?}: {body:?} is hidden");
        }
        let new: Vec<_> = after.iter().filter(|found| !before.iter().any(|before| before.bbox.iou(&found.bbox) >= 0.3)).collect();
        assert!(new.is_empty(), "{gsd_m:?}: {new:?}");
    }
}

/// Five by seven, a bit a pixel: 0, 1, 4, 7, A.
const GLYPHS: [[u8; 7]; 5] =
    [[14, 17, 17, 17, 17, 17, 14], [4, 12, 4, 4, 4, 4, 14], [2, 6, 10, 18, 31, 2, 2], [31, 1, 2, 4, 8, 8, 8], [14, 17, 17, 31, 17, 17, 17]];

#[test]
fn borders_and_writing_are_nobody() {
    for white in [235, 255] {
        for scale in [2, 3] {
            let mut levels = Ground::new(8).picture(2.0, 80.0);
            let clean = levels.clone();
            for (index, level) in levels.iter_mut().enumerate() {
                let (x, y) = (index % W, index / W);
                if !(36..H - 36).contains(&y) || !(24..W - 24).contains(&x) {
                    *level = 16;
                }
                // A plate, and a crosshair.
                if ((500..530).contains(&x) && (440..452).contains(&y))
                    || (x.abs_diff(320) < 20 && y.abs_diff(256) < 1)
                    || (y.abs_diff(256) < 20 && x.abs_diff(320) < 1)
                {
                    *level = white;
                }
            }
            // One line in the picture, one in the border.
            for (number, top) in [(0, 50), (1, 8)] {
                for letter in 0..12 {
                    for (row, bits) in GLYPHS[(letter + number) % 5].iter().enumerate() {
                        for column in (0..5).filter(|column| bits >> (4 - column) & 1 == 1) {
                            for (dy, dx) in (0..scale).flat_map(|dy| (0..scale).map(move |dx| (dy, dx))) {
                                levels[(top + row * scale + dy) * W + 100 + letter * 6 * scale + column * scale + dx] = white;
                            }
                        }
                    }
                }
            }
            for gsd_m in [None, Some(0.06), Some(0.1), Some(0.04)] {
                let before = detect(clean.clone(), (W, H), gsd_m);
                let found = detect(levels.clone(), (W, H), gsd_m);
                let new: Vec<_> = found.iter().filter(|found| before.iter().all(|before| before.bbox.iou(&found.bbox) < 0.3)).collect();
                assert!(new.is_empty(), "white {white}, letters of {scale}, {gsd_m:?}: {new:?}");
            }
        }
    }
}

#[test]
fn pictures_of_nothing_hold_nobody() {
    for (w, h) in [(1, 1), (1, 300), (300, 1), (23, 23), (24, 24), (64, 24), (640, 512)] {
        for gsd_m in [None, Some(0.05), Some(1e-6), Some(1e6), Some(f32::NAN)] {
            for level in [0, 127, 255] {
                assert!(detect(vec![level; w * h], (w, h), gsd_m).is_empty(), "{w}×{h} of {level}");
            }
        }
        // Of noise, stripes and one bright half anything may be said, but nothing may break.
        let mut random = ChaCha8Rng::seed_from_u64(1);
        detect((0..w * h).map(|_| random.random()).collect(), (w, h), None);
        detect((0..w * h).map(|index| if index % w % 4 < 2 { 255 } else { 0 }).collect(), (w, h), Some(0.1));
        assert!(detect((0..w * h).map(|index| if index % w < w / 2 { 255 } else { 0 }).collect(), (w, h), None).is_empty());
    }
}
