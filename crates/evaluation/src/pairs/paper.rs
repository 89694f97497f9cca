//! The first and the last layers of a model.

/// The first ⌈count / 4⌉ and the last `count − ⌈count / 4⌉` of `depth` places,
/// ascending; a single one is the last. `count` is at most `depth`.
pub(super) fn ends(depth: usize, count: usize) -> Vec<usize> {
    let first = if count == 1 { 0 } else { count.div_ceil(4) };
    let last = depth - (count - first)..depth;
    (0..first).chain(last).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recipes_of_the_paper() {
        assert_eq!(ends(12, 8), [0, 1, 6, 7, 8, 9, 10, 11]);
        assert_eq!(ends(24, 8), [0, 1, 18, 19, 20, 21, 22, 23]);
        assert_eq!(ends(4, 4), [0, 1, 2, 3]);
    }

    #[test]
    fn any_count_gives_distinct_places() {
        assert_eq!(ends(12, 1), [11]);
        assert_eq!(ends(12, 2), [0, 11]);
        assert_eq!(ends(12, 5), [0, 1, 9, 10, 11]);
        for depth in 1..30 {
            for count in 1..=depth {
                let places = ends(depth, count);
                assert_eq!(places.len(), count);
                assert!(places.windows(2).all(|w| w[0] < w[1]));
                assert_eq!(places.last(), Some(&(depth - 1)));
            }
        }
    }
}
