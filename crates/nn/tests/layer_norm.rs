//! Layer norm: differences check the twin, the twin checks the kernel, candle checks both.

mod common;

use candle_core::{DType, Tensor, Var};
use candle_nn::VarBuilder;
use common::{
    CPU, check_finite_differences, gradients, normals32, same_on_all_pools, tensor, var, widen,
};
use spectralkd_nn::kernels::layer_norm::{self as kernel, Affine};
use spectralkd_nn::kernels::simd;
use spectralkd_nn::{LayerNorm, Params, scalar};
use spectralkd_testing::{assert_close, difference};

const EPS: f64 = 1e-6;

/// A norm whose parameters are these variables.
fn norm(weight: &Var, bias: &Var) -> LayerNorm {
    let tensors = [("weight", weight), ("bias", bias)];
    let tensors = tensors.map(|(name, var)| (name.to_string(), var.as_tensor().clone()));
    let vb = VarBuilder::from_tensors(tensors.into(), weight.dtype(), &CPU);
    LayerNorm::new(weight.elem_count(), EPS, vb).unwrap()
}

#[test]
fn twin_agrees_with_finite_differences() {
    let (x, w, b) = (
        var(1, &[3, 2, 5], DType::F64),
        var(2, &[5], DType::F64),
        var(3, &[5], DType::F64),
    );
    check_finite_differences(|| norm(&w, &b).forward(&x).unwrap(), &[&x, &w, &b]);
}

#[test]
fn kernel_agrees_with_its_twin_on_odd_shapes() {
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
        let (wx, ww, wdy) = (widen(&x), widen(&weight), widen(&dy));
        let y = scalar::layer_norm::forward(&wx, &ww, &widen(&bias), EPS);
        let (dx, sums) = scalar::layer_norm::backward(&wx, &ww, EPS, &wdy);
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
    for (dtype, tolerance) in [(DType::F32, 5e-6), (DType::F64, 1e-12)] {
        let (x, w, b) = (
            var(1, &[6, 4, 5], dtype),
            var(2, &[6], dtype),
            var(3, &[6], dtype),
        );
        let strided = x.transpose(0, 2).unwrap();
        let norm = norm(&w, &b);
        let fused = norm.forward(&strided).unwrap();
        let composed = norm.forward_composed(&strided).unwrap();
        assert_close(&fused, &composed, tolerance, "y");
        let vars = [&x, &w, &b];
        let (fused, composed) = (gradients(&fused, &vars), gradients(&composed, &vars));
        for ((fused, composed), what) in fused.iter().zip(&composed).zip(["dx", "dw", "db"]) {
            assert_close(fused, composed, tolerance, what);
        }
    }
}

#[test]
fn only_what_is_tracked_gets_a_gradient() {
    let (x, w, b) = (
        tensor(1, &[4, 5], DType::F32),
        var(2, &[5], DType::F32),
        var(3, &[5], DType::F32),
    );
    let y = norm(&w, &b).forward(&x).unwrap();
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
    let error = norm
        .forward(&tensor(1, &[2, 4], DType::F16))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("layer-norm") && error.contains("F16"),
        "{error}"
    );
}

#[test]
fn bits_do_not_depend_on_the_pool() {
    same_on_all_pools(|| {
        let (x, w, b) = (
            var(1, &[2000, 48], DType::F32),
            var(2, &[48], DType::F32),
            var(3, &[48], DType::F32),
        );
        let y = norm(&w, &b).forward(&x).unwrap();
        let mut all = gradients(&y, &[&x, &w, &b]);
        all.push(y);
        all
    });
}
