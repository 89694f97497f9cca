//! Drop path: timm's rates, drawn by seed, step and sample.

mod common;

use candle_core::{Device, Tensor};
use common::{Golden, all_golden_files, evaluate, everything};
use spectralkd_base::random::Stream;
use spectralkd_models::{Output, Taps, frozen};
use spectralkd_nn::Pass;
use spectralkd_testing::{bits, flat};

const CPU: Device = Device::Cpu;

#[test]
fn evaluation_draws_nothing() {
    for golden in all_golden_files() {
        let config = golden.config.clone().with_drop_path(0.9);
        let model = frozen(&config, &golden.weights, &CPU).unwrap();
        let first = evaluate(&*model, &golden.images);
        assert_eq!(
            everything(&first),
            everything(&evaluate(&*model, &golden.images))
        );
        golden.compare(&first).unwrap();

        // Without drop path, training is the same as evaluation.
        let model = frozen(&golden.config, &golden.weights, &CPU).unwrap();
        let stream = Stream::new(1, "drop path");
        let trained = model.forward(&golden.images, &Taps::All, &Pass::train(&stream, &[0, 1]));
        assert_eq!(everything(&trained.unwrap()), everything(&first));
    }
}

/// 16 copies of one golden image, passed through in training with these sample numbers.
fn dropped(golden: &Golden, drop_path: f64, seed: u64, samples: &[u64; 16]) -> Output {
    let config = golden.config.clone().with_drop_path(drop_path);
    let model = frozen(&config, &golden.weights, &CPU).unwrap();
    let image = golden.images.narrow(0, 0, 1).unwrap();
    let images = image.repeat((16, 1, 1, 1)).unwrap();
    let stream = Stream::new(seed, "drop path");
    model
        .forward(&images, &Taps::All, &Pass::train(&stream, samples))
        .unwrap()
}

/// How many different maps (or rows of logits) the samples of a tensor have.
fn distinct(tensor: &Tensor) -> usize {
    let mut rows: Vec<Vec<u64>> = (0..tensor.dim(0).unwrap())
        .map(|row| bits(&tensor.get(row).unwrap()))
        .collect();
    rows.sort();
    rows.dedup();
    rows.len()
}

#[test]
fn drop_path_is_seeded_by_step_and_sample() {
    let samples: [u64; 16] = std::array::from_fn(|i| i as u64);
    let mut reversed = samples;
    reversed.reverse();
    for golden in all_golden_files() {
        let first = dropped(&golden, 0.5, 1, &samples);
        assert_eq!(
            everything(&first),
            everything(&dropped(&golden, 0.5, 1, &samples))
        );
        assert_ne!(
            everything(&first),
            everything(&dropped(&golden, 0.5, 2, &samples))
        );

        // What is dropped goes with the sample, not with its place in the batch.
        let backwards = dropped(&golden, 0.5, 1, &reversed);
        for (row, sample) in reversed.iter().enumerate() {
            let moved = flat(&backwards.logits.get(row).unwrap());
            assert_eq!(moved, flat(&first.logits.get(*sample as usize).unwrap()));
        }
    }
}

/// timm's rates: DeiT's and Swin's rise from 0 at the first block, CaiT's are the same in all patch blocks and
/// 0 in class-attention blocks.
#[test]
fn drop_path_rates_are_those_of_timm() {
    let samples: [u64; 16] = std::array::from_fn(|i| i as u64);
    let [deit, _, cait, swin] = all_golden_files();
    let counts = |output: &Output| -> Vec<usize> {
        let maps = output.features.iter().map(|(_, map)| distinct(map));
        maps.collect()
    };
    let found = counts(&dropped(&deit, 0.5, 1, &samples));
    assert_eq!(found[0], 1);
    assert!(found[1] > 1 && found[2] > found[1], "{found:?}");

    // Two branches, dropped independently of each other, have four outcomes. The class-attention
    // blocks add none, and the next block's branches are independent of the first one's.
    let output = dropped(&cait, 0.5, 1, &samples);
    assert_eq!(distinct(&output.features[0].1), 4);
    assert!(distinct(&output.features[1].1) > 4);
    assert_eq!(distinct(&output.logits), distinct(&output.features[2].1));

    // Seven blocks in four stages, the first without drop path: of 7 evenly spaced rates up to 0.9 the first
    // stage's second block has 0.15, so that few of its 16 samples drop a branch, and later stages more.
    let found = counts(&dropped(&swin, 0.9, 1, &samples));
    assert!(found[0] > 1 && found[0] <= 4, "{found:?}");
    assert!(found[1] > 4 && found[2] >= found[1], "{found:?}");
}
