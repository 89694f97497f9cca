//! Configurations that are refused, and how.

#[path = "common/configs.rs"]
mod configs;

use configs::{cait, deit, swin};
use spectralkd_models::{CaitConfig, DeitConfig, ModelConfig, SwinConfig};

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
fn stages_that_no_swin_can_have_are_refused_by_key() {
    let refused = |change: fn(&mut SwinConfig)| {
        let mut config = swin();
        change(&mut config);
        let config = ModelConfig::Swin(config);
        assert!(config.info().is_err());
        config.validate().unwrap_err().to_string()
    };
    for (error, words) in [
        (
            refused(|c| c.num_heads = vec![3, 6]),
            "`num_heads` is [3, 6]: it has a number for each stage, and `depths` [2, 1, 1] has 3",
        ),
        (
            refused(|c| c.num_heads[2] = 7),
            "`num_heads` is [3, 6, 7]: 7 heads do not divide the 96 channels of stage 2",
        ),
        (
            refused(|c| c.num_heads[1] = 0),
            "`num_heads` is 0: it must be at least 1",
        ),
        (
            refused(|c| c.depths = vec![]),
            "`depths` is []: it has a number for each stage",
        ),
        (
            refused(|c| c.depths = vec![1; 17]),
            "of which there are 1 to 16",
        ),
        (
            refused(|c| c.depths[1] = 0),
            "`depths` is 0: it must be at least 1",
        ),
        (refused(|c| c.window_size = 0), "`window_size` is 0"),
        (
            refused(|c| c.patch_size = 21),
            "`img_size` is [28, 20]: it holds no whole patch",
        ),
        (
            refused(|c| c.embed_dim = 0),
            "`embed_dim` is 0: it must be at least 1",
        ),
        (
            refused(|c| c.embed_dim = 3 << 12),
            "`embed_dim` is 12288: it must be at least 1, and stage 1 would have 24576 channels",
        ),
        (
            refused(|c| c.embed_dim = usize::MAX),
            "stage 0 would have 18446744073709551615",
        ),
        (refused(|c| c.num_classes = 0), "`num_classes` is 0"),
        (refused(|c| c.mlp_ratio = 0.001), "`mlp_ratio` is 0.001"),
        (
            refused(|c| c.drop_path = 1.0),
            "`drop_path` is 1: a probability",
        ),
    ] {
        assert!(error.contains(words), "{words:?} is not in {error:?}");
    }
}
