//! Whole models in both forms: the kernels beside candle's own operations, which every other device runs.

mod common;

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};
use common::{Golden, all_golden_files, trainable_in};
use spectralkd_base::random::Stream;
use spectralkd_models::{Taps, Wanted};
use spectralkd_nn::{Form, Pass};
use spectralkd_testing::relative;

/// Logits, maps and prefix tokens of a training pass with drop path, and the gradients of a fixed sum of them with respect
/// to every parameter, but for rows whose gradient is rounding alone.
fn everything(golden: &Golden, form: Form, dtype: DType) -> BTreeMap<String, Tensor> {
    let config = golden.config.clone().with_drop_path(0.4);
    let (vars, model) = trainable_in(form, &config, &golden.weights, dtype);
    let prefix = match model.info().prefix {
        0 => Taps::None,
        _ => Taps::All,
    };
    let wanted = Wanted {
        maps: Taps::All,
        prefix,
    };
    let images = golden.images.to_dtype(dtype).unwrap();
    let keys: Vec<u64> = (0..images.dims()[0] as u64).collect();
    let draws = Stream::new(3, "drop path");
    let output = model
        .outputs(&images, &wanted, &Pass::train(&draws, &keys))
        .unwrap();
    let mut all = BTreeMap::from([("logits".to_owned(), output.logits)]);
    let named = |what: &str, tensors: Vec<(usize, Tensor)>| -> Vec<(String, Tensor)> {
        let named = tensors.into_iter();
        named
            .map(|(i, tensor)| (format!("{what}.{i}"), tensor))
            .collect()
    };
    all.extend(named("map", output.features));
    all.extend(named("prefix", output.prefix));
    let weighted = |(name, tensor): (&String, &Tensor)| {
        let mut stream = Stream::new(5, "weights").named(name);
        let weights: Vec<f64> = (0..tensor.elem_count()).map(|_| stream.normal()).collect();
        let weights = Tensor::from_vec(weights, tensor.shape(), tensor.device()).unwrap();
        let weights = weights.to_dtype(dtype).unwrap();
        (tensor * weights).unwrap().mean_all().unwrap()
    };
    let terms: Vec<Tensor> = all.iter().map(weighted).collect();
    let sum = Tensor::stack(&terms, 0).unwrap().sum_all().unwrap();
    let gradients = sum.backward().unwrap();
    for (name, var) in &vars {
        let gradient = gradients.get(var);
        let gradient = gradient.unwrap_or_else(|| panic!("{name} has no gradient"));
        let rows = gradient.dims()[0];
        let exempt = golden.config.zero_gradient(name).unwrap_or(rows..rows);
        let kept = [(0, exempt.start), (exempt.end, rows)];
        let kept = kept.iter().filter(|(start, end)| start < end);
        let parts: Vec<Tensor> = kept
            .map(|&(start, end)| gradient.narrow(0, start, end - start).unwrap())
            .collect();
        if !parts.is_empty() {
            all.insert(
                format!("gradient of {name}"),
                Tensor::cat(&parts, 0).unwrap(),
            );
        }
    }
    all
}

/// The largest distance, with its name: of outputs, and of gradients.
fn apart(a: &BTreeMap<String, Tensor>, b: &BTreeMap<String, Tensor>) -> [(f64, String); 2] {
    assert!(a.keys().eq(b.keys()));
    let mut worst = [(0.0, String::new()), (0.0, String::new())];
    for (name, tensor) in a {
        let error = relative(tensor, &b[name].to_dtype(tensor.dtype()).unwrap());
        assert!(error.is_finite(), "{name}");
        let worst = &mut worst[usize::from(name.starts_with("gradient"))];
        if error > worst.0 {
            *worst = (error, name.clone());
        }
    }
    worst
}

#[test]
fn kernels_and_candles_operations_give_the_same_model() {
    for golden in all_golden_files() {
        let family = golden.config.family();
        let exact = everything(&golden, Form::Composed, DType::F64);
        for form in [Form::Kernels, Form::Composed] {
            let found = everything(&golden, form, DType::F32);
            let [outputs, gradients] = apart(&found, &exact);
            assert!(outputs.0 < 1e-5, "{family} in {form:?}: {outputs:?}");
            assert!(gradients.0 < 1e-4, "{family} in {form:?}: {gradients:?}");
        }
    }
}
