//! The kernels against the composed form in f64, on every instruction set of this machine, and on
//! any number of threads.

use candle_core::Tensor;
use proptest::prelude::*;
use spectralkd_nn::kernels::attention::{Mixing, Shape};
use spectralkd_nn::kernels::simd;

use crate::assert_agree;
use crate::case::{Case, NAMES};
use crate::common::{CPU, same_on_all_pools, widen};

/// Every result and gradient, from separate and from packed tensors, against the composed form's.
fn check(case: &Case, tolerance: f64) {
    let expected = case.expected();
    for arch in simd::all() {
        let separate = case.separate(arch);
        for ((got, expected), name) in separate.iter().zip(&expected).zip(NAMES) {
            let what = format!("{name} of {:?} on {arch:?}", case.shape);
            assert_agree(&widen(got), expected, tolerance, &what);
        }
        if case.shape.queries == case.shape.keys {
            assert_eq!(
                case.packed(arch),
                separate,
                "packed and separate tensors differ"
            );
        }
    }
}

#[test]
fn kernel_agrees_with_the_composed_form_on_odd_shapes() {
    for head_dim in [1, 13, 16, 24, 64] {
        for (batch, tokens, heads) in [(1, 1, 1), (2, 7, 3), (5, 50, 1), (1, 33, 4)] {
            for talking in [false, true] {
                let shape = Case::self_attention(batch, tokens, heads, head_dim);
                check(&Case::new(shape, talking, 1.0), 2e-5);
            }
        }
    }
}

#[test]
fn kernel_agrees_with_the_composed_form_over_many_blocks() {
    // Longer than a block of queries, and a stride of exactly 1 KiB, which is widened.
    for (tokens, heads, head_dim) in [(197, 3, 8), (256, 2, 4), (601, 1, 3)] {
        for talking in [false, true] {
            let shape = Case::self_attention(1, tokens, heads, head_dim);
            check(&Case::new(shape, talking, 1.0), 5e-5);
        }
    }
}

#[test]
fn kernel_agrees_with_the_composed_form_for_class_attention() {
    for (queries, keys, heads, head_dim) in [
        (1, 197, 4, 24),
        (1, 1, 2, 16),
        (3, 10, 1, 13),
        (40, 5, 2, 8),
    ] {
        let shape = Shape {
            batch: 3,
            queries,
            keys,
            heads,
            head_dim,
        };
        check(&Case::new(shape, false, 1.0), 2e-5);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn kernel_agrees_with_the_composed_form(
        batch in 1usize..4, queries in 1usize..40, keys in 1usize..70, heads in 1usize..9,
        head_dim in 1usize..40, talking: bool,
    ) {
        let shape = Shape { batch, queries, keys, heads, head_dim };
        check(&Case::new(shape, talking, 1.0), 5e-5);
    }
}

#[test]
fn nothing_overflows_at_scores_of_ten_thousand() {
    for talking in [false, true] {
        let shape = Case::self_attention(2, 19, 3, 16);
        let case = Case::new(shape, talking, 1e4);
        let expected = case.expected();
        for arch in simd::all() {
            let got = case.packed(arch);
            for (values, name) in got.iter().zip(NAMES) {
                assert!(values.iter().all(|x| x.is_finite()), "{name} on {arch:?}");
            }
            // A score of 1e4 is known to 1e-3 in f32: the results are as good as that.
            assert_agree(&widen(&got[0]), &expected[0], 1e-2, "out");
            assert_agree(&widen(&got[3]), &expected[3], 1e-2, "d_v");
        }
    }
}

#[test]
fn no_images_are_no_work() {
    let shape = Case::self_attention(0, 5, 2, 3);
    for talking in [false, true] {
        let case = Case::new(shape, talking, 1.0);
        assert!(case.packed(simd::best())[..4].iter().all(Vec::is_empty));
    }
}

#[test]
fn bits_do_not_depend_on_threads() {
    for (shape, talking) in [
        (Case::self_attention(5, 50, 3, 16), false),
        (Case::self_attention(5, 49, 4, 24), true),
        (
            Shape {
                batch: 5,
                queries: 1,
                keys: 50,
                heads: 4,
                head_dim: 24,
            },
            false,
        ),
    ] {
        let case = Case::new(shape, talking, 1.0);
        same_on_all_pools(|| {
            let results = case.separate(simd::best());
            results.map(|x| Tensor::new(x, &CPU).unwrap()).into()
        });
    }
}

#[test]
fn the_bias_that_the_softmax_cancels_has_no_gradient() {
    let case = Case::new(Case::self_attention(2, 9, 3, 8), true, 1.0);
    let composed = &case.expected()[4];
    let kernel = &case.packed(simd::best())[4];
    let (composed, kernel) = (Mixing::split(composed, 3), Mixing::split(kernel, 3));
    assert!(composed.l_bias.iter().all(|x| x.abs() < 1e-14));
    assert_eq!(kernel.l_bias, [0.0; 3]);
    assert!(
        kernel
            .l
            .iter()
            .chain(kernel.w)
            .chain(kernel.w_bias)
            .all(|x| x.abs() > 1e-6)
    );
}
