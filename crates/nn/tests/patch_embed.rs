//! Patch embedding: differences and candle's convolution check the composed form in f64, which
//! checks the kernel.

mod common;

use std::collections::HashMap;

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;
use common::{
    CPU, assert_refused, check_finite_differences, gradients, normals32, reference,
    same_on_all_pools, tensor, var, widen,
};
use spectralkd_base::random::Stream;
use spectralkd_nn::kernels::linear::Wanted;
use spectralkd_nn::kernels::patches::{self as kernel, Grid};
use spectralkd_nn::kernels::simd;
use spectralkd_nn::{Builder, Form, Params, PatchEmbed};
use spectralkd_testing::{assert_close, difference, flat};

/// A layer of these parameters.
fn embed(weight: &Tensor, bias: &Tensor, form: Form) -> PatchEmbed {
    let tensors = [("proj.weight", weight), ("proj.bias", bias)];
    let tensors: HashMap<_, _> = tensors
        .map(|(name, tensor)| (name.to_string(), tensor.clone()))
        .into();
    let (outputs, channels, patch, _) = weight.dims4().unwrap();
    let vb = VarBuilder::from_tensors(tensors, weight.dtype(), &CPU);
    let vb = Builder::from(vb).in_form(form);
    PatchEmbed::new(channels, outputs, patch, vb).unwrap()
}

#[test]
fn gradients_agree_with_finite_differences() {
    let images = var(1, &[2, 3, 4, 6], DType::F64);
    let (w, b) = (var(2, &[5, 3, 2, 2], DType::F64), var(3, &[5], DType::F64));
    let embed = embed(&w, &b, Form::Composed);
    check_finite_differences(|| embed.forward(&images).unwrap(), &[&images, &w, &b]);
}

#[test]
fn kernel_agrees_with_the_composed_form_on_odd_shapes() {
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
        let inputs = [
            (&widen(&images)[..], &[batch, channels, height, width][..]),
            (&widen(&weight), &[outputs, channels, patch, patch]),
            (&widen(&bias), &[outputs]),
        ];
        let (want, gradients) = reference(&inputs, &widen(&dy), |vars| {
            let embed = embed(&vars[1], &vars[2], Form::Composed);
            embed.forward(&vars[0]).unwrap()
        });
        let (want_dimages, want_sums) = (&gradients[0], gradients[1..].concat());
        let got = kernel::forward(grid, &images, &weight, &bias);
        assert!(difference(&widen(&got), &want) < 2e-6, "{grid:?}: y");
        for arch in simd::all() {
            let backward =
                |dx, sums| kernel::backward(arch, grid, &images, &weight, &dy, Wanted { dx, sums });
            let (dimages, sums) = backward(true, true);
            assert!(
                difference(&widen(&dimages), want_dimages) < 2e-6,
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
fn both_forms_agree_with_the_convolution() {
    for (dtype, tolerance) in [(DType::F32, 5e-6), (DType::F64, 1e-12)] {
        let images = var(1, &[2, 6, 8, 3], dtype);
        let (w, b) = (var(2, &[5, 3, 2, 2], dtype), var(3, &[5], dtype));
        let strided = images.permute((0, 3, 1, 2)).unwrap();
        let fastest = Form::of(&CPU, dtype); // in f64 the composed form too
        let [fused, composed] =
            [fastest, Form::Composed].map(|form| embed(&w, &b, form).forward(&strided).unwrap());
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
        let [fused, composed, convolution] =
            [fused, composed, convolution].map(|y| gradients(&y, &vars));
        for (i, what) in ["dimages", "dw", "db"].into_iter().enumerate() {
            assert_close(&fused[i], &composed[i], tolerance, what);
            assert_close(&fused[i], &convolution[i], tolerance, what);
        }
    }
}

#[test]
fn images_get_no_gradient_unless_they_are_tracked() {
    let images = tensor(1, &[2, 3, 4, 6], DType::F32);
    let (w, b) = (var(2, &[5, 3, 2, 2], DType::F32), var(3, &[5], DType::F32));
    let y = embed(&w, &b, Form::Kernels).forward(&images).unwrap();
    let grads = y.sum_all().unwrap().backward().unwrap();
    assert!(grads.get(&images).is_none());
    assert!(grads.get(w.as_tensor()).is_some() && grads.get(b.as_tensor()).is_some());
}

#[test]
fn starts_as_a_convolution_does_and_checks_shapes_and_types() {
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
    for dtype in [DType::F16, DType::F64] {
        let images = tensor(1, &[2, 1, 28, 28], dtype);
        assert_refused(embed.forward(&images), "patch-embed", dtype);
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
        let y = embed(&w, &b, Form::Kernels).forward(&images).unwrap();
        let mut all = gradients(&y, &[&images, &w, &b]);
        all.push(y);
        all
    });
}
