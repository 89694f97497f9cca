//! Students that start from weights of a file.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use candle_core::{Device, Tensor};
use serde_json::json;
use spectralkd_base::digest::file_sha256;
use spectralkd_base::progress::{Progress, Silent, Stage};
use spectralkd_base::random::Stream;
use spectralkd_models::{ModelConfig, weights};

use crate::disk;
use crate::four_variants::EXPERIMENT;
use crate::schema::{Loss, STUDENT, Written};
use crate::workplace::{Workplace, run_folder};

const FIRST: &str = "weights/first.safetensors";

/// Steps so small that the weights stay what they were.
fn experiment(seeds: &[u64]) -> String {
    let written = Written {
        seeds,
        variants: &[("plain", Loss::Labels)],
        compared: false,
        ..EXPERIMENT
    };
    let named = format!("[model]\nweights = \"{FIRST}\"\n");
    let toml = written.toml().replacen("[model]\n", &named, 1);
    toml.replacen("lr = 1e-2", "lr = 1e-30\nmin_lr = 0.0\nwarmup_lr = 0.0", 1)
}

/// Weights of the student for so many classes.
fn write(workplace: &Workplace, classes: usize, seed: u64) -> BTreeMap<String, Tensor> {
    let config: ModelConfig = toml::from_str(STUDENT).unwrap();
    let shapes = config.with_num_classes(classes).parameters().unwrap();
    let stream = Stream::new(seed, "first");
    let draw = |(name, shape): (String, Vec<usize>)| {
        let mut noise = stream.named(&name);
        let count = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..count).map(|_| 0.2 * noise.normal() as f32).collect();
        let tensor = Tensor::from_vec(values, shape, &Device::Cpu).unwrap();
        (name, tensor)
    };
    let tensors: BTreeMap<String, Tensor> = shapes.into_iter().map(draw).collect();
    weights::save(&workplace.path(FIRST), &tensors, &json!({})).unwrap();
    tensors
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// Keeps what it is told.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Progress for Notes {
    fn stage(&self, name: &str, total: u64, unit: &'static str) -> Box<dyn Stage> {
        Silent.stage(name, total, unit)
    }

    fn note(&self, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

#[test]
fn seeds_share_first_weights_and_draw_the_head_that_these_do_not_have() {
    let workplace = Workplace::new();
    let given = write(&workplace, 7, 1);
    workplace.write("start", &experiment(&[0, 1]));
    let (options, notes) = (workplace.options("start"), Notes::default());
    let ended = workplace.try_run("start", &options, &notes, &AtomicBool::new(false));
    ended.unwrap();
    let of_seed = |seed| {
        let run = run_folder(&options.out, "plain", seed);
        candle_core::safetensors::load(run.join("weights.safetensors"), &Device::Cpu).unwrap()
    };
    let runs = [0, 1].map(of_seed);
    for (name, given) in &given {
        let ours = [0, 1].map(|i| values(&runs[i][name]));
        if name.starts_with("head.") {
            assert_eq!(runs[0][name].dims()[0], 10, "{name}");
        } else {
            for ours in &ours {
                let pairs = ours.iter().zip(values(given));
                let near = |(ours, given): (&f32, f32)| (ours - given).abs() < 1e-20;
                assert!(pairs.into_iter().all(near), "{name}");
            }
        }
    }
    let heads = [0, 1].map(|i| values(&runs[i]["head.weight"]));
    assert_ne!(heads[0], heads[1]);

    let notes = notes.0.into_inner().unwrap();
    let told = notes.iter().filter(|note| note.contains("first weights"));
    let told: Vec<_> = told.collect();
    assert!(
        told.len() == 1 && told[0].contains("classifier"),
        "{notes:?}"
    );
    let record = &disk::json(&options.out.join("manifest.json"))["student"]["weights"];
    let path = workplace.path(FIRST);
    assert_eq!(record["weights"], path.display().to_string());
    assert_eq!(record["sha256"], file_sha256(&path).unwrap());
    assert_eq!(record["notes"].as_array().unwrap().len(), 1);
}

#[test]
fn runs_of_one_folder_start_from_the_same_weights() {
    let workplace = Workplace::new();
    write(&workplace, 10, 1);
    workplace.run("start", &experiment(&[0]));
    write(&workplace, 10, 2);
    workplace.write("start", &experiment(&[0, 1]));
    let error = workplace.error("start", &workplace.options("start"));
    assert!(error.contains("started from other weights"), "{error}");
    std::fs::remove_file(workplace.path(FIRST)).unwrap();
    let error = workplace.error("start", &workplace.options("start"));
    assert!(error.contains("no weights at"), "{error}");
}
