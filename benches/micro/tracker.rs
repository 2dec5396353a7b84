//! An update of the tracker: half of the people walk about, half keep their places, one detection in ten is missing.

mod dice;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use dice::Dice;
use patrol_core::{Detection, DetectionSource, MediaTime, PictureSize, PixelBox};
use patrol_track::{Tracker, TrackerConfig};

const SIZE: PictureSize = PictureSize::new(1920, 1080);
const FPS: i64 = 5;
/// Looks that are made before they are measured, and come again and again.
const LOOKS: usize = 600;

/// Detections of `people`, look by look; who walks goes to and fro, so that the last look leads to the first.
fn looks(people: usize) -> Vec<Vec<Detection>> {
    let mut dice = Dice(11);
    let places: Vec<(f32, f32)> = (0..people).map(|_| (100.0 + dice.roll(1700) as f32, 100.0 + dice.roll(850) as f32)).collect();
    let mut look = |number: usize| {
        let phase = number as f32 / LOOKS as f32 * std::f32::consts::TAU;
        let mut seen = Vec::with_capacity(people);
        for (index, &(x, y)) in places.iter().enumerate() {
            let jitter = |dice: &mut Dice| dice.roll(100) as f32 / 50.0 - 1.0;
            let walked = if index % 2 == 0 { 90.0 * (4.0 * phase + index as f32).sin() } else { 0.0 };
            let bbox = PixelBox::new(x + walked + jitter(&mut dice), y + jitter(&mut dice), 24.0, 60.0);
            if dice.roll(10) > 0 {
                seen.push(Detection { bbox, score: 0.8, source: DetectionSource::Network, resolved: true, blob: None });
            }
        }
        seen
    };
    (0..LOOKS).map(&mut look).collect()
}

fn tracking(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tracker");
    for people in [10, 50] {
        let looks = looks(people);
        let mut tracker = Tracker::new(TrackerConfig::default(), 1);
        let mut number = 0_usize;
        group.bench_function(BenchmarkId::new("update", format!("{people} people")), |bencher| {
            bencher.iter(|| {
                let at = MediaTime(number as i64 * 1_000_000_000 / FPS);
                let tracks = tracker.update(at, SIZE, &looks[number % LOOKS], &|_| Some(35.0)).len();
                number += 1;
                tracks
            });
        });
    }
    group.finish();
}

criterion_group!(benches, tracking);
criterion_main!(benches);
