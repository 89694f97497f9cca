//! "Did you mean …?"

/// The candidate that is the fewest edits away from `name`, of several the first by the alphabet; `None` if there are
/// none.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let counted = candidates.into_iter().map(|c| (edits(name, c), c));
    counted.min().map(|(_, c)| c)
}

/// [`closest`], if it is near enough to be a slip: at most a third of the longer word.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    closest(name, candidates).filter(|c| edits(name, c) * 3 <= c.len().max(name.len()))
}

/// Insertions, deletions and replacements of characters, and exchanges of two neighbours, each part of the word edited
/// once (the optimal string alignment distance).
fn edits(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // Distances of beginnings of `a` to each beginning of `b`: two and one character ago.
    let mut two_ago = Vec::new();
    let mut one_ago: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = one_ago[j] + usize::from(a[i] != b[j]);
            let mut least = replaced.min(one_ago[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(two_ago[j - 1] + 1);
            }
            row.push(least);
        }
        two_ago = std::mem::replace(&mut one_ago, row);
    }
    one_ago[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let names = ["epochs", "batch_size", "lr", "warmup_lr"];
        assert_eq!(nearest("epoch", names), Some("epochs"));
        assert_eq!(nearest("batchsize", names), Some("batch_size"));
        assert_eq!(nearest("temperature", names), None);
        assert_eq!(nearest("trian", ["data", "train"]), Some("train"));
        assert_eq!(
            closest("temperature", ["swin", "teaparty"]),
            Some("teaparty")
        );
        assert_eq!(closest("lr", []), None);
    }

    #[test]
    fn edits_are_counted() {
        for (a, b, count) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("swin", "swim", 1),
            ("è", "e", 1),
            ("trian", "train", 1),
            ("ca", "abc", 3),
        ] {
            assert_eq!(edits(a, b), count, "{a} {b}");
        }
    }
}
