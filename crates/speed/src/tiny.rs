//! Models small enough for tests.

use spectralkd_models::{CaitConfig, DeitConfig, ModelConfig, SwinConfig};

use crate::Named;

fn named(name: &str, config: ModelConfig) -> Named {
    let name = name.to_owned();
    Named { name, config }
}

/// DeiT with three blocks on maps of 7x7.
pub(crate) fn deit() -> Named {
    let config = DeitConfig {
        img_size: [28, 28],
        patch_size: 4,
        in_chans: 1,
        num_classes: 10,
        embed_dim: 12,
        depth: 3,
        num_heads: 3,
        mlp_ratio: 4.0,
        drop_path: 0.0,
        distilled: false,
    };
    named("tiny deit", ModelConfig::Deit(config))
}

/// CaiT with ten blocks on maps of 7x7.
pub(crate) fn cait() -> Named {
    let config = CaitConfig {
        img_size: [28, 28],
        patch_size: 4,
        in_chans: 1,
        num_classes: 10,
        embed_dim: 16,
        depth: 10,
        num_heads: 2,
        mlp_ratio: 2.0,
        init_values: 0.1,
        depth_token_only: 1,
        drop_path: 0.0,
    };
    named("tiny cait", ModelConfig::Cait(config))
}

/// Swin with two stages and drop path.
pub(crate) fn swin() -> Named {
    let config = SwinConfig {
        img_size: [28, 28],
        patch_size: 4,
        in_chans: 1,
        num_classes: 10,
        embed_dim: 8,
        depths: vec![2, 2],
        num_heads: vec![2, 2],
        window_size: 7,
        mlp_ratio: 2.0,
        drop_path: 0.1,
    };
    named("tiny swin", ModelConfig::Swin(config))
}
