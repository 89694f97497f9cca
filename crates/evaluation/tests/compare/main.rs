//! The comparison of two models: against NumPy (see `tests/golden/compare.py`),
//! against the loss that students are trained with, and what must hold for any
//! features.

mod inputs;
mod numbers;
mod properties;
mod tables;

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use spectralkd_base::progress::Silent;
use spectralkd_base::random::Stream;
use spectralkd_evaluation::compare::{Comparison, FeatureTensors, Options, PairRow, compare};

fn noise(name: &str, shape: [usize; 4]) -> Tensor {
    let mut stream = Stream::new(11, name);
    let values: Vec<f64> = (0..shape.iter().product())
        .map(|_| stream.normal())
        .collect();
    Tensor::from_vec(values, &shape[..], &Device::Cpu).unwrap()
}

fn model(name: &str, layers: Vec<(usize, Tensor)>) -> FeatureTensors {
    FeatureTensors::new(name, layers).unwrap()
}

fn run(a: &[(usize, Tensor)], b: &[(usize, Tensor)]) -> Comparison {
    let (mut a, mut b) = (model("A", a.to_vec()), model("B", b.to_vec()));
    compare(&mut a, &mut b, &Options::default(), &Silent).unwrap()
}

fn pair(a: &Tensor, b: &Tensor) -> PairRow {
    run(&[(0, a.clone())], &[(0, b.clone())]).rows[0]
}

/// Features by layer.
type Layers = Vec<(usize, Tensor)>;

/// The features of A and of B in the golden file, and all that it holds.
fn golden() -> (Layers, Layers, HashMap<String, Tensor>) {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/compare.safetensors"
    );
    let values = candle_core::safetensors::load(path, &Device::Cpu).unwrap();
    let side = |side: &str| {
        let mut layers: Layers = values
            .iter()
            .filter_map(|(name, t)| Some((name.strip_prefix(side)?.parse().unwrap(), t.clone())))
            .collect();
        layers.sort_by_key(|l| l.0);
        layers
    };
    (side("a."), side("b."), values)
}
