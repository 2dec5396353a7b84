//! The cheapest pairing of rows with columns, exact: the Hungarian method with shortest augmenting paths and potentials
//! (Jonker and Volgenant, *Computing* 38, 1987), O(rows² · columns) for rows ≤ columns.

/// Pairs each row of the row-major matrix `costs` with at most one column, and each column with at most one row.
///
/// As many pairs as possible are made, and among all such pairings one of minimal total cost is given: element `r` is the column of row `r`.
/// `f32::INFINITY` (and NaN) forbids a pair. A matrix of another length than `rows * columns` pairs nothing.
pub fn solve(costs: &[f32], rows: usize, columns: usize) -> Vec<Option<usize>> {
    let mut solver = Solver::default();
    solver.solve(costs, rows, columns);
    solver.pairs
}

/// [`solve`] with buffers that are kept from one look to the next.
#[derive(Debug, Default)]
pub(crate) struct Solver {
    pairs: Vec<Option<usize>>,
    row_potential: Vec<f64>,
    column_potential: Vec<f64>,
    /// Row held by each column, 1-based; 0 is none. Column 0 is the root of the search.
    row_of: Vec<usize>,
    previous: Vec<usize>,
    reach: Vec<f64>,
    visited: Vec<bool>,
}

impl Solver {
    /// Columns by row, as [`solve`] gives them.
    pub(crate) fn solve(&mut self, costs: &[f32], rows: usize, columns: usize) -> &[Option<usize>] {
        self.pairs.clear();
        self.pairs.resize(rows, None);
        if rows == 0 || columns == 0 || costs.len() != rows * columns {
            return &self.pairs;
        }
        // A forbidden pair costs more than any set of allowed ones, so that it is taken only when there is no other, and then dropped.
        let (low, high) = costs
            .iter()
            .filter(|cost| cost.is_finite())
            .fold((0.0_f64, 0.0_f64), |(low, high), &cost| (low.min(f64::from(cost)), high.max(f64::from(cost))));
        let forbidden = (high - low + 1.0) * (rows.min(columns) + 1) as f64 + high;
        let transposed = rows > columns;
        let (n, m) = if transposed { (columns, rows) } else { (rows, columns) };
        let index = |i: usize, j: usize| if transposed { j * columns + i } else { i * columns + j };
        let cost = |i: usize, j: usize| {
            let cost = costs[index(i, j)];
            if cost.is_finite() { f64::from(cost) } else { forbidden }
        };
        self.augment(n, m, cost);
        for j in 1..=m {
            let i = self.row_of[j];
            if i == 0 || !costs[index(i - 1, j - 1)].is_finite() {
                continue;
            }
            let (row, column) = if transposed { (j - 1, i - 1) } else { (i - 1, j - 1) };
            self.pairs[row] = Some(column);
        }
        &self.pairs
    }

    /// One shortest augmenting path per row; `n` ≤ `m`.
    fn augment(&mut self, n: usize, m: usize, cost: impl Fn(usize, usize) -> f64) {
        reset(&mut self.row_potential, n + 1, 0.0);
        reset(&mut self.column_potential, m + 1, 0.0);
        reset(&mut self.row_of, m + 1, 0);
        reset(&mut self.previous, m + 1, 0);
        for i in 1..=n {
            self.row_of[0] = i;
            reset(&mut self.reach, m + 1, f64::INFINITY);
            reset(&mut self.visited, m + 1, false);
            let mut j0 = 0;
            while self.row_of[j0] != 0 {
                self.visited[j0] = true;
                let i0 = self.row_of[j0];
                let (mut delta, mut j1) = (f64::INFINITY, 0);
                for j in 1..=m {
                    if self.visited[j] {
                        continue;
                    }
                    let reduced = cost(i0 - 1, j - 1) - self.row_potential[i0] - self.column_potential[j];
                    if reduced < self.reach[j] {
                        self.reach[j] = reduced;
                        self.previous[j] = j0;
                    }
                    if self.reach[j] < delta {
                        delta = self.reach[j];
                        j1 = j;
                    }
                }
                for j in 0..=m {
                    if self.visited[j] {
                        self.row_potential[self.row_of[j]] += delta;
                        self.column_potential[j] -= delta;
                    } else {
                        self.reach[j] -= delta;
                    }
                }
                j0 = j1;
            }
            while j0 != 0 {
                let before = self.previous[j0];
                self.row_of[j0] = self.row_of[before];
                j0 = before;
            }
        }
    }
}

fn reset<T: Clone>(buffer: &mut Vec<T>, len: usize, value: T) {
    buffer.clear();
    buffer.resize(len, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn total(costs: &[f32], columns: usize, pairs: &[Option<usize>]) -> (usize, f32) {
        let made = pairs.iter().enumerate().filter_map(|(r, c)| c.map(|c| costs[r * columns + c]));
        (made.clone().count(), made.sum())
    }

    /// Every pairing tried: the most pairs, then the least cost.
    fn brute_force(costs: &[f32], rows: usize, columns: usize, row: usize, used: u32) -> (usize, f32) {
        if row == rows {
            return (0, 0.0);
        }
        let mut best = brute_force(costs, rows, columns, row + 1, used);
        for c in (0..columns).filter(|c| used & (1 << c) == 0) {
            let cost = costs[row * columns + c];
            if cost.is_finite() {
                let (pairs, rest) = brute_force(costs, rows, columns, row + 1, used | (1 << c));
                if pairs + 1 > best.0 || (pairs + 1 == best.0 && cost + rest < best.1) {
                    best = (pairs + 1, cost + rest);
                }
            }
        }
        best
    }

    proptest! {
        #[test]
        fn no_other_pairing_is_better(
            rows in 0..6_usize,
            columns in 0..6_usize,
            values in proptest::collection::vec(prop_oneof![4 => -5.0..9.0_f32, 1 => Just(f32::INFINITY)], 36),
        ) {
            let costs = &values[..rows * columns];
            let pairs = solve(costs, rows, columns);
            prop_assert_eq!(pairs.len(), rows);
            let mut used: Vec<usize> = pairs.iter().flatten().copied().collect();
            used.sort_unstable();
            used.dedup();
            let (count, sum) = total(costs, columns, &pairs);
            prop_assert_eq!(used.len(), count);
            let (best_count, best_sum) = brute_force(costs, rows, columns, 0, 0);
            prop_assert_eq!(count, best_count);
            prop_assert!((sum - best_sum).abs() < 1e-3, "{} {}", sum, best_sum);
        }
    }

    #[test]
    fn forbidden_pairs_are_never_made() {
        let no = f32::INFINITY;
        assert_eq!(solve(&[no, no, no, no], 2, 2), [None, None]);
        assert_eq!(solve(&[no, 1.0, no, 2.0], 2, 2), [Some(1), None]);
        assert_eq!(solve(&[1.0, f32::NAN], 1, 2), [Some(0)]);
        assert_eq!(solve(&[1.0], 2, 2), [None, None]);
    }
}
