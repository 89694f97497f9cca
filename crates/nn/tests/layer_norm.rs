//! Layer norm: differences check the composed form in f64, which checks the kernel.

mod common;

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;
use common::{
    CPU, assert_refused, check_finite_differences, gradients, normals32, reference,
    same_on_all_pools, tensor, var, widen,
};
use spectralkd_nn::kernels::layer_norm::{self as kernel, Affine};
use spectralkd_nn::kernels::simd;
use spectralkd_nn::{Builder, Form, LayerNorm, Params};
use spectralkd_testing::{assert_close, difference};

const EPS: f64 = 1e-6;

/// A norm of these parameters.
fn norm(weight: &Tensor, bias: &Tensor, form: Form) -> LayerNorm {
    let tensors = [("weight", weight), ("bias", bias)];
    let tensors = tensors.map(|(name, tensor)| (name.to_string(), tensor.clone()));
    let vb = VarBuilder::from_tensors(tensors.into(), weight.dtype(), &CPU);
    let vb = Builder::from(vb).in_form(form);
    LayerNorm::new(weight.elem_count(), EPS, vb).unwrap()
}

#[test]
fn gradients_agree_with_finite_differences() {
    let (x, w, b) = (
        var(1, &[3, 2, 5], DType::F64),
        var(2, &[5], DType::F64),
        var(3, &[5], DType::F64),
    );
    let norm = norm(&w, &b, Form::Composed);
    check_finite_differences(|| norm.forward(&x).unwrap(), &[&x, &w, &b]);
}

#[test]
fn kernel_agrees_with_the_composed_form_on_odd_shapes() {
    for (rows, channels) in [
        (0, 3),
        (1, 1),
        (1, 8),
        (3, 1),
        (5, 2),
        (7, 17),
        (4, 48),
        (9, 50),
        (401, 192),
    ] {
        let x: Vec<f32> = normals32(1, rows * channels)
            .iter()
            .map(|x| 2.0 * x + 3.0)
            .collect();
        let (weight, bias) = (normals32(2, channels), normals32(3, channels));
        let dy = normals32(4, rows * channels);
        let inputs = [
            (&widen(&x)[..], &[rows, channels][..]),
            (&widen(&weight), &[channels]),
            (&widen(&bias), &[channels]),
        ];
        let (y, gradients) = reference(&inputs, &widen(&dy), |vars| {
            let norm = norm(&vars[1], &vars[2], Form::Composed);
            norm.forward(&vars[0]).unwrap()
        });
        let (dx, sums) = (&gradients[0], gradients[1..].concat());
        let affine = Affine {
            weight: &weight,
            bias: &bias,
            eps: EPS as f32,
        };
        for arch in simd::all() {
            let error = difference(&widen(&kernel::forward(arch, affine, &x)), &y);
            assert!(error < 2e-6, "{arch:?}, {rows}x{channels}, y: {error:e}");
            let (got_dx, got_sums) = kernel::backward(arch, affine, &x, &dy);
            // With one or two channels dx is 0 but for eps and rounding, hence the 1.
            let one = |dx: Vec<f64>| [dx, vec![1.0]].concat();
            let error = difference(&one(widen(&got_dx)), &one(dx.clone()));
            assert!(error < 1e-5, "{arch:?}, {rows}x{channels}, dx: {error:e}");
            let error = difference(&widen(&got_sums), &sums);
            assert!(
                error < 5e-6,
                "{arch:?}, {rows}x{channels}, dw and db: {error:e}"
            );
        }
    }
}

#[test]
fn composed_agrees_on_strided_tensors() {
    let (x, w, b) = (
        var(1, &[6, 4, 5], DType::F32),
        var(2, &[6], DType::F32),
        var(3, &[6], DType::F32),
    );
    let strided = x.transpose(0, 2).unwrap();
    let [fused, composed] =
        [Form::Kernels, Form::Composed].map(|form| norm(&w, &b, form).forward(&strided).unwrap());
    assert_close(&fused, &composed, 5e-6, "y");
    let vars = [&x, &w, &b];
    let (fused, composed) = (gradients(&fused, &vars), gradients(&composed, &vars));
    for ((fused, composed), what) in fused.iter().zip(&composed).zip(["dx", "dw", "db"]) {
        assert_close(fused, composed, 5e-6, what);
    }
}

#[test]
fn only_what_is_tracked_gets_a_gradient() {
    let (x, w, b) = (
        tensor(1, &[4, 5], DType::F32),
        var(2, &[5], DType::F32),
        var(3, &[5], DType::F32),
    );
    let y = norm(&w, &b, Form::Kernels).forward(&x).unwrap();
    let grads = y.sum_all().unwrap().backward().unwrap();
    assert!(grads.get(&x).is_none());
    assert!(grads.get(w.as_tensor()).is_some() && grads.get(b.as_tensor()).is_some());
}

#[test]
fn starts_as_the_plain_norm_and_checks_shapes() {
    let params = Params::new();
    let stream = spectralkd_base::random::Stream::new(1, "init");
    let norm = LayerNorm::new(4, EPS, params.builder(&stream, DType::F32, &CPU)).unwrap();
    let x = Tensor::new(&[[1f32, 2.0, 3.0, 4.0]], &CPU).unwrap();
    let y = norm.forward(&x).unwrap();
    let s = 1.25f64.sqrt();
    let want = Tensor::new(&[[-1.5 / s, -0.5 / s, 0.5 / s, 1.5 / s]], &CPU).unwrap();
    assert_close(&y, &want, 1e-6, "y");
    let error = norm
        .forward(&tensor(1, &[2, 5], DType::F32))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("[..., 4]") && error.contains("[2, 5]"),
        "{error}"
    );
    for dtype in [DType::F16, DType::F64] {
        let x = tensor(1, &[2, 4], dtype);
        assert_refused(norm.forward(&x), "layer-norm", dtype);
    }
}

#[test]
fn bits_do_not_depend_on_the_pool() {
    same_on_all_pools(|| {
        let (x, w, b) = (
            var(1, &[2000, 48], DType::F32),
            var(2, &[48], DType::F32),
            var(3, &[48], DType::F32),
        );
        let y = norm(&w, &b, Form::Kernels).forward(&x).unwrap();
        let mut all = gradients(&y, &[&x, &w, &b]);
        all.push(y);
        all
    });
}
