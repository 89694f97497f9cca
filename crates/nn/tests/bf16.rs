//! The product with bf16 weights: rounding, and every kernel against the twin.

mod common;

use candle_core::{DType, Tensor, Var};
use candle_nn::VarBuilder;
use common::{CPU, normals32, same_on_all_pools, tensor, var, widen};
use proptest::prelude::*;
use spectralkd_nn::kernels::bf16::{Dot, Packed, forward, mlp, round};
use spectralkd_nn::kernels::linear::Sizes;
use spectralkd_nn::kernels::simd::{self, Arch};
use spectralkd_nn::kernels::storage::to_vec;
use spectralkd_nn::scalar::bf16 as twin;
use spectralkd_nn::{Error, Linear, Mlp, TalkingHeadAttention, params};
use spectralkd_testing::{difference, flat};

/// Every kernel of this machine on one shape, with and without bias.
fn check(rows: usize, inputs: usize, outputs: usize) {
    let sizes = Sizes {
        rows,
        inputs,
        outputs,
    };
    let (x, w) = (normals32(1, rows * inputs), normals32(2, outputs * inputs));
    let b = normals32(3, outputs);
    let packed = Packed::new(&w, inputs, outputs);
    for dot in Dot::available() {
        for bias in [None, Some(&b[..])] {
            let want = twin::forward(sizes, &x, &w, bias);
            let got = forward(dot, &x, &packed, bias);
            let off = difference(&widen(&got), &want);
            let with = bias.is_some();
            assert!(
                off < 3e-6,
                "{dot:?}, {rows}x{inputs}x{outputs}, bias {with}: off by {off:e}"
            );
        }
    }
}

#[test]
fn kernels_agree_with_the_twin_on_odd_shapes() {
    for (rows, inputs, outputs) in [
        (0, 3, 5),
        (1, 1, 1),
        (1, 2, 16),
        (1, 7, 17),
        (2, 300, 1),
        (3, 257, 64),
        (4, 513, 65),
        (5, 64, 63),
        (6, 1, 80),
        (7, 2, 33),
        (97, 48, 15),
        (401, 33, 50),
        (1000, 5, 2),
    ] {
        check(rows, inputs, outputs);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn kernels_agree_with_the_twin(rows in 0usize..30, inputs in 1usize..700, outputs in 1usize..150) {
        check(rows, inputs, outputs);
    }

    #[test]
    fn rounding_agrees_with_the_twin(bits: u32) {
        let x = f32::from_bits(bits);
        let (got, want) = (f32::from_bits(round(x)), twin::round(x));
        prop_assert!(got == want || got.is_nan() && want.is_nan(), "{x:e}: {got:e}, not {want:e}");
        prop_assert_eq!(round(x) & 0xffff, 0);
    }
}

#[test]
fn rounding_is_to_the_nearest_and_of_two_to_the_even() {
    let unit = 2f32.powi(-7); // of the last place, from 1 on
    for (x, want) in [
        (1.0, 1.0),
        (-0.0, -0.0),
        (1.0 + 0.5 * unit, 1.0),
        (1.0 + 1.5 * unit, 1.0 + 2.0 * unit),
        (-1.0 - 0.75 * unit, -1.0 - unit),
        (2.0 - 0.25 * unit, 2.0),
        (f32::MAX, f32::INFINITY),
        (f32::NEG_INFINITY, f32::NEG_INFINITY),
        (1e-40, f32::from_bits(0x0001_0000)),
    ] {
        assert_eq!(round(x), f32::to_bits(want), "{x:e}");
        assert_eq!(twin::round(x).to_bits(), f32::to_bits(want), "{x:e}");
    }
    for bits in [0x7f80_0001, 0x7fff_ffff, 0xffff_ffff] {
        assert!(f32::from_bits(round(f32::from_bits(bits))).is_nan());
    }
}

#[test]
fn packed_weights_take_two_bytes_a_number() {
    let (inputs, outputs) = (384, 1152);
    let packed = Packed::new(&normals32(1, outputs * inputs), inputs, outputs);
    assert_eq!(packed.bytes(), 2 * outputs * inputs);
    let packed = Packed::new(&normals32(1, 21 * 37), 37, 21);
    assert_eq!(packed.bytes(), 19 * 2 * 64, "19 pairs of k, 2 panels");
}

#[test]
fn the_width_of_vectors_does_not_show() {
    // A product of two bf16 is exact in f32, so that a fused addition rounds as a plain one does.
    let (rows, inputs, outputs) = (9, 600, 100);
    let x = normals32(1, rows * inputs);
    let packed = Packed::new(&normals32(2, outputs * inputs), inputs, outputs);
    let scalar = forward(Dot::Portable(Arch::Scalar), &x, &packed, None);
    for arch in simd::all() {
        let y = forward(Dot::Portable(arch), &x, &packed, None);
        assert_eq!(y, scalar, "{arch:?}");
    }
}

#[test]
fn a_row_depends_on_no_other() {
    let (rows, inputs, outputs) = (23, 300, 70);
    let (x, w) = (normals32(1, rows * inputs), normals32(2, outputs * inputs));
    let packed = Packed::new(&w, inputs, outputs);
    for dot in Dot::available() {
        let together = forward(dot, &x, &packed, None);
        let alone: Vec<f32> = (x.chunks(inputs))
            .flat_map(|x| forward(dot, x, &packed, None))
            .collect();
        assert_eq!(together, alone, "{dot:?}");
    }
}

#[test]
fn not_a_number_stays_in_its_row() {
    let (inputs, outputs) = (5, 18);
    let mut x = normals32(1, 3 * inputs);
    x[inputs + 2] = f32::NAN;
    let packed = Packed::new(&normals32(2, outputs * inputs), inputs, outputs);
    for dot in Dot::available() {
        let y = forward(dot, &x, &packed, None);
        for (row, y) in y.chunks(outputs).enumerate() {
            assert!(y.iter().all(|y| y.is_nan() == (row == 1)), "{dot:?}: {y:?}");
        }
    }
}

#[test]
fn mlp_agrees_with_its_twin() {
    for (rows, channels, hidden) in [
        (0, 3, 4),
        (1, 1, 1),
        (7, 5, 18),
        (50, 20, 33),
        (130, 48, 192),
    ] {
        let x = normals32(1, rows * channels);
        let (w1, b1) = (normals32(2, channels * hidden), normals32(3, hidden));
        let (w2, b2) = (normals32(4, channels * hidden), normals32(5, channels));
        let want = twin::mlp([channels, hidden], &x, (&w1, &b1), (&w2, &b2));
        let (first, second) = (
            Packed::new(&w1, channels, hidden),
            Packed::new(&w2, hidden, channels),
        );
        let parameters = mlp::Parameters {
            first: (&first, Some(&b1)),
            second: (&second, Some(&b2)),
        };
        for dot in Dot::available() {
            let got = mlp::forward(dot, parameters, &x);
            // gelu's f32 may round to the other neighbour in bf16: one unit in 2^8 of one product.
            let off = difference(&widen(&got), &want);
            assert!(
                off < 2e-3,
                "{dot:?}, {rows}x{channels}x{hidden}: off by {off:e}"
            );
        }
    }
}

#[test]
fn threads_do_not_show() {
    let (rows, inputs, outputs) = (700, 96, 130);
    let (x, w) = (normals32(1, rows * inputs), normals32(2, outputs * inputs));
    let (first, second) = (
        Packed::new(&w, inputs, outputs),
        Packed::new(&w, outputs, inputs),
    );
    for dot in Dot::available() {
        same_on_all_pools(|| {
            let parameters = mlp::Parameters {
                first: (&first, None),
                second: (&second, None),
            };
            let y = forward(dot, &x, &first, None);
            let z = mlp::forward(dot, parameters, &x);
            [y, z].map(|y| Tensor::new(y, &CPU).unwrap()).into()
        });
    }
}

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
    says(layer.forward_composed(&x), "no tensor of the weight");

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
