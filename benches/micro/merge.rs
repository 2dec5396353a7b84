//! One list out of what the tiles of a picture found.

mod dice;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use dice::Dice;
use patrol_core::PixelBox;
use patrol_vision::layout::Candidate;
use patrol_vision::tiles::{Found, merge};

/// `people` seen `times` each, a little off, in a picture of 1080p.
fn found(people: usize, times: usize) -> Vec<Found> {
    let mut dice = Dice(7);
    let mut all = Vec::with_capacity(people * times);
    for _ in 0..people {
        let (x, y, h) = (dice.roll(1800) as f32, dice.roll(900) as f32, 40.0 + dice.roll(80) as f32);
        for _ in 0..times {
            let off = |dice: &mut Dice| dice.roll(9) as f32 - 4.0;
            let bbox = PixelBox::new(x + off(&mut dice), y + off(&mut dice), 0.4 * h, h);
            all.push(Found { candidate: Candidate { bbox, score: 0.1 + dice.roll(900) as f32 / 1000.0 }, scale: 1.0 });
        }
    }
    all
}

fn merging(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("merge");
    for (people, times) in [(5, 6), (50, 6), (170, 6)] {
        let all = found(people, times);
        group.bench_function(BenchmarkId::from_parameter(format!("{} boxes of {people} people", all.len())), |bencher| {
            bencher.iter_batched_ref(|| all.clone(), |all| merge(all, 0.45), BatchSize::SmallInput);
        });
    }
    group.finish();
}

criterion_group!(benches, merging);
criterion_main!(benches);
