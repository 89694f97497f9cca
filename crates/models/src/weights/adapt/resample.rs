//! Bicubic resampling with antialiasing, as torch's `interpolate(mode="bicubic", antialias=True,
//! align_corners=False)`, which is Pillow's.

/// Keys' cubic kernel (1981) with a = -0.5, which has support [-2, 2].
fn cubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    let x = x.abs();
    if x < 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        (((x - 5.0) * x + 8.0) * x - 4.0) * A
    } else {
        0.0
    }
}

/// For each place of the new axis, the first place of the old one that counts, and the weights from there on. The
/// kernel is as wide as a new place (downsampling) or an old one (upsampling); what lies outside is left out, and
/// the weights sum to 1.
fn weights(old: usize, new: usize) -> Vec<(usize, Vec<f64>)> {
    let scale = old as f64 / new as f64;
    let stretch = scale.max(1.0);
    let support = 2.0 * stretch;
    let row = |place: usize| {
        let centre = scale * (place as f64 + 0.5);
        let first = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(old);
        let raw: Vec<f64> = (first..end)
            .map(|at| cubic((at as f64 + 0.5 - centre) / stretch))
            .collect();
        let sum: f64 = raw.iter().sum();
        (first, raw.into_iter().map(|weight| weight / sum).collect())
    };
    (0..new).map(row).collect()
}

/// Resamples a map [old height, old width, channels] to [new height, new width, channels].
pub(super) fn bicubic(map: &[f64], channels: usize, old: [usize; 2], new: [usize; 2]) -> Vec<f64> {
    // Rows of `length` numbers: a whole line of the map for the height, one place for the width.
    let axis = |rows: &[f64], length: usize, weights: &[(usize, Vec<f64>)]| {
        let mut out = vec![0.0; weights.len() * length];
        for ((first, weights), out) in weights.iter().zip(out.chunks_exact_mut(length)) {
            for (weight, row) in weights.iter().zip(rows.chunks_exact(length).skip(*first)) {
                for (out, value) in out.iter_mut().zip(row) {
                    *out += weight * value;
                }
            }
        }
        out
    };
    let line = old[1] * channels;
    let [down, across] = [0, 1].map(|side| weights(old[side], new[side]));
    let tall = axis(map, line, &down);
    tall.chunks_exact(line)
        .flat_map(|row| axis(row, channels, &across))
        .collect()
}
