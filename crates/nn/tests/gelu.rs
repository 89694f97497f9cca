//! GELU: differences check the composed form in f64, which checks the kernel.

mod common;

use candle_core::DType;
use common::{
    assert_refused, check_finite_differences, gradients, normals, reference, same_on_all_pools,
    tensor, var, widen,
};
use spectralkd_nn::kernels::{gelu as kernel, simd};
use spectralkd_nn::{Form, gelu};
use spectralkd_testing::{assert_close, difference};

#[test]
fn gradients_agree_with_finite_differences() {
    let x = var(1, &[5, 7], DType::F64);
    check_finite_differences(|| gelu(&x, Form::Composed).unwrap(), &[&x]);
}

#[test]
fn kernel_agrees_with_the_composed_form_at_every_length() {
    for count in [0, 1, 2, 7, 8, 15, 16, 17, 31, 100, 16383, 16384, 40_001] {
        let x: Vec<f32> = normals(count as u64, count)
            .iter()
            .map(|x| 3.0 * *x as f32)
            .collect();
        let dy: Vec<f32> = normals(7, count).iter().map(|&x| x as f32).collect();
        let inputs = [(&widen(&x)[..], &[count][..])];
        let (y, gradients) = reference(&inputs, &widen(&dy), |x| {
            gelu(&x[0], Form::Composed).unwrap()
        });
        for arch in simd::all() {
            let error = difference(&widen(&kernel::forward(arch, &x)), &y);
            assert!(error < 3e-7, "{arch:?}, forward of {count}: {error:e}");
            let error = difference(&widen(&kernel::backward(arch, &x, &dy)), &gradients[0]);
            assert!(error < 6e-7, "{arch:?}, backward of {count}: {error:e}");
        }
    }
}

#[test]
fn composed_agrees_on_strided_tensors() {
    let x = var(2, &[4, 6, 5], DType::F32);
    let strided = x.transpose(0, 2).unwrap().narrow(1, 1, 3).unwrap();
    let fused = gelu(&strided, Form::Kernels).unwrap();
    let composed = gelu(&strided, Form::Composed).unwrap();
    assert_close(&fused, &composed, 1e-6, "y");
    let (fused, composed) = (gradients(&fused, &[&x]), gradients(&composed, &[&x]));
    assert_close(&fused[0], &composed[0], 1e-6, "dx");
}

#[test]
fn other_types_are_an_error_that_says_so() {
    for dtype in [DType::BF16, DType::F64] {
        let x = tensor(1, &[3], dtype);
        assert_refused(gelu(&x, Form::Kernels), "gelu", dtype);
    }
}

#[test]
fn bits_do_not_depend_on_the_pool() {
    same_on_all_pools(|| {
        let x = var(1, &[300, 200], DType::F32);
        let y = gelu(&x, Form::Kernels).unwrap();
        let mut all = gradients(&y, &[&x]);
        all.push(y);
        all
    });
}
