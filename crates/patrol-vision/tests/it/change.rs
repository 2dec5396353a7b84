//! What is no change is called none; the smallest body is one, wherever it lies, and however slowly it comes.

use crate::ground::{Ground, Shot};
use crate::scene::sized;
use patrol_core::{Picture, PictureSize, PixelBox, PixelFormat};
use patrol_vision::change::{Change, ChangeGuard};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const SIZES: [PictureSize; 3] = [PictureSize::new(640, 512), PictureSize::new(1280, 720), PictureSize::new(1920, 1080)];

/// A guard that has examined `picture`.
fn guard(picture: &Picture) -> ChangeGuard {
    let mut guard = ChangeGuard::new();
    assert_eq!(guard.judge(picture, &[]), Change::NoReference);
    guard.examined(picture);
    guard
}

fn changed(change: Change) -> bool {
    matches!(change, Change::Changed { .. })
}

#[test]
fn noise_is_no_change() {
    for size in SIZES {
        for (sigma, pictures) in [(2.0, 30), (4.0, 30), (6.0, 30)] {
            let ground = Ground::new(size, 1.0, 5);
            let mut guard = guard(&ground.shoot(Shot::new(sigma, 0)));
            let wrong = (1..=pictures).filter(|&seed| changed(guard.judge(&ground.shoot(Shot::new(sigma, seed)), &[]))).count();
            println!("{}x{} σ {sigma}: {wrong} of {pictures} changed", size.width, size.height);
            assert_eq!(wrong, 0);
        }
    }
}

#[test]
fn another_gain_is_no_change() {
    let mut random = ChaCha8Rng::seed_from_u64(3);
    for size in SIZES {
        for sigma in [2.0, 6.0] {
            let ground = Ground::new(size, 1.0, 6);
            // Also a reference that is clipped itself.
            for first in [(1.0, 0.0), (1.4, 30.0), (1.3, -90.0)] {
                let mut guard = guard(&ground.shoot(Shot::new(sigma, 0).light(first.0, first.1)));
                let mut wrong = Vec::new();
                for seed in 1..=16 {
                    let (gain, offset) = (random.random_range(0.7..1.4), random.random_range(-30.0..30.0));
                    let shot = Shot::new(sigma, seed).light(first.0 * gain, first.1 * gain + offset);
                    if changed(guard.judge(&ground.shoot(shot), &[])) {
                        wrong.push((gain, offset));
                    }
                }
                println!("{} σ {sigma} from {first:?}: {wrong:?}", size.width);
                assert!(wrong.is_empty());
            }
        }
    }
}

#[test]
fn a_coarse_encoder_is_no_change() {
    for size in SIZES {
        for (sigma, step) in [(2.0, 8.0), (2.0, 16.0), (4.0, 24.0), (1.0, 16.0)] {
            let ground = Ground::new(size, 1.0, 7);
            let mut guard = guard(&ground.shoot_encoded(Shot::new(sigma, 0), step));
            let wrong = (1..=8).filter(|&seed| changed(guard.judge(&ground.shoot_encoded(Shot::new(sigma, seed), step), &[]))).count();
            println!("{} σ {sigma} step {step}: {wrong} of 8 changed", size.width);
            assert_eq!(wrong, 0);
        }
    }
}

/// Part of bodies of 8 × 14 px that are seen to come, and to go, at a contrast of `times` the noise.
fn seen(size: PictureSize, sigma: f32, times: f32, trials: u64, encoded: Option<f32>) -> (f32, f32) {
    let ground = Ground::new(size, 1.0, 8);
    let shoot = |ground: &Ground, seed: u64| match encoded {
        Some(step) => ground.shoot_encoded(Shot::new(sigma, seed), step),
        None => ground.shoot(Shot::new(sigma, seed)),
    };
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let (mut come, mut gone) = (0, 0);
    for trial in 0..trials {
        let (w, h) = if trial % 2 == 0 { (8.0, 14.0) } else { (14.0, 8.0) };
        let (x, y) = (random.random_range(0..=size.width - w as u32), random.random_range(0..=size.height - h as u32));
        let mut with = ground.clone();
        let area = PixelBox::new(x as f32, y as f32, w, h);
        with.add(&area, if trial % 3 == 0 { -times } else { times } * sigma);
        let (without, with) = (shoot(&ground, 2 * trial), shoot(&with, 2 * trial + 1));
        match guard(&without).judge(&with, &[]) {
            Change::Changed { at, .. } => {
                come += 1;
                assert!(encoded.is_some() || at.intersection(&area) > 0.0 && at.w <= 56.0 && at.h <= 56.0, "{at:?} for {area:?}");
            }
            _ => println!("not seen to come: {area:?}"),
        }
        gone += u64::from(changed(guard(&with).judge(&without, &[])));
    }
    (come as f32 / trials as f32, gone as f32 / trials as f32)
}

#[test]
fn the_smallest_body_is_a_change_wherever_it_lies() {
    for (size, trials) in SIZES.into_iter().zip([200, 100, 80]) {
        for sigma in [2.0, 6.0] {
            let (come, gone) = seen(size, sigma, 4.0, trials, None);
            println!("{}x{} σ {sigma}: {come} seen to come, {gone} to go", size.width, size.height);
            assert!(come >= 0.995 && gone >= 0.995);
        }
    }
}

#[test]
#[ignore = "figures for the report"]
fn figures() {
    for size in SIZES {
        for times in [2.0, 2.5, 3.0, 3.5] {
            println!("{} σ 3 × {times}: {:?}", size.width, seen(size, 3.0, times, 100, None));
        }
        for (sigma, step) in [(2.0, 8.0), (2.0, 16.0), (2.0, 24.0), (4.0, 24.0)] {
            println!("{} σ {sigma} × 4, step {step}: {:?}", size.width, seen(size, sigma, 4.0, 60, Some(step)));
        }
    }
    for size in SIZES {
        for sigma in [1.0, 3.0, 8.0] {
            let ground = Ground::new(size, 1.0, 15);
            let mut guard = guard(&ground.shoot(Shot::new(sigma, 0)));
            let wrong = (1..=500).filter(|&seed| changed(guard.judge(&ground.shoot(Shot::new(sigma, seed)), &[]))).count();
            println!("{} σ {sigma}: {wrong} of 500 changed", size.width);
        }
    }
}

#[test]
fn every_alignment_to_blocks_is_seen() {
    for size in [SIZES[0], SIZES[1]] {
        let ground = Ground::new(size, 1.0, 9);
        let mut guard = guard(&ground.shoot(Shot::new(3.0, 1)));
        for shift in 0..64 {
            let area = PixelBox::new(320.0 + (shift % 8) as f32, 240.0 + (shift / 8) as f32, 8.0, 14.0);
            let mut with = ground.clone();
            with.add(&area, 12.0);
            assert!(changed(guard.judge(&with.shoot(Shot::new(3.0, 100 + shift)), &[])), "{area:?}");
        }
    }
}

#[test]
fn who_lies_down_slowly_is_seen_before_he_lies() {
    let ground = Ground::new(SIZES[1], 1.0, 10);
    let mut guard = guard(&ground.shoot(Shot::new(3.0, 1)));
    let area = PixelBox::new(700.0, 400.0, 30.0, 14.0);
    let first = (0..60).find(|&second| {
        let mut with = ground.clone();
        with.add(&area, 12.0 * second as f32 / 60.0);
        changed(guard.judge(&with.shoot(Shot::new(3.0, 50 + second)), &[]))
    });
    println!("seen after {first:?} s of 60");
    assert!(first.is_some_and(|second| second < 40));
}

#[test]
fn dusk_is_no_change_nor_hides_one() {
    let ground = Ground::new(SIZES[0], 1.0, 12);
    let mut guard = guard(&ground.shoot(Shot::new(3.0, 1)));
    for minute in 0..60 {
        let shot = Shot::new(3.0, 50 + minute).light(1.0 - 0.006 * minute as f32, -0.2 * minute as f32);
        assert_eq!(guard.judge(&ground.shoot(shot), &[]), Change::Unchanged, "minute {minute}");
    }
    let mut with = ground.clone();
    with.add(&PixelBox::new(301.0, 202.0, 14.0, 8.0), 14.0);
    assert!(changed(guard.judge(&with.shoot(Shot::new(3.0, 200).light(0.64, -12.0)), &[])));
}

/// Paints a clock of eight digits of 10 × 18 px in the corner; each is a pattern of its own.
fn clock(ground: &mut Ground, second: u64, top: f32) {
    for (place, digit) in [second / 600 % 6, second / 60 % 10, second / 10 % 6, second % 10].into_iter().enumerate() {
        let left = 20.0 + 14.0 * place as f32;
        for (part, x, y, w, h) in [
            (0, 0.0, 0.0, 10.0, 4.0),
            (1, 0.0, 7.0, 10.0, 4.0),
            (2, 0.0, 14.0, 10.0, 4.0),
            (3, 0.0, 0.0, 3.0, 18.0),
            (4, 7.0, 0.0, 3.0, 18.0),
        ] {
            let lit = (digit * 2_654_435_761 + part * 40_503) >> 7 & 1 == 1;
            let area = PixelBox::new(left + x, top + y, w, h);
            let level = ground.mean(&area);
            ground.add(&area, if lit { 235.0 - level } else { 0.0 });
        }
    }
}

#[test]
fn a_clock_is_learnt_at_the_edge_only() {
    for (size, top, learnt) in [(SIZES[0], 8.0, true), (SIZES[1], 690.0, true), (SIZES[0], 250.0, false)] {
        let ground = Ground::new(size, 1.0, 13);
        let mut guard = ChangeGuard::new();
        let mut late = 0;
        let tick = |guard: &mut ChangeGuard, second: u64, body: bool| {
            let mut now = ground.clone();
            clock(&mut now, second, top);
            if body {
                now.add(&PixelBox::new(200.0, top + 1.0, 14.0, 8.0), 12.0);
            }
            let picture = now.shoot(Shot::new(3.0, second));
            let change = guard.judge(&picture, &[]);
            if !matches!(change, Change::Unchanged) {
                guard.examined(&picture);
            }
            changed(change)
        };
        for second in 0..240 {
            late += usize::from(tick(&mut guard, second, false) && second >= 60);
        }
        println!("{} at {top}: {late} of 180 changed", size.width);
        assert_eq!(late < 18, learnt, "{late}");
        assert!(tick(&mut guard, 241, true), "a body beside the clock");
        guard.restart();
        tick(&mut guard, 300, false);
        let again = (301..306).filter(|&second| tick(&mut guard, second, false)).count();
        assert!(again >= 4, "forgotten on restart: {again}");
    }
}

#[test]
fn overlays_known_otherwise_do_not_count() {
    let ground = Ground::new(SIZES[0], 1.0, 14);
    let mut guard = guard(&ground.shoot(Shot::new(3.0, 1)));
    let area = PixelBox::new(300.0, 300.0, 40.0, 20.0);
    let mut with = ground.clone();
    with.add(&area, 60.0);
    let picture = with.shoot(Shot::new(3.0, 2));
    assert_eq!(guard.judge(&picture, &[area]), Change::Unchanged);
    let Change::Changed { part, at } = guard.judge(&picture, &[]) else { panic!("a change") };
    assert!(part < 0.01 && at.iou(&area) > 0.4, "{part} {at:?}");
}

#[test]
fn raw_counts_and_other_formats_compare() {
    let ground = Ground::new(SIZES[0], 1.0, 15);
    let shoot = |ground: &Ground, seed| ground.shoot_raw(Shot::new(3.0, seed), 4.0);
    let mut guard = guard(&shoot(&ground, 1));
    assert_eq!(guard.judge(&shoot(&ground, 2), &[]), Change::Unchanged);
    let mut with = ground.clone();
    with.add(&PixelBox::new(100.0, 480.0, 8.0, 14.0), -12.0);
    assert!(changed(guard.judge(&shoot(&with, 3), &[])));
    assert_eq!(guard.judge(&ground.shoot(Shot::new(3.0, 1)), &[]), Change::NoReference, "another format is another scene");
    let size = PictureSize::new(30, 20);
    let red = |level: u8| sized(size, PixelFormat::Rgb8, vec![[level, 30, 40].repeat(600)]);
    let mut rgb = ChangeGuard::new();
    rgb.judge(&red(100), &[]);
    rgb.examined(&red(100));
    assert_eq!(rgb.judge(&red(100), &[]), Change::Unchanged);
}

#[test]
fn even_and_tiny_pictures_are_judged() {
    for (w, h) in [(1, 1), (3, 2), (7, 9), (8, 8), (13, 5), (961, 1), (1, 700), (645, 517), (1285, 723)] {
        let size = PictureSize::new(w, h);
        for level in [0.0, 128.0, 255.0] {
            let picture = Ground::even(size, level).shoot(Shot::new(0.0, 1));
            let mut guard = guard(&picture);
            assert_eq!(guard.judge(&picture, &[]), Change::Unchanged, "{w}x{h} of {level}");
            let noisy = Ground::even(size, level).shoot(Shot::new(2.0, 2));
            if let Change::Changed { part, at } = guard.judge(&noisy, &[PixelBox::new(f32::NAN, 0.0, 5.0, 5.0)]) {
                assert!(part.is_finite() && at.is_finite() && at.area() > 0.0);
            }
        }
    }
    // Bodies at the last pixels of a picture that does not divide into blocks.
    for size in [PictureSize::new(645, 517), PictureSize::new(1287, 727)] {
        let ground = Ground::new(size, 1.0, 16);
        let mut guard = guard(&ground.shoot(Shot::new(3.0, 1)));
        let mut with = ground.clone();
        with.add(&PixelBox::new(size.width as f32 - 8.0, size.height as f32 - 14.0, 8.0, 14.0), 12.0);
        assert!(changed(guard.judge(&with.shoot(Shot::new(3.0, 2)), &[])));
    }
}

#[test]
fn without_an_examined_picture_nothing_is_unchanged() {
    let picture = Ground::new(SIZES[0], 1.0, 17).shoot(Shot::new(2.0, 1));
    let mut guard = ChangeGuard::new();
    assert_eq!(guard.judge(&picture, &[]), Change::NoReference);
    assert_eq!(guard.judge(&picture, &[]), Change::NoReference);
    guard.examined(&picture);
    assert_eq!(guard.judge(&picture, &[]), Change::Unchanged);
    guard.restart();
    assert_eq!(guard.judge(&picture, &[]), Change::NoReference);
}

/// Another street with the same average light differs everywhere: that is no noise.
#[test]
fn another_view_is_a_change_of_all_of_the_picture() {
    for size in SIZES {
        let here = Ground::new(size, 1.0, 21);
        let mut guard = guard(&here.shoot(Shot::new(2.0, 0)));
        for seed in 1..6 {
            assert_eq!(guard.judge(&here.shoot(Shot::new(2.0, seed)), &[]), Change::Unchanged);
        }
        let there = guard.judge(&Ground::new(size, 6.0, 22).shoot(Shot::new(2.0, 9)), &[]);
        assert!(matches!(there, Change::Changed { part, .. } if part == 1.0), "{there:?}");
    }
}

/// An encoder, or a recording that is played in a loop, now and then sends the very picture again: the noise of the next one is as usual all the same.
#[test]
fn a_picture_that_comes_again_bit_for_bit_makes_the_next_ones_no_change() {
    let ground = Ground::new(SIZES[0], 1.0, 31);
    let first = ground.shoot(Shot::new(12.0, 0));
    let mut guard = guard(&first);
    for seed in 1..60 {
        let again = seed % 8 == 0;
        let picture = if again { first.clone() } else { ground.shoot(Shot::new(12.0, seed)) };
        assert_eq!(guard.judge(&picture, &[]), Change::Unchanged, "picture {seed}");
    }
}
