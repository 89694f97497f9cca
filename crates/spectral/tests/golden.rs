//! Values and gradients that PyTorch computed (see `tests/golden/make.py`).

mod common;

use std::collections::HashMap;

use candle_core::{Device, Tensor};
use common::gradient;
use spectralkd_spectral::{ChannelSpectrum, Norm, adaptive_avg_pool_channels, rfft2};
use spectralkd_testing::{distance, flat};

fn golden() -> HashMap<String, Tensor> {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/golden/spectral.safetensors"
    );
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}

/// The cases of one kind: the second part of names like `pool.10to4.x`.
fn cases(golden: &HashMap<String, Tensor>, kind: &str) -> Vec<String> {
    let mut cases: Vec<String> = golden
        .keys()
        .filter_map(|name| {
            name.strip_prefix(kind)?
                .strip_prefix('.')?
                .strip_suffix(".x")
                .map(String::from)
        })
        .collect();
    cases.sort();
    cases
}

#[test]
fn rfft2_is_torchs() {
    let golden = golden();
    let cases = cases(&golden, "rfft2");
    assert_eq!(cases.len(), 7);
    for case in cases {
        let get = |name: &str| &golden[&format!("rfft2.{case}.{name}")];
        let (x, y) = (get("x"), get("y"));
        for (norm, name) in [
            (Norm::Backward, "backward"),
            (Norm::Ortho, "ortho"),
            (Norm::Forward, "forward"),
        ] {
            let spectrum = rfft2(x, norm).unwrap().into_tensor();
            let slope = gradient(x, |x| {
                rfft2(x, norm).unwrap().into_tensor().mul(y)?.sum_all()
            });
            assert!(
                distance(&spectrum, get(&format!("{name}.out"))) < 1e-12,
                "{case} {name}"
            );
            assert!(
                distance(&slope, get(&format!("{name}.grad"))) < 1e-12,
                "{case} {name}"
            );
        }
    }
}

#[test]
fn channel_pooling_is_torchs() {
    let golden = golden();
    let cases = cases(&golden, "pool");
    assert_eq!(cases.len(), 5);
    for case in cases {
        let get = |name: &str| &golden[&format!("pool.{case}.{name}")];
        let channels = get("out").dims()[1];
        let pooled = adaptive_avg_pool_channels(get("x"), channels).unwrap();
        let slope = gradient(get("x"), |x| {
            adaptive_avg_pool_channels(x, channels)
                .unwrap()
                .mul(get("y"))?
                .sum_all()
        });
        assert!(distance(&pooled, get("out")) < 1e-14, "{case}");
        assert!(distance(&slope, get("grad")) < 1e-14, "{case}");
    }
}

#[test]
fn channel_spectra_are_torchs() {
    let golden = golden();
    let cases = cases(&golden, "channels");
    assert_eq!(cases.len(), 4);
    for case in cases {
        let get = |name: &str| flat(&golden[&format!("channels.{case}.{name}")]);
        let x = &golden[&format!("channels.{case}.x")];
        let mut spectrum = ChannelSpectrum::new(x.dims()[1]);
        spectrum.push(x).unwrap();
        for (k, (a, b)) in spectrum
            .amplitude()
            .into_iter()
            .zip(get("amplitude"))
            .enumerate()
        {
            assert!(
                (a - b).abs() < 1e-14,
                "{case} channels, bin {k}: {a} against {b}"
            );
        }
        assert!(
            (spectrum.intensity() - get("intensity")[0]).abs() < 1e-14,
            "{case}"
        );
        assert!((spectrum.rms() - get("rms")[0]).abs() < 1e-14, "{case}");
    }
}
