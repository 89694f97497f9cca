//! docs/CONFIG.md names exactly the keys of every kind of loss.

use std::collections::{BTreeMap, BTreeSet};

use spectralkd_losses::{Loss, Spec};

/// The first column of the tables below `## Losses`, by the heading above each.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CONFIG.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, losses) = page.split_once("\n## Losses\n").unwrap();
    let section = losses.split("\n## ").next().unwrap();
    let mut tables: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut heading = "Losses".to_owned();
    for line in section.lines() {
        if line.starts_with('#') {
            heading = line.trim_start_matches('#').trim().replace('`', "");
            tables.entry(heading.clone()).or_default();
        } else if let Some(key) = line.strip_prefix("| `").and_then(|l| l.split('`').next()) {
            let keys = tables.entry(heading.clone()).or_default();
            assert!(
                keys.insert(key.to_owned()),
                "{key} stands twice under {heading}"
            );
        }
    }
    tables
}

#[test]
fn the_page_and_the_kinds_agree() {
    let of_kind = |&kind: &&str| {
        let keys = Spec::keys(kind).unwrap();
        (format!("kind = \"{kind}\""), keys.into_iter().collect())
    };
    let mut kinds: BTreeMap<String, BTreeSet<String>> = Spec::KINDS.iter().map(of_kind).collect();
    kinds.insert("Losses".to_owned(), Loss::KEYS.map(str::to_owned).into());
    assert_eq!(documented(), kinds);
}
