//! Every layer of `nn` at real shapes, on kernels ("fused") beside its composed form,
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
    Attention, Builder, ClassAttention, DropPath, Form, LayerNorm, LayerScale, Linear, Mlp, Params,
    Pass, PatchEmbed, Residual, Result, TalkingHeadAttention, gelu, tokens,
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

/// Times both forms of one layer, which `new` builds with a builder of the form.
fn compare<L>(
    c: &mut Criterion,
    name: &str,
    vb: &Builder,
    new: impl Fn(Builder) -> Result<L>,
    forward: impl Fn(&L) -> Result<Tensor>,
) -> Result<()> {
    let new = |form| new(vb.clone().in_form(form));
    let (fused, composed) = (new(Form::Kernels)?, new(Form::Composed)?);
    let (fused, composed) = (|| forward(&fused), || forward(&composed));
    common::compare(c, name, [("fused", &fused), ("composed", &composed)]);
    Ok(())
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
    let vb = Builder::from(params.builder(&Stream::new(1, "init"), DType::F32, &Device::Cpu));
    let x = var("bench", &[batch, patches + 1, width]);
    let h = var("bench", &[batch, patches + 1, hidden]);

    let form = |vb: Builder| Ok(vb.form());
    compare(c, &format!("{name}/gelu"), &vb, form, |form| {
        gelu(&h, *form)
    })?;

    compare(
        c,
        &format!("{name}/layer_norm"),
        &vb,
        |vb| LayerNorm::new(width, 1e-6, vb.pp("norm")),
        |norm| norm.forward(&x),
    )?;

    compare(
        c,
        &format!("{name}/linear"),
        &vb,
        |vb| Linear::new(width, 3 * width, true, vb.pp("qkv")),
        |linear| linear.forward(&x),
    )?;

    compare(
        c,
        &format!("{name}/mlp"),
        &vb,
        |vb| Mlp::new(width, hidden, vb.pp("mlp")),
        |mlp| mlp.forward(&x),
    )?;

    let (step, keys) = (
        Stream::new(1, "drop path"),
        (0..batch as u64).collect::<Vec<_>>(),
    );
    let pass = Pass::train(&step, &keys);
    let branch = var("bench", &[batch, patches + 1, width]);
    compare(
        c,
        &format!("{name}/residual"),
        &vb,
        |vb| {
            let form = vb.form();
            let scale = LayerScale::new(width, 0.1, "gamma_1", vb)?;
            let drop = DropPath::new(0.1, "bench")?;
            Ok(Residual::new(Some(scale), drop, form))
        },
        |residual| residual.forward(&x, &branch, &pass),
    )?;

    let images = var(
        "bench",
        &[batch, image_channels, edge * patch, edge * patch],
    )
    .as_detached_tensor();
    compare(
        c,
        &format!("{name}/patch_embed"),
        &vb,
        |vb| PatchEmbed::new(image_channels, width, patch, vb.pp("patch_embed")),
        |embed| embed.forward(&images),
    )?;

    let prefix = var("bench", &[1, 1, width]);
    let position = var("bench", &[1, patches + 1, width]);
    let patch_tokens = var("bench", &[batch, patches, width]);
    compare(c, &format!("{name}/assemble_tokens"), &vb, form, |form| {
        tokens::assemble(&patch_tokens, Some(&prefix), &position, *form)
    })?;
    compare(c, &format!("{name}/tokens_to_map"), &vb, form, |form| {
        tokens::to_map(&x, 1, [edge, edge], *form)
    })?;

    compare(
        c,
        &format!("{name}/attention"),
        &vb,
        |vb| Attention::new(width, heads, true, vb.pp("attn")),
        |attention| attention.forward(&x),
    )?;
    compare(
        c,
        &format!("{name}/talking_heads"),
        &vb,
        |vb| TalkingHeadAttention::new(width, heads, true, vb.pp("talking")),
        |talking| talking.forward(&x),
    )?;
    compare(
        c,
        &format!("{name}/class_attention"),
        &vb,
        |vb| ClassAttention::new(width, heads, true, vb.pp("class")),
        |class| class.forward(&x),
    )
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
