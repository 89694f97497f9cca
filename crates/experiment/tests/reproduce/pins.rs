//! Numbers that are kept in files, one to a line: `name value`.

use std::collections::BTreeMap;

/// Numbers found, by name.
pub type Found = BTreeMap<String, f64>;

/// Compares numbers with the pinned ones: the same names, and values no further off than `tolerance` relative to the
/// pinned one. The panic lists what differs and then everything that was found, as it would stand in the file.
#[track_caller]
pub fn check(found: &Found, pinned: &str, tolerance: f64) {
    let lines = pinned
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let pinned: BTreeMap<&str, f64> = lines.map(entry).collect();
    let mut wrong = Vec::new();
    for (name, value) in found {
        match pinned.get(name.as_str()) {
            None => wrong.push(format!("{name}: not pinned")),
            Some(pin) => {
                let off = (value / pin - 1.0).abs();
                if off.is_nan() || off > tolerance {
                    wrong.push(format!("{name}: {value} for {pin}, off by {off:.1e}"));
                }
            }
        }
    }
    let missing = pinned.keys().filter(|name| !found.contains_key(**name));
    wrong.extend(missing.map(|name| format!("{name}: missing")));
    let all: String = found
        .iter()
        .map(|(name, value)| format!("{name} {value:.8e}\n"))
        .collect();
    assert!(wrong.is_empty(), "{}\n\nfound:\n{all}", wrong.join("\n"));
}

fn entry(line: &str) -> (&str, f64) {
    let (name, value) = line.rsplit_once(' ').unwrap();
    (name, value.parse().unwrap())
}
