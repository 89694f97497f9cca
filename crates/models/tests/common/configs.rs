//! Small configurations of all families, with every default where there is one.
#![allow(dead_code)] // every test file uses its own part

use spectralkd_models::{CaitConfig, DeitConfig, ModelConfig, SwinConfig};

pub fn deit() -> DeitConfig {
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

pub fn cait() -> CaitConfig {
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

pub fn swin() -> SwinConfig {
    SwinConfig {
        img_size: [28, 20],
        patch_size: 2,
        in_chans: 1,
        num_classes: 10,
        embed_dim: 24,
        depths: vec![2, 1, 1],
        num_heads: vec![3, 6, 6],
        window_size: 7,
        mlp_ratio: 4.0,
        drop_path: 0.0,
    }
}

/// One configuration of each family, and a distilled DeiT.
pub fn families() -> [ModelConfig; 4] {
    let distilled = DeitConfig {
        distilled: true,
        ..deit()
    };
    [
        ModelConfig::Deit(deit()),
        ModelConfig::Deit(distilled),
        ModelConfig::Cait(cait()),
        ModelConfig::Swin(swin()),
    ]
}
