//! The heaviest matching of a given size.

/// Less than this is no gain: rounding must not send a search in circles.
const GAIN: f64 = 1e-12;

/// `count` cells with distinct rows and distinct columns whose values have the
/// greatest sum (to 10⁻¹²), ordered by row; cells without a value are never
/// taken. None when there are no `count` such cells.
///
/// Successive shortest augmenting paths: the matching of k cells is the best of
/// its size, and the cheapest way to free a row and a column for one more makes
/// it the best of size k + 1 (Ahuja, Magnanti and Orlin, *Network Flows*, 1993,
/// section 9.7).
pub(super) fn heaviest(values: &[Vec<Option<f64>>], count: usize) -> Option<Vec<(usize, usize)>> {
    let columns = values.first().map_or(0, Vec::len);
    let mut row_of: Vec<Option<usize>> = vec![None; columns];
    for _ in 0..count {
        augment(values, &mut row_of)?;
    }
    let matched = row_of.iter().enumerate();
    let mut cells: Vec<_> = matched.filter_map(|(c, r)| r.map(|r| (r, c))).collect();
    cells.sort_unstable();
    Some(cells)
}

/// Adds one cell to the matching, at the least loss; none when it cannot grow.
fn augment(values: &[Vec<Option<f64>>], row_of: &mut [Option<usize>]) -> Option<()> {
    let matched = |row: usize| row_of.iter().position(|r| *r == Some(row));
    // Bellman and Ford: the least cost of a path from a free row to each column,
    // and the row before it. A path leaves a row over a cell that is not in the
    // matching and comes back to a row over one that is.
    let mut row_cost: Vec<f64> = (0..values.len())
        .map(|row| matched(row).map_or(0.0, |_| f64::INFINITY))
        .collect();
    let mut cost = vec![f64::INFINITY; row_of.len()];
    let mut before: Vec<Option<usize>> = vec![None; row_of.len()];
    for _ in 0..=values.len() {
        let mut better = false;
        for (row, cells) in values.iter().enumerate() {
            for (column, value) in cells.iter().enumerate() {
                let Some(value) = value.filter(|_| row_of[column] != Some(row)) else {
                    continue;
                };
                let reached = row_cost[row] - value;
                if reached < cost[column] - GAIN {
                    cost[column] = reached;
                    before[column] = Some(row);
                    better = true;
                    if let Some(next) = row_of[column] {
                        row_cost[next] = reached + values[next][column].unwrap_or(0.0);
                    }
                }
            }
        }
        if !better {
            break;
        }
    }
    let free = (0..row_of.len()).filter(|&c| row_of[c].is_none() && before[c].is_some());
    let mut column = free.min_by(|&a, &b| cost[a].total_cmp(&cost[b]))?;
    let own: Vec<Option<usize>> = (0..values.len()).map(matched).collect();
    while let Some(row) = before[column] {
        row_of[column] = Some(row);
        match own[row] {
            Some(previous) => column = previous,
            None => break,
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The greatest sum over matchings of `count` cells in rows from `row` on.
    fn brute(v: &[Vec<Option<f64>>], count: usize, row: usize, used: u32) -> Option<f64> {
        if count == 0 {
            return Some(0.0);
        }
        if row == v.len() {
            return None;
        }
        let mut best = brute(v, count, row + 1, used);
        for (c, value) in v[row].iter().enumerate() {
            if let (Some(value), 0) = (value, used >> c & 1) {
                let rest = brute(v, count - 1, row + 1, used | 1 << c);
                if let Some(sum) = rest.map(|rest| rest + value) {
                    best = Some(best.map_or(sum, |best| best.max(sum)));
                }
            }
        }
        best
    }

    #[test]
    fn a_greedy_choice_is_undone() {
        let some = |rows: [[f64; 2]; 2]| rows.map(|r| r.map(Some).to_vec()).to_vec();
        let v = some([[0.9, 0.8], [0.8, 0.1]]);
        assert_eq!(heaviest(&v, 1), Some(vec![(0, 0)]));
        assert_eq!(heaviest(&v, 2), Some(vec![(0, 1), (1, 0)]));
        assert_eq!(heaviest(&v, 3), None);
    }

    #[test]
    fn cells_without_value_are_never_taken() {
        let v = vec![vec![Some(0.1), None], vec![Some(0.9), None]];
        assert_eq!(heaviest(&v, 1), Some(vec![(1, 0)]));
        assert_eq!(heaviest(&v, 2), None);
    }

    proptest! {
        #[test]
        fn no_matching_is_heavier(
            rows in 1..6usize,
            columns in 1..6usize,
            count in 1..6usize,
            values in prop::collection::vec(prop::option::weighted(0.85, 0.0..1.0f64), 25),
        ) {
            let row = |r: usize| values[r * 5..r * 5 + columns].to_vec();
            let v: Vec<Vec<Option<f64>>> = (0..rows).map(row).collect();
            let cells = heaviest(&v, count);
            let best = brute(&v, count, 0, 0);
            prop_assert_eq!(cells.is_some(), best.is_some());
            if let (Some(cells), Some(best)) = (cells, best) {
                prop_assert_eq!(cells.len(), count);
                prop_assert!(cells.windows(2).all(|w| w[0].0 < w[1].0));
                let mut used: Vec<usize> = cells.iter().map(|c| c.1).collect();
                used.sort_unstable();
                prop_assert!(used.windows(2).all(|w| w[0] < w[1]));
                let sum: f64 = cells.iter().filter_map(|&(r, c)| v[r][c]).sum();
                prop_assert!((sum - best).abs() < 1e-10, "{} of {}", sum, best);
            }
        }
    }
}
