//! Samplers: every image as often as promised, the same order for the same key, and ranks
//! that together do what one process would.

use std::collections::BTreeMap;

use proptest::prelude::*;
use spectralkd_datasets::{DatasetError, Order, Sampler, SamplerOptions};

fn counts(batches: &[Vec<u32>]) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::new();
    for &index in batches.iter().flatten() {
        *counts.entry(index).or_insert(0) += 1;
    }
    counts
}

#[test]
fn orders_are_fixed_by_seed_and_epoch() {
    let sampler = |seed| Sampler::shuffled(100, 10, seed, 0, 1).unwrap();
    assert_eq!(sampler(1).epoch(3), sampler(1).epoch(3));
    assert_ne!(sampler(1).epoch(3), sampler(1).epoch(4));
    assert_ne!(sampler(1).epoch(3), sampler(2).epoch(3));
    let other_batch = Sampler::shuffled(100, 20, 1, 0, 1).unwrap();
    assert_eq!(other_batch.epoch(3).concat(), sampler(1).epoch(3).concat());
}

#[test]
fn the_image_left_over_changes_from_epoch_to_epoch() {
    let sampler = Sampler::shuffled(11, 5, 0, 0, 1).unwrap();
    let mut seen = BTreeMap::new();
    for epoch in 0..50 {
        seen.extend(counts(&sampler.epoch(epoch)));
    }
    assert_eq!(seen.len(), 11);
}

#[test]
fn options_that_do_not_go_together_are_refused() {
    let reason = |len, batch, rank, world| match Sampler::shuffled(len, batch, 0, rank, world) {
        Err(DatasetError::Sampler { reason }) => reason,
        other => panic!("{other:?}"),
    };
    assert!(reason(0, 4, 0, 1).contains("0 images"));
    assert!(reason(4, 0, 0, 1).contains("a batch 0"));
    assert!(reason(8, 1, 2, 2).contains("rank 2 of 2"));
    assert!(reason(8, 1, 0, 0).contains("rank 0 of 0"));
    assert!(reason(2, 1, 0, 3).contains("at most 2 ranks"));
    assert!(reason(10, 6, 0, 2).contains("a rank has 5 images"));
    let error = Sampler::sequential(usize::MAX, 1).unwrap_err();
    assert!(
        matches!(error, DatasetError::TooManyImages { .. }),
        "{error:?}"
    );
}

#[test]
fn dealing_by_hand() {
    let options = SamplerOptions {
        len: 7,
        batch: 2,
        order: Order::Sequential,
        rank: 1,
        world: 3,
        drop_last: false,
    };
    let epoch = |options| Sampler::new(options).unwrap().epoch(0);
    assert_eq!(epoch(options), [vec![1, 4]]);
    assert_eq!(
        epoch(SamplerOptions { rank: 0, ..options }),
        [vec![0, 3], vec![6]]
    );
    let dropped = SamplerOptions {
        rank: 0,
        drop_last: true,
        ..options
    };
    assert_eq!(epoch(dropped), [vec![0, 3]]);
}

fn options() -> impl Strategy<Value = SamplerOptions> {
    let order = prop_oneof![
        Just(Order::Sequential),
        any::<u64>().prop_map(|seed| Order::Shuffled { seed })
    ];
    (1usize..5, 1usize..60, 1usize..9, order, any::<bool>()).prop_map(
        |(world, extra, batch, order, drop_last)| SamplerOptions {
            len: world * batch + extra,
            batch,
            order,
            rank: 0,
            world,
            drop_last,
        },
    )
}

fn ranks(options: SamplerOptions) -> Vec<Sampler> {
    let rank = |rank| Sampler::new(SamplerOptions { rank, ..options }).unwrap();
    (0..options.world).map(rank).collect()
}

proptest! {
    #[test]
    fn every_image_comes_as_often_as_promised(options in options(), epoch in 0u64..1000) {
        let samplers = ranks(options);
        let epochs: Vec<_> = samplers.iter().map(|s| s.epoch(epoch)).collect();
        let counts = counts(&epochs.concat());
        prop_assert!(counts.keys().all(|&index| (index as usize) < options.len));
        let total: usize = counts.values().sum();

        if options.drop_last {
            // None twice, and fewer than a batch per rank (and a remainder) left out.
            prop_assert!(counts.values().all(|&n| n == 1));
            prop_assert!(options.len - total < options.world * options.batch);
        } else if options.order == Order::Sequential {
            prop_assert_eq!(total, options.len);
            prop_assert_eq!(counts.len(), options.len);
        } else {
            // All, and the fewest repeats that let the ranks take as many each.
            prop_assert_eq!(counts.len(), options.len);
            prop_assert_eq!(total, options.len.next_multiple_of(options.world));
            prop_assert!(counts.values().all(|&n| n <= 2));
        }
    }

    #[test]
    fn sizes_are_as_announced(options in options(), epoch in 0u64..1000) {
        for sampler in ranks(options) {
            let batches = sampler.epoch(epoch);
            prop_assert_eq!(batches.len(), sampler.batches());
            prop_assert_eq!(batches.concat().len(), sampler.samples());
            let (last, full) = batches.split_last().unwrap();
            prop_assert!(full.iter().all(|batch| batch.len() == options.batch));
            prop_assert!((1..=options.batch).contains(&last.len()));
            prop_assert!(!options.drop_last || last.len() == options.batch);
        }
    }

    /// All ranks take as many steps in training, and step s of all of them together has the
    /// images of step s of one process with batches as large as theirs together.
    #[test]
    fn ranks_together_are_one_process_with_larger_batches(
        options in options(), seed in any::<u64>(), epoch in 0u64..1000,
    ) {
        let options = SamplerOptions {
            order: Order::Shuffled { seed },
            drop_last: true,
            ..options
        };
        let epochs: Vec<_> = ranks(options).iter().map(|s| s.epoch(epoch)).collect();
        let whole = Sampler::shuffled(options.len, options.batch * options.world, seed, 0, 1)
            .unwrap()
            .epoch(epoch);
        prop_assert!(epochs.iter().all(|batches| batches.len() == whole.len()));
        for (step, whole) in whole.iter().enumerate() {
            let mut together: Vec<u32> = epochs.iter().flat_map(|e| e[step].clone()).collect();
            let mut whole = whole.clone();
            together.sort_unstable();
            whole.sort_unstable();
            prop_assert_eq!(together, whole);
        }
    }
}
