//! A folder with a teacher's weights in it, in which experiments are written down and run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use candle_core::{Device, Tensor};
use serde_json::json;
use spectralkd_base::digest::file_sha256;
use spectralkd_base::progress::{Progress, Silent};
use spectralkd_base::provenance::Provenance;
use spectralkd_base::random::Stream;
use spectralkd_experiment::config;
use spectralkd_experiment::error::Result;
use spectralkd_experiment::reproduce::{Options, Summary, reproduce};
use spectralkd_models::{ModelConfig, weights};
use spectralkd_runtime::Runtime;
use tempfile::TempDir;

use crate::schema::TEACHER;

/// The teacher's weights, relative to the experiments.
pub const WEIGHTS: &str = "weights/teacher.safetensors";

/// The folder; it is gone when this is dropped.
pub struct Workplace {
    dir: TempDir,
}

impl Workplace {
    /// A folder with a teacher and the manifest of its weights.
    pub fn new() -> Self {
        let workplace = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        let path = workplace.path(WEIGHTS);
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        weights::save(&path, &teacher(), &json!({ "made by": "a test" })).unwrap();
        let data = json!({
            "origin": "nowhere", "train_images": 60_000, "train_sha256": "", "test_images": 0, "test_sha256": "",
        });
        let manifest = json!({
            "sha256": file_sha256(&path).unwrap(), "experiment": "none", "command": "none", "revision": "none",
            "machine": "none", "seed": 0, "epochs": 0, "minutes": 0.0, "data": data, "top1": 10.0,
        });
        std::fs::write(path.with_extension("json"), manifest.to_string()).unwrap();
        workplace
    }

    /// A path within the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes an experiment down as `NAME.toml`.
    pub fn write(&self, name: &str, toml: &str) {
        std::fs::write(self.path(&format!("{name}.toml")), toml).unwrap();
    }

    /// How experiments are run here unless told otherwise: in the folder `NAME.out`, two at a time.
    pub fn options(&self, name: &str) -> Options {
        Options {
            out: self.path(&format!("{name}.out")),
            runs: self.path("runs"),
            data: None,
            threads: 2,
            jobs: None,
            fresh: false,
            train_teacher: false,
            runtime: Runtime::cpu(),
            provenance: Provenance::default(),
        }
    }

    /// Runs the experiment that stands in `NAME.toml`.
    pub fn try_run(
        &self,
        name: &str,
        options: &Options,
        progress: &dyn Progress,
        interrupt: &AtomicBool,
    ) -> Result<Summary> {
        let experiment = config::load(&self.path(&format!("{name}.toml")), None, &[])?;
        reproduce(&experiment, options, progress, interrupt)
    }

    /// Writes an experiment down and runs it to its end; what it came to, and its run folder.
    pub fn run(&self, name: &str, toml: &str) -> (Summary, PathBuf) {
        self.write(name, toml);
        let options = self.options(name);
        let summary = self.try_run(name, &options, &Silent, &AtomicBool::new(false));
        (summary.unwrap(), options.out)
    }

    /// The message with which an experiment ends that cannot run.
    pub fn error(&self, name: &str, options: &Options) -> String {
        let result = self.try_run(name, options, &Silent, &AtomicBool::new(false));
        result
            .map(|summary| summary.status)
            .unwrap_err()
            .to_string()
    }
}

/// The folder of one run.
pub fn run_folder(out: &Path, variant: &str, seed: u64) -> PathBuf {
    out.join(variant).join(format!("seed-{seed}"))
}

/// Weights drawn by their names so that every part of the model moves its outputs: linear weights N(0, 1 / inputs),
/// talking heads near the identity, LayerScale about one half, everything else of order one, and a head that decides.
fn teacher() -> BTreeMap<String, Tensor> {
    let config: ModelConfig = toml::from_str(TEACHER).unwrap();
    let stream = Stream::new(11, "teacher");
    let drawn = config
        .parameters()
        .unwrap()
        .into_iter()
        .map(|(name, shape)| {
            let mut noise = stream.named(&name);
            let inputs = shape.iter().skip(1).product::<usize>() as f64;
            let talking = name.contains("proj_l") || name.contains("proj_w");
            let (centre, spread) = match name.as_str() {
                n if n.contains("gamma") => (0.5, 0.2),
                n if n.contains("norm") && n.ends_with("weight") => (1.0, 0.3),
                n if n.ends_with("bias") => (0.0, 0.3),
                "head.weight" => (0.0, 4.0 / inputs.sqrt()),
                n if n.ends_with("weight") => (0.0, inputs.sqrt().recip()),
                _ => (0.0, 0.5),
            };
            let count = shape.iter().product::<usize>();
            let value = |i: usize| {
                let diagonal = talking && shape.len() == 2 && i % shape[0] == i / shape[0];
                centre + f64::from(u8::from(diagonal)) + spread * noise.normal()
            };
            let values: Vec<f32> = (0..count).map(value).map(|x| x as f32).collect();
            let tensor = Tensor::from_vec(values, shape.clone(), &Device::Cpu).unwrap();
            (name, tensor)
        });
    drawn.collect()
}
