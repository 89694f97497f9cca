//! Batches, shards and threads: how the images come does not matter.

use candle_core::Tensor;
use spectralkd_evaluation::spectra::ModelAnalysis;

use super::{OPTIONS, analysed, assert_same, noise};

#[test]
fn batches_and_shards_add_up() {
    let all = [
        (2, noise("a", (7, 10, 4, 5))),
        (5, noise("b", (7, 6, 3, 3))),
    ];
    let part = |from: usize, count: usize| -> Vec<(usize, Tensor)> {
        let cut = |(l, x): &(usize, Tensor)| (*l, x.narrow(0, from, count).unwrap());
        all.iter().map(cut).collect()
    };
    let whole = analysed(&all);
    let mut streamed = ModelAnalysis::new("model", OPTIONS);
    for (from, count) in [(0, 1), (1, 0), (1, 4), (5, 2)] {
        streamed.push(&part(from, count)).unwrap();
    }
    assert_same(&streamed.finish().unwrap(), &whole);

    // The permutations see the first three images: all of them lie in the first shard's budget when
    // the second one has none.
    let mut left = ModelAnalysis::new("model", OPTIONS);
    left.push(&part(0, 4)).unwrap();
    let mut right = ModelAnalysis::new("model", OPTIONS);
    right.push(&part(4, 3)).unwrap();
    let mut both = left.clone();
    both.merge(&right).unwrap();
    let both = both.finish().unwrap();
    assert_eq!(both.images, 7);
    for (merged, whole) in both.layers.iter().zip(&whole.layers) {
        assert_eq!(merged.permuted.as_ref().unwrap().images, 6);
        assert_eq!(merged.feature_entropy, whole.feature_entropy);
        assert_eq!(merged.quantiles.p50, whole.quantiles.p50);
        let (a, b) = (
            merged.effective_rank.unwrap(),
            whole.effective_rank.unwrap(),
        );
        assert!((a - b).abs() < 1e-9 && (merged.intensity - whole.intensity).abs() < 1e-12);
    }
    let mut empty = ModelAnalysis::new("model", OPTIONS);
    empty.merge(&left).unwrap();
    left.merge(&ModelAnalysis::new("model", OPTIONS)).unwrap();
    assert_same(&empty.finish().unwrap(), &left.finish().unwrap());
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let x = noise("threads", (6, 40, 7, 7));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| analysed(&[(0, x.clone())]))
    };
    assert_eq!(run(1), run(3));
}
