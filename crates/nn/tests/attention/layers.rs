//! The layers: timm's names, and the same values and gradients as their composed forms.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor, Var};
use candle_nn::VarBuilder;
use spectralkd_base::random::Stream;
use spectralkd_nn::{Attention, ClassAttention, Params, Result, TalkingHeadAttention};

use crate::common::CPU;
use crate::{compare, var};

/// Every parameter with weights that matter: N(0, 0.3), biases too.
fn shaken(params: &Params) -> BTreeMap<String, Var> {
    let vars = params.vars();
    for (name, parameter) in &vars {
        parameter
            .set(&var(name, parameter.dims(), 0.3, parameter.dtype()))
            .unwrap();
    }
    vars
}

/// Compares a layer with its composed form: values and gradients of input and parameters.
fn compare_layer<L>(
    names: &[&str],
    dtype: DType,
    new: impl Fn(VarBuilder) -> Result<L>,
    forward: impl Fn(&L, &Tensor) -> Result<Tensor>,
    composed: impl Fn(&L, &Tensor) -> Result<Tensor>,
) {
    let params = Params::new();
    let layer = new(params.builder(&Stream::new(5, "init"), dtype, &CPU)).unwrap();
    let found: Vec<String> = params.vars().into_keys().collect();
    assert_eq!(found, names);
    let vars = shaken(&params);
    let x = var("x", &[2, 10, 24], 1.0, dtype);
    let all: Vec<&Var> = std::iter::once(&x).chain(vars.values()).collect();
    let tolerance = if dtype == DType::F64 { 1e-10 } else { 1e-4 };
    compare(
        &all,
        tolerance,
        |_| forward(&layer, &x),
        |_| composed(&layer, &x),
    );
}

#[test]
fn layers_have_timms_names_and_agree_with_their_composed_form() {
    let plain = ["proj.bias", "proj.weight", "qkv.bias", "qkv.weight"];
    let talking = [
        "proj.bias",
        "proj.weight",
        "proj_l.bias",
        "proj_l.weight",
        "proj_w.bias",
        "proj_w.weight",
        "qkv.bias",
        "qkv.weight",
    ];
    let class = [
        "k.bias",
        "k.weight",
        "proj.bias",
        "proj.weight",
        "q.bias",
        "q.weight",
        "v.bias",
        "v.weight",
    ];
    for dtype in [DType::F32, DType::F64] {
        compare_layer(
            &plain,
            dtype,
            |vb| Attention::new(24, 3, true, vb),
            Attention::forward,
            Attention::forward_composed,
        );
        compare_layer(
            &talking,
            dtype,
            |vb| TalkingHeadAttention::new(24, 3, true, vb),
            TalkingHeadAttention::forward,
            TalkingHeadAttention::forward_composed,
        );
        compare_layer(
            &class,
            dtype,
            |vb| ClassAttention::new(24, 3, true, vb),
            ClassAttention::forward,
            ClassAttention::forward_composed,
        );
    }
    compare_layer(
        &["proj.bias", "proj.weight", "qkv.weight"],
        DType::F32,
        |vb| Attention::new(24, 3, false, vb),
        Attention::forward,
        Attention::forward_composed,
    );
}

#[test]
fn the_first_tokens_alone_are_the_first_of_all() {
    let params = Params::new();
    let vb = params.builder(&Stream::new(1, "init"), DType::F32, &CPU);
    let attention = Attention::new(12, 3, true, vb).unwrap();
    let x = var("x", &[2, 7, 12], 1.0, DType::F32);
    compare(
        &[&x],
        1e-6,
        |v| attention.forward_first(v[0], 2),
        |v| Ok(attention.forward(v[0])?.narrow(1, 0, 2)?),
    );
    assert!(attention.forward_first(&x, 8).is_err());
}
