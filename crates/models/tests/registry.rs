//! The registry against what timm knows of its models (`golden/registry.py`).

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::digest;
use spectralkd_models::registry::{Entry, entries, find};
use spectralkd_models::{Error, ModelConfig};

/// What timm knows.
#[derive(serde::Deserialize)]
struct Golden {
    models: BTreeMap<String, Model>,
    resized: BTreeMap<String, Resized>,
}

#[derive(serde::Deserialize)]
struct Model {
    config: ModelConfig,
    params: u64,
    tensors: usize,
    names: String,
    macs: u64,
    taps: Vec<[usize; 3]>,
    undecayed: (usize, String),
    timm_tag: String,
    tags: BTreeMap<String, Weights>,
}

#[derive(serde::Deserialize)]
struct Weights {
    classes: usize,
    input_size: [usize; 3],
    crop_pct: f64,
    mean: [f64; 3],
    std: [f64; 3],
    interpolation: String,
    hub: String,
}

/// A model at another image size.
#[derive(serde::Deserialize)]
struct Resized {
    config: ModelConfig,
    names: String,
    macs: u64,
    taps: Vec<[usize; 3]>,
}

fn golden() -> Golden {
    let text = std::fs::read_to_string(common::path("registry.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn models_are_those_of_timm() {
    let mut golden = golden().models;
    for entry in entries() {
        let name = entry.name;
        let timm = golden.remove(name).expect(name);
        assert_eq!(entry.config, timm.config, "{name}");

        let (shapes, info) = (
            entry.config.parameters().unwrap(),
            entry.config.info().unwrap(),
        );
        assert_eq!(shapes.len(), timm.tensors, "{name}");
        assert_eq!(digest(&shapes), timm.names, "{name}");
        assert_eq!(info.params, timm.params, "{name}");
        assert_eq!(info.macs, timm.macs, "{name}");
        assert_eq!(info.taps, timm.taps, "{name}");
        assert_eq!(info.image[1..], entry.config.img_size());

        let undecayed: BTreeMap<_, _> = info
            .no_weight_decay
            .iter()
            .map(|key| (key.clone(), shapes[key].clone()))
            .collect();
        assert_eq!((undecayed.len(), digest(&undecayed)), timm.undecayed);
    }
    assert!(golden.is_empty(), "{:?} are missing", golden.keys());
}

#[test]
fn weights_and_preprocessing_are_those_of_timm() {
    let golden = golden().models;
    for entry in entries() {
        let (name, timm) = (entry.name, &golden[entry.name]);
        assert_eq!(entry.timm_tag, timm.timm_tag, "{name}");
        assert_eq!(entry.tag, entry.tags[0], "{name}");
        let known: BTreeSet<&str> = entry.tags.iter().copied().collect();
        assert!(known.iter().eq(timm.tags.keys()), "{name}: {known:?}");
        assert_eq!(known.len(), entry.tags.len(), "{name}");

        for (tag, weights) in &timm.tags {
            let tagged = find(&format!("{name}.{tag}")).unwrap();
            assert_eq!((tagged.name, tagged.tag), (name, tag.as_str()));
            assert_eq!(tagged.config.num_classes(), weights.classes);
            let [channels, height, width] = weights.input_size;
            assert_eq!(tagged.config.in_chans(), channels);
            assert_eq!(tagged.config.img_size(), [height, width]);
            let preprocessing = tagged.preprocessing;
            assert_eq!(preprocessing.crop_pct, weights.crop_pct, "{name}.{tag}");
            assert_eq!(preprocessing.mean, weights.mean);
            assert_eq!(preprocessing.std, weights.std);
            assert_eq!(weights.interpolation, "bicubic");
            assert_eq!(
                tagged.repository(),
                format!("{}{name}.{tag}", weights.hub),
                "{name}.{tag}"
            );
        }
    }
}

#[test]
fn other_image_sizes_are_those_of_timm() {
    for (name, timm) in golden().resized {
        let size = timm.config.img_size();
        let config = find(&name).unwrap().config.with_img_size(size);
        assert_eq!(config, timm.config);
        let info = config.info().unwrap();
        assert_eq!(digest(&config.parameters().unwrap()), timm.names, "{name}");
        assert_eq!(info.macs, timm.macs, "{name}");
        assert_eq!(info.taps, timm.taps, "{name}");
    }
}

#[test]
fn a_name_alone_means_weights_from_imagenet_1k() {
    let tag = |name: &str| find(name).unwrap().tag;
    assert_eq!(tag("deit_tiny_patch16_224"), "fb_in1k");
    assert_eq!(tag("cait_s24_224"), "fb_dist_in1k");
    assert_eq!(tag("swin_small_patch4_window7_224"), "ms_in1k");
    // There are no others.
    assert_eq!(tag("swin_large_patch4_window7_224"), "ms_in22k_ft_in1k");
    let names: Vec<&str> = entries().iter().map(|entry| entry.name).collect();
    for name in names {
        let entry: Entry = find(name).unwrap();
        assert_eq!((entry.name, entry.config.num_classes()), (name, 1000));
    }
}

#[test]
fn a_name_that_is_not_known_is_answered_with_the_nearest_and_all() {
    let error = find("swin_tiny_patch4_window_224").unwrap_err();
    assert!(matches!(error, Error::UnknownModel { .. }));
    let error = error.to_string();
    let nearest = "the nearest is `swin_tiny_patch4_window7_224`";
    assert!(error.contains(nearest), "{error}");
    for entry in entries() {
        assert!(error.contains(entry.name), "{error}");
    }
    // The model is looked for without its tag.
    let error = find("deit_tiny_patch16_24.fb_in1k")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with(
            "no model is called `deit_tiny_patch16_24`; the nearest is `deit_tiny_patch16_224`. Known are \
             deit_tiny_patch16_224, deit_small_patch16_224, "
        ),
        "{error}"
    );

    let error = find("swin_tiny_patch4_window7_224.in1k").unwrap_err();
    assert!(matches!(error, Error::UnknownTag { .. }));
    assert_eq!(
        error.to_string(),
        "`swin_tiny_patch4_window7_224` has no weights with the tag `in1k`; the nearest is \
         `swin_tiny_patch4_window7_224.ms_in1k`. Its tags are ms_in1k, ms_in22k_ft_in1k, ms_in22k"
    );
    for name in ["", ".", "cait_s24_224.", "CAIT_S24_224", "cait_s24_224.a.b"] {
        assert!(find(name).is_err(), "{name:?}");
    }
}
