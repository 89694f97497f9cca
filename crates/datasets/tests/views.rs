//! A view depends on its key, and on nothing else.

mod common;

use std::sync::Arc;

use common::{golden, inline, many, request};
use proptest::prelude::*;
use spectralkd_base::random::Stream;
use spectralkd_datasets::{
    Batch, BatchRequest, Dataset, Erase, Fill, Geometry, ImageFolder, Loader, Pipeline, ViewKey,
};

/// Everything that can be drawn of one view.
fn drawn(channels: usize) -> Pipeline {
    Pipeline {
        flip: 0.5,
        erase: Some(Erase::new(0.6, Fill::Noise)),
        ..Pipeline::new([10, 8], channels, Geometry::random_resized_crop())
    }
}

/// View `i` of a batch.
fn view(batch: &Batch, i: usize) -> (Vec<u8>, bool, String) {
    let erased = format!("{:?}", batch.erased[i]);
    (batch.view(i).to_vec(), batch.flipped[i], erased)
}

fn requests() -> impl Strategy<Value = Vec<BatchRequest>> {
    let item = (0u32..40, 0u32..3);
    let parts = (0u64..2, 0u64..3, prop::collection::vec(item, 1..9));
    let request = parts.prop_map(|(seed, epoch, items)| request(seed, epoch, &items));
    prop::collection::vec(request, 1..6)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever else is asked for, in whatever order, sizes and number of threads.
    #[test]
    fn the_same_key_gives_the_same_bits(
        requests in requests(), workers in 0usize..4, ahead in 1usize..4, channels in prop::sample::select(vec![1usize, 3]),
    ) {
        let pipeline = drawn(channels);
        let set = many(40, [3, 12, 15]);
        let loader = Loader::new(set.clone(), Arc::new(pipeline.clone()), workers, ahead).unwrap();
        let batches = loader.stream(requests.clone().into_iter());
        let mut count = 0;
        for (batch, request) in batches.zip(&requests) {
            let batch = batch.unwrap();
            prop_assert_eq!(&batch.keys, &request.keys().collect::<Vec<_>>());
            for (i, key) in batch.keys.iter().enumerate() {
                let alone = pipeline.view_of(set.as_ref(), key).unwrap();
                let alone = (alone.pixels, alone.flip, format!("{:?}", alone.erased));
                prop_assert_eq!(view(&batch, i), alone);
            }
            count += 1;
        }
        prop_assert_eq!(count, requests.len());
    }
}

/// Each of the four numbers tells views apart; repeats do within one batch.
#[test]
fn every_part_of_the_key_counts() {
    let set = many(5, [1, 30, 30]);
    let loader = inline(set, &drawn(1));
    let of = |seed, epoch, index, repeat| {
        let batch = loader.batch(&request(seed, epoch, &[(index, repeat)]));
        view(&batch.unwrap(), 0)
    };
    let first = of(1, 1, 1, 0);
    assert_eq!(first, of(1, 1, 1, 0));
    for other in [
        of(2, 1, 1, 0),
        of(1, 2, 1, 0),
        of(1, 1, 2, 0),
        of(1, 1, 1, 1),
    ] {
        assert_ne!(first.0, other.0);
    }

    let batch = loader
        .batch(&request(1, 1, &[(1, 0), (1, 1), (1, 2)]))
        .unwrap();
    let views: Vec<_> = (0..3).map(|i| view(&batch, i).0).collect();
    assert!(views[0] != views[1] && views[1] != views[2] && views[0] != views[2]);
    assert_eq!(batch.draw_keys(), [1, 1 | 1 << 32, 1 | 2 << 32]);
}

#[test]
fn flips_are_those_of_todays_runs_and_differ_between_repeats() {
    let pipeline = Pipeline {
        flip: 0.5,
        ..Pipeline::new([4, 5], 1, Geometry::AsIs)
    };
    let loader = inline(many(200, [1, 4, 5]), &pipeline);
    let flips = |seed, epoch, repeat| {
        let items: Vec<_> = (0..200).map(|i| (i, repeat)).collect();
        loader.batch(&request(seed, epoch, &items)).unwrap().flipped
    };
    let first = flips(1, 2, 0);
    for (index, &flipped) in (0..).zip(&first) {
        let today = Stream::new(1, "flip").at(2).at(index).bernoulli(0.5);
        assert_eq!(flipped, today, "{index}");
    }
    for other in [flips(2, 2, 0), flips(1, 3, 0), flips(1, 2, 1)] {
        let apart = first.iter().zip(&other).filter(|(a, b)| a != b).count();
        assert!((60..=140).contains(&apart), "{apart} of 200"); // 5.6 standard deviations
    }
    let share = first.iter().filter(|&&flip| flip).count();
    assert!((60..=140).contains(&share), "{share} of 200 mirrored");
}

#[test]
fn the_probability_of_a_flip_is_the_one_asked_for() {
    for (flip, low, high) in [(0.0, 0, 0), (0.1, 130, 280), (1.0, 2000, 2000)] {
        let pipeline = Pipeline {
            flip,
            ..Pipeline::new([1, 1], 1, Geometry::AsIs)
        };
        let flips = (0..2000).filter(|&index| pipeline.flips(&ViewKey::plain(index)));
        let count = flips.count();
        assert!((low..=high).contains(&count), "{flip}: {count} of 2000");
    }
}

#[test]
fn photographs_in_a_folder_depend_on_their_key_alone_too() {
    let folder: Arc<dyn Dataset> = Arc::new(ImageFolder::open(&golden("pictures")).unwrap());
    let items: Vec<(u32, u32)> = (0..folder.len() as u32)
        .flat_map(|i| [(i, 0), (i, 1)])
        .collect();
    let pipeline = Arc::new(drawn(3));
    let request = request(5, 6, &items);
    let with = |workers| {
        let loader = Loader::new(folder.clone(), pipeline.clone(), workers, 1).unwrap();
        loader.batch(&request).unwrap()
    };
    let here = with(0);
    assert!(here == with(1) && here == with(3));
    assert_eq!((here.labels, here.classes), (None, 0));
}
