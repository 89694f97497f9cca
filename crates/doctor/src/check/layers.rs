//! Every layer of `nn`: strided inputs, odd maps, padded and shifted windows, drop path and LayerScale among them.

use candle_core::Tensor;
use spectralkd_base::random::Stream;
use spectralkd_nn::{
    Attention, ClassAttention, DropPath, LayerNorm, LayerScale, Linear, Mlp, Pass, PatchEmbed,
    PatchMerging, Residual, TalkingHeadAttention, WindowAttention, Windows, gelu, tokens,
};

use super::case::{Case, Tensors};
use super::draw::{Draw, SEED};
use crate::error::Result;

type Run = fn(&Draw) -> Result<Tensors>;

pub(super) fn cases() -> Vec<Case> {
    let case = |&(name, run): &(&'static str, Run)| {
        // A softmax does not see what is added to all of its inputs.
        let cancelled = |name: &str| {
            let ends = ["proj_l.bias", "k.bias"];
            ends.iter()
                .any(|end| name.ends_with(end))
                .then_some(0..usize::MAX)
        };
        Case::drawn("layer", name, run).but_for(cancelled)
    };
    CASES.iter().map(case).collect()
}

const CASES: [(&str, Run); 27] = [
    ("LayerNorm", |d| {
        let norm = LayerNorm::new(192, 1e-6, d.vb())?;
        one(d, &[4, 197, 192], |x| norm.forward(x))
    }),
    ("gelu", |d| {
        one(d, &[4, 50, 192], |x| gelu(x, d.place.form()))
    }),
    ("Linear", |d| {
        let linear = Linear::new(192, 768, true, d.vb())?;
        one(d, &[4, 50, 192], |x| linear.forward(x))
    }),
    ("Linear without bias", |d| {
        let linear = Linear::new(192, 10, false, d.vb())?;
        one(d, &[4, 192], |x| linear.forward(x))
    }),
    ("Linear of a strided input", |d| {
        let linear = Linear::new(192, 64, true, d.vb())?;
        one(d, &[4, 50, 192], |x| linear.forward(&x.narrow(1, 3, 7)?))
    }),
    ("Mlp", |d| {
        let mlp = Mlp::new(192, 768, d.vb())?;
        one(d, &[4, 50, 192], |x| mlp.forward(x))
    }),
    ("PatchEmbed", |d| {
        let embed = PatchEmbed::new(3, 96, 16, d.vb())?;
        one(d, &[2, 3, 64, 48], |x| embed.forward(x))
    }),
    ("PatchEmbed of a cut image", |d| {
        let embed = PatchEmbed::new(3, 24, 4, d.vb())?;
        one(d, &[2, 3, 40, 36], |x| {
            embed.forward(&x.narrow(2, 0, 36)?.narrow(3, 0, 32)?)
        })
    }),
    ("PatchMerging", |d| {
        let merging = PatchMerging::new(48, 96, [14, 14], 1e-5, d.vb())?;
        one(d, &[2, 14 * 14, 48], |x| merging.forward(x))
    }),
    ("PatchMerging, odd sides", |d| {
        let merging = PatchMerging::new(48, 96, [7, 5], 1e-5, d.vb())?;
        one(d, &[2, 7 * 5, 48], |x| merging.forward(x))
    }),
    ("Attention", |d| {
        let attention = Attention::new(192, 3, true, d.vb())?;
        one(d, &[2, 197, 192], |x| attention.forward(x))
    }),
    ("Attention, first tokens", |d| {
        let attention = Attention::new(192, 3, true, d.vb())?;
        one(d, &[2, 50, 192], |x| attention.forward_first(x, 2))
    }),
    ("TalkingHeadAttention", |d| {
        let attention = TalkingHeadAttention::new(64, 4, true, d.vb())?;
        one(d, &[2, 49, 64], |x| attention.forward(x))
    }),
    ("ClassAttention", |d| {
        let attention = ClassAttention::new(64, 4, true, d.vb())?;
        one(d, &[2, 197, 64], |x| attention.forward(x))
    }),
    ("WindowAttention", |d| windows(d, [14, 14], [7, 7], [0, 0])),
    ("WindowAttention, shifted", |d| {
        windows(d, [14, 14], [7, 7], [3, 3])
    }),
    ("WindowAttention, padded and shifted", |d| {
        windows(d, [10, 9], [7, 7], [3, 3])
    }),
    ("Residual", |d| residual(d, false, 0.0)),
    ("Residual, drop path", |d| residual(d, false, 0.3)),
    ("Residual, LayerScale", |d| residual(d, true, 0.0)),
    ("Residual, LayerScale, drop path", |d| {
        residual(d, true, 0.3)
    }),
    ("Residual branch: LayerNorm, Mlp", |d| {
        let norm = LayerNorm::new(48, 1e-6, d.vb().pp("norm"))?;
        let mlp = Mlp::new(48, 192, d.vb().pp("mlp"))?;
        let residual = Residual::new(None, DropPath::new(0.0, "branch")?, d.place.form());
        one(d, &[2, 50, 48], |x| {
            residual.branch(x, &norm, &mlp, &Pass::eval())
        })
    }),
    ("tokens::assemble", |d| {
        let (prefix, position) = (
            d.input("prefix", &[1, 2, 48])?,
            d.input("position", &[1, 14, 48])?,
        );
        one(d, &[4, 12, 48], |x| {
            tokens::assemble(x, Some(&prefix), &position, d.place.form())
        })
    }),
    ("tokens::assemble without a prefix", |d| {
        let position = d.input("position", &[1, 12, 48])?;
        one(d, &[4, 12, 48], |x| {
            tokens::assemble(x, None, &position, d.place.form())
        })
    }),
    ("tokens::to_map", |d| {
        one(d, &[4, 1 + 6 * 7, 48], |x| {
            tokens::to_map(x, 1, [6, 7], d.place.form())
        })
    }),
    ("tokens::merge", |d| {
        one(d, &[4, 5 * 7, 24], |x| {
            tokens::merge(x, [5, 7], d.place.form())
        })
    }),
    ("tokens::mean", |d| one(d, &[4, 49, 24], tokens::mean)),
];

/// One input of this shape, one result.
fn one(
    d: &Draw,
    shape: &[usize],
    run: impl FnOnce(&Tensor) -> spectralkd_nn::Result<Tensor>,
) -> Result<Tensors> {
    let x = d.input("x", shape)?;
    d.finish(vec![("y", run(&x)?)])
}

/// Attention in windows of a map.
fn windows(d: &Draw, map: [usize; 2], size: [usize; 2], shift: [usize; 2]) -> Result<Tensors> {
    let attention = WindowAttention::new(48, 3, Windows::new(map, size, shift)?, true, d.vb())?;
    one(d, &[2, map[0] * map[1], 48], |x| attention.forward(x))
}

/// x + scale * branch, dropped for some images.
fn residual(d: &Draw, scale: bool, rate: f64) -> Result<Tensors> {
    let scale = scale.then(|| LayerScale::new(48, 0.1, "gamma_1", d.vb()));
    let drop = DropPath::new(rate, "blocks.3.attn")?;
    let layer = Residual::new(scale.transpose()?, drop, d.place.form());
    let (x, branch) = (d.input("x", &[8, 5, 48])?, d.input("branch", &[8, 5, 48])?);
    let stream = Stream::new(SEED, "drop path");
    let pass = Pass::train(&stream, &[1, 2, 3, 4, 5, 6, 7, 8]);
    d.finish(vec![("y", layer.forward(&x, &branch, &pass)?)])
}
