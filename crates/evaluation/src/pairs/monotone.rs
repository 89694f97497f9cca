//! The rising sequence of pairs of least total distance.

/// `count` cells, strictly rising in row and column, whose values have the
/// least sum; of equal sums the shallower cells. `count` is at least 1 and at
/// most the smaller side of the matrix.
///
/// With `best(k, i, j)` the least sum of k cells within the first i rows and j
/// columns, `best(k, i, j)` is the least of `best(k, i−1, j)`, `best(k, i,
/// j−1)` and `best(k−1, i−1, j−1) + distance(i−1, j−1)`.
pub(super) fn shortest(distance: &[Vec<f64>], count: usize) -> Vec<(usize, usize)> {
    let (rows, columns) = (distance.len(), distance.first().map_or(0, Vec::len));
    let at = |i: usize, j: usize| i * (columns + 1) + j;
    let mut best = vec![vec![0.0; at(rows, columns) + 1]];
    for k in 1..=count {
        let mut next = vec![f64::INFINITY; best[0].len()];
        for i in k..=rows {
            for j in k..=columns {
                let taken = best[k - 1][at(i - 1, j - 1)] + distance[i - 1][j - 1];
                next[at(i, j)] = taken.min(next[at(i - 1, j)]).min(next[at(i, j - 1)]);
            }
        }
        best.push(next);
    }
    let mut cells = Vec::with_capacity(count);
    let (mut i, mut j) = (rows, columns);
    for k in (1..=count).rev() {
        let sum = best[k][at(i, j)];
        while i > k && best[k][at(i - 1, j)] == sum {
            i -= 1;
        }
        while j > k && best[k][at(i, j - 1)] == sum {
            j -= 1;
        }
        (i, j) = (i - 1, j - 1);
        cells.push((i, j));
    }
    cells.reverse();
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The least sum of all rising sequences that begin at or after (i, j).
    fn brute(d: &[Vec<f64>], count: usize, i: usize, j: usize) -> f64 {
        if count == 0 {
            return 0.0;
        }
        let mut least = f64::INFINITY;
        for r in i..d.len() {
            for c in j..d[0].len() {
                least = least.min(d[r][c] + brute(d, count - 1, r + 1, c + 1));
            }
        }
        least
    }

    #[test]
    fn equal_sums_go_to_the_shallower() {
        let flat = vec![vec![1.0; 4]; 3];
        assert_eq!(shortest(&flat, 2), [(0, 0), (1, 1)]);
        assert_eq!(shortest(&flat, 3), [(0, 0), (1, 1), (2, 2)]);
    }

    proptest! {
        #[test]
        fn no_rising_sequence_is_shorter(
            rows in 1..6usize,
            columns in 1..6usize,
            count in 1..6usize,
            values in prop::collection::vec(0..50u8, 25),
        ) {
            let count = count.min(rows).min(columns);
            let row = |r: usize| (0..columns).map(|c| f64::from(values[r * 5 + c])).collect();
            let d: Vec<Vec<f64>> = (0..rows).map(row).collect();
            let cells = shortest(&d, count);
            prop_assert_eq!(cells.len(), count);
            prop_assert!(cells.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1));
            let sum: f64 = cells.iter().map(|&(r, c)| d[r][c]).sum();
            prop_assert_eq!(sum, brute(&d, count, 0, 0));
        }
    }
}
