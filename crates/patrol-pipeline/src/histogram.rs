//! Durations counted by how long they were, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets, milliseconds. 150 ms is what a lead may take (design §8, P4).
pub const BOUNDS_MS: [u64; 17] = [1, 2, 5, 10, 20, 35, 50, 75, 100, 125, 150, 200, 300, 500, 1_000, 2_000, 5_000];

#[derive(Debug, Default)]
pub struct Histogram {
    /// By bucket; the last has no bound.
    counts: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_us: AtomicU64,
}

/// What a histogram has counted so far.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HistogramReading {
    /// Upper bound in seconds, and how many took no longer. The last has no bound and counts all.
    pub cumulative: Vec<(Option<f64>, u64)>,
    pub sum_s: f64,
}

impl Histogram {
    pub fn note(&self, took: Duration) {
        let bucket = BOUNDS_MS.partition_point(|bound| Duration::from_millis(*bound) < took);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }

    pub fn reading(&self) -> HistogramReading {
        let bounds = BOUNDS_MS.iter().map(|ms| Some(*ms as f64 / 1e3)).chain([None]);
        let mut all = 0;
        let cumulative = bounds
            .zip(&self.counts)
            .map(|(bound, count)| {
                all += count.load(Ordering::Relaxed);
                (bound, all)
            })
            .collect();
        HistogramReading { cumulative, sum_s: self.sum_us.load(Ordering::Relaxed) as f64 / 1e6 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_counts_once_and_in_every_bucket_above_it() {
        let histogram = Histogram::default();
        for ms in [0, 1, 3, 150, 151, 60_000] {
            histogram.note(Duration::from_millis(ms));
        }
        let reading = histogram.reading();
        let upto = |bound: Option<f64>| reading.cumulative.iter().find(|(at, _)| *at == bound).map(|(_, count)| *count);
        assert_eq!(upto(Some(0.001)), Some(2));
        assert_eq!(upto(Some(0.005)), Some(3));
        assert_eq!(upto(Some(0.15)), Some(4));
        assert_eq!(upto(Some(0.2)), Some(5));
        assert_eq!(upto(Some(5.0)), Some(5));
        assert_eq!(upto(None), Some(6));
        assert!((reading.sum_s - 60.305).abs() < 1e-6);
    }
}
