//! GELU: differences check the twin, the twin checks the kernel, candle checks both.

mod common;

use candle_core::DType;
use common::{check_finite_differences, gradients, normals, same_on_all_pools, tensor, var, widen};
use spectralkd_nn::kernels::{gelu as kernel, simd};
use spectralkd_nn::{Gelu, scalar};
use spectralkd_testing::{assert_close, difference};

#[test]
fn twin_agrees_with_finite_differences() {
    let x = var(1, &[5, 7], DType::F64);
    check_finite_differences(|| Gelu.forward(&x).unwrap(), &[&x]);
}

#[test]
fn kernel_agrees_with_its_twin_at_every_length() {
    for count in [0, 1, 2, 7, 8, 15, 16, 17, 31, 100, 16383, 16384, 40_001] {
        let x: Vec<f32> = normals(count as u64, count)
            .iter()
            .map(|x| 3.0 * *x as f32)
            .collect();
        let dy: Vec<f32> = normals(7, count).iter().map(|&x| x as f32).collect();
        let y = scalar::gelu::forward(&widen(&x));
        let dx = scalar::gelu::backward(&widen(&x), &widen(&dy));
        for arch in simd::all() {
            let error = difference(&widen(&kernel::forward(arch, &x)), &y);
            assert!(error < 3e-7, "{arch:?}, forward of {count}: {error:e}");
            let error = difference(&widen(&kernel::backward(arch, &x, &dy)), &dx);
            assert!(error < 6e-7, "{arch:?}, backward of {count}: {error:e}");
        }
    }
}

#[test]
fn composed_agrees_on_strided_tensors() {
    for dtype in [DType::F32, DType::F64] {
        let x = var(2, &[4, 6, 5], dtype);
        let strided = x.transpose(0, 2).unwrap().narrow(1, 1, 3).unwrap();
        let fused = Gelu.forward(&strided).unwrap();
        let composed = Gelu.forward_composed(&strided).unwrap();
        assert_close(&fused, &composed, 1e-6, "y");
        let (fused, composed) = (gradients(&fused, &[&x]), gradients(&composed, &[&x]));
        assert_close(&fused[0], &composed[0], 2e-6, "dx"); // candle's constants have 6 digits
    }
}

#[test]
fn other_types_are_an_error_that_says_so() {
    let error = Gelu
        .forward(&tensor(1, &[3], DType::BF16))
        .unwrap_err()
        .to_string();
    assert!(error.contains("gelu") && error.contains("BF16"), "{error}");
}

#[test]
fn bits_do_not_depend_on_the_pool() {
    same_on_all_pools(|| {
        let x = var(1, &[300, 200], DType::F32);
        let y = Gelu.forward(&x).unwrap();
        let mut all = gradients(&y, &[&x]);
        all.push(y);
        all
    });
}
