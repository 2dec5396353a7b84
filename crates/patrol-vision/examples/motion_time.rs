//! What the question after the camera's motion costs: milliseconds a picture for a camera that stands and one that moves.
//!
//! `cargo run -p patrol-vision --example motion_time`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a bench that prints its figures")]

use patrol_core::{Clock, MediaTime, Picture, PictureSize, PixelFormat, SystemClock, WallEstimate, WallTime};
use patrol_vision::{CameraMotion, MotionKind};

/// Blocks of one grey each, in three sizes, seen `shift` pixels to the left, with noise of about σ 4.
fn street(size: PictureSize, shift: usize, seed: u32, at_s: f64) -> Picture {
    let hash = |a: usize, b: usize, salt: u32| {
        let z = (a as u32).wrapping_mul(0x9e37_79b1) ^ (b as u32).wrapping_mul(0x85eb_ca77) ^ salt.wrapping_mul(0xc2b2_ae3d);
        let z = (z ^ (z >> 15)).wrapping_mul(0x2c1b_3c6d);
        (z ^ (z >> 12)).wrapping_mul(0x297a_2d39) >> 24
    };
    let unit = size.width as usize / 64;
    let mut levels = Vec::with_capacity((size.width * size.height) as usize);
    for y in 0..size.height as usize {
        for x in 0..size.width as usize {
            let u = x + shift;
            let coarse =
                hash(u / (6 * unit), y / (6 * unit), 1) / 3 + hash(u / (2 * unit), y / (2 * unit), 2) / 5 + hash(u / unit, y / unit, 3) / 8;
            levels.push((40 + coarse + hash(x, y, seed) % 14) as u8);
        }
    }
    let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
    Picture::from_planes(size, PixelFormat::Gray8, vec![levels], 0, MediaTime::from_secs_f64(at_s), captured).unwrap()
}

fn main() {
    let clock = SystemClock::new();
    for size in [PictureSize::new(640, 512), PictureSize::new(1280, 720), PictureSize::new(1920, 1080), PictureSize::new(3840, 2160)] {
        for (what, step) in [("stands", 0), ("moves", size.width as usize / 80), ("is shaken", size.width as usize / 6)] {
            let mut motion = CameraMotion::new();
            let looks = if step == 0 { 60 } else { 30 };
            let mut spent = Vec::new();
            let mut kinds = [0; 3];
            for look in 0..looks {
                let there = if what == "is shaken" { step * (look as usize % 2) } else { step * look as usize };
                let picture = street(size, there, look + 10, f64::from(look) * 0.2);
                let before = clock.monotonic();
                let found = motion.estimate(&picture, &[]);
                let took = clock.monotonic().saturating_sub(before).as_secs_f64() * 1e3;
                let kind = [MotionKind::Still, MotionKind::Moved, MotionKind::Unknown].iter().position(|kind| *kind == found.kind).unwrap();
                kinds[kind] += 1;
                if look > 0 {
                    spent.push(took);
                }
            }
            spent.sort_by(f64::total_cmp);
            println!(
                "{}x{} {what}: median {:.2} ms, 90 % {:.2}, least {:.2}; still, moved, unknown {kinds:?}",
                size.width,
                size.height,
                spent[spent.len() / 2],
                spent[spent.len() * 9 / 10],
                spent[0]
            );
        }
    }
}
