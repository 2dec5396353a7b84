//! Order statistics of eight small sets at a time: the compiler makes vectors of the lanes.

pub(super) const LANES: usize = 8;
pub(super) type Lanes = [f32; LANES];

/// Sorts each lane, lowest first: Batcher's merge exchange (Knuth, TAOCP 3, 5.2.2 M), which compares the same places whatever the values.
pub(super) fn sort<const N: usize>(rows: &mut [Lanes; N]) {
    let highest = N.next_power_of_two() / 2;
    let mut p = highest;
    while p > 0 {
        let (mut q, mut r, mut d) = (highest, 0, p);
        loop {
            for low in (0..N - d).filter(|low| low & p == r) {
                exchange(rows, low, low + d);
            }
            if q == p {
                break;
            }
            (d, q, r) = (q - p, q / 2, p);
        }
        p /= 2;
    }
}

fn exchange<const N: usize>(rows: &mut [Lanes; N], low: usize, high: usize) {
    let (a, b) = (rows[low], rows[high]);
    for lane in 0..LANES {
        // Not `f32::min`, which costs more to treat NaN well; there is none here.
        rows[low][lane] = if a[lane] < b[lane] { a[lane] } else { b[lane] };
        rows[high][lane] = if a[lane] < b[lane] { b[lane] } else { a[lane] };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lane_is_sorted() {
        fn check<const N: usize>() {
            let mut rows: [Lanes; N] = std::array::from_fn(|row| std::array::from_fn(|lane| ((row * 37 + lane * 11) % 29) as f32));
            let mut wanted: Vec<Vec<f32>> = (0..LANES).map(|lane| rows.iter().map(|row| row[lane]).collect()).collect();
            sort(&mut rows);
            for (lane, wanted) in wanted.iter_mut().enumerate() {
                wanted.sort_by(f32::total_cmp);
                assert_eq!(rows.iter().map(|row| row[lane]).collect::<Vec<_>>(), *wanted, "{N}");
            }
        }
        check::<2>();
        check::<9>();
        check::<25>();
        check::<40>();
    }
}
