//! Milliseconds of pre-processing per picture, and of the usability guard.
//!
//! `cargo run -p patrol-vision --example prepare_time`
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a bench that prints its figures")]

use patrol_core::{Clock, MediaTime, Modality, Picture, PictureSize, PixelFormat, SystemClock, WallEstimate, WallTime};
use patrol_vision::UsabilityGuard;
use patrol_vision::card::{ChannelOrder, InputSpec};
use patrol_vision::prepare::Preparer;

const ROUNDS: u32 = 200;

fn main() {
    let input = InputSpec { pad_value: 114.0, ..InputSpec::plain(416, 416, ChannelOrder::Bgr) };
    let clock = SystemClock::new();
    for (width, height) in [(768, 432), (1280, 720), (1920, 1080)] {
        for format in [PixelFormat::I420, PixelFormat::Nv12] {
            let size = PictureSize::new(width, height);
            let planes = (0..format.planes())
                .map(|plane| {
                    let (row, rows) = format.plane_extent(plane, size);
                    (0..row * rows).map(|index| (index.wrapping_mul(2_654_435_761) >> 8) as u8).collect()
                })
                .collect();
            let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
            let picture = Picture::from_planes(size, format, planes, 0, MediaTime::ZERO, captured).expect("planes of the right size");
            let mut preparer = Preparer::new(&input);
            let mut tensor = vec![0.0; preparer.tensor_len()];
            // The least of all rounds: what it takes when nothing else runs on the core.
            let mut least = f64::MAX;
            let mut guard = UsabilityGuard::new();
            let mut least_guard = f64::MAX;
            for _ in 0..ROUNDS {
                let before = clock.monotonic();
                preparer.fill(&picture, None, Modality::Visible, &mut tensor);
                let between = clock.monotonic();
                guard.judge(&picture);
                let after = clock.monotonic();
                least = least.min(between.saturating_sub(before).as_secs_f64() * 1e3);
                least_guard = least_guard.min(after.saturating_sub(between).as_secs_f64() * 1e3);
            }
            println!("{width}×{height} {format:?}: {least:.3} ms to 416, usability guard {least_guard:.3} ms");
        }
    }
}
