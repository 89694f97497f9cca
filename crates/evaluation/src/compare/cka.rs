//! Linear centred kernel alignment, from tiles of Gram matrices.
//!
//! With X `[N, C·H·W]` the features of a layer, centred over the N images, its
//! Gram matrix is K = X Xᵀ `[N, N]`. Of two layers,
//!
//! CKA = ⟨K, L⟩ / (‖K‖ ‖L‖) (Frobenius; Kornblith et al., 2019).
//!
//! Only inner products of Gram matrices are needed, so that they are made tile
//! by tile and forgotten. Centring by the exact mean, found in an earlier pass,
//! rather than by subtracting row sums from K, keeps the large mean of
//! transformer features from eating the digits.

use std::ops::Range;

use candle_core::{Device, Tensor};
use rayon::prelude::*;
use spectralkd_base::progress::Progress;

use super::features::Source;
use crate::error::Result;

/// Below this part of the energy, what is left of it is rounding.
const NOTHING: f64 = 1e-24;

/// Inner products of the centred Gram matrices of two layers.
#[derive(Clone, Copy, Debug, Default)]
struct Product {
    /// ⟨K, L⟩ over all N² entries.
    all: f64,
    /// The part of it on the diagonal.
    diagonal: f64,
}

/// Similarities of all pairs, A's layers outermost; none where a layer is the
/// same on all images.
pub(super) struct Similarity {
    pub(super) biased: Vec<Option<f64>>,
    pub(super) debiased: Vec<Option<f64>>,
}

/// CKA of all layers of A with all of B; `means` are `[C, H, W]` by layer, A's
/// first. About `memory` bytes are held at a time.
pub(super) fn similarity<'a>(
    a: &mut Source<'a>,
    b: &mut Source<'a>,
    means: &[&[f64]],
    memory: usize,
    progress: &dyn Progress,
) -> Result<Similarity> {
    let images = a.images();
    let (count_a, count_b) = (a.layers.len(), b.layers.len());
    let tiles = tiles(images, tile(images, means, memory));
    // Every layer with itself, then every pair.
    let mut wanted: Vec<(usize, usize)> = (0..count_a + count_b).map(|i| (i, i)).collect();
    wanted.extend((0..count_a).flat_map(|i| (0..count_b).map(move |j| (i, count_a + j))));
    let mut products = vec![Product::default(); wanted.len()];
    let mut traces = vec![0.0; count_a + count_b];
    let total = tiles.len() * (tiles.len() + 1) / 2 * (count_a + count_b);
    let mut stage = progress.stage("linear CKA", total as u64, "Gram tiles");
    for (p, rows) in tiles.iter().enumerate() {
        for columns in &tiles[p..] {
            let on_diagonal = rows == columns;
            let mut grams = Vec::with_capacity(count_a + count_b);
            for (layer, mean) in means.iter().enumerate() {
                let (source, at) = if layer < count_a {
                    (&mut *a, layer)
                } else {
                    (&mut *b, layer - count_a)
                };
                grams.push(gram(source, at, mean, rows, columns)?);
                stage.advance(1);
            }
            let side = columns.len();
            if on_diagonal {
                for (trace, gram) in traces.iter_mut().zip(&grams) {
                    *trace += gram.iter().step_by(side + 1).sum::<f64>();
                }
            }
            let sums = products.par_iter_mut().zip(&wanted);
            sums.for_each(|(sum, &(i, j))| {
                let (k, l) = (&grams[i], &grams[j]);
                let all: f64 = k.iter().zip(l).map(|(k, l)| k * l).sum();
                if on_diagonal {
                    sum.all += all;
                    let diagonal = k.iter().zip(l).step_by(side + 1);
                    sum.diagonal += diagonal.map(|(k, l)| k * l).sum::<f64>();
                } else {
                    // This tile and its mirror image.
                    sum.all += 2.0 * all;
                }
            });
        }
    }
    let energy = |layer: usize| {
        let still = means[layer].iter().map(|m| m * m).sum::<f64>() * images as f64;
        (traces[layer], still)
    };
    let moves: Vec<bool> = (0..traces.len())
        .map(energy)
        .map(|(moving, still)| moving > NOTHING * (moving + still))
        .collect();
    let (own, pairs) = products.split_at(traces.len());
    let each = |unbiased: bool| {
        let of = |(sum, &(i, j)): (&Product, &(usize, usize))| {
            if !moves[i] || !moves[j] {
                return None;
            }
            if !unbiased {
                return Some((sum.all / (own[i].all.sqrt() * own[j].all.sqrt())).clamp(0.0, 1.0));
            }
            let hsic = |sum: &Product, i: usize, j: usize| {
                debiased(sum, traces[i] * traces[j], images).unwrap_or(0.0)
            };
            let (k, l) = (hsic(&own[i], i, i), hsic(&own[j], j, j));
            let defined = k > NOTHING * own[i].all && l > NOTHING * own[j].all;
            defined.then(|| hsic(sum, i, j) / (k.sqrt() * l.sqrt()))
        };
        let wanted = &wanted[traces.len()..];
        pairs.iter().zip(wanted).map(of).collect()
    };
    Ok(Similarity {
        biased: each(false),
        debiased: each(true),
    })
}

/// Song et al.'s (2012) unbiased estimator of HSIC, times N (N − 3); none for
/// fewer than four images.
///
/// With K̃ the Gram matrix without its diagonal, it is tr(K̃L̃) + 1ᵀK̃1 1ᵀL̃1 /
/// ((N−1)(N−2)) − 2/(N−2) 1ᵀK̃L̃1. Rows of a centred Gram matrix add up to
/// zero, so those of K̃ to −K_ii, and traces and diagonals are all it takes.
fn debiased(sum: &Product, traces: f64, images: usize) -> Option<f64> {
    if images < 4 {
        return None;
    }
    let n = images as f64;
    Some(sum.all - sum.diagonal + traces / ((n - 1.0) * (n - 2.0)) - 2.0 / (n - 2.0) * sum.diagonal)
}

/// Images per side of a tile: two centred blocks of features and their
/// uncentred originals, and a tile per layer, within the memory.
fn tile(images: usize, means: &[&[f64]], memory: usize) -> usize {
    let largest = means.iter().map(|m| m.len()).max().unwrap_or(1);
    let (square, line) = (8.0 * means.len() as f64, 4.0 * 8.0 * largest as f64);
    let side = ((line * line + 4.0 * square * memory as f64).sqrt() - line) / (2.0 * square);
    (side as usize).clamp(1, images)
}

/// The images cut into blocks of nearly equal size, at most `most` each.
fn tiles(images: usize, most: usize) -> Vec<Range<usize>> {
    let count = images.div_ceil(most);
    let cut = |i: usize| i * images / count;
    (0..count).map(|i| cut(i)..cut(i + 1)).collect()
}

/// A tile `[rows, columns]` of a layer's centred Gram matrix.
fn gram(
    source: &mut Source,
    at: usize,
    mean: &[f64],
    rows: &Range<usize>,
    columns: &Range<usize>,
) -> Result<Vec<f64>> {
    let mut centred = |images: &Range<usize>| -> Result<Tensor> {
        let mut values = source.read(at, images.clone())?;
        values
            .par_chunks_exact_mut(mean.len())
            .for_each(|image| image.iter_mut().zip(mean).for_each(|(x, m)| *x -= m));
        let shape = (images.len(), mean.len());
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?)
    };
    let left = centred(rows)?;
    let right = if rows == columns {
        left.clone()
    } else {
        centred(columns)?
    };
    Ok(left.matmul(&right.t()?)?.flatten_all()?.to_vec1()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_all_images_once() {
        for (images, most) in [(1, 1), (10, 3), (64, 64), (1000, 512), (7, 1)] {
            let tiles = tiles(images, most);
            assert!(tiles.iter().all(|t| !t.is_empty() && t.len() <= most));
            let all: Vec<usize> = tiles.into_iter().flatten().collect();
            assert_eq!(all, (0..images).collect::<Vec<_>>());
        }
    }

    #[test]
    fn tiles_keep_to_the_memory() {
        let mean = vec![0.0; 1000];
        let means = vec![&mean[..]; 10];
        for memory in [1, 100_000, 10_000_000] {
            let side = tile(5000, &means, memory);
            let need = |side: usize| 10 * 8 * side * side + 32 * 1000 * side;
            assert!(side == 1 || need(side) <= memory);
            assert!(need(side + 1) > memory);
        }
    }
}
