//! Every layer of `nn` at real shapes, the fused operation beside candle's composed one,
//! forward ("fwd") and forward with backward ("both").
//!
//! `cargo bench -p spectralkd-benches --bench nn_layers -- 'deit_tiny/mlp'`
//!
//! Shapes: deit_tiny (batch 16, 197 tokens, width 192, 3 heads, MLP 768, 224 px images in
//! patches of 16) and the small student of the headline experiment (batch 64, 50 tokens,
//! width 48, 3 heads, MLP 192, 28 px images in patches of 4).

mod common;

use candle_core::{DType, Device, Tensor};
use common::var;
use criterion::{Criterion, criterion_group, criterion_main};
use spectralkd_base::random::Stream;
use spectralkd_nn::{
    Attention, ClassAttention, DropPath, Gelu, LayerNorm, LayerScale, Linear, Mlp, Params, Pass,
    PatchEmbed, Residual, Result, TalkingHeadAttention, tokens,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Shape {
    name: &'static str,
    batch: usize,
    /// Patches along an edge of the image.
    edge: usize,
    patch: usize,
    image_channels: usize,
    width: usize,
    heads: usize,
    hidden: usize,
}

const SHAPES: [Shape; 2] = [
    Shape {
        name: "deit_tiny",
        batch: 16,
        edge: 14,
        patch: 16,
        image_channels: 3,
        width: 192,
        heads: 3,
        hidden: 768,
    },
    Shape {
        name: "student",
        batch: 64,
        edge: 7,
        patch: 4,
        image_channels: 1,
        width: 48,
        heads: 3,
        hidden: 192,
    },
];

/// Times the fused and the composed form of one layer.
fn compare(
    c: &mut Criterion,
    name: &str,
    fused: impl Fn() -> Result<Tensor>,
    composed: impl Fn() -> Result<Tensor>,
) {
    common::compare(c, name, [("fused", &fused), ("composed", &composed)]);
}

fn layers(c: &mut Criterion, shape: &Shape) -> Result<()> {
    let &Shape {
        batch,
        edge,
        patch,
        image_channels,
        width,
        heads,
        hidden,
        ..
    } = shape;
    let (patches, name) = (edge * edge, shape.name);
    let params = Params::new();
    let vb = params.builder(&Stream::new(1, "init"), DType::F32, &Device::Cpu);
    let x = var("bench", &[batch, patches + 1, width]);
    let h = var("bench", &[batch, patches + 1, hidden]);

    compare(
        c,
        &format!("{name}/gelu"),
        || Gelu.forward(&h),
        || Gelu.forward_composed(&h),
    );

    let norm = LayerNorm::new(width, 1e-6, vb.pp("norm"))?;
    compare(
        c,
        &format!("{name}/layer_norm"),
        || norm.forward(&x),
        || norm.forward_composed(&x),
    );

    let linear = Linear::new(width, 3 * width, true, vb.pp("qkv"))?;
    compare(
        c,
        &format!("{name}/linear"),
        || linear.forward(&x),
        || linear.forward_composed(&x),
    );

    let mlp = Mlp::new(width, hidden, vb.pp("mlp"))?;
    compare(
        c,
        &format!("{name}/mlp"),
        || mlp.forward(&x),
        || mlp.forward_composed(&x),
    );

    let scale = LayerScale::new(width, 0.1, "gamma_1", vb.clone())?;
    let residual = Residual::new(Some(scale), DropPath::new(0.1, "bench")?);
    let (step, keys) = (
        Stream::new(1, "drop path"),
        (0..batch as u64).collect::<Vec<_>>(),
    );
    let pass = Pass::train(&step, &keys);
    let branch = var("bench", &[batch, patches + 1, width]);
    compare(
        c,
        &format!("{name}/residual"),
        || residual.forward(&x, &branch, &pass),
        || residual.forward_composed(&x, &branch, &pass),
    );

    let embed = PatchEmbed::new(image_channels, width, patch, vb.pp("patch_embed"))?;
    let images = var(
        "bench",
        &[batch, image_channels, edge * patch, edge * patch],
    )
    .as_detached_tensor();
    compare(
        c,
        &format!("{name}/patch_embed"),
        || embed.forward(&images),
        || embed.forward_composed(&images),
    );

    let prefix = var("bench", &[1, 1, width]);
    let position = var("bench", &[1, patches + 1, width]);
    let patch_tokens = var("bench", &[batch, patches, width]);
    compare(
        c,
        &format!("{name}/assemble_tokens"),
        || tokens::assemble(&patch_tokens, Some(&prefix), &position),
        || tokens::assemble_composed(&patch_tokens, Some(&prefix), &position),
    );
    compare(
        c,
        &format!("{name}/tokens_to_map"),
        || tokens::to_map(&x, 1, [edge, edge]),
        || tokens::to_map_composed(&x, 1, [edge, edge]),
    );

    let attention = Attention::new(width, heads, true, vb.pp("attn"))?;
    compare(
        c,
        &format!("{name}/attention"),
        || attention.forward(&x),
        || attention.forward_composed(&x),
    );
    let talking = TalkingHeadAttention::new(width, heads, true, vb.pp("talking"))?;
    compare(
        c,
        &format!("{name}/talking_heads"),
        || talking.forward(&x),
        || talking.forward_composed(&x),
    );
    let class = ClassAttention::new(width, heads, true, vb.pp("class"))?;
    compare(
        c,
        &format!("{name}/class_attention"),
        || class.forward(&x),
        || class.forward_composed(&x),
    );
    Ok(())
}

fn all(c: &mut Criterion) {
    for shape in &SHAPES {
        layers(c, shape).expect("layers of these shapes");
    }
}

criterion_group! {
    name = benches;
    config = common::config();
    targets = all
}
criterion_main!(benches);
