//! The golden files of timm (see `golden/make.py`) and small helpers.
#![allow(dead_code)] // every test file uses its own part

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;
use spectralkd_models::{ModelConfig, Output, Taps, VisionModel};
use spectralkd_nn::{Builder, Form, Pass};
use spectralkd_testing::{flat, relative};

/// What timm computed for one tiny model.
pub struct Golden {
    pub config: ModelConfig,
    pub weights: BTreeMap<String, Tensor>,
    pub images: Tensor,
    tensors: HashMap<String, Tensor>,
}

/// The path of a file beside `make.py`.
pub fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// A DeiT and a CaiT.
pub fn golden_files() -> [Golden; 2] {
    ["deit.safetensors", "cait.safetensors"].map(Golden::read)
}

/// A DeiT, a distilled DeiT, a CaiT and a Swin.
pub fn all_golden_files() -> [Golden; 4] {
    let [deit, cait] = golden_files();
    let [distilled, swin] = ["distilled.safetensors", "swin.safetensors"].map(Golden::read);
    [deit, distilled, cait, swin]
}

impl Golden {
    fn read(name: &str) -> Self {
        let bytes = std::fs::read(path(name)).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        let config = serde_json::from_str(&header.metadata().as_ref().unwrap()["config"]).unwrap();
        let tensors = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).unwrap();
        let weights = tensors
            .iter()
            .filter_map(|(key, value)| {
                Some((key.strip_prefix("weights.")?.to_string(), value.clone()))
            })
            .collect();
        Self {
            config,
            weights,
            images: tensors["images"].clone(),
            tensors,
        }
    }

    /// A tensor of the file.
    pub fn get(&self, key: &str) -> &Tensor {
        &self.tensors[key]
    }

    /// The number of taps.
    pub fn taps(&self) -> usize {
        self.config.info().unwrap().taps.len()
    }

    /// The fixed scalar of logits and all taps.
    pub fn scalar(&self, output: &Output) -> Tensor {
        let term = |value: &Tensor, key: &str| {
            let cotangent = self
                .get(&format!("cotangent.{key}"))
                .to_dtype(value.dtype())
                .unwrap();
            (value * cotangent).unwrap().sum_all().unwrap()
        };
        assert_eq!(output.features.len(), self.taps());
        output
            .features
            .iter()
            .fold(term(&output.logits, "logits"), |sum, (i, tap)| {
                (sum + term(tap, &format!("taps.{i}"))).unwrap()
            })
    }

    /// Compares logits and all taps with timm's; the error says which is off, and by how much.
    pub fn compare(&self, output: &Output) -> Result<(), String> {
        let mut pairs = vec![("logits".to_string(), &output.logits)];
        assert_eq!(output.features.len(), self.taps());
        pairs.extend(
            output
                .features
                .iter()
                .map(|(i, tap)| (format!("taps.{i}"), tap)),
        );
        for (key, value) in pairs {
            let error = relative(value, self.get(&key));
            if !error.is_finite() || error > 1e-4 {
                return Err(format!("{key} is off by {error:.1e} of its RMS"));
            }
        }
        Ok(())
    }
}

/// Trainable copies of `weights`, and the model built on them in the form of their type.
pub fn trainable(
    config: &ModelConfig,
    weights: &BTreeMap<String, Tensor>,
    dtype: DType,
) -> (BTreeMap<String, Var>, Box<dyn VisionModel>) {
    trainable_in(Form::of(&Device::Cpu, dtype), config, weights, dtype)
}

/// The same in this form.
pub fn trainable_in(
    form: Form,
    config: &ModelConfig,
    weights: &BTreeMap<String, Tensor>,
    dtype: DType,
) -> (BTreeMap<String, Var>, Box<dyn VisionModel>) {
    let vars: BTreeMap<String, Var> = weights
        .iter()
        .map(|(name, value)| {
            (
                name.clone(),
                Var::from_tensor(&value.to_dtype(dtype).unwrap()).unwrap(),
            )
        })
        .collect();
    let tensors = vars
        .iter()
        .map(|(name, var)| (name.clone(), var.as_tensor().clone()))
        .collect();
    let params = VarBuilder::from_tensors(tensors, dtype, &Device::Cpu);
    let model = config.build(Builder::from(params).in_form(form)).unwrap();
    (vars, model)
}

/// A forward pass in evaluation, with all taps.
pub fn evaluate(model: &dyn VisionModel, images: &Tensor) -> Output {
    model.forward(images, &Taps::All, &Pass::eval()).unwrap()
}

/// Logits and taps, as values.
pub fn everything(output: &Output) -> Vec<Vec<f64>> {
    let maps = output.features.iter().map(|(_, map)| flat(map));
    maps.chain([flat(&output.logits)]).collect()
}

/// Root of the mean square.
pub fn rms(values: &[f64]) -> f64 {
    (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt()
}

/// Holds a gradient to timm's, to 1e-4 of its RMS, but for the values `exempt`, which are no more
/// than noise: 1e-5 of `largest`, the RMS of the largest gradient.
#[track_caller]
pub fn assert_gradient(
    found: &Tensor,
    expected: &Tensor,
    exempt: Range<usize>,
    largest: f64,
    what: &str,
) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let (found, expected) = (
        found.flatten_all().unwrap(),
        expected.flatten_all().unwrap(),
    );
    for part in [0..exempt.start, exempt.end..found.elem_count()] {
        if part.is_empty() {
            continue;
        }
        let [found, expected] =
            [&found, &expected].map(|x| x.narrow(0, part.start, part.len()).unwrap());
        let error = relative(&found, &expected);
        assert!(error < 1e-4, "{what} {part:?} is off by {error:.1e}");
    }
    if !exempt.is_empty() {
        let noise = rms(&flat(&found)[exempt]);
        assert!(
            noise < 1e-5 * largest,
            "{what} is exempt, but has a gradient of {noise:.1e}"
        );
    }
}

/// 64-bit FNV-1a of the lines "NAME SHAPE\n", as the golden scripts digest names and shapes.
pub fn digest(shapes: &BTreeMap<String, Vec<usize>>) -> String {
    let lines = shapes
        .iter()
        .map(|(name, shape)| format!("{name} {shape:?}\n"));
    format!("{:016x}", fnv1a(lines.collect::<String>().as_bytes()))
}

/// 64-bit FNV-1a.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
