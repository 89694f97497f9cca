//! The analysis of layers: against NumPy (see `tests/golden/analysis.py`), as a stream of batches,
//! its tables and figures, and what it refuses.

mod inputs;
mod numpy;
mod stream;
mod tables;

use candle_core::{Device, Tensor};
use spectralkd_base::random::Stream;
use spectralkd_evaluation::spectra::{AnalysedModel, AnalysisOptions, ModelAnalysis};
use spectralkd_report::csv::Reader;

const OPTIONS: AnalysisOptions = AnalysisOptions {
    seed: 9,
    permutations: 20,
    permutation_images: 3,
};

fn noise(name: &str, shape: (usize, usize, usize, usize)) -> Tensor {
    let mut stream = Stream::new(3, name);
    let count = shape.0 * shape.1 * shape.2 * shape.3;
    let values: Vec<f32> = (0..count).map(|_| stream.normal() as f32).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn analysed(features: &[(usize, Tensor)]) -> AnalysedModel {
    let mut analysis = ModelAnalysis::new("model", OPTIONS);
    analysis.push(features).unwrap();
    analysis.finish().unwrap()
}

/// Every number of every table, names beside them.
fn numbers(model: &AnalysedModel) -> Vec<(String, Option<f64>)> {
    let tables = [
        model.spectra_csv(),
        model.intensity_csv(),
        model.bands_csv(),
        model.quantiles_csv(),
        model.radial_csv(),
        model.summary_csv(),
    ];
    let mut all = Vec::new();
    for table in tables {
        let read = Reader::parse(&table).unwrap();
        for column in &read.columns {
            let values = read.optional_numbers(column).unwrap();
            all.extend(values.into_iter().map(|v| (column.clone(), v)));
        }
    }
    all
}

fn assert_same(a: &AnalysedModel, b: &AnalysedModel) {
    let (a, b) = (numbers(a), numbers(b));
    assert_eq!(a.len(), b.len());
    for ((name, a), (_, b)) in a.iter().zip(&b) {
        match (a, b) {
            (Some(a), Some(b)) => assert!(
                (a - b).abs() <= 1e-9 * b.abs().max(1e-3),
                "{name}: {a}, {b}"
            ),
            _ => assert_eq!(a, b, "{name}"),
        }
    }
}
