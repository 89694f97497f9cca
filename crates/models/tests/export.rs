//! What is exported can be loaded again, here and by timm.

mod common;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;
use std::process::Command;

use candle_core::{DType, Device, Tensor};
use common::{golden_files, values};
use serde_json::{Value, json};
use spectralkd_base::random::Stream;
use spectralkd_models::export::{self, Card, Exported, Preprocessing};
use spectralkd_models::{
    CaitConfig, DeitConfig, Error, ModelConfig, SwinConfig, Taps, frozen, registry, weights,
};
use spectralkd_nn::{Params, Pass};

const CPU: Device = Device::Cpu;

const CARD: Card<'static> = Card {
    title: "A tiny model",
    summary: "It knows nothing.",
    training: "Drawn at random.",
    results: "| data | top-1 |\n|---|---|\n| none | 10 % |",
    license: Some("mit"),
};

/// Small models of all kinds, none of a registry's size.
fn models() -> Vec<(&'static str, ModelConfig)> {
    let deit = DeitConfig {
        img_size: [28, 28],
        patch_size: 4,
        in_chans: 1,
        num_classes: 10,
        embed_dim: 24,
        depth: 2,
        num_heads: 3,
        mlp_ratio: 2.5,
        drop_path: 0.0,
        distilled: false,
    };
    let distilled = DeitConfig {
        img_size: [32, 16],
        in_chans: 3,
        distilled: true,
        ..deit.clone()
    };
    let cait = CaitConfig {
        img_size: [16, 24],
        patch_size: 4,
        in_chans: 3,
        num_classes: 5,
        embed_dim: 12,
        depth: 2,
        num_heads: 2,
        mlp_ratio: 3.0,
        drop_path: 0.0,
        depth_token_only: 1,
        init_values: 0.5,
    };
    let swin = SwinConfig {
        img_size: [48, 40],
        patch_size: 2,
        in_chans: 3,
        num_classes: 6,
        embed_dim: 12,
        depths: vec![2, 1, 2],
        num_heads: vec![1, 2, 3],
        window_size: 5,
        mlp_ratio: 2.0,
        drop_path: 0.0,
    };
    vec![
        ("deit_tiny_patch16_224", ModelConfig::Deit(deit)),
        (
            "deit_tiny_distilled_patch16_224",
            ModelConfig::Deit(distilled),
        ),
        ("cait_xxs24_224", ModelConfig::Cait(cait)),
        ("swin_tiny_patch4_window7_224", ModelConfig::Swin(swin)),
    ]
}

/// First weights with noise on all of them, so that each one matters.
fn noisy(config: &ModelConfig) -> BTreeMap<String, Tensor> {
    let params = Params::new();
    let init = Stream::new(3, "init");
    config
        .build(params.builder(&init, DType::F32, &CPU))
        .unwrap();
    let mut noise = Stream::new(4, "noise");
    let add = |tensor: Tensor| {
        let noise = (0..tensor.elem_count()).map(|_| 0.2 * noise.normal() as f32);
        let noise = Tensor::from_iter(noise, &CPU).unwrap();
        (&tensor + noise.reshape(tensor.shape()).unwrap()).unwrap()
    };
    let tensors = params.tensors().into_iter();
    let (names, values): (Vec<_>, Vec<_>) = tensors.unzip();
    names.into_iter().zip(values.into_iter().map(add)).collect()
}

fn preprocessing(channels: usize) -> Preprocessing {
    Preprocessing {
        interpolation: "bicubic".into(),
        crop_pct: 0.9,
        mean: vec![0.25; channels],
        std: vec![0.5; channels],
    }
}

fn write(
    folder: &Path,
    config: &ModelConfig,
    weights: &BTreeMap<String, Tensor>,
) -> Result<(), Error> {
    let preprocessing = preprocessing(config.in_chans());
    let model = Exported {
        config,
        weights,
        preprocessing: &preprocessing,
        tag: Some("test"),
        label_names: None,
        card: CARD,
    };
    export::folder(folder, &model)
}

fn images(config: &ModelConfig) -> Tensor {
    let [height, width] = config.img_size();
    let shape = (2, config.in_chans(), height, width);
    let mut stream = Stream::new(9, "images");
    let values = (0..shape.0 * shape.1 * height * width).map(|_| stream.normal() as f32);
    let values = Tensor::from_iter(values, &CPU).unwrap();
    values.reshape(shape).unwrap()
}

fn logits(config: &ModelConfig, weights: &BTreeMap<String, Tensor>) -> Tensor {
    let model = frozen(config, weights, &CPU).unwrap();
    let output = model.forward(&images(config), &Taps::None, &Pass::eval());
    output.unwrap().logits
}

#[test]
fn an_export_is_loaded_again_to_the_bit() {
    let place = tempfile::tempdir().unwrap();
    for (architecture, config) in models() {
        let folder = place.path().join("made").join(architecture);
        let weights = noisy(&config);
        write(&folder, &config, &weights).unwrap();

        let read = export::read_config(&folder).unwrap();
        assert_eq!(read.architecture, architecture);
        assert_eq!(read.model, Some(config.clone()));
        assert_eq!(read.preprocessing, preprocessing(config.in_chans()));
        assert_eq!(read.tag.as_deref(), Some("test"));
        let loaded = weights::load(&folder, &config, &CPU).unwrap();
        assert_eq!(
            values(&logits(&config, &loaded)),
            values(&logits(&config, &weights))
        );
    }
    // The golden models, with timm's logits.
    for golden in golden_files() {
        let folder = place.path().join(golden.config.family());
        write(&folder, &golden.config, &golden.weights).unwrap();
        let loaded = weights::load(&folder, &golden.config, &CPU).unwrap();
        let model = frozen(&golden.config, &loaded, &CPU).unwrap();
        golden
            .compare(&common::evaluate(&*model, &golden.images))
            .unwrap();
    }
}

#[test]
fn timm_opens_an_export() {
    const OPEN: &str = "
import json, sys
import timm, torch
from safetensors.torch import load_file, save_file
torch.set_num_threads(1)
for folder in sys.argv[1:]:
    model = timm.create_model('local-dir:' + folder, pretrained=True).eval()
    images = load_file(folder + '.images')['images']
    with torch.no_grad():
        save_file({'logits': model(images)}, folder + '.logits')
    data = timm.data.resolve_model_data_config(model)
    assert list(data['input_size']) == list(images.shape[1:]), data
    assert set(data['mean']) == {0.25} and set(data['std']) == {0.5} and len(data['std']) == images.shape[1], data
    assert data['crop_pct'] == 0.9 and data['interpolation'] == 'bicubic', data
    assert model.pretrained_cfg['tag'] == 'test'
";
    let Some(python) = std::env::var_os("SPECTRALKD_PYTHON") else {
        eprintln!("skipped: SPECTRALKD_PYTHON names no Python with timm");
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let mut folders = Vec::new();
    let mut expected = Vec::new();
    for (architecture, config) in models() {
        let folder = place.path().join(architecture);
        let weights = noisy(&config);
        write(&folder, &config, &weights).unwrap();
        let images = HashMap::from([("images", images(&config))]);
        candle_core::safetensors::save(&images, folder.with_extension("images")).unwrap();
        expected.push(logits(&config, &weights));
        folders.push(folder);
    }
    let output = Command::new(python)
        .args(["-c", OPEN])
        .args(&folders)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(!said.contains("Unexpected keys"), "{said}");
    for (folder, expected) in folders.iter().zip(&expected) {
        let file = folder.with_extension("logits");
        let found = candle_core::safetensors::load(&file, &CPU).unwrap();
        let error = common::relative_rms(&found["logits"], expected);
        assert!(error < 1e-4, "{} is off by {error:.1e}", folder.display());
    }
}

#[test]
fn the_description_is_timms() {
    let place = tempfile::tempdir().unwrap();
    let (_, config) = models().remove(1);
    let weights = noisy(&config);
    let names: Vec<String> = (0..10).map(|class| format!("class {class}")).collect();
    let model = Exported {
        config: &config,
        weights: &weights,
        preprocessing: &preprocessing(3),
        tag: None,
        label_names: Some(&names),
        card: CARD,
    };
    let folder = place.path().join("a");
    export::folder(&folder, &model).unwrap();
    let read = |folder: &Path| fs::read_to_string(folder.join("config.json")).unwrap();
    let text = read(&folder);
    let mut found: Value = serde_json::from_str(&text).unwrap();
    let generator = found.as_object_mut().unwrap().remove("generator").unwrap();
    assert!(
        generator
            .as_str()
            .unwrap()
            .starts_with("spectralkd-models ")
    );
    let expected = json!({
        "architecture": "deit_tiny_distilled_patch16_224",
        "num_classes": 10,
        "num_features": 24,
        "global_pool": "token",
        "label_names": names,
        "model_args": {
            "img_size": [32, 16], "patch_size": 4, "in_chans": 3, "embed_dim": 24, "depth": 2,
            "num_heads": 3, "mlp_ratio": 2.5
        },
        "pretrained_cfg": {
            "custom_load": false, "input_size": [3, 32, 16], "fixed_input_size": true,
            "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "center",
            "mean": [0.25, 0.25, 0.25], "std": [0.5, 0.5, 0.5], "num_classes": 10, "pool_size": null,
            "first_conv": "patch_embed.proj", "classifier": ["head", "head_dist"], "license": "mit"
        }
    });
    assert_eq!(found, expected);
    assert_eq!(
        export::read_config(&folder).unwrap().label_names,
        Some(names.clone())
    );

    let bytes = fs::read(folder.join("model.safetensors")).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let format = HashMap::from([("format".to_string(), "pt".to_string())]);
    assert_eq!(*header.metadata(), Some(format));
    let card = fs::read_to_string(folder.join("README.md")).unwrap();
    for words in [
        "---\ntags:\n- image-classification\n- timm\nlibrary_name: timm\nlicense: \"mit\"\n---\n# A tiny model\n",
        "\nIt knows nothing.\n",
        "\n## Training\n\nDrawn at random.\n",
        "\n| none | 10 % |\n",
        "- **Image size:** 32 x 16, 3 channels\n",
    ] {
        assert!(card.contains(words), "{words:?} is not in {card}");
    }

    // Equal models make equal folders.
    let again = place.path().join("b");
    export::folder(&again, &model).unwrap();
    assert_eq!(read(&again), text);
    assert_eq!(fs::read(again.join("model.safetensors")).unwrap(), bytes);

    let refused = |model: Exported, words: &str| {
        let error = export::folder(&place.path().join("c"), &model)
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    };
    let (preprocessing, label_names) = (&preprocessing(1), Some(&names[1..]));
    refused(
        Exported {
            preprocessing,
            ..model
        },
        "for each of the 3 channels",
    );
    refused(
        Exported {
            label_names,
            ..model
        },
        "the model has 10 classes",
    );
    let card = Card {
        title: "a\nb",
        ..CARD
    };
    refused(Exported { card, ..model }, "one line");
    let mut fewer = weights.clone();
    fewer.remove("norm.bias");
    let weights = &fewer;
    refused(Exported { weights, ..model }, "1 missing: norm.bias [24]");
    assert!(!place.path().join("c").exists());
}

#[test]
fn registry_sizes_have_their_own_names() {
    let place = tempfile::tempdir().unwrap();
    for name in [
        "deit_tiny_patch16_224",
        "deit_tiny_distilled_patch16_224",
        "cait_xxs24_384",
        "swin_tiny_patch4_window7_224",
    ] {
        let config = registry::find(name).unwrap().config.with_num_classes(3);
        let shapes = config.parameters().unwrap().into_iter();
        let zeros = |shape: Vec<usize>| Tensor::zeros(shape, DType::F16, &CPU).unwrap();
        let weights = shapes.map(|(name, shape)| (name, zeros(shape))).collect();
        write(&place.path().join(name), &config, &weights).unwrap();
        let read = export::read_config(&place.path().join(name)).unwrap();
        assert_eq!(read.architecture, name);
        assert_eq!(read.model, Some(config.with_drop_path(0.0)));
    }
}

#[test]
fn nothing_but_an_export_is_replaced() {
    let place = tempfile::tempdir().unwrap();
    let (_, config) = models().remove(0);
    let (first, second) = (noisy(&config), {
        let params = Params::new();
        config
            .build(params.builder(&Stream::new(8, "init"), DType::F32, &CPU))
            .unwrap();
        params.tensors()
    });
    let folder = place.path().join("m");
    let head = || {
        let loaded = weights::load(&folder, &config, &CPU).unwrap();
        values(&loaded["head.weight"])
    };
    fs::create_dir(&folder).unwrap();
    write(&folder, &config, &first).unwrap();
    assert_eq!(head(), values(&first["head.weight"]));
    write(&folder, &config, &second).unwrap();
    assert_eq!(head(), values(&second["head.weight"]));

    fs::write(folder.join("notes.txt"), "mine").unwrap();
    let error = write(&folder, &config, &first).unwrap_err();
    assert!(matches!(error, Error::Occupied { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("it holds README.md, config.json, model.safetensors, notes.txt"),
        "{error}"
    );
    assert_eq!(head(), values(&second["head.weight"]));

    // A model of timm's, which this crate did not write.
    let other = place.path().join("other");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("config.json"), "{\"architecture\": \"x\"}").unwrap();
    let error = write(&other, &config, &first).unwrap_err();
    assert!(matches!(error, Error::Occupied { .. }), "{error}");
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(write(&file, &config, &first).is_err());

    let mut left: Vec<_> = fs::read_dir(place.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["file", "m", "other"]);
}

#[test]
fn descriptions_of_timm_are_read() {
    let text = fs::read_to_string(common::path("published.json")).unwrap();
    let published: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    let place = tempfile::tempdir().unwrap();
    let read = |config: &Value| {
        fs::write(place.path().join("config.json"), config.to_string()).unwrap();
        export::read_config(place.path())
    };
    for (name, config) in &published {
        let found = read(config).unwrap();
        // As published before model_args were, and before that in one dictionary.
        let mut older = config.clone();
        older.as_object_mut().unwrap().remove("model_args");
        let mut oldest = config["pretrained_cfg"].clone();
        oldest["architecture"] = config["architecture"].clone();
        for shorter in [older, oldest] {
            assert_eq!(read(&shorter).unwrap(), found, "{name}");
        }
        if name == "resized" {
            let tiny = registry::find("swin_tiny_patch4_window7_224")
                .unwrap()
                .config;
            let tiny = tiny
                .with_img_size([256, 256])
                .with_in_chans(1)
                .with_num_classes(10);
            assert_eq!(found.model, Some(tiny.with_drop_path(0.0)));
            assert_eq!(
                (found.preprocessing.mean, found.preprocessing.std),
                (vec![0.5], vec![0.25])
            );
        } else if let Ok(entry) = registry::find(name) {
            assert_eq!(
                found.model,
                Some(entry.config.with_drop_path(0.0)),
                "{name}"
            );
            assert_eq!(found.preprocessing, entry.preprocessing.into(), "{name}");
            assert_eq!(found.tag.as_deref(), Some(entry.tag));
        } else {
            assert_eq!(found.architecture, "deit3_small_patch16_224");
            assert_eq!(found.model, None);
        }
    }

    let mut config = published["deit_tiny_patch16_224.fb_in1k"].clone();
    let mut refused = |key: &str, value: Value, words: &str| {
        let old = config["model_args"].clone();
        config["model_args"][key] = value;
        let error = read(&config).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
        config["model_args"] = old;
    };
    refused("global_pool", json!("avg"), "`global_pool` (\"avg\")");
    refused(
        "init_values",
        json!(1e-4),
        "the deit models here do not have",
    );
    refused("depth", json!("many"), "its model_args cannot be used");
    refused("num_heads", json!(5), "5 heads do not divide it evenly");
    let error = read(&json!({"num_classes": 3})).unwrap_err().to_string();
    assert!(error.contains("missing field `architecture`"), "{error}");
    let error = export::read_config(&place.path().join("no"))
        .unwrap_err()
        .to_string();
    assert!(error.contains("it cannot be read"), "{error}");
}
