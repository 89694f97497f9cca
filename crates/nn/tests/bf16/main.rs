//! The product with bf16 weights: rounding, and every kernel against the twin.

#[path = "../common/mod.rs"]
mod common;
mod layers;
mod twin;

use candle_core::Tensor;
use common::{CPU, normals32, same_on_all_pools, widen};
use proptest::prelude::*;
use spectralkd_nn::kernels::bf16::{Dot, Packed, forward, mlp, round};
use spectralkd_nn::kernels::linear::Sizes;
use spectralkd_nn::kernels::simd::{self, Arch};
use spectralkd_testing::difference;

/// Every kernel of this machine on one shape, with and without bias.
fn check(rows: usize, inputs: usize, outputs: usize) {
    let sizes = Sizes {
        rows,
        inputs,
        outputs,
    };
    let (x, w) = (normals32(1, rows * inputs), normals32(2, outputs * inputs));
    let b = normals32(3, outputs);
    let packed = Packed::new(&w, inputs, outputs);
    for dot in Dot::available() {
        for bias in [None, Some(&b[..])] {
            let want = twin::forward(sizes, &x, &w, bias);
            let got = forward(dot, &x, &packed, bias);
            let off = difference(&widen(&got), &want);
            let with = bias.is_some();
            assert!(
                off < 3e-6,
                "{dot:?}, {rows}x{inputs}x{outputs}, bias {with}: off by {off:e}"
            );
        }
    }
}

#[test]
fn kernels_agree_with_the_twin_on_odd_shapes() {
    for (rows, inputs, outputs) in [
        (0, 3, 5),
        (1, 1, 1),
        (1, 2, 16),
        (1, 7, 17),
        (2, 300, 1),
        (3, 257, 64),
        (4, 513, 65),
        (5, 64, 63),
        (6, 1, 80),
        (7, 2, 33),
        (97, 48, 15),
        (401, 33, 50),
        (1000, 5, 2),
    ] {
        check(rows, inputs, outputs);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn kernels_agree_with_the_twin(rows in 0usize..30, inputs in 1usize..700, outputs in 1usize..150) {
        check(rows, inputs, outputs);
    }

    #[test]
    fn rounding_agrees_with_the_twin(bits: u32) {
        let x = f32::from_bits(bits);
        let (got, want) = (f32::from_bits(round(x)), twin::round(x));
        prop_assert!(got == want || got.is_nan() && want.is_nan(), "{x:e}: {got:e}, not {want:e}");
        prop_assert_eq!(round(x) & 0xffff, 0);
    }
}

#[test]
fn rounding_is_to_the_nearest_and_of_two_to_the_even() {
    let unit = 2f32.powi(-7); // of the last place, from 1 on
    for (x, want) in [
        (1.0, 1.0),
        (-0.0, -0.0),
        (1.0 + 0.5 * unit, 1.0),
        (1.0 + 1.5 * unit, 1.0 + 2.0 * unit),
        (-1.0 - 0.75 * unit, -1.0 - unit),
        (2.0 - 0.25 * unit, 2.0),
        (f32::MAX, f32::INFINITY),
        (f32::NEG_INFINITY, f32::NEG_INFINITY),
        (1e-40, f32::from_bits(0x0001_0000)),
    ] {
        assert_eq!(round(x), f32::to_bits(want), "{x:e}");
        assert_eq!(twin::round(x).to_bits(), f32::to_bits(want), "{x:e}");
    }
    for bits in [0x7f80_0001, 0x7fff_ffff, 0xffff_ffff] {
        assert!(f32::from_bits(round(f32::from_bits(bits))).is_nan());
    }
}

#[test]
fn packed_weights_take_two_bytes_a_number() {
    let (inputs, outputs) = (384, 1152);
    let packed = Packed::new(&normals32(1, outputs * inputs), inputs, outputs);
    assert_eq!(packed.bytes(), 2 * outputs * inputs);
    let packed = Packed::new(&normals32(1, 21 * 37), 37, 21);
    assert_eq!(packed.bytes(), 19 * 2 * 64, "19 pairs of k, 2 panels");
}

#[test]
fn the_width_of_vectors_does_not_show() {
    // A product of two bf16 is exact in f32, so that a fused addition rounds as a plain one does.
    let (rows, inputs, outputs) = (9, 600, 100);
    let x = normals32(1, rows * inputs);
    let packed = Packed::new(&normals32(2, outputs * inputs), inputs, outputs);
    let scalar = forward(Dot::Portable(Arch::Scalar), &x, &packed, None);
    for arch in simd::all() {
        let y = forward(Dot::Portable(arch), &x, &packed, None);
        assert_eq!(y, scalar, "{arch:?}");
    }
}

#[test]
fn a_row_depends_on_no_other() {
    let (rows, inputs, outputs) = (23, 300, 70);
    let (x, w) = (normals32(1, rows * inputs), normals32(2, outputs * inputs));
    let packed = Packed::new(&w, inputs, outputs);
    for dot in Dot::available() {
        let together = forward(dot, &x, &packed, None);
        let alone: Vec<f32> = (x.chunks(inputs))
            .flat_map(|x| forward(dot, x, &packed, None))
            .collect();
        assert_eq!(together, alone, "{dot:?}");
    }
}

#[test]
fn not_a_number_stays_in_its_row() {
    let (inputs, outputs) = (5, 18);
    let mut x = normals32(1, 3 * inputs);
    x[inputs + 2] = f32::NAN;
    let packed = Packed::new(&normals32(2, outputs * inputs), inputs, outputs);
    for dot in Dot::available() {
        let y = forward(dot, &x, &packed, None);
        for (row, y) in y.chunks(outputs).enumerate() {
            assert!(y.iter().all(|y| y.is_nan() == (row == 1)), "{dot:?}: {y:?}");
        }
    }
}

#[test]
fn mlp_agrees_with_its_twin() {
    for (rows, channels, hidden) in [
        (0, 3, 4),
        (1, 1, 1),
        (7, 5, 18),
        (50, 20, 33),
        (130, 48, 192),
    ] {
        let x = normals32(1, rows * channels);
        let (w1, b1) = (normals32(2, channels * hidden), normals32(3, hidden));
        let (w2, b2) = (normals32(4, channels * hidden), normals32(5, channels));
        let want = twin::mlp([channels, hidden], &x, (&w1, &b1), (&w2, &b2));
        let (first, second) = (
            Packed::new(&w1, channels, hidden),
            Packed::new(&w2, hidden, channels),
        );
        let parameters = mlp::Parameters {
            first: (&first, Some(&b1)),
            second: (&second, Some(&b2)),
        };
        for dot in Dot::available() {
            let got = mlp::forward(dot, parameters, &x);
            // gelu's f32 may round to the other neighbour in bf16: one unit in 2^8 of one product.
            let off = difference(&widen(&got), &want);
            assert!(
                off < 2e-3,
                "{dot:?}, {rows}x{channels}x{hidden}: off by {off:e}"
            );
        }
    }
}

#[test]
fn threads_do_not_show() {
    let (rows, inputs, outputs) = (700, 96, 130);
    let (x, w) = (normals32(1, rows * inputs), normals32(2, outputs * inputs));
    let (first, second) = (
        Packed::new(&w, inputs, outputs),
        Packed::new(&w, outputs, inputs),
    );
    for dot in Dot::available() {
        same_on_all_pools(|| {
            let parameters = mlp::Parameters {
                first: (&first, None),
                second: (&second, None),
            };
            let y = forward(dot, &x, &first, None);
            let z = mlp::forward(dot, parameters, &x);
            [y, z].map(|y| Tensor::new(y, &CPU).unwrap()).into()
        });
    }
}
