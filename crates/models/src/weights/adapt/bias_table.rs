//! Relative position bias tables for another window, as timm's `resize_rel_pos_bias_table`.
//!
//! The old offsets are placed at geometrically growing distances from 0 whose outermost reaches the new
//! window's, so that near offsets keep their values and far ones are stretched; the new offsets are
//! interpolated linearly. (timm takes scipy's cubic splines only where TIMM_USE_SCIPY_INTERP is set; scipy is
//! not among its requirements.)

use crate::ModelConfig;

/// How many offsets (height, width) the table `name` of a model has; `None` if it has no such table.
pub(super) fn offsets(config: &ModelConfig, name: &str) -> Option<[usize; 2]> {
    let ModelConfig::Swin(config) = config else {
        return None;
    };
    let (stage, _) = name.strip_prefix("layers.")?.split_once('.')?;
    let sizes = config.sizes().ok()?;
    let stage = sizes.stages.get(stage.parse::<usize>().ok()?)?;
    Some(stage.window.map(|side| 2 * side - 1))
}

/// Resizes a table [old height * old width, heads] to [new height * new width, heads]; all four are odd.
pub(super) fn resize(table: &[f64], heads: usize, old: [usize; 2], new: [usize; 2]) -> Vec<f64> {
    let [down, across] = [0, 1].map(|side| weights(old[side], new[side]));
    let mut out = Vec::with_capacity(new[0] * new[1] * heads);
    for row in &down {
        for column in &across {
            for head in 0..heads {
                let value = |(i, a): &(usize, f64), (j, b): &(usize, f64)| {
                    a * b * table[(i * old[1] + j) * heads + head]
                };
                let sum = row
                    .iter()
                    .map(|i| column.iter().map(|j| value(i, j)).sum::<f64>());
                out.push(sum.sum());
            }
        }
    }
    out
}

/// For each new offset along one axis, the two old ones that it lies between, with their weights.
fn weights(old: usize, new: usize) -> Vec<[(usize, f64); 2]> {
    let places = places(old, new);
    let half = (new / 2) as f64;
    let last = places.len() - 1;
    let row = |offset: usize| {
        let at = offset as f64 - half;
        let right = places.partition_point(|&place| place < at).min(last);
        let left = right.saturating_sub(1);
        let mut from_left = (at - places[left]).max(0.0);
        let mut to_right = (places[right] - at).max(0.0);
        if from_left == 0.0 && to_right == 0.0 {
            (from_left, to_right) = (1.0, 1.0); // both are the same place
        }
        let sum = from_left + to_right;
        [(left, to_right / sum), (right, from_left / sum)]
    };
    (0..new).map(row).collect()
}

/// Where the old offsets lie, in steps of the new window: 0, ±1, ±(1 + q), ±(1 + q + q²), ... with the q in
/// [1.01, 1.5] that brings the outermost to the new one's, found by bisection.
fn places(old: usize, new: usize) -> Vec<f64> {
    let (half, reach) = ((old / 2) as i32, (new / 2) as f64);
    let (mut low, mut high, mut q) = (1.01f64, 1.5f64, 1.5f64);
    while high - low > 1e-6 {
        q = (low + high) / 2.0;
        if (1.0 - q.powi(half)) / (1.0 - q) > reach {
            high = q;
        } else {
            low = q;
        }
    }
    let mut at = 0.0;
    let right: Vec<f64> = (0..half)
        .map(|step| {
            at += q.powi(step);
            at
        })
        .collect();
    let left = right.iter().rev().map(|place| -place);
    left.chain([0.0]).chain(right.iter().copied()).collect()
}
