//! The name that was meant.

/// The candidate that is the fewest edits away from `name`, the first of several; empty if there are none.
pub(super) fn nearest(name: &str, candidates: &[&'static str]) -> &'static str {
    let nearest = candidates.iter().min_by_key(|other| edits(name, other));
    nearest.copied().unwrap_or_default()
}

/// Levenshtein's distance: how many characters to insert, delete or replace to turn `a` into `b`.
fn edits(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    // Distances of the part of `a` so far to each beginning of `b`.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = i;
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = replaced.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_are_counted() {
        for (a, b, count) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("swin", "swim", 1),
            ("è", "e", 1),
        ] {
            assert_eq!(edits(a, b), count, "{a} {b}");
        }
        assert_eq!(nearest("swim", &["deit", "swin"]), "swin");
    }
}
