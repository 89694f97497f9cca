//! The perceptron: differences check the composed form in f64, which checks the kernel.

mod common;

use std::collections::BTreeMap;

use candle_core::{DType, Tensor, Var};
use candle_nn::VarBuilder;
use common::{
    CPU, assert_refused, check_finite_differences, gradients, normals32, reference,
    same_on_all_pools, tensor, var, widen,
};
use spectralkd_nn::kernels::linear::{Wanted, Weight};
use spectralkd_nn::kernels::mlp::{self as kernel, Parameters};
use spectralkd_nn::kernels::simd;
use spectralkd_nn::{Builder, Form, Mlp, params};
use spectralkd_testing::{assert_close, difference};

/// w1, b1, w2, b2 as variables.
fn variables(channels: usize, hidden: usize, dtype: DType) -> [Var; 4] {
    [
        var(1, &[hidden, channels], dtype),
        var(2, &[hidden], dtype),
        var(3, &[channels, hidden], dtype),
        var(4, &[channels], dtype),
    ]
}

fn weights(parameters: &[Tensor; 4]) -> BTreeMap<String, Tensor> {
    let names = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"];
    let pairs = names.into_iter().zip(parameters);
    pairs
        .map(|(name, tensor)| (name.to_string(), tensor.clone()))
        .collect()
}

/// A layer of these parameters.
fn layer(parameters: &[Tensor; 4], form: Form) -> Mlp {
    let (hidden, channels) = parameters[0].dims2().unwrap();
    let weights = weights(parameters).into_iter().collect();
    let vb = VarBuilder::from_tensors(weights, parameters[0].dtype(), &CPU);
    Mlp::new(channels, hidden, Builder::from(vb).in_form(form)).unwrap()
}

/// A layer of these variables.
fn trainable(vars: &[Var; 4], form: Form) -> Mlp {
    layer(&vars.each_ref().map(|var| var.as_tensor().clone()), form)
}

#[test]
fn gradients_agree_with_finite_differences() {
    let vars = variables(3, 7, DType::F64);
    let x = var(5, &[2, 4, 3], DType::F64);
    let mlp = trainable(&vars, Form::Composed);
    let [w1, b1, w2, b2] = &vars;
    check_finite_differences(|| mlp.forward(&x).unwrap(), &[&x, w1, b1, w2, b2]);
}

/// A weight [rows, cols], row by row, as one column by column.
fn columns(weight: &[f32], rows: usize, cols: usize) -> Vec<f32> {
    (0..rows * cols)
        .map(|i| weight[i % rows * cols + i / rows])
        .collect()
}

#[test]
fn kernel_agrees_with_the_composed_form_on_odd_shapes() {
    for (rows, channels, hidden) in [
        (0, 2, 3),
        (1, 1, 1),
        (1, 3, 8),
        (5, 1, 9),
        (9, 7, 1),
        (17, 5, 13),
        (1501, 12, 21),
        (0, 256, 260), // large weights
        (1, 256, 260),
        (211, 131, 517),
    ] {
        let x = normals32(1, rows * channels);
        let dy = normals32(2, rows * channels);
        let first = normals32(3, (channels + 1) * hidden);
        let second = normals32(4, (hidden + 1) * channels);
        let at = channels * hidden; // where the biases start
        let ((w1, b1), (w2, b2)) = (first.split_at(at), second.split_at(at));
        let inputs = [
            (&widen(&x)[..], &[rows, channels][..]),
            (&widen(w1), &[hidden, channels]),
            (&widen(b1), &[hidden]),
            (&widen(w2), &[channels, hidden]),
            (&widen(b2), &[channels]),
        ];
        let (want, gradients) = reference(&inputs, &widen(&dy), |vars| {
            let parameters = [1, 2, 3, 4].map(|i| vars[i].clone());
            layer(&parameters, Form::Composed)
                .forward(&vars[0])
                .unwrap()
        });
        let (want_dx, want_sums) = (&gradients[0], gradients[1..].concat());
        let parameters = Parameters {
            first: (Weight::Rows(w1), b1),
            second: (Weight::Rows(w2), b2),
        };
        let (w1, w2) = (columns(w1, hidden, channels), columns(w2, channels, hidden));
        let by_columns = Parameters {
            first: (Weight::Columns(&w1), b1),
            second: (Weight::Columns(&w2), b2),
        };
        for arch in simd::all() {
            let at = format!("{arch:?}, {rows}x{channels}x{hidden}");
            let (y, h) = kernel::forward(arch, parameters, &x, true);
            assert!(difference(&widen(&y), &want) < 3e-6, "{at}: y");
            assert_eq!(
                kernel::forward(arch, parameters, &x, false),
                (y, vec![]),
                "{at}: not kept"
            );
            let backward =
                |dx, sums| kernel::backward(arch, parameters, &x, &h, &dy, Wanted { dx, sums });
            let (dx, sums) = backward(true, true);
            assert!(difference(&widen(&dx), want_dx) < 3e-6, "{at}: dx");
            assert!(
                difference(&widen(&sums), &want_sums) < 5e-6,
                "{at}: parameters"
            );
            assert_eq!(backward(true, false), (dx, vec![]), "{at}: dx alone");
            assert_eq!(
                backward(false, true),
                (vec![], sums),
                "{at}: parameters alone"
            );
            let (y, h) = kernel::forward(arch, by_columns, &x, true);
            assert!(difference(&widen(&y), &want) < 3e-6, "{at}: y by columns");
            let wanted = Wanted {
                dx: true,
                sums: false,
            };
            let (dx, _) = kernel::backward(arch, by_columns, &x, &h, &dy, wanted);
            assert!(
                difference(&widen(&dx), want_dx) < 3e-6,
                "{at}: dx by columns"
            );
        }
    }
}

#[test]
fn composed_agrees_on_strided_tensors() {
    let vars = variables(6, 10, DType::F32);
    let x = var(5, &[6, 4, 5], DType::F32);
    let strided = x.transpose(0, 2).unwrap();
    let [fused, composed] = [Form::Kernels, Form::Composed]
        .map(|form| trainable(&vars, form).forward(&strided).unwrap());
    assert_close(&fused, &composed, 5e-6, "y");
    let [w1, b1, w2, b2] = &vars;
    let all = [&x, w1, b1, w2, b2];
    let (fused, composed) = (gradients(&fused, &all), gradients(&composed, &all));
    let names = ["dx", "dw1", "db1", "dw2", "db2"];
    for ((fused, composed), what) in fused.iter().zip(&composed).zip(names) {
        assert_close(fused, composed, 5e-6, what);
    }
}

#[test]
fn frozen_weights_pass_a_gradient_on_and_get_none() {
    let vars = variables(6, 10, DType::F32);
    let values = vars.each_ref().map(|var| var.as_detached_tensor());
    let vb = params::frozen(weights(&values), DType::F32, &CPU);
    let frozen = Mlp::new(6, 10, vb).unwrap();
    // Frozen weights lie in another order, so that sums may be taken in another one.
    let x = var(5, &[2, 300, 6], DType::F32);
    let y = frozen.forward(&x).unwrap();
    let want = trainable(&vars, Form::Kernels).forward(&x).unwrap();
    assert_close(&y, &want, 2e-6, "y");
    let composed = layer(&values, Form::Composed).forward(&x).unwrap();
    assert_close(&composed, &want, 5e-6, "composed");
    let (dx, want_dx) = (gradients(&y, &[&x]), gradients(&want, &[&x]));
    assert_close(&dx[0], &want_dx[0], 2e-6, "dx");
    let grads = y.sum_all().unwrap().backward().unwrap();
    assert!(vars.iter().all(|var| grads.get(var.as_tensor()).is_none()));
    assert!(!frozen.forward(&x.detach()).unwrap().track_op());
}

#[test]
fn checks_shapes_and_types() {
    let mlp = trainable(&variables(6, 10, DType::F32), Form::Kernels);
    let error = mlp
        .forward(&tensor(1, &[3, 7], DType::F32))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("[..., 6]") && error.contains("[3, 7]"),
        "{error}"
    );
    for dtype in [DType::F16, DType::F64] {
        let x = tensor(1, &[3, 6], dtype);
        assert_refused(mlp.forward(&x), "mlp", dtype);
    }
}

#[test]
fn bits_do_not_depend_on_the_pool() {
    // A small and a large weight, whose gradients are shared between threads in different ways.
    for (channels, hidden) in [(24, 50), (256, 261)] {
        same_on_all_pools(|| {
            let vars = variables(channels, hidden, DType::F32);
            let x = var(5, &[20, 50, channels], DType::F32);
            let y = trainable(&vars, Form::Kernels).forward(&x).unwrap();
            let [w1, b1, w2, b2] = &vars;
            let mut all = gradients(&y, &[&x, w1, b1, w2, b2]);
            all.push(y);
            all
        });
    }
}
