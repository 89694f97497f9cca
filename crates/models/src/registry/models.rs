//! The entries, as timm 1.0.31 has them.

use super::{Entry, IMAGENET_MEAN, IMAGENET_STD, Preprocessing};
use crate::{CaitConfig, DeitConfig, ModelConfig, SwinConfig};

const DEIT_TAGS: &[&str] = &["fb_in1k"];
const CAIT_TAGS: &[&str] = &["fb_dist_in1k"];
/// The paper's teacher is trained on ImageNet-1k alone, so that tag comes first.
const SWIN_TAGS: &[&str] = &[SWIN_1K, SWIN_22K_TO_1K, SWIN_22K];
const SWIN_LARGE_TAGS: &[&str] = &[SWIN_22K_TO_1K, SWIN_22K];
const SWIN_1K: &str = "ms_in1k";
const SWIN_22K_TO_1K: &str = "ms_in22k_ft_in1k";
const SWIN_22K: &str = "ms_in22k";

/// The number of classes of the weights with this tag.
pub(super) fn classes(tag: &str) -> usize {
    match tag {
        SWIN_22K => 21_841,
        _ => 1000,
    }
}

pub(super) fn entries() -> Vec<Entry> {
    vec![
        deit("deit_tiny_patch16_224", 224, 3, false),
        deit("deit_small_patch16_224", 224, 6, false),
        deit("deit_base_patch16_224", 224, 12, false),
        deit("deit_base_patch16_384", 384, 12, false),
        deit("deit_tiny_distilled_patch16_224", 224, 3, true),
        deit("deit_small_distilled_patch16_224", 224, 6, true),
        deit("deit_base_distilled_patch16_224", 224, 12, true),
        deit("deit_base_distilled_patch16_384", 384, 12, true),
        cait("cait_xxs24_224", 224, 24, 4, 1e-5),
        cait("cait_xxs24_384", 384, 24, 4, 1e-5),
        cait("cait_xxs36_224", 224, 36, 4, 1e-5),
        cait("cait_xxs36_384", 384, 36, 4, 1e-5),
        cait("cait_xs24_384", 384, 24, 6, 1e-5),
        cait("cait_s24_224", 224, 24, 8, 1e-5),
        cait("cait_s24_384", 384, 24, 8, 1e-5),
        cait("cait_s36_384", 384, 36, 8, 1e-6),
        cait("cait_m36_384", 384, 36, 16, 1e-6),
        cait("cait_m48_448", 448, 48, 16, 1e-6),
        swin(
            "swin_tiny_patch4_window7_224",
            [224, 7],
            3,
            6,
            SWIN_TAGS,
            SWIN_1K,
        ),
        swin(
            "swin_small_patch4_window7_224",
            [224, 7],
            3,
            18,
            SWIN_TAGS,
            SWIN_22K_TO_1K,
        ),
        swin(
            "swin_base_patch4_window7_224",
            [224, 7],
            4,
            18,
            SWIN_TAGS,
            SWIN_22K_TO_1K,
        ),
        swin(
            "swin_base_patch4_window12_384",
            [384, 12],
            4,
            18,
            SWIN_TAGS,
            SWIN_22K_TO_1K,
        ),
        swin(
            "swin_large_patch4_window7_224",
            [224, 7],
            6,
            18,
            SWIN_LARGE_TAGS,
            SWIN_22K_TO_1K,
        ),
        swin(
            "swin_large_patch4_window12_384",
            [384, 12],
            6,
            18,
            SWIN_LARGE_TAGS,
            SWIN_22K_TO_1K,
        ),
    ]
}

/// Twelve blocks with heads of 64 channels.
fn deit(name: &'static str, size: usize, heads: usize, distilled: bool) -> Entry {
    let config = ModelConfig::Deit(DeitConfig {
        img_size: [size; 2],
        patch_size: 16,
        in_chans: 3,
        num_classes: classes(DEIT_TAGS[0]),
        embed_dim: 64 * heads,
        depth: 12,
        num_heads: heads,
        mlp_ratio: 4.0,
        drop_path: 0.0,
        distilled,
    });
    // Weights at a larger resolution than they were first trained at see the whole picture.
    let crop_pct = if size == 224 { 0.9 } else { 1.0 };
    entry(name, DEIT_TAGS, DEIT_TAGS[0], config, crop_pct)
}

/// Heads of 48 channels.
fn cait(name: &'static str, size: usize, depth: usize, heads: usize, init_values: f64) -> Entry {
    let config = ModelConfig::Cait(CaitConfig {
        img_size: [size; 2],
        patch_size: 16,
        in_chans: 3,
        num_classes: classes(CAIT_TAGS[0]),
        embed_dim: 48 * heads,
        depth,
        num_heads: heads,
        mlp_ratio: 4.0,
        drop_path: 0.0,
        depth_token_only: 2,
        init_values,
    });
    entry(name, CAIT_TAGS, CAIT_TAGS[0], config, 1.0)
}

/// Four stages with heads of 32 channels, `heads` in the first; `third` blocks in the third stage and two in the
/// others; sides of the image and of a window.
fn swin(
    name: &'static str,
    [size, window]: [usize; 2],
    heads: usize,
    third: usize,
    tags: &'static [&'static str],
    timm_tag: &'static str,
) -> Entry {
    let config = ModelConfig::Swin(SwinConfig {
        img_size: [size; 2],
        patch_size: 4,
        in_chans: 3,
        num_classes: classes(tags[0]),
        embed_dim: 32 * heads,
        depths: vec![2, 2, third, 2],
        num_heads: vec![heads, 2 * heads, 4 * heads, 8 * heads],
        window_size: window,
        mlp_ratio: 4.0,
        drop_path: 0.1,
    });
    let crop_pct = if size == 224 { 0.9 } else { 1.0 };
    entry(name, tags, timm_tag, config, crop_pct)
}

fn entry(
    name: &'static str,
    tags: &'static [&'static str],
    timm_tag: &'static str,
    config: ModelConfig,
    crop_pct: f64,
) -> Entry {
    Entry {
        name,
        tag: tags[0],
        tags,
        timm_tag,
        config,
        preprocessing: Preprocessing {
            crop_pct,
            mean: IMAGENET_MEAN,
            std: IMAGENET_STD,
        },
    }
}
