//! Every quantity against NumPy.

use std::collections::HashMap;

use candle_core::{Device, Tensor};

use super::analysed;

fn golden() -> HashMap<String, Tensor> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/analysis.safetensors"
    );
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

#[test]
fn every_quantity_is_numpys() {
    let golden = golden();
    let features: Vec<(usize, Tensor)> = [3, 8]
        .map(|l| (l, golden[&format!("{l}.x")].clone()))
        .into();
    let model = analysed(&features);
    for layer in &model.layers {
        let check = |name: &str, got: &[f64], tolerance: f64| {
            let expected = golden[&format!("{}.{name}", layer.layer)]
                .to_vec1::<f64>()
                .unwrap();
            assert_eq!(got.len(), expected.len(), "{name}");
            for (got, expected) in got.iter().zip(expected) {
                let error = (got - expected).abs();
                assert!(
                    error <= tolerance * expected.abs(),
                    "{name}: {got} against {expected}"
                );
            }
        };
        check("amplitude", &layer.amplitude, 1e-12);
        check("intensity", &[layer.intensity], 1e-12);
        check("rms", &[layer.rms], 1e-12);
        check("normalised", &[layer.normalised_intensity.unwrap()], 1e-12);
        let q = &layer.quantiles;
        check("sd", &q.standard_deviation, 1e-12);
        check("min", &q.min, 1e-9);
        check("max", &q.max, 1e-12);
        check("p5", &q.p5, 0.01);
        check("p50", &q.p50, 0.01);
        check("p95", &q.p95, 0.01);
        check(
            "spectral_entropy",
            &[layer.spectral_entropy.unwrap()],
            1e-12,
        );
        check("feature_entropy", &[layer.feature_entropy.nats], 5e-3);
        check("own_range_entropy", &[layer.own_range_entropy.nats], 5e-3);
        for (name, entropy) in [
            ("feature_entropy", layer.feature_entropy),
            ("own_range_entropy", layer.own_range_entropy),
        ] {
            check(name, &[entropy.nats], entropy.error / entropy.nats + 1e-12);
        }
        check("spatial", &layer.spatial, 1e-12);
        let radial: Vec<f64> = layer.radial.iter().map(|r| r.1).collect();
        check("radial", &radial, 1e-12);
        check("effective_rank", &[layer.effective_rank.unwrap()], 1e-10);
        let p = layer.permuted.as_ref().unwrap();
        assert_eq!((p.images, p.permutations), (3, 20));
        check("permuted_own", &p.amplitude, 1e-6);
        check("permuted_mean", &p.mean, 1e-6);
        check(
            "permuted_band",
            &[p.low.clone(), p.high.clone()].concat(),
            1e-6,
        );
        check(
            "permuted_intensity",
            &[p.intensity, p.intensity_low, p.intensity_high],
            1e-6,
        );
    }
}
