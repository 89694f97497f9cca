//! Weights for other images and classes become what timm makes of them (see `golden/make_weights.py`).

mod common;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use serde::Deserialize;
use serde_json::json;
use spectralkd_base::random::Stream;
use spectralkd_models::{Error, ModelConfig, weights};
use spectralkd_nn::Params;
use spectralkd_testing::{flat, relative};

const CPU: Device = Device::Cpu;

#[derive(Deserialize)]
struct Case {
    name: String,
    source: String,
    source_config: ModelConfig,
    target: ModelConfig,
    changed: Vec<String>,
}

/// The cases, and all tensors of the file.
fn golden() -> (Vec<Case>, HashMap<String, Tensor>) {
    let bytes = fs::read(common::path("adapted.safetensors")).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let cases = serde_json::from_str(&header.metadata().as_ref().unwrap()["cases"]).unwrap();
    (
        cases,
        candle_core::safetensors::load_buffer(&bytes, &CPU).unwrap(),
    )
}

/// The tensors whose names begin with `prefix.`, without it.
fn under(tensors: &HashMap<String, Tensor>, prefix: &str) -> BTreeMap<String, Tensor> {
    let strip = |name: &str| Some(name.strip_prefix(prefix)?.strip_prefix('.')?.to_string());
    let own = tensors
        .iter()
        .filter_map(|(name, tensor)| Some((strip(name)?, tensor.clone())));
    own.collect()
}

/// A folder with these weights and a `config.json` that tells the size of the images.
fn folder(path: &Path, weights: &BTreeMap<String, Tensor>, config: &ModelConfig) {
    let size = &serde_json::to_value(config).unwrap()["img_size"];
    let config = json!({"pretrained_cfg": {"input_size": [3, size[0], size[1]]}});
    fs::write(path.join("config.json"), config.to_string()).unwrap();
    weights::save(&path.join("model.safetensors"), weights, &json!(null)).unwrap();
}

#[test]
fn what_timm_adapts_is_adapted_alike() {
    let (cases, tensors) = golden();
    assert_eq!(cases.len(), 17);
    let fresh = Stream::new(5, "init");
    for case in &cases {
        let place = tempfile::tempdir().unwrap();
        let source = under(&tensors, &case.source);
        folder(place.path(), &source, &case.source_config);
        let loaded = weights::load_adapted(place.path(), &case.target, &fresh, &CPU).unwrap();
        assert_eq!(loaded.path, place.path().join("model.safetensors"));
        let wanted = case.target.parameters().unwrap();
        assert!(loaded.tensors.keys().eq(wanted.keys()), "{}", case.name);
        let heads = case.changed.iter().filter(|name| name.starts_with("head"));
        assert_eq!(loaded.fresh, heads.cloned().collect(), "{}", case.name);

        let params = Params::new();
        case.target
            .build(params.builder(&fresh, DType::F32, &CPU))
            .unwrap();
        let first = params.tensors();
        for (name, found) in &loaded.tensors {
            let expected = if !case.changed.contains(name) {
                &source[name]
            } else if name.starts_with("head") {
                &first[name]
            } else {
                &tensors[&format!("{}.{name}", case.name)]
            };
            assert_eq!(found.dims(), expected.dims(), "{}: {name}", case.name);
            assert_eq!(found.dtype(), DType::F32);
            if case.changed.contains(name) && !name.starts_with("head") {
                // timm places the kernels in f32.
                let error = relative(found, expected);
                assert!(error < 1e-6, "{}: {name} is off by {error:.1e}", case.name);
            } else {
                assert_eq!(flat(found), flat(expected), "{}: {name}", case.name);
            }
        }
    }
}

#[test]
fn every_adaptation_is_one_sentence() {
    let (cases, tensors) = golden();
    let notes = |name: &str| {
        let case = cases.iter().find(|case| case.name == name).unwrap();
        let place = tempfile::tempdir().unwrap();
        folder(
            place.path(),
            &under(&tensors, &case.source),
            &case.source_config,
        );
        let fresh = Stream::new(5, "init");
        weights::load_adapted(place.path(), &case.target, &fresh, &CPU)
            .unwrap()
            .notes
    };
    let head =
        "the classifier is new, its weights drawn at random: the file's has 7 classes, the model ";
    let grey = "summed the patch embedding over its 3 channels for images of one";
    assert_eq!(
        notes("distilled_larger"),
        [
            format!("{head}2"),
            "resampled the position embedding from 5x5 to 6x11 patches (bicubic with antialias, as timm does)".into()
        ]
    );
    assert_eq!(
        notes("cait_all"),
        [
            format!("{head}10"),
            grey.into(),
            "resampled the position embedding from 5x5 to 2x3 patches (bicubic with antialias; timm itself refuses \
             CaiT at other sizes)"
                .into()
        ]
    );
    assert_eq!(
        notes("swin_narrow"),
        [
            "resized relative position bias tables from 7x7 to 7x5 offsets (as timm does without scipy)",
            "resized relative position bias tables from 7x7 to 7x3 offsets (as timm does without scipy)"
        ]
    );
    assert_eq!(
        notes("deit_two_channels"),
        ["repeated the patch embedding's 3 channels for images of 2, times 3/2"]
    );
    assert_eq!(
        notes("swin_grey_classes"),
        [format!("{head}3"), grey.into()]
    );
}

/// The source and target of a case, with the source's weights in a file.
fn case(name: &str, path: &Path) -> Case {
    let (cases, tensors) = golden();
    let case = cases.into_iter().find(|case| case.name == name).unwrap();
    weights::save(path, &under(&tensors, &case.source), &json!(null)).unwrap();
    case
}

fn refused(path: &Path, config: &ModelConfig) -> String {
    let fresh = Stream::new(5, "init");
    let error = weights::load_adapted(path, config, &fresh, &CPU).unwrap_err();
    assert!(matches!(error, Error::Mismatch { .. }), "{error}");
    error.to_string()
}

#[test]
fn what_no_rule_covers_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("w.safetensors");

    // Without the image size, 15 patches are no square.
    let wide = case("wide_to_square", &path);
    let error = refused(&path, &wide.target);
    assert!(
        error.contains("1 of another shape: pos_embed [1, 16, 6], not [1, 37, 6]"),
        "{error}"
    );

    let distilled = case("distilled_larger", &path);
    let plain = case("deit_larger", &place.path().join("plain.safetensors"));
    let error = refused(&path, &plain.source_config);
    assert!(error.contains("3 unexpected: dist_token"), "{error}");
    let error = refused(
        &place.path().join("plain.safetensors"),
        &distilled.source_config,
    );
    assert!(error.contains("3 missing: dist_token"), "{error}");

    // Another width is nothing that could be adapted, and the strict function adapts nothing.
    let ModelConfig::Deit(mut wider) = plain.source_config.clone() else {
        panic!()
    };
    wider.embed_dim = 8;
    let error = refused(
        &place.path().join("plain.safetensors"),
        &ModelConfig::Deit(wider),
    );
    assert!(
        error.contains("pos_embed [1, 26, 6], not [1, 26, 8]"),
        "{error}"
    );
    assert!(error.contains("head.weight [7, 6], not [7, 8]"), "{error}");
    let strict = weights::load(&place.path().join("plain.safetensors"), &plain.target, &CPU);
    assert!(matches!(strict, Err(Error::Mismatch { .. })));
}

#[test]
fn weights_that_fit_are_not_touched() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("w.safetensors");
    let case = case("swin_small", &path);
    let fresh = Stream::new(5, "init");
    let loaded = weights::load_adapted(&path, &case.source_config, &fresh, &CPU).unwrap();
    assert_eq!(loaded.notes, Vec::<String>::new());
    let strict = weights::load(&path, &case.source_config, &CPU).unwrap();
    for (name, value) in &strict {
        assert_eq!(flat(value), flat(&loaded.tensors[name]), "{name}");
    }
}
