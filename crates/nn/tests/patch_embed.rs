//! Patch embedding: differences check the twin, the twin checks the kernel, candle's
//! convolution and the composed path check both.

mod common;

use std::collections::HashMap;

use candle_core::{DType, Var};
use candle_nn::VarBuilder;
use common::{
    CPU, check_finite_differences, gradients, normals32, same_on_all_pools, tensor, var, widen,
};
use spectralkd_base::random::Stream;
use spectralkd_nn::kernels::linear::Wanted;
use spectralkd_nn::kernels::patches::{self as kernel, Grid};
use spectralkd_nn::kernels::simd;
use spectralkd_nn::{Params, PatchEmbed, scalar};
use spectralkd_testing::{assert_close, difference, flat};

fn embed(weight: &Var, bias: &Var) -> PatchEmbed {
    let tensors = [("proj.weight", weight), ("proj.bias", bias)];
    let tensors: HashMap<_, _> = tensors
        .map(|(name, var)| (name.to_string(), var.as_tensor().clone()))
        .into();
    let (outputs, channels, patch, _) = weight.dims4().unwrap();
    let vb = VarBuilder::from_tensors(tensors, weight.dtype(), &CPU);
    PatchEmbed::new(channels, outputs, patch, vb).unwrap()
}

#[test]
fn twin_agrees_with_finite_differences() {
    let images = var(1, &[2, 3, 4, 6], DType::F64);
    let (w, b) = (var(2, &[5, 3, 2, 2], DType::F64), var(3, &[5], DType::F64));
    let embed = embed(&w, &b);
    check_finite_differences(|| embed.forward(&images).unwrap(), &[&images, &w, &b]);
}

#[test]
fn kernel_agrees_with_its_twin_on_odd_shapes() {
    for (batch, channels, height, width, patch, outputs) in [
        (0, 1, 2, 2, 2, 3),
        (1, 1, 1, 1, 1, 1),
        (3, 2, 6, 3, 3, 5),
        (2, 1, 5, 7, 1, 4),
        (9, 3, 8, 12, 4, 7),
        (30, 1, 28, 28, 4, 9),
    ] {
        let grid = Grid {
            channels,
            height,
            width,
            patch,
        };
        let images = normals32(1, batch * grid.image());
        let (weight, bias) = (normals32(2, outputs * grid.row()), normals32(3, outputs));
        let dy = normals32(4, batch * grid.patches() * outputs);
        let (wide_images, wide_weight) = (widen(&images), widen(&weight));
        let want = scalar::patches::forward(grid, &wide_images, &wide_weight, &widen(&bias));
        let got = kernel::forward(grid, &images, &weight, &bias);
        assert!(difference(&widen(&got), &want) < 2e-6, "{grid:?}: y");
        let (want_dimages, want_sums) =
            scalar::patches::backward(grid, &wide_images, &wide_weight, &widen(&dy));
        for arch in simd::all() {
            let backward =
                |dx, sums| kernel::backward(arch, grid, &images, &weight, &dy, Wanted { dx, sums });
            let (dimages, sums) = backward(true, true);
            assert!(
                difference(&widen(&dimages), &want_dimages) < 2e-6,
                "{grid:?}: dimages"
            );
            assert!(
                difference(&widen(&sums), &want_sums) < 5e-6,
                "{grid:?}: dw, db"
            );
            assert_eq!(
                backward(true, false),
                (dimages, vec![]),
                "{grid:?}: dimages alone"
            );
            assert_eq!(
                backward(false, true),
                (vec![], sums),
                "{grid:?}: sums alone"
            );
        }
    }
}

#[test]
fn agrees_with_the_convolution_and_the_composed_path() {
    for (dtype, tolerance) in [(DType::F32, 5e-6), (DType::F64, 1e-12)] {
        let images = var(1, &[2, 6, 8, 3], dtype);
        let (w, b) = (var(2, &[5, 3, 2, 2], dtype), var(3, &[5], dtype));
        let strided = images.permute((0, 3, 1, 2)).unwrap();
        let embed = embed(&w, &b);
        let fused = embed.forward(&strided).unwrap();
        let composed = embed.forward_composed(&strided).unwrap();
        assert_close(&fused, &composed, tolerance, "y");
        let convolution = strided
            .contiguous()
            .unwrap()
            .conv2d(&w, 0, 2, 1, 1)
            .unwrap();
        let convolution = convolution
            .flatten_from(2)
            .unwrap()
            .transpose(1, 2)
            .unwrap();
        let convolution = convolution.broadcast_add(&b).unwrap();
        assert_close(&fused, &convolution, tolerance, "convolution");
        let vars = [&images, &w, &b];
        let (fused, composed) = (gradients(&fused, &vars), gradients(&composed, &vars));
        for ((fused, composed), what) in fused.iter().zip(&composed).zip(["dimages", "dw", "db"]) {
            assert_close(fused, composed, tolerance, what);
        }
    }
}

#[test]
fn images_get_no_gradient_unless_they_are_tracked() {
    let images = tensor(1, &[2, 3, 4, 6], DType::F32);
    let (w, b) = (var(2, &[5, 3, 2, 2], DType::F32), var(3, &[5], DType::F32));
    let y = embed(&w, &b).forward(&images).unwrap();
    let grads = y.sum_all().unwrap().backward().unwrap();
    assert!(grads.get(&images).is_none());
    assert!(grads.get(w.as_tensor()).is_some() && grads.get(b.as_tensor()).is_some());
}

#[test]
fn starts_as_a_convolution_does_and_checks_shapes() {
    let params = Params::new();
    let vb = params.builder(&Stream::new(1, "init"), DType::F32, &CPU);
    let embed = PatchEmbed::new(1, 48, 4, vb.pp("patch_embed")).unwrap();
    for name in ["patch_embed.proj.weight", "patch_embed.proj.bias"] {
        let values = flat(&params.tensors()[name]);
        let largest = values.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
        assert!((0.2..=0.25).contains(&largest), "{name}: {largest}"); // 1 / sqrt(16)
    }
    for shape in [
        &[2, 1, 28, 30][..],
        &[2, 3, 28, 28],
        &[1, 28, 28],
        &[2, 1, 0, 28],
    ] {
        let error = embed
            .forward(&tensor(1, shape, DType::F32))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("patch size 4") && error.contains("[batch, 1,"),
            "{error}"
        );
    }
    let vb = params.builder(&Stream::new(1, "init"), DType::F32, &CPU);
    let error = PatchEmbed::new(1, 48, 0, vb).unwrap_err().to_string();
    assert!(error.contains("patch (0)"), "{error}");
}

#[test]
fn bits_do_not_depend_on_the_pool() {
    same_on_all_pools(|| {
        let images = var(1, &[30, 1, 28, 28], DType::F32);
        let (w, b) = (
            var(2, &[48, 1, 4, 4], DType::F32),
            var(3, &[48], DType::F32),
        );
        let y = embed(&w, &b).forward(&images).unwrap();
        let mut all = gradients(&y, &[&images, &w, &b]);
        all.push(y);
        all
    });
}
