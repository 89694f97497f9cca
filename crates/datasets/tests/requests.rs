//! Requests: the sampler's batches from any cursor on.

use proptest::prelude::*;
use spectralkd_datasets::{BatchRequest, Order, Sampler, SamplerOptions, ViewKey};

fn indices(request: &BatchRequest) -> Vec<u32> {
    request.items.iter().map(|&(index, _)| index).collect()
}

proptest! {
    /// Whether a run went on from there or came there itself.
    #[test]
    fn a_cursor_gives_what_the_epochs_give(
        len in 1usize..40, batch in 1usize..9, seed in any::<u64>(), epoch in 0u64..5, skip in 0usize..30, drop_last in any::<bool>(),
    ) {
        prop_assume!(!drop_last || batch <= len);
        let sampler = Sampler::new(SamplerOptions {
            len, batch, order: Order::Shuffled { seed }, rank: 0, world: 1, drop_last,
        }).unwrap();
        let whole: Vec<(u64, u64, Vec<u32>)> = (epoch..epoch + 40)
            .flat_map(|epoch| {
                let batches = sampler.epoch(epoch).into_iter().zip(0..);
                batches.map(move |(indices, number)| (epoch, number, indices))
            })
            .skip(skip)
            .take(10)
            .collect();
        let found: Vec<BatchRequest> = sampler.from(epoch, skip as u64).take(10).collect();
        prop_assert_eq!(found.len(), 10);
        for (request, (epoch, number, expected)) in found.iter().zip(whole) {
            prop_assert_eq!((request.seed, request.epoch, request.number), (seed, epoch, number));
            prop_assert_eq!(indices(request), expected);
            prop_assert!(request.items.iter().all(|&(_, repeat)| repeat == 0));
        }
    }
}

/// Where a shuffled order is lengthened so that all ranks take as many steps, the images that come
/// again are told apart from what they were before.
#[test]
fn images_that_come_again_in_an_epoch_are_counted() {
    let rank = |rank| {
        let options = SamplerOptions {
            len: 10,
            batch: 2,
            order: Order::Shuffled { seed: 1 },
            rank,
            world: 4,
            drop_last: false,
        };
        Sampler::new(options).unwrap()
    };
    let epoch = |sampler: &Sampler| -> Vec<(u32, u32)> {
        let requests = sampler.from(5, 0).take_while(|request| request.epoch == 5);
        requests.flat_map(|request| request.items).collect()
    };
    let mut items: Vec<(u32, u32)> = (0..4).flat_map(|r| epoch(&rank(r))).collect();
    items.sort_unstable();
    let again: Vec<u32> = items
        .iter()
        .filter(|(_, r)| *r == 1)
        .map(|(i, _)| *i)
        .collect();
    assert_eq!((items.len(), again.len()), (12, 2));
    let number = items.len();
    items.dedup();
    assert_eq!(items.len(), number);
    let first: Vec<u32> = items
        .iter()
        .filter(|(_, r)| *r == 0)
        .map(|(i, _)| *i)
        .collect();
    assert_eq!(first, (0..10).collect::<Vec<u32>>());
}

#[test]
fn an_evaluation_sees_every_image_once() {
    let requests: Vec<BatchRequest> = Sampler::plain(10, 4).unwrap().collect();
    let found: Vec<Vec<u32>> = requests.iter().map(indices).collect();
    assert_eq!(found, [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8, 9]]);
    assert!(requests.iter().all(|r| (r.seed, r.epoch) == (0, 0)));
    let numbers: Vec<u64> = requests.iter().map(|r| r.number).collect();
    assert_eq!(numbers, [0, 1, 2]);
    assert!(Sampler::plain(0, 4).is_err() && Sampler::plain(4, 0).is_err());
}

#[test]
fn keys_are_made_of_the_request() {
    let request = BatchRequest {
        seed: 1,
        epoch: 2,
        number: 3,
        items: vec![(4, 0), (5, 6)],
    };
    let keys: Vec<ViewKey> = request.keys().collect();
    let key = |index, repeat| ViewKey {
        seed: 1,
        epoch: 2,
        index,
        repeat,
    };
    assert_eq!(keys, [key(4, 0), key(5, 6)]);
    let draws: Vec<u64> = keys.iter().map(ViewKey::draw_key).collect();
    assert_eq!(draws, [4, 5 | 6 << 32]);
    let plain: Vec<ViewKey> = BatchRequest::plain(&[7]).keys().collect();
    assert_eq!(plain, [ViewKey::plain(7)]);
}
