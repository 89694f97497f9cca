//! Configurations: what is accepted, what is refused and how.

use spectralkd_models::{CaitConfig, DeitConfig, ModelConfig};

fn deit() -> DeitConfig {
    DeitConfig {
        img_size: [28, 20],
        patch_size: 4,
        in_chans: 1,
        num_classes: 10,
        embed_dim: 48,
        depth: 4,
        num_heads: 3,
        mlp_ratio: 4.0,
        drop_path: 0.0,
        distilled: false,
    }
}

fn cait() -> CaitConfig {
    let DeitConfig {
        img_size,
        patch_size,
        in_chans,
        num_classes,
        embed_dim,
        depth,
        ..
    } = deit();
    CaitConfig {
        img_size,
        patch_size,
        in_chans,
        num_classes,
        embed_dim,
        depth,
        num_heads: 3,
        mlp_ratio: 4.0,
        drop_path: 0.0,
        depth_token_only: 2,
        init_values: 0.1,
    }
}

/// The error of a DeiT with one change.
fn refused(change: impl FnOnce(&mut DeitConfig)) -> String {
    let mut config = deit();
    change(&mut config);
    let error = ModelConfig::Deit(config.clone())
        .validate()
        .unwrap_err()
        .to_string();
    assert!(ModelConfig::Deit(config).info().is_err());
    error
}

#[test]
fn sizes_that_no_model_can_have_are_refused_by_key() {
    for (error, words) in [
        (
            refused(|c| c.embed_dim = 50),
            "`embed_dim` is 50: 3 heads do not divide it evenly; 51",
        ),
        (
            refused(|c| c.img_size = [3, 20]),
            "`img_size` is [3, 20]: it holds no whole patch of 4 x 4 pixels; take at least [4, 4]",
        ),
        (
            refused(|c| c.img_size = [0, 20]),
            "`img_size` is 0: it must be at least 1",
        ),
        (refused(|c| c.img_size = [16384; 2]), "more than 65536"),
        (refused(|c| c.patch_size = 0), "`patch_size` is 0"),
        (refused(|c| c.in_chans = 0), "`in_chans` is 0"),
        (refused(|c| c.num_classes = 0), "`num_classes` is 0"),
        (refused(|c| c.embed_dim = 0), "`embed_dim` is 0"),
        (
            refused(|c| c.embed_dim = usize::MAX),
            "`embed_dim` is 18446744073709551615",
        ),
        (refused(|c| c.depth = 0), "`depth` is 0"),
        (refused(|c| c.num_heads = 0), "`num_heads` is 0"),
        (
            refused(|c| c.mlp_ratio = 0.0),
            "`mlp_ratio` is 0: the MLPs would have 0",
        ),
        (refused(|c| c.mlp_ratio = -1.0), "`mlp_ratio` is -1"),
        (refused(|c| c.mlp_ratio = f64::NAN), "`mlp_ratio` is NaN"),
        (
            refused(|c| c.mlp_ratio = f64::INFINITY),
            "`mlp_ratio` is inf",
        ),
        (
            refused(|c| c.drop_path = 1.0),
            "`drop_path` is 1: a probability",
        ),
        (refused(|c| c.drop_path = -0.1), "`drop_path` is -0.1"),
        (refused(|c| c.drop_path = f64::NAN), "`drop_path` is NaN"),
    ] {
        assert!(error.contains(words), "{words:?} is not in {error:?}");
    }
    for (config, words) in [
        (
            CaitConfig {
                depth_token_only: 0,
                ..cait()
            },
            "`depth_token_only` is 0",
        ),
        (
            CaitConfig {
                init_values: 0.0,
                ..cait()
            },
            "`init_values` is 0: LayerScale",
        ),
        (
            CaitConfig {
                init_values: f64::INFINITY,
                ..cait()
            },
            "`init_values` is inf",
        ),
        (
            CaitConfig {
                num_heads: 5,
                ..cait()
            },
            "5 heads do not divide it evenly; 50",
        ),
    ] {
        let error = ModelConfig::Cait(config)
            .validate()
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{words:?} is not in {error:?}");
    }
}

#[test]
fn both_families_round_trip_and_fill_in_defaults() {
    for config in [ModelConfig::Deit(deit()), ModelConfig::Cait(cait())] {
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
    let (deit, cait) = (ModelConfig::Deit(deit()), ModelConfig::Cait(cait()));
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

    // Each name exempted is one of the model's, and the range lies inside the tensor.
    for (config, exempted) in [(&deit, 4), (&cait, 4 + 4 + 2)] {
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
