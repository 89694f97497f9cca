//! Tokens in and out: differences check the twin, the twin the kernel, candle both.

mod common;

use candle_core::DType;
use common::{
    check_finite_differences, gradients, normals32, same_on_all_pools, tensor, var, widen,
};
use spectralkd_nn::kernels::simd;
use spectralkd_nn::kernels::tokens::{self as kernel, Sizes};
use spectralkd_nn::{scalar, tokens};
use spectralkd_testing::{assert_close, difference};

#[test]
fn twins_agree_with_finite_differences() {
    let (x, prefix) = (
        var(1, &[2, 6, 3], DType::F64),
        var(2, &[1, 2, 3], DType::F64),
    );
    let (long, short) = (
        var(3, &[1, 8, 3], DType::F64),
        var(4, &[1, 6, 3], DType::F64),
    );
    let with = || tokens::assemble(&x, Some(&prefix), &long).unwrap();
    check_finite_differences(with, &[&x, &prefix, &long]);
    check_finite_differences(
        || tokens::assemble(&x, None, &short).unwrap(),
        &[&x, &short],
    );
    check_finite_differences(|| tokens::to_map(&x, 0, [2, 3]).unwrap(), &[&x]);
    check_finite_differences(|| tokens::to_map(&x, 2, [4, 1]).unwrap(), &[&x]);
}

#[test]
fn kernels_agree_with_their_twins_on_odd_shapes() {
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
        // Sums of two numbers, and moves: exact.
        let want = scalar::tokens::assemble(sizes, &x, &first, &position);
        assert_eq!(
            kernel::assemble(sizes, &x, &first, &position),
            want,
            "{at}: assemble"
        );
        let want = scalar::tokens::without_prefix(sizes, &y);
        assert_eq!(kernel::without_prefix(sizes, &y), want, "{at}: dx");
        let want_sum = scalar::tokens::sum_over_batch(sizes, &widen(&y));
        for arch in simd::all() {
            let sum = kernel::sum_over_batch(arch, sizes, &y);
            assert!(
                difference(&widen(&sum), &want_sum) < 1e-6,
                "{arch:?}, {at}: sum"
            );
        }
        let map = kernel::to_map(sizes, &y);
        assert_eq!(map, scalar::tokens::to_map(sizes, &y), "{at}: map");
        let back = kernel::from_map(sizes, &x);
        assert_eq!(back, scalar::tokens::from_map(sizes, &x), "{at}: back");
    }
}

#[test]
fn composed_agrees_on_strided_tensors() {
    for dtype in [DType::F32, DType::F64] {
        let x = var(1, &[3, 6, 4], dtype);
        let strided = x.transpose(0, 2).unwrap(); // [4, 6, 3]
        let (prefix, position) = (var(2, &[1, 1, 3], dtype), var(3, &[1, 7, 3], dtype));
        let fused = tokens::assemble(&strided, Some(&prefix), &position).unwrap();
        let composed = tokens::assemble_composed(&strided, Some(&prefix), &position).unwrap();
        assert_close(&fused, &composed, 0.0, "assemble");
        let vars = [&x, &prefix, &position];
        let (fused, composed) = (gradients(&fused, &vars), gradients(&composed, &vars));
        for ((fused, composed), what) in fused.iter().zip(&composed).zip(["dx", "prefix", "pos"]) {
            assert_close(fused, composed, 1e-6, what);
        }
        let fused = tokens::to_map(&strided, 2, [2, 2]).unwrap();
        let composed = tokens::to_map_composed(&strided, 2, [2, 2]).unwrap();
        assert!(fused.is_contiguous());
        assert_close(&fused, &composed, 0.0, "map");
        let (fused, composed) = (gradients(&fused, &[&x]), gradients(&composed, &[&x]));
        assert_close(&fused[0], &composed[0], 0.0, "map's gradient");
    }
}

#[test]
fn only_what_is_tracked_gets_a_gradient() {
    let (x, position) = (
        tensor(1, &[2, 6, 3], DType::F32),
        var(2, &[1, 7, 3], DType::F32),
    );
    let prefix = tensor(3, &[1, 1, 3], DType::F32);
    let y = tokens::assemble(&x, Some(&prefix), &position).unwrap();
    let grads = y.sum_all().unwrap().backward().unwrap();
    assert!(grads.get(position.as_tensor()).is_some());
    assert!(grads.get(&x).is_none() && grads.get(&prefix).is_none());
}

#[test]
fn bad_shapes_are_errors_with_both_shapes() {
    let x = tensor(1, &[2, 6, 3], DType::F32);
    let error = |prefix: Option<&[usize]>, position: &[usize]| {
        let prefix = prefix.map(|shape| tensor(2, shape, DType::F32));
        let position = tensor(3, position, DType::F32);
        tokens::assemble(&x, prefix.as_ref(), &position)
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
    let text = tokens::to_map(&x, 1, [2, 3]).unwrap_err().to_string();
    assert!(
        text.contains("[batch, 7, channels]") && text.contains("[2, 6, 3]"),
        "{text}"
    );
    let half = tensor(1, &[2, 6, 3], DType::F16);
    let text = tokens::to_map(&half, 0, [2, 3]).unwrap_err().to_string();
    assert!(
        text.contains("tokens-to-map") && text.contains("F16"),
        "{text}"
    );
}

#[test]
fn bits_do_not_depend_on_the_pool() {
    same_on_all_pools(|| {
        let x = var(1, &[30, 49, 48], DType::F32);
        let (prefix, position) = (
            var(2, &[1, 1, 48], DType::F32),
            var(3, &[1, 50, 48], DType::F32),
        );
        let y = tokens::assemble(&x, Some(&prefix), &position).unwrap();
        let map = tokens::to_map(&y, 1, [7, 7]).unwrap();
        let mut all = gradients(&map, &[&x, &prefix, &position]);
        all.extend([y, map]);
        all
    });
}
