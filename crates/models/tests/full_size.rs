//! Published models, known by their configuration alone, against timm.

mod common;

use std::collections::BTreeMap;

use spectralkd_models::ModelConfig;

/// One model of `golden/full_size.json`.
#[derive(serde::Deserialize)]
struct Reference {
    config: ModelConfig,
    params: u64,
    matmul_macs: u64,
    shapes: BTreeMap<String, Vec<usize>>,
}

/// Names, millions of parameters and GMACs as timm publishes them.
const PUBLISHED: [(&str, &str, &str); 4] = [
    ("deit_tiny_patch16_224", "5.72", "1.26"),
    ("deit_small_patch16_224", "22.05", "4.61"),
    ("cait_xxs24_224", "11.96", "2.53"),
    ("cait_s24_224", "46.92", "9.35"),
];

fn references() -> BTreeMap<String, Reference> {
    let text = std::fs::read_to_string(common::path("full_size.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

#[test]
fn parameters_are_those_of_timm() {
    for (name, reference) in references() {
        assert_eq!(
            reference.config.parameters().unwrap(),
            reference.shapes,
            "{name}"
        );
        assert_eq!(
            reference.config.info().unwrap().params,
            reference.params,
            "{name}"
        );
    }
}

#[test]
fn macs_are_those_of_timm() {
    let references = references();
    for (name, params, macs) in PUBLISHED {
        let reference = &references[name];
        let info = reference.config.info().unwrap();
        assert_eq!(format!("{:.2}", info.params as f64 / 1e6), params, "{name}");
        assert_eq!(format!("{:.2}", info.macs as f64 / 1e9), macs, "{name}");

        // Less 5 per normalised value, it is what torch counts, to the last one.
        let (patches, tokens) = (196, 197);
        let (width, rows) = match &reference.config {
            ModelConfig::Deit(c) => (c.embed_dim, (2 * c.depth + 1) * tokens),
            ModelConfig::Cait(c) => {
                let class_blocks = c.depth_token_only * (tokens + 1);
                (c.embed_dim, 2 * c.depth * patches + class_blocks + tokens)
            }
            ModelConfig::Swin(_) => panic!("{name} is a Swin"),
        };
        assert_eq!(
            info.macs - 5 * (rows * width) as u64,
            reference.matmul_macs,
            "{name}"
        );
    }
}

#[test]
fn taps_and_exemptions_are_known_without_a_model() {
    let info = references()["cait_s24_224"].config.info().unwrap();
    assert_eq!(info.family, "cait");
    assert_eq!((info.image, info.classes), ([3, 224, 224], 1000));
    assert_eq!(info.taps, [[384, 14, 14]; 24]);
    assert!(info.no_weight_decay.iter().eq(["cls_token", "pos_embed"]));
}
