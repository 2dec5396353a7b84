//! What the question costs whether anything has changed: milliseconds a picture, and of learning the scenery and reading a place.
//!
//! `cargo run --release -p patrol-vision --example change_time`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a bench that prints its figures")]

use patrol_core::{Clock, MediaTime, Picture, PictureSize, PixelBox, PixelFormat, SystemClock, WallEstimate, WallTime};
use patrol_vision::change::{Change, ChangeGuard, PlacePatch, Scenery, read_place};

/// Blocks of one grey each with noise of about σ 4.
fn street(size: PictureSize, format: PixelFormat, seed: u32) -> Picture {
    let hash = |a: usize, b: usize, salt: u32| {
        let z = (a as u32).wrapping_mul(0x9e37_79b1) ^ (b as u32).wrapping_mul(0x85eb_ca77) ^ salt.wrapping_mul(0xc2b2_ae3d);
        let z = (z ^ (z >> 15)).wrapping_mul(0x2c1b_3c6d);
        (z ^ (z >> 12)).wrapping_mul(0x297a_2d39) >> 24
    };
    let level = |x: usize, y: usize| 40 + hash(x / 60, y / 60, 1) / 3 + hash(x / 20, y / 20, 2) / 5 + hash(x, y, seed) % 14;
    let (w, h) = (size.width as usize, size.height as usize);
    let levels = (0..h).flat_map(|y| (0..w).map(move |x| level(x, y)));
    let pixels = match format {
        PixelFormat::Gray16Le => levels.flat_map(|level| (level as u16 * 8).to_le_bytes()).collect(),
        _ => levels.map(|level| level as u8).collect(),
    };
    let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
    Picture::from_planes(size, format, vec![pixels], 0, MediaTime::ZERO, captured).unwrap()
}

fn main() {
    let clock = SystemClock::new();
    let report = |what: &str, mut spent: Vec<f64>| {
        spent.sort_by(f64::total_cmp);
        println!("{what}: median {:.3} ms, 90 % {:.3}, least {:.3}", spent[spent.len() / 2], spent[spent.len() * 9 / 10], spent[0]);
    };
    let timed = |work: &mut dyn FnMut()| {
        let before = clock.monotonic();
        work();
        clock.monotonic().saturating_sub(before).as_secs_f64() * 1e3
    };
    for (w, h, format) in [
        (640, 512, PixelFormat::Gray8),
        (640, 512, PixelFormat::Gray16Le),
        (1280, 720, PixelFormat::Gray8),
        (1920, 1080, PixelFormat::Gray8),
        (3840, 2160, PixelFormat::Gray8),
    ] {
        let size = PictureSize::new(w, h);
        let pictures: Vec<Picture> = (0..8).map(|seed| street(size, format, seed)).collect();
        let (mut guard, mut scenery, mut changed) = (ChangeGuard::new(), Scenery::new(), 0);
        guard.judge(&pictures[0], &[]);
        guard.examined(&pictures[0]);
        let judged = (0..200).map(|look| timed(&mut || changed += u32::from(guard.judge(&pictures[look % 8], &[]) != Change::Unchanged)));
        report(&format!("{w}x{h} {format:?} judge"), judged.collect());
        println!("    {changed} of 200 changed");
        report("    learn", (0..100).map(|look| timed(&mut || scenery.learn(&pictures[look % 8], &[]))).collect());
        let body = PixelBox::new(200.0, 200.0, 80.0, 30.0);
        let confirmed = PlacePatch::take(&pictures[0], &body).unwrap();
        let read = (0..50).map(|look| {
            timed(&mut || {
                let now = PlacePatch::take(&pictures[look % 8], &body).unwrap();
                read_place(&confirmed, scenery.patch(&body).as_ref(), &now);
            })
        });
        report("    read a place", read.collect());
    }
}
