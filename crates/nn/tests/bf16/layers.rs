//! The layers with bf16 weights: what they compute, and what they cannot do.

use candle_core::{DType, Tensor, Var};
use candle_nn::VarBuilder;
use spectralkd_nn::kernels::linear::Sizes;
use spectralkd_nn::kernels::storage::to_vec;
use spectralkd_nn::{Error, Linear, Mlp, TalkingHeadAttention, params};
use spectralkd_testing::{difference, flat};

use crate::common::{CPU, tensor, var};
use crate::twin;

/// `tensor` rounded.
fn bf16(tensor: &Tensor) -> Tensor {
    tensor.to_dtype(DType::BF16).unwrap()
}

fn frozen(weights: [(&str, Tensor); 4]) -> VarBuilder<'static> {
    let named = weights.map(|(name, tensor)| (name.to_string(), tensor));
    params::frozen_bf16(named.into(), &CPU)
}

#[test]
fn linear_packs_a_bf16_weight() {
    let (x, w) = (
        tensor(1, &[4, 2, 30], DType::F32),
        tensor(2, &[21, 30], DType::F32),
    );
    let b = tensor(3, &[21], DType::F32);
    let strided = x.transpose(0, 1).unwrap();
    let (x_rows, w_rows) = (to_vec(&strided).unwrap(), to_vec(&w).unwrap());
    let sizes = Sizes {
        rows: 8,
        inputs: 30,
        outputs: 21,
    };
    // A weight by columns comes from a transposition.
    let by_columns = bf16(&w.t().unwrap().contiguous().unwrap()).t().unwrap();
    for weight in [bf16(&w), by_columns] {
        for bias in [None, Some(&b)] {
            let layer = Linear::from_tensors(weight.clone(), bias.cloned()).unwrap();
            let y = layer.forward(&strided).unwrap();
            assert_eq!((y.dims(), y.dtype()), (&[2, 4, 21][..], DType::F32));
            let bias = bias.map(|b| to_vec::<f32>(b).unwrap());
            let want = twin::forward(sizes, &x_rows, &w_rows, bias.as_deref());
            assert!(difference(&flat(&y), &want) < 3e-6);
        }
    }
}

#[test]
fn mlp_packs_bf16_weights() {
    let (x, w1, w2) = (
        tensor(1, &[3, 5, 24], DType::F32),
        tensor(2, &[96, 24], DType::F32),
        tensor(3, &[24, 96], DType::F32),
    );
    let (b1, b2) = (tensor(4, &[96], DType::F32), tensor(5, &[24], DType::F32));
    let vb = frozen([
        ("fc1.weight", bf16(&w1)),
        ("fc1.bias", b1.clone()),
        ("fc2.weight", bf16(&w2)),
        ("fc2.bias", b2.clone()),
    ]);
    let y = Mlp::new(24, 96, vb).unwrap().forward(&x).unwrap();
    let [x, w1, b1, w2, b2] = [&x, &w1, &b1, &w2, &b2].map(|t| to_vec::<f32>(t).unwrap());
    let want = twin::mlp([24, 96], &x, (&w1, &b1), (&w2, &b2));
    assert_eq!(y.dims(), [3, 5, 24]);
    assert!(difference(&flat(&y), &want) < 2e-3);
}

#[test]
fn what_bf16_layers_cannot_do_is_said() {
    let weight = bf16(&tensor(1, &[4, 3], DType::F32));
    let bias = tensor(2, &[4], DType::F32);
    let layer = Linear::from_tensors(weight.clone(), Some(bias.clone())).unwrap();
    let x = tensor(3, &[2, 3], DType::F32);
    let says = |result: spectralkd_nn::Result<Tensor>, what: &str| {
        let error = result.expect_err(what).to_string();
        assert!(error.contains(what), "{error}");
    };
    says(
        layer.forward(&x.to_dtype(DType::F64).unwrap()),
        "is F64 on Cpu",
    );
    says(layer.forward(&bf16(&x)), "is BF16 on Cpu");
    let tracked = var(3, &[2, 3], DType::F32);
    says(layer.forward(&tracked), "no gradient passes through");
    says(
        layer.forward(&(tracked.as_tensor() * 2.0).unwrap()),
        "no gradient passes through",
    );
    assert!(layer.forward(&tracked.detach()).is_ok());
    says(layer.forward(&x.narrow(1, 0, 2).unwrap()), "[..., 3]");

    let says = |result: spectralkd_nn::Result<Linear>, what: &str| {
        let error = result.expect_err(what).to_string();
        assert!(error.contains(what), "{error}");
    };
    let trained = Var::from_tensor(&weight).unwrap().as_tensor().clone();
    says(Linear::from_tensors(trained, None), "trained");
    let trained = Var::from_tensor(&bias).unwrap().as_tensor().clone();
    says(
        Linear::from_tensors(weight.clone(), Some(trained)),
        "trained",
    );
    says(
        Linear::from_tensors(weight.clone(), Some(bf16(&bias))),
        "bias must be f32",
    );
    says(Linear::from_tensors(weight.clone(), Some(x.clone())), "[4]");

    let vb = frozen([
        ("fc1.weight", weight.clone()),
        ("fc1.bias", bias),
        ("fc2.weight", tensor(4, &[3, 4], DType::F32)),
        ("fc2.bias", tensor(5, &[3], DType::F32)),
    ]);
    let error = Mlp::new(3, 4, vb).unwrap_err().to_string();
    assert!(error.contains("both weights"), "{error}");
}

#[test]
fn heads_cannot_be_mixed_in_bf16() {
    let shapes: [(&str, &[usize]); 7] = [
        ("qkv.weight", &[12, 4]),
        ("proj.weight", &[4, 4]),
        ("proj.bias", &[4]),
        ("proj_l.weight", &[2, 2]),
        ("proj_l.bias", &[2]),
        ("proj_w.weight", &[2, 2]),
        ("proj_w.bias", &[2]),
    ];
    let build = |mixing: bool| {
        let weights = shapes.map(|(name, shape)| {
            let weight = tensor(1, shape, DType::F32);
            let rounded = shape.len() == 2 && (mixing || !name.starts_with("proj_"));
            let weight = if rounded { bf16(&weight) } else { weight };
            (name.to_string(), weight)
        });
        let vb = params::frozen_bf16(weights.into(), &CPU);
        TalkingHeadAttention::new(4, 2, false, vb)
    };
    let x = tensor(2, &[1, 3, 4], DType::F32);
    assert_eq!(build(false).unwrap().forward(&x).unwrap().dims(), [1, 3, 4]);
    assert!(matches!(build(true), Err(Error::Bf16 { .. })));
}
