//! What configurations say: on disk, of copies, of parameters.

#[path = "common/configs.rs"]
mod configs;

use configs::{cait, deit, families, swin};
use spectralkd_models::{DeitConfig, ModelConfig};

#[test]
fn a_copy_for_another_task_differs_in_that_alone() {
    for config in families() {
        let other = config.clone().with_img_size([32, 24]).with_in_chans(3);
        let other = other.with_num_classes(7).with_drop_path(0.2);
        assert_eq!((other.img_size(), other.in_chans()), ([32, 24], 3));
        assert_eq!(other.num_classes(), 7);
        let info = other.info().unwrap();
        assert_eq!((info.image, info.classes), ([3, 32, 24], 7));
        let back = other.with_img_size([28, 20]).with_in_chans(1);
        assert_eq!(back.with_num_classes(10).with_drop_path(0.0), config);
    }
}

#[test]
fn all_families_round_trip_and_fill_in_defaults() {
    for config in families() {
        config.validate().unwrap();
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<ModelConfig>(&text).unwrap(), config);
    }
    let sizes = r#""img_size": [28, 20], "patch_size": 4, "in_chans": 1, "num_classes": 10,
                   "embed_dim": 48, "depth": 4, "num_heads": 3"#;
    let parse = |family: &str, more: &str| {
        serde_json::from_str::<ModelConfig>(&format!("{{\"family\": \"{family}\", {sizes}{more}}}"))
    };
    assert_eq!(parse("deit", "").unwrap(), ModelConfig::Deit(deit()));
    assert_eq!(parse("cait", "").unwrap(), ModelConfig::Cait(cait()));
    let distilled = parse("deit", ", \"distilled\": true").unwrap();
    assert_eq!(
        distilled,
        ModelConfig::Deit(DeitConfig {
            distilled: true,
            ..deit()
        })
    );
    let stages = r#"{"family": "swin", "img_size": [28, 20], "patch_size": 2, "in_chans": 1, "num_classes": 10,
                     "embed_dim": 24, "depths": [2, 1, 1], "num_heads": [3, 6, 6]}"#;
    let parsed: ModelConfig = serde_json::from_str(stages).unwrap();
    assert_eq!(parsed, ModelConfig::Swin(swin()));

    let error = parse("deit", ", \"init_values\": 0.1")
        .unwrap_err()
        .to_string();
    assert!(error.contains("unknown field `init_values`"), "{error}");
    let error = parse("resnet", "").unwrap_err().to_string();
    assert!(
        error.contains("expected one of `deit`, `cait`, `swin`"),
        "{error}"
    );
}

#[test]
fn exemptions_follow_names_and_widths() {
    let [deit, _, cait, swin] = families();
    assert_eq!(deit.zero_gradient("blocks.0.attn.qkv.bias"), Some(48..96));
    assert_eq!(cait.zero_gradient("blocks.3.attn.qkv.bias"), Some(48..96));
    assert_eq!(cait.zero_gradient("blocks.3.attn.proj_l.bias"), Some(0..3));
    assert_eq!(
        cait.zero_gradient("blocks_token_only.1.attn.k.bias"),
        Some(0..48)
    );
    for name in [
        "blocks.0.attn.qkv.weight",
        "blocks.0.attn.proj_l.bias",
        "blocks.0.mlp.fc1.bias",
        "bias",
    ] {
        assert_eq!(deit.zero_gradient(name), None, "{name}");
    }
    for name in [
        "blocks.0.attn.proj_w.bias",
        "blocks_token_only.0.attn.q.bias",
        "head.bias",
    ] {
        assert_eq!(cait.zero_gradient(name), None, "{name}");
    }

    assert_eq!(
        swin.zero_gradient("layers.0.blocks.1.attn.qkv.bias"),
        Some(24..48)
    );
    assert_eq!(
        swin.zero_gradient("layers.2.blocks.0.attn.qkv.bias"),
        Some(96..192)
    );
    for name in [
        "layers.0.blocks.0.attn.relative_position_bias_table",
        "layers.0.blocks.0.attn.proj_l.bias",
        "layers.99.blocks.0.attn.qkv.bias",
        "blocks.0.attn.qkv.bias",
        "layers.attn.qkv.bias",
    ] {
        assert_eq!(swin.zero_gradient(name), None, "{name}");
    }

    // Each name exempted is one of the model's, and the range lies inside the tensor.
    for (config, exempted) in [(&deit, 4), (&cait, 4 + 4 + 2), (&swin, 2 + 1 + 1)] {
        let shapes = config.parameters().unwrap();
        let ranges: Vec<_> = shapes
            .iter()
            .filter_map(|(name, shape)| Some((config.zero_gradient(name)?, shape[0])))
            .collect();
        assert_eq!(ranges.len(), exempted);
        assert!(
            ranges
                .iter()
                .all(|(range, rows)| range.end <= *rows && !range.is_empty())
        );
    }
}
