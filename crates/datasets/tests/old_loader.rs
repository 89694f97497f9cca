//! Batches: the values, the flips, and independence of everything but their key.

use std::sync::Arc;

use spectralkd_datasets::old::{Augment, Batch, Loader};
use spectralkd_datasets::{DatasetError, ImageSet, Normalise};

const FLIP: Augment = Augment { flip: true };
const PLAIN: Augment = Augment { flip: false };

/// One image of 2 channels, 2x3 pixels.
const PIXELS: [u8; 12] = [0, 1, 127, 128, 254, 255, 10, 20, 30, 40, 50, 60];

/// numpy 2.4.6, float32: `(x / 255 - mean) / std` with mean (0.2860, 0.4) and std
/// (0.3530, 0.25) per channel.
const NORMALISED: [f32; 12] = [
    -0.810_198_37,
    -0.799_089_13,
    0.600_677_67,
    0.611_787,
    2.011_553_8,
    2.022_662_9,
    -1.443_137_3,
    -1.286_274_6,
    -1.129_411_8,
    -0.972_549,
    -0.815_686_3,
    -0.658_823_55,
];

/// The same, `[:, :, ::-1]`.
const MIRRORED: [f32; 12] = [
    0.600_677_67,
    -0.799_089_13,
    -0.810_198_37,
    2.022_662_9,
    2.011_553_8,
    0.611_787,
    -1.129_411_8,
    -1.286_274_6,
    -1.443_137_3,
    -0.658_823_55,
    -0.815_686_3,
    -0.972_549,
];

fn normalise() -> Normalise {
    Normalise {
        mean: vec![0.2860, 0.4],
        std: vec![0.3530, 0.25],
    }
}

fn golden() -> Loader {
    let classes = vec!["a".to_owned(), "b".to_owned()];
    let set = ImageSet::new([2, 2, 3], PIXELS.to_vec(), vec![1], classes).unwrap();
    Loader::new(Arc::new(set), normalise(), FLIP, 0).unwrap()
}

/// 200 grey images of 4x5 pixels; image i has label i % 3.
fn many(augment: Augment, seed: u64) -> Loader {
    let pixels = (0..200u32 * 20).map(|i| (i * 7 % 251) as u8).collect();
    let labels = (0..200).map(|i| i % 3).collect();
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    let set = Arc::new(ImageSet::new([1, 4, 5], pixels, labels, classes).unwrap());
    let normalise = Normalise::fit(&set).unwrap();
    Loader::new(set, normalise, augment, seed).unwrap()
}

fn values(batch: &Batch) -> Vec<f32> {
    batch.images.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn values_are_those_of_numpy_to_the_bit() {
    let loader = golden();
    assert_eq!(values(&loader.fixed(&[0], false).unwrap()), NORMALISED);
    assert_eq!(values(&loader.fixed(&[0], true).unwrap()), MIRRORED);
    let both = loader.fixed(&[0, 0], true).unwrap();
    assert_eq!(both.images.dims(), [2, 2, 2, 3]);
    assert_eq!(both.flipped, [true, true]);
}

#[test]
fn labels_and_indices_go_with_the_images() {
    let loader = many(PLAIN, 0);
    let batch = loader.batch(0, &[5, 199, 5, 0]).unwrap();
    assert_eq!(batch.images.dims(), [4, 1, 4, 5]);
    assert_eq!(batch.labels.to_vec1::<u32>().unwrap(), [2, 1, 2, 0]);
    assert_eq!(batch.indices, [5, 199, 5, 0]);
    assert_eq!(batch.flipped, [false; 4]);
    let alone = loader.batch(0, &[199]).unwrap();
    assert_eq!(values(&batch)[20..40], values(&alone));
}

#[test]
fn every_image_of_a_training_batch_is_one_of_its_two_versions() {
    let loader = many(FLIP, 3);
    let indices: Vec<u32> = (0..200).rev().collect();
    let batch = loader.batch(4, &indices).unwrap();
    let versions = [false, true].map(|flip| values(&loader.fixed(&indices, flip).unwrap()));
    let values = values(&batch);
    for (k, &flipped) in batch.flipped.iter().enumerate() {
        let range = k * 20..(k + 1) * 20;
        assert_eq!(flipped, loader.flips(4, indices[k]));
        assert_eq!(
            values[range.clone()],
            versions[usize::from(flipped)][range.clone()]
        );
        assert_ne!(versions[0][range.clone()], versions[1][range]);
    }
}

#[test]
fn flips_depend_on_seed_epoch_and_image_only() {
    let indices: Vec<u32> = (0..200).collect();
    let flips = |seed, epoch| many(FLIP, seed).batch(epoch, &indices).unwrap().flipped;
    assert_eq!(flips(1, 2), flips(1, 2));
    assert_ne!(flips(1, 2), flips(1, 3));
    assert_ne!(flips(1, 2), flips(2, 2));

    let loader = many(FLIP, 1);
    let some = loader.batch(2, &[17, 3, 150]).unwrap().flipped;
    let all = flips(1, 2);
    assert_eq!(some, [all[17], all[3], all[150]]);

    let share = all.iter().filter(|&&f| f).count();
    assert!((60..=140).contains(&share), "{share} of 200 mirrored"); // 5.6 standard deviations
    assert!(!many(PLAIN, 1).flips(2, 17) && !many(PLAIN, 1).flips(2, 3));
}

#[test]
fn batches_are_the_same_on_any_number_of_threads() {
    let indices: Vec<u32> = (0..200).collect();
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| values(&many(FLIP, 9).batch(1, &indices).unwrap()))
    };
    assert_eq!(on(1), on(5));
}

#[test]
fn a_fitted_normalisation_gives_mean_0_and_deviation_1() {
    let loader = many(PLAIN, 0);
    let indices: Vec<u32> = (0..200).collect();
    let xs = values(&loader.fixed(&indices, false).unwrap());
    let n = xs.len() as f64;
    let mean = xs.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let variance = xs
        .iter()
        .map(|&x| (f64::from(x) - mean).powi(2))
        .sum::<f64>()
        / n;
    assert!(mean.abs() < 1e-6, "{mean}");
    assert!((variance - 1.0).abs() < 1e-5, "{variance}");
}

#[test]
fn each_channel_is_fitted_by_itself() {
    let classes = vec!["a".to_owned()];
    let set = ImageSet::new([2, 1, 2], vec![0, 255, 51, 153], vec![0], classes).unwrap();
    let fitted = Normalise::fit(&set).unwrap();
    assert_eq!(fitted.mean, [0.5, 0.4]);
    assert_eq!(fitted.std, [0.5, 0.2]);
}

#[test]
fn a_normalisation_that_cannot_work_is_refused() {
    let set = golden().set().clone();
    let new = |mean: &[f32], std: &[f32]| {
        let normalise = Normalise {
            mean: mean.to_vec(),
            std: std.to_vec(),
        };
        Loader::new(set.clone(), normalise, PLAIN, 0).unwrap_err()
    };
    for error in [new(&[0.5], &[0.5, 0.5]), new(&[0.5; 3], &[0.5; 3])] {
        assert!(
            matches!(error, DatasetError::NormaliseChannels { channels: 2, .. }),
            "{error:?}"
        );
    }
    for std in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        let error = new(&[0.5, 0.5], &[0.5, std]);
        assert!(
            matches!(error, DatasetError::NormaliseValue { channel: 1, .. }),
            "{error:?}"
        );
    }
    let black = ImageSet::new([1, 1, 2], vec![0, 0], vec![0], vec!["a".to_owned()]).unwrap();
    let error = Normalise::fit(&black).unwrap_err();
    assert!(
        matches!(error, DatasetError::NormaliseValue { channel: 0, .. }),
        "{error:?}"
    );
}

#[test]
fn indices_past_the_end_and_empty_batches_are_errors() {
    let loader = many(PLAIN, 0);
    let error = loader.batch(0, &[0, 200]).unwrap_err();
    assert!(
        matches!(
            error,
            DatasetError::Index {
                index: 200,
                len: 200
            }
        ),
        "{error:?}"
    );
    assert!(matches!(
        loader.fixed(&[], false).unwrap_err(),
        DatasetError::EmptyBatch
    ));
}
