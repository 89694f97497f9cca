//! The product wrapper against the definition, on odd shapes and strided operands.

use spectralkd_nn::kernels::matmul::{View, product, product_add};
use spectralkd_nn::kernels::storage::filled;

/// Small whole numbers: sums of their products are exact in any order.
fn numbers(count: usize, seed: usize) -> Vec<f32> {
    let number = |i: usize| ((i * 2654435761 + seed * 40503) >> 7) % 17;
    (0..count).map(|i| number(i) as f32 - 8.0).collect()
}

#[test]
fn every_orientation_of_odd_shapes() {
    for (m, k, n) in [
        (1, 1, 1),
        (1, 7, 5),
        (5, 1, 3),
        (3, 50, 1),
        (33, 17, 29),
        (70, 48, 144),
    ] {
        let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
        let want: Vec<f32> = (0..m * n)
            .map(|o| (0..k).map(|l| a[o / n * k + l] * b[l * n + o % n]).sum())
            .collect();
        let transposed = |x: &[f32], rows: usize, cols: usize| -> Vec<f32> {
            (0..rows * cols)
                .map(|i| x[i % rows * cols + i / rows])
                .collect()
        };
        let (at, bt) = (transposed(&a, m, k), transposed(&b, k, n));
        let left = [View::new(&a, m, k), View::new(&at, k, m).t()];
        let right = [View::new(&b, k, n), View::new(&bt, n, k).t()];
        for a in left {
            for b in right {
                // SAFETY: the result without gaps covers the whole slice.
                let got = unsafe { filled(m * n, |out| product(out, n, 1.0, a, b)) };
                assert_eq!(got, want, "{m}x{k}x{n}");
                let mut sum = numbers(m * n, 3);
                let start = sum.clone();
                product_add(&mut sum, n, 2.0, a, b);
                let twice = start.iter().zip(&want).map(|(s, w)| s + 2.0 * w);
                assert!(twice.eq(sum.iter().copied()), "{m}x{k}x{n}");
            }
        }
    }
}

#[test]
fn columns_of_wider_matrices() {
    let (m, k, n, wide) = (6, 4, 3, 11);
    let (a, b) = (numbers(m * wide, 1), numbers(n * wide, 2));
    let mut out = vec![-1.0f32; m * wide];
    let left = View::with_row_stride(&a[2..], m, k, wide);
    let right = View::with_row_stride(&b[5..], n, k, wide).t();
    product_add(&mut out[7..], wide, 1.0, left, right);
    for i in 0..m {
        for j in 0..wide {
            let dot = |j: usize| {
                (0..k)
                    .map(|l| a[i * wide + 2 + l] * b[j * wide + 5 + l])
                    .sum()
            };
            let sum: f32 = if (7..7 + n).contains(&j) {
                dot(j - 7)
            } else {
                0.0
            };
            assert_eq!(out[i * wide + j], sum - 1.0, "row {i}, column {j}");
        }
    }
}

#[test]
#[should_panic(expected = "ends behind its slice")]
fn a_view_checks_its_slice() {
    View::with_row_stride(&[0.0f32; 10], 3, 3, 4);
}

#[test]
#[should_panic(expected = "the result 2x2 ends behind its slice")]
fn a_product_checks_its_result() {
    let ones = [1.0f32; 4];
    let (a, b) = (View::new(&ones, 2, 2), View::new(&ones, 2, 2));
    product_add(&mut [0.0; 3], 2, 1.0, a, b);
}
