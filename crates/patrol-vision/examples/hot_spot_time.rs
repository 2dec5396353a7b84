//! Milliseconds of `hot-spot` a picture, least and median over pictures of the best of some rounds.
//!
//! `cargo run --release -p patrol-vision --example hot_spot_time FOLDER [pictures] [rounds]`. Best of rounds: another program's work is not counted.
#![allow(clippy::expect_used, clippy::print_stdout, reason = "a bench that prints its figures")]

use patrol_core::{Clock, MediaTime, Modality, Picture, PictureSize, PixelFormat, SystemClock, WallEstimate, WallTime};
use patrol_vision::{DetectContext, Detector, HotSpot, HotSpotConfig};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(folder) = arguments.first() else {
        println!("usage: hot_spot_time FOLDER [pictures] [rounds]");
        return;
    };
    let number = |index: usize, otherwise: usize| arguments.get(index).map_or(otherwise, |text| text.parse().expect("a number"));
    let (pictures, rounds) = (number(1, 60), number(2, 20).max(1));
    let mut paths: Vec<_> = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    let step = (paths.len() / pictures.max(1)).max(1);
    let clock = SystemClock::new();
    let mut detector = HotSpot::new(HotSpotConfig::default());
    let context = DetectContext { modality: Modality::Thermal, view: None, gsd_m: None, in_full: Some(0) };
    let mut times: Vec<f64> = Vec::new();
    let mut found = Vec::new();
    for path in paths.iter().step_by(step) {
        let Ok(image) = image::open(path) else { continue };
        let image = image.into_luma8();
        let size = PictureSize::new(image.width(), image.height());
        let captured = WallEstimate { at: WallTime(0), error_ms: 0 };
        let picture = Picture::from_planes(size, PixelFormat::Gray8, vec![image.into_raw()], 0, MediaTime::ZERO, captured).expect("good");
        let best = (0..rounds).map(|_| {
            found.clear();
            let began = clock.monotonic();
            detector.detect(&picture, &context, &mut found).expect("detected");
            clock.monotonic().saturating_sub(began)
        });
        times.extend(best.min().map(|time| time.as_secs_f64() * 1e3));
    }
    times.sort_by(f64::total_cmp);
    if let (Some(least), Some(middle)) = (times.first(), times.get(times.len() / 2)) {
        println!("{} pictures, best of {rounds}: least {least:.2} ms, median {middle:.2} ms", times.len());
    }
}
