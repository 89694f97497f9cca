//! Bands of frequencies are parts of the whole spectral loss.

use candle_core::Tensor;
use proptest::prelude::*;
use serde_json::{Value, json};
use spectralkd_base::inner_error::split;
use spectralkd_losses::kinds::spectral_band::{Bins, spectral_band_loss};
use spectralkd_losses::{Loss, spectral_loss};
use spectralkd_testing::{assert_close, assert_near, scalar, tensor, value_and_gradient};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn low_and_high_add_up_to_the_whole(
        seed: u64,
        (h, w) in (1usize..10, 1usize..10),
        channels in 2usize..5,
        cutoff in 0.0..0.8f64,
    ) {
        let (student, teacher) = (tensor(seed, &[2, 2, h, w]), tensor(seed ^ 1, &[2, channels, h, w]));
        let sum = |x: &Tensor| {
            let [low, high] = [Bins::UpTo(cutoff), Bins::Above(cutoff)]
                .map(|bins| spectral_band_loss(x, &teacher, bins));
            Ok::<_, spectralkd_losses::Error>((low? + high?)?)
        };
        let (parts, whole) = (
            value_and_gradient(&student, sum),
            value_and_gradient(&student, |x| spectral_loss(x, &teacher)),
        );
        assert_near(parts.0, whole.0, 1e-12, "low and high");
        assert_close(&parts.1, &whole.1, 1e-12, "gradients of low and high");
    }

    #[test]
    fn dc_is_the_error_of_means(seed: u64, (h, w) in (1usize..10, 1usize..10)) {
        let (student, teacher) = (tensor(seed, &[2, 3, h, w]), tensor(seed ^ 1, &[2, 3, h, w]));
        let dc = scalar(&spectral_band_loss(&student, &teacher, Bins::UpTo(0.0)).unwrap());
        let means = (student - teacher).unwrap().mean((2, 3)).unwrap();
        let energy = (h * w) as f64 * scalar(&means.sqr().unwrap().sum_all().unwrap());
        let numbers = (2 * 2 * 3 * h * (w / 2 + 1)) as f64;
        assert_near(dc, energy / numbers, 1e-11, "the zero frequency");
    }
}

#[test]
fn a_band_has_the_cutoff_that_it_needs() {
    let fail = |table: Value| {
        let error = serde_json::from_value::<Loss>(table)
            .unwrap_err()
            .to_string();
        let (path, message) = split(&error);
        (path.to_owned(), message.to_owned())
    };
    for (keys, path, message) in [
        (json!({}), "", "missing field `band`"),
        (
            json!({ "band": "middle" }),
            "band",
            "unknown variant `middle`",
        ),
        (json!({ "band": "low" }), "band", "give the cutoff"),
        (
            json!({ "band": "dc", "cutoff": 0.1 }),
            "cutoff",
            "band = \"dc\" has no cutoff",
        ),
        (
            json!({ "band": "high", "cutoff": 0.8 }),
            "cutoff",
            "must be 0 to 0.7071",
        ),
        (
            json!({ "band": "high", "cutoff": -0.1 }),
            "cutoff",
            "must be 0 to 0.7071",
        ),
    ] {
        let mut table = json!({ "kind": "spectral-band" });
        table
            .as_object_mut()
            .unwrap()
            .extend(keys.as_object().unwrap().clone());
        let (found, text) = fail(table);
        assert_eq!(found, path, "{keys}: {text}");
        assert!(text.starts_with(message), "{keys}: {text}");
    }
}
