//! `config.json` and the model card of an export, and the `config.json` of timm's published models.

mod common;
#[path = "common/exports.rs"]
mod exports;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use candle_core::{DType, Tensor};
use exports::{CARD, CPU, models, noisy, preprocessing, write};
use serde_json::{Value, json};
use spectralkd_models::export::{self, Card, Exported};
use spectralkd_models::registry;

#[test]
fn the_description_is_timms() {
    let place = tempfile::tempdir().unwrap();
    let (_, config) = models().remove(1);
    let weights = noisy(&config);
    let names: Vec<String> = (0..10).map(|class| format!("class {class}")).collect();
    let descriptions: Vec<String> = (0..10).map(|class| format!("number {class}")).collect();
    let model = Exported {
        config: &config,
        weights: &weights,
        preprocessing: &preprocessing(3),
        tag: None,
        label_names: Some(&names),
        label_descriptions: Some(&descriptions),
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
        "label_descriptions": {
            "class 0": "number 0", "class 1": "number 1", "class 2": "number 2", "class 3": "number 3",
            "class 4": "number 4", "class 5": "number 5", "class 6": "number 6", "class 7": "number 7",
            "class 8": "number 8", "class 9": "number 9"
        },
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
    let described = export::read_config(&folder).unwrap();
    assert_eq!(described.label_names, Some(names.clone()));
    assert_eq!(described.label_descriptions, Some(descriptions.clone()));

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
    let label_descriptions = Some(&descriptions[1..]);
    refused(
        Exported {
            label_descriptions,
            ..model
        },
        "`label_descriptions` is a list of 9: it has one for each of the 10 names",
    );
    let same = vec!["one name".to_string(); 10];
    let label_names = Some(&same[..]);
    refused(
        Exported {
            label_names,
            ..model
        },
        "which must differ",
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
