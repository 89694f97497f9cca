//! What is exported can be loaded again, here and by timm.

mod common;
#[path = "common/exports.rs"]
mod exports;

use std::collections::HashMap;
use std::fs;
use std::process::Command;

use candle_core::DType;
use common::golden_files;
use exports::{CPU, images, logits, models, noisy, preprocessing, write};
use spectralkd_base::random::Stream;
use spectralkd_models::{Error, export, frozen, weights};
use spectralkd_nn::Params;
use spectralkd_testing::{flat, relative};

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
            flat(&logits(&config, &loaded)),
            flat(&logits(&config, &weights))
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
        let error = relative(&found["logits"], expected);
        assert!(error < 1e-4, "{} is off by {error:.1e}", folder.display());
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
        flat(&loaded["head.weight"])
    };
    fs::create_dir(&folder).unwrap();
    write(&folder, &config, &first).unwrap();
    assert_eq!(head(), flat(&first["head.weight"]));
    write(&folder, &config, &second).unwrap();
    assert_eq!(head(), flat(&second["head.weight"]));

    fs::write(folder.join("notes.txt"), "mine").unwrap();
    let error = write(&folder, &config, &first).unwrap_err();
    assert!(matches!(error, Error::Occupied { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("it holds README.md, config.json, model.safetensors, notes.txt"),
        "{error}"
    );
    assert_eq!(head(), flat(&second["head.weight"]));

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
