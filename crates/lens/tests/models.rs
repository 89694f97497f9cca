//! Models by name or folder, on tensors, pictures and IDX files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use spectralkd_base::progress::Silent;
use spectralkd_base::random::Stream;
use spectralkd_datasets::idx;
use spectralkd_lens::{
    ImagesFrom, LoadedModel, ModelImages, ModelRequest, Sizes, evaluate, features,
};
use spectralkd_models::export::{self, Card, Exported, Preprocessing};
use spectralkd_models::{DeitConfig, ModelConfig, Taps, frozen};
use spectralkd_nn::{Params, Pass};
use spectralkd_testing::distance;

/// A grey 8 x 8 DeiT of three blocks, and its weights.
fn tiny() -> (ModelConfig, BTreeMap<String, Tensor>) {
    let config = ModelConfig::Deit(DeitConfig {
        img_size: [8, 8],
        patch_size: 4,
        in_chans: 1,
        num_classes: 3,
        embed_dim: 12,
        depth: 3,
        num_heads: 3,
        mlp_ratio: 2.0,
        drop_path: 0.0,
        distilled: false,
    });
    let params = Params::new();
    let vb = params.builder(&Stream::new(3, "init"), DType::F32, &Device::Cpu);
    config.build(vb).unwrap();
    (config, params.tensors())
}

/// The tiny model as a folder.
fn exported(folder: &Path) {
    let (config, weights) = tiny();
    let preprocessing = Preprocessing {
        interpolation: "bicubic".into(),
        crop_pct: 1.0,
        mean: vec![0.5],
        std: vec![0.25],
    };
    let card = Card {
        title: "Tiny",
        summary: "A model of a test.",
        training: "None.",
        results: "None.",
        license: None,
    };
    let model = Exported {
        config: &config,
        weights: &weights,
        preprocessing: &preprocessing,
        tag: None,
        label_names: None,
        label_descriptions: None,
        card,
    };
    export::folder(folder, &model).unwrap();
}

fn load(weights: &Path, sizes: Sizes) -> Result<LoadedModel, String> {
    let request = ModelRequest {
        model: None,
        weights: Some(weights.display().to_string()),
        sizes,
    };
    LoadedModel::load(&request, &Silent).map_err(|error| error.to_string())
}

fn pixels(count: usize) -> Vec<u8> {
    (0..count * 64).map(|i| (i * 37 % 251) as u8).collect()
}

fn normalised(bytes: &[u8]) -> Tensor {
    let values: Vec<f32> = bytes
        .iter()
        .map(|&byte| (f32::from(byte) / 255.0 - 0.5) / 0.25)
        .collect();
    Tensor::from_vec(values, (bytes.len() / 64, 1, 8, 8), &Device::Cpu).unwrap()
}

#[test]
fn features_are_the_models_own_whatever_the_batch() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("tiny");
    exported(&folder);
    let loaded = load(&folder, Sizes::default()).unwrap();
    assert_eq!(loaded.name, "deit_tiny_patch16_224");
    assert!(loaded.notes.is_empty(), "{:?}", loaded.notes);

    let images = normalised(&pixels(5));
    let input = dir.path().join("x.safetensors");
    candle_core::safetensors::save(&[("images", images.clone())].into(), &input).unwrap();
    let mut opened = ModelImages::open(&ImagesFrom::Tensor(input), &loaded).unwrap();
    assert_eq!(opened.len(), 5);
    let output = dir.path().join("y.safetensors");
    let taps = Taps::List(vec![-1, 0]);
    let written = features::write(&loaded, &mut opened, &taps, 2, &output, &Silent).unwrap();
    assert_eq!(
        written.tensors.into_iter().collect::<Vec<_>>(),
        [
            ("features.0".to_owned(), vec![5, 12, 2, 2]),
            ("features.2".to_owned(), vec![5, 12, 2, 2]),
            ("logits".to_owned(), vec![5, 3]),
        ]
    );

    let (config, weights) = tiny();
    let model = frozen(&config, &weights, &Device::Cpu).unwrap();
    let expected = model.forward(&images, &Taps::All, &Pass::eval()).unwrap();
    let found = candle_core::safetensors::load(&output, &Device::Cpu).unwrap();
    assert!(distance(&found["logits"], &expected.logits) < 1e-5);
    assert!(distance(&found["features.0"], &expected.features[0].1) < 1e-5);
    assert!(distance(&found["features.2"], &expected.features[2].1) < 1e-5);
}

#[test]
fn images_of_another_shape_are_refused_with_both_shapes() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("tiny");
    exported(&folder);
    let loaded = load(&folder, Sizes::default()).unwrap();
    let input = dir.path().join("x.safetensors");
    let images = Tensor::zeros((2, 1, 8, 12), DType::F32, &Device::Cpu).unwrap();
    candle_core::safetensors::save(&[("images", images)].into(), &input).unwrap();
    let open = |loaded: &LoadedModel| ModelImages::open(&ImagesFrom::Tensor(input.clone()), loaded);
    let text = open(&loaded).err().unwrap().to_string();
    assert!(
        text.contains("[2, 1, 8, 12]")
            && text.contains("[B, 1, 8, 8]")
            && text.contains("--img-size"),
        "{text}"
    );
    let wide = Sizes {
        img_size: Some([8, 12]),
        ..Sizes::default()
    };
    let loaded = load(&folder, wide).unwrap();
    assert_eq!(loaded.notes.len(), 1, "{:?}", loaded.notes);
    assert_eq!(open(&loaded).unwrap().len(), 2);
    let text = ModelImages::open(&ImagesFrom::Folder(folder), &loaded);
    assert!(text.is_err());
}

#[test]
fn another_number_of_classes_gets_an_untrained_head_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("tiny");
    exported(&folder);
    let sizes = Sizes {
        num_classes: Some(7),
        ..Sizes::default()
    };
    let loaded = load(&folder, sizes).unwrap();
    assert_eq!(loaded.model.info().classes, 7);
    assert!(
        loaded
            .notes
            .iter()
            .any(|note| note.contains("classifier is new")),
        "{:?}",
        loaded.notes
    );
}

#[test]
fn accuracy_on_idx_files_is_that_of_the_logits() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("tiny");
    exported(&folder);
    let loaded = load(&folder, Sizes::default()).unwrap();

    // Labels: what the model says for every second image, and something else for the rest.
    let bytes = pixels(9);
    let logits = loaded
        .model
        .forward(&normalised(&bytes), &Taps::None, &Pass::eval())
        .unwrap()
        .logits;
    let best: Vec<u32> = logits.argmax(1).unwrap().to_vec1().unwrap();
    let labels: Vec<u8> = best
        .iter()
        .enumerate()
        .map(|(i, &class)| (class as u8 + (i % 2) as u8) % 3)
        .collect();
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    let write = |name: &str, bytes: Vec<u8>| fs::write(data.join(name), bytes).unwrap();
    write(
        "t10k-images-idx3-ubyte",
        idx::encode_images(&bytes, 8, 8).unwrap(),
    );
    write(
        "t10k-labels-idx1-ubyte",
        idx::encode_labels(&labels).unwrap(),
    );

    let result = evaluate(&loaded, &data, None, 4, &Silent).unwrap();
    assert_eq!(result.images, 9);
    assert!(
        (result.top1 - 100.0 * 5.0 / 9.0).abs() < 1e-9,
        "{}",
        result.top1
    );
    assert_eq!(result.top5, 100.0);
    assert!(result.loss > 0.0 && result.images_per_second > 0.0);
    assert!(result.data.ends_with("(t10k)"), "{}", result.data);

    let text = evaluate(&loaded, &data, Some("train"), 4, &Silent)
        .unwrap_err()
        .to_string();
    assert!(text.contains("train-images-idx3-ubyte"), "{text}");
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let text = evaluate(&loaded, &empty, None, 4, &Silent)
        .unwrap_err()
        .to_string();
    assert!(text.contains("IDX"), "{text}");
}

#[test]
fn what_cannot_be_found_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let text = load(&dir.path().join("nowhere"), Sizes::default())
        .err()
        .unwrap();
    assert!(
        text.contains("nowhere") && text.contains("hf://owner/name"),
        "{text}"
    );
    let text = load(dir.path(), Sizes::default()).err().unwrap();
    assert!(text.contains("--model"), "{text}");
    let request = ModelRequest {
        model: Some("deit_tny_patch16_224".into()),
        ..ModelRequest::default()
    };
    let text = LoadedModel::load(&request, &Silent)
        .err()
        .unwrap()
        .to_string();
    assert!(
        text.contains("the nearest is `deit_tiny_patch16_224`"),
        "{text}"
    );
    let text = LoadedModel::load(&ModelRequest::default(), &Silent)
        .err()
        .unwrap()
        .to_string();
    assert!(text.contains("--weights"), "{text}");
}
