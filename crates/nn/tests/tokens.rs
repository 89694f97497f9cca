//! Tokens in and out: differences check the composed form in f64, which checks the kernels.

mod common;

use candle_core::DType;
use common::{
    assert_refused, check_finite_differences, gradients, normals32, reference, same_on_all_pools,
    tensor, var, widen,
};
use spectralkd_nn::kernels::simd;
use spectralkd_nn::kernels::tokens::{self as kernel, Sizes};
use spectralkd_nn::{Form, tokens};
use spectralkd_testing::{assert_close, difference};

const FORMS: [Form; 2] = [Form::Kernels, Form::Composed];

#[test]
fn gradients_agree_with_finite_differences() {
    let (x, prefix) = (
        var(1, &[2, 6, 3], DType::F64),
        var(2, &[1, 2, 3], DType::F64),
    );
    let (long, short) = (
        var(3, &[1, 8, 3], DType::F64),
        var(4, &[1, 6, 3], DType::F64),
    );
    let form = Form::Composed;
    let with = || tokens::assemble(&x, Some(&prefix), &long, form).unwrap();
    check_finite_differences(with, &[&x, &prefix, &long]);
    let without = || tokens::assemble(&x, None, &short, form).unwrap();
    check_finite_differences(without, &[&x, &short]);
    check_finite_differences(|| tokens::to_map(&x, 0, [2, 3], form).unwrap(), &[&x]);
    check_finite_differences(|| tokens::to_map(&x, 2, [4, 1], form).unwrap(), &[&x]);
}

/// f64 numbers, each rounded to f32.
fn narrow(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
}

#[test]
fn kernels_agree_with_the_composed_form_on_odd_shapes() {
    for (batch, prefix, patches, channels) in [
        (0, 1, 2, 3),
        (1, 0, 1, 1),
        (1, 1, 1, 1),
        (2, 1, 8, 8),
        (3, 2, 9, 7),
        (2, 0, 49, 33),
        (5, 1, 196, 48),
    ] {
        let sizes = Sizes {
            prefix,
            patches,
            channels,
        };
        let all = (prefix + patches) * channels;
        let x = normals32(1, batch * patches * channels);
        let (first, position) = (normals32(2, prefix * channels), normals32(3, all));
        let y = normals32(4, batch * all);
        let at = format!("{batch} {sizes:?}");
        let inputs = [
            (&widen(&x)[..], &[batch, patches, channels][..]),
            (&widen(&position), &[1, prefix + patches, channels]),
            (&widen(&first), &[1, prefix, channels]),
        ];
        let inputs = if prefix > 0 { &inputs } else { &inputs[..2] };
        let (want, gradients) = reference(inputs, &widen(&y), |vars| {
            tokens::assemble(&vars[0], vars.get(2), &vars[1], Form::Composed).unwrap()
        });
        // Sums of two numbers, and moves: exact, but for one rounding to f32.
        let assembled = kernel::assemble(sizes, &x, &first, &position);
        assert_eq!(assembled, narrow(&want), "{at}: assemble");
        let dx = kernel::without_prefix(sizes, &y);
        assert_eq!(widen(&dx), gradients[0], "{at}: dx");
        for arch in simd::all() {
            let sum = widen(&kernel::sum_over_batch(arch, sizes, &y));
            assert!(
                difference(&sum, &gradients[1]) < 1e-6,
                "{arch:?}, {at}: sum"
            );
            if let Some(want) = gradients.get(2) {
                let first = &sum[..want.len()];
                assert!(difference(first, want) < 1e-6, "{arch:?}, {at}: prefix");
            }
        }
        let inputs = [(&widen(&y)[..], &[batch, prefix + patches, channels][..])];
        let (map, gradients) = reference(&inputs, &widen(&x), |vars| {
            tokens::to_map(&vars[0], prefix, [1, patches], Form::Composed).unwrap()
        });
        assert_eq!(widen(&kernel::to_map(sizes, &y)), map, "{at}: map");
        let back = kernel::from_map(sizes, &x);
        assert_eq!(widen(&back), gradients[0], "{at}: back");
    }
}

#[test]
fn composed_agrees_on_strided_tensors() {
    let x = var(1, &[3, 6, 4], DType::F32);
    let strided = x.transpose(0, 2).unwrap(); // [4, 6, 3]
    let (prefix, position) = (
        var(2, &[1, 1, 3], DType::F32),
        var(3, &[1, 7, 3], DType::F32),
    );
    let [fused, composed] =
        FORMS.map(|form| tokens::assemble(&strided, Some(&prefix), &position, form).unwrap());
    assert_close(&fused, &composed, 0.0, "assemble");
    let vars = [&x, &prefix, &position];
    let (fused, composed) = (gradients(&fused, &vars), gradients(&composed, &vars));
    for ((fused, composed), what) in fused.iter().zip(&composed).zip(["dx", "prefix", "pos"]) {
        assert_close(fused, composed, 1e-6, what);
    }
    let [fused, composed] = FORMS.map(|form| tokens::to_map(&strided, 2, [2, 2], form).unwrap());
    assert!(fused.is_contiguous());
    assert_close(&fused, &composed, 0.0, "map");
    let (fused, composed) = (gradients(&fused, &[&x]), gradients(&composed, &[&x]));
    assert_close(&fused[0], &composed[0], 0.0, "map's gradient");
}

#[test]
fn only_what_is_tracked_gets_a_gradient() {
    let (x, position) = (
        tensor(1, &[2, 6, 3], DType::F32),
        var(2, &[1, 7, 3], DType::F32),
    );
    let prefix = tensor(3, &[1, 1, 3], DType::F32);
    let y = tokens::assemble(&x, Some(&prefix), &position, Form::Kernels).unwrap();
    let grads = y.sum_all().unwrap().backward().unwrap();
    assert!(grads.get(position.as_tensor()).is_some());
    assert!(grads.get(&x).is_none() && grads.get(&prefix).is_none());
}

#[test]
fn bad_shapes_and_types_are_errors_that_name_them() {
    let x = tensor(1, &[2, 6, 3], DType::F32);
    let error = |prefix: Option<&[usize]>, position: &[usize]| {
        let prefix = prefix.map(|shape| tensor(2, shape, DType::F32));
        let position = tensor(3, position, DType::F32);
        tokens::assemble(&x, prefix.as_ref(), &position, Form::Kernels)
            .unwrap_err()
            .to_string()
    };
    let text = error(None, &[1, 7, 3]);
    assert!(
        text.contains("[1, 6, 3]") && text.contains("[1, 7, 3]"),
        "{text}"
    );
    let text = error(Some(&[2, 1, 3]), &[1, 7, 3]);
    assert!(
        text.contains("prefix") && text.contains("[2, 1, 3]"),
        "{text}"
    );
    let result = tokens::to_map(&x, 1, [2, 3], Form::Kernels);
    let text = result.unwrap_err().to_string();
    assert!(
        text.contains("[batch, 7, channels]") && text.contains("[2, 6, 3]"),
        "{text}"
    );
    for dtype in [DType::F16, DType::F64] {
        let (x, position) = (tensor(1, &[2, 6, 3], dtype), tensor(2, &[1, 6, 3], dtype));
        let result = tokens::to_map(&x, 0, [2, 3], Form::Kernels);
        assert_refused(result, "tokens-to-map", dtype);
        let result = tokens::assemble(&x, None, &position, Form::Kernels);
        assert_refused(result, "assemble-tokens", dtype);
    }
}

#[test]
fn bits_do_not_depend_on_the_pool() {
    same_on_all_pools(|| {
        let x = var(1, &[30, 49, 48], DType::F32);
        let (prefix, position) = (
            var(2, &[1, 1, 48], DType::F32),
            var(3, &[1, 50, 48], DType::F32),
        );
        let y = tokens::assemble(&x, Some(&prefix), &position, Form::Kernels).unwrap();
        let map = tokens::to_map(&y, 1, [7, 7], Form::Kernels).unwrap();
        let mut all = gradients(&map, &[&x, &prefix, &position]);
        all.extend([y, map]);
        all
    });
}
