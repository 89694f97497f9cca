//! The layers: timm's names, and the same values and gradients as their composed forms.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor, Var};
use spectralkd_base::random::Stream;
use spectralkd_nn::{
    Attention, Builder, ClassAttention, Form, Params, Result, TalkingHeadAttention,
};

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

/// Compares a layer of kernels with its composed form: values and gradients of input and parameters.
fn compare_layer<L>(
    names: &[&str],
    new: impl Fn(Builder) -> Result<L>,
    forward: impl Fn(&L, &Tensor) -> Result<Tensor>,
) {
    let params = Params::new();
    let vb = Builder::from(params.builder(&Stream::new(5, "init"), DType::F32, &CPU));
    let [kernels, composed] =
        [Form::Kernels, Form::Composed].map(|form| new(vb.clone().in_form(form)).unwrap());
    let found: Vec<String> = params.vars().into_keys().collect();
    assert_eq!(found, names);
    let vars = shaken(&params);
    let x = var("x", &[2, 10, 24], 1.0, DType::F32);
    let all: Vec<&Var> = std::iter::once(&x).chain(vars.values()).collect();
    compare(
        &all,
        1e-4,
        |_| forward(&kernels, &x),
        |_| forward(&composed, &x),
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
    compare_layer(
        &plain,
        |vb| Attention::new(24, 3, true, vb),
        Attention::forward,
    );
    compare_layer(
        &talking,
        |vb| TalkingHeadAttention::new(24, 3, true, vb),
        TalkingHeadAttention::forward,
    );
    compare_layer(
        &class,
        |vb| ClassAttention::new(24, 3, true, vb),
        ClassAttention::forward,
    );
    compare_layer(
        &["proj.bias", "proj.weight", "qkv.weight"],
        |vb| Attention::new(24, 3, false, vb),
        Attention::forward,
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
