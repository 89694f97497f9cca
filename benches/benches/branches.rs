//! A block's residual branches as one operation each ("branch") beside the same layers one by
//! one ("layers"), and a Swin transformer's patch merging beside candle's composition, forward
//! ("fwd") and forward with backward ("both").
//!
//! `cargo bench -p spectralkd-benches --bench branches -- 'swin_tiny stage 3/mlp'`

mod common;

use candle_core::{DType, Device, Tensor, Var};
use common::{compare, var};
use criterion::{Criterion, criterion_group, criterion_main};
use spectralkd_base::random::Stream;
use spectralkd_nn::{
    Attention, Builder, DropPath, Form, LayerNorm, Mlp, Params, Pass, PatchMerging, Residual,
    Result, Sublayer, WindowAttention, Windows,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn branch(
    c: &mut Criterion,
    name: &str,
    x: &Tensor,
    norm: &LayerNorm,
    layer: &impl Sublayer,
) -> Result<()> {
    let residual = Residual::new(None, DropPath::new(0.0, "bench")?, Form::Kernels);
    let pass = Pass::eval();
    let one = || residual.branch(x, norm, layer, &pass);
    let layers = || residual.forward(x, &layer.forward(&norm.forward(x)?)?, &pass);
    compare(c, name, [("branch", &one), ("layers", &layers)]);
    Ok(())
}

/// Both branches of a block on `x`; `side` is that of a map cut into windows.
fn block(c: &mut Criterion, name: &str, x: &Var, heads: usize, side: Option<usize>) -> Result<()> {
    let width = x.dims()[2];
    let params = Params::new();
    let vb = params.builder(&Stream::new(1, "init"), DType::F32, &Device::Cpu);
    let norm = LayerNorm::new(width, 1e-6, vb.pp("norm"))?;
    let (attn, at) = (vb.pp("attn"), format!("{name}/attention"));
    match side {
        None => branch(c, &at, x, &norm, &Attention::new(width, heads, true, attn)?)?,
        Some(side) => {
            let windows = Windows::new([side, side], [7, 7], [3, 3])?;
            let attention = WindowAttention::new(width, heads, windows, true, attn)?;
            branch(c, &at, x, &norm, &attention)?;
        }
    }
    let mlp = Mlp::new(width, 4 * width, vb.pp("mlp"))?;
    branch(c, &format!("{name}/mlp"), x, &norm, &mlp)?;
    let Some(side) = side else {
        return Ok(());
    };
    let merging = |form| {
        let vb = Builder::from(vb.pp("downsample")).in_form(form);
        PatchMerging::new(width, 2 * width, [side, side], 1e-5, vb)
    };
    let (fused, composed) = (merging(Form::Kernels)?, merging(Form::Composed)?);
    let (fused, composed) = (|| fused.forward(x), || composed.forward(x));
    let name = format!("{name}/patch_merging");
    compare(c, &name, [("fused", &fused), ("composed", &composed)]);
    Ok(())
}

fn all(c: &mut Criterion) {
    let deit = var("x", &[16, 197, 192]);
    block(c, "deit_tiny", &deit, 3, None).expect("a block of these sizes");
    for (stage, side, width) in [(1, 56, 96), (2, 28, 192), (3, 14, 384)] {
        let x = var("x", &[8, side * side, width]);
        let name = format!("swin_tiny stage {stage}");
        block(c, &name, &x, width / 32, Some(side)).expect("a block of these sizes");
    }
}

criterion_group! {
    name = benches;
    config = common::config();
    targets = all
}
criterion_main!(benches);
