//! What the integration tests of this crate share beside `spectralkd-testing`.
#![allow(dead_code)] // every test binary uses its own part of it

pub mod case;
pub mod models;

use std::collections::HashMap;

use candle_core::{Device, Tensor};

/// A golden file of `tests/golden/`.
pub fn golden(name: &str) -> HashMap<String, Tensor> {
    let path = format!(
        "{}/tests/golden/{name}.safetensors",
        env!("CARGO_MANIFEST_DIR")
    );
    candle_core::safetensors::load(path, &Device::Cpu).unwrap()
}
