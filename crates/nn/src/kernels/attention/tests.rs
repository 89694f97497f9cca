//! The vector code by itself, on every instruction set of this machine and with vectors of
//! 16 lanes, which AVX-512 has (where there is AVX2: as pairs of its vectors).

use pulp::{Arch, Simd, WithSimd};
use spectralkd_base::random::Stream;

use super::dots::Dots;
use super::product::{Left, Product, Rows, RowsMut, Start};
use super::softmax::{Softmax, SoftmaxBackward, exp_of_nonpositive};
use crate::kernels::simd;

fn normal(name: &str, len: usize) -> Vec<f32> {
    let mut stream = Stream::new(3, name);
    (0..len).map(|_| stream.normal() as f32).collect()
}

/// Runs an operation, made anew for each by `op`, on every vector width.
fn on_all<Op: WithSimd>(mut op: impl FnMut() -> Op, mut check: impl FnMut(Op::Output, &str)) {
    for arch in simd::all() {
        check(arch.dispatch(op()), &format!("{arch:?}"));
    }
    #[cfg(target_arch = "x86_64")]
    if let Some(v3) = pulp::x86::V3::try_new() {
        check(Simd::vectorize(pulp::x86::V3_512b(v3), op()), "16 lanes");
    }
}

fn assert_close(got: f32, expected: f64, what: &str) {
    let error = (f64::from(got) - expected).abs();
    assert!(
        error < 2e-5 * (1.0 + expected.abs()),
        "{what}: {got} instead of {expected}"
    );
}

/// The strides are those of 16 lanes, which are whole vectors on every set.
const LANES: usize = 16;

#[derive(Clone, Copy)]
struct OneProduct {
    dims: [usize; 3],
    transposed: bool,
    start: usize,
}

impl WithSimd for OneProduct {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let [m, n, k] = self.dims;
        let stride = n.next_multiple_of(LANES);
        let (a, b) = (normal("a", m * k), normal("b", k * stride));
        let (mut out, rows) = (normal("out", m * stride), normal("rows", m));
        let a = if self.transposed {
            Rows(&a, m).left_t()
        } else {
            Left::strided(&a, k)
        };
        let matrix = normal("matrix", m * stride);
        let matrix = Start::Matrix(Rows(&matrix, stride));
        let start = [Start::Zero, Start::Add, Start::Rows(&rows), matrix][self.start];
        let (b, target) = (Rows(&b, stride), RowsMut(&mut out, stride));
        Product {
            m,
            n,
            k,
            start,
            a,
            b,
            out: target,
        }
        .with_simd(simd);
        out
    }
}

#[test]
fn products_of_every_size_and_start() {
    for m in [1, 2, 3, 4, 5, 6, 7, 11, 13, 50] {
        for (n, k) in [(1, 1), (8, 3), (16, 16), (24, 5), (33, 1), (50, 13), (5, 0)] {
            for (transposed, start) in [(false, 0), (true, 1), (false, 2), (true, 0), (false, 3)] {
                let case = OneProduct {
                    dims: [m, n, k],
                    transposed,
                    start,
                };
                let stride = n.next_multiple_of(LANES);
                let (a, b) = (normal("a", m * k), normal("b", k * stride));
                let (before, rows) = (normal("out", m * stride), normal("rows", m));
                let matrix = normal("matrix", m * stride);
                on_all(
                    || case,
                    |out, set| {
                        for i in 0..m {
                            for j in 0..n {
                                let at = i * stride + j;
                                let first = [0.0, before[at], rows[i], matrix[at]][start];
                                let product = |t: usize| {
                                    let a = if transposed {
                                        a[t * m + i]
                                    } else {
                                        a[i * k + t]
                                    };
                                    f64::from(a) * f64::from(b[t * stride + j])
                                };
                                let expected = f64::from(first) + (0..k).map(product).sum::<f64>();
                                let what = format!("{m}x{n}x{k} ({i}, {j}), start {start}, {set}");
                                assert_close(out[i * stride + j], expected, &what);
                            }
                        }
                    },
                );
            }
        }
    }
}

#[test]
#[should_panic(expected = "b is too short")]
fn products_check_their_slices() {
    let (a, b, mut out) = ([0.0; 4], [0.0; 47], [0.0; 32]);
    let (a, b, out) = (Left::strided(&a, 2), Rows(&b, 32), RowsMut(&mut out, 16));
    super::product::product(Arch::Scalar, [2, 16, 2], Start::Zero, a, b, out);
}

#[test]
#[should_panic(expected = "the start is too short")]
fn products_check_their_start() {
    let (a, b, mut out) = ([0.0; 4], [0.0; 48], [0.0; 32]);
    let (a, b, out) = (Left::strided(&a, 2), Rows(&b, 32), RowsMut(&mut out, 16));
    let start = Start::Matrix(Rows(&[0.0; 31], 16));
    super::product::product(Arch::Scalar, [2, 16, 2], start, a, b, out);
}

#[derive(Clone, Copy)]
struct OneSoftmax {
    rows: usize,
    n: usize,
}

impl WithSimd for OneSoftmax {
    type Output = [Vec<f32>; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Self { rows, n } = self;
        let stride = n.next_multiple_of(LANES);
        let (mut p, mut d) = (normal("x", rows * stride), normal("d", rows * stride));
        // What lies in the padding must not matter.
        for row in p.chunks_exact_mut(stride) {
            row[n..].fill(f32::NAN);
        }
        Softmax {
            x: &mut p,
            stride,
            n,
        }
        .with_simd(simd);
        SoftmaxBackward {
            p: &p,
            d: &mut d,
            stride,
            n,
        }
        .with_simd(simd);
        [p, d]
    }
}

#[test]
fn softmax_and_its_gradient_ignore_the_padding() {
    for (rows, n) in [(1, 1usize), (3, 7), (8, 8), (9, 16), (20, 50), (2, 33)] {
        let stride = n.next_multiple_of(LANES);
        let (x, d) = (normal("x", rows * stride), normal("d", rows * stride));
        let check = |[p, d_x]: [Vec<f32>; 2], set: &str| {
            for i in 0..rows {
                let row = |v: &[f32]| v[i * stride..][..n].iter().map(|&x| f64::from(x)).collect();
                let (x, d): (Vec<f64>, Vec<f64>) = (row(&x), row(&d));
                let sum: f64 = x.iter().map(|x| x.exp()).sum();
                let dot: f64 = x.iter().zip(&d).map(|(x, d)| x.exp() / sum * d).sum();
                for j in 0..n {
                    let expected = x[j].exp() / sum;
                    let what = format!("row {i} of {rows}, {j} of {n}, {set}");
                    assert_close(p[i * stride + j], expected, &what);
                    assert_close(d_x[i * stride + j], expected * (d[j] - dot), &what);
                }
            }
        };
        on_all(|| OneSoftmax { rows, n }, check);
    }
}

#[derive(Clone, Copy)]
struct OneDots {
    heads: usize,
    area: usize,
}

impl WithSimd for OneDots {
    type Output = [Vec<f32>; 2];

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Self { heads, area } = self;
        let (x, y) = (normal("x", heads * area), normal("y", heads * area));
        let (mut products, mut sums) = (vec![1.0; heads * heads], vec![2.0; heads]);
        let (results, totals) = (&mut products[..], &mut sums[..]);
        Dots {
            x: &x,
            y: &y,
            area,
            products: results,
            sums: totals,
        }
        .with_simd(simd);
        [products, sums]
    }
}

#[test]
fn dots_of_every_number_of_heads() {
    for heads in 1..=9 {
        for area in [16, 48, 160] {
            let (x, y) = (normal("x", heads * area), normal("y", heads * area));
            let head = |v: &[f32], h: usize| v[h * area..][..area].to_vec();
            let check = |[products, sums]: [Vec<f32>; 2], set: &str| {
                for g in 0..heads {
                    let x = head(&x, g);
                    let sum: f64 = x.iter().map(|&x| f64::from(x)).sum();
                    assert_close(sums[g], 2.0 + sum, &format!("sum {g} of {heads}, {set}"));
                    for h in 0..heads {
                        let y = head(&y, h);
                        let dot: f64 = x
                            .iter()
                            .zip(&y)
                            .map(|(&x, &y)| f64::from(x) * f64::from(y))
                            .sum();
                        let what = format!("({g}, {h}) of {heads}, {set}");
                        assert_close(products[g * heads + h], 1.0 + dot, &what);
                    }
                }
            };
            on_all(|| OneDots { heads, area }, check);
        }
    }
}

#[derive(Clone)]
struct Exponentials(Vec<f32>);

impl WithSimd for Exponentials {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) -> Vec<f32> {
        let (vectors, _) = S::as_mut_simd_f32s(&mut self.0);
        for x in vectors {
            *x = exp_of_nonpositive(simd, *x);
        }
        self.0
    }
}

#[test]
fn exponentials_have_the_error_they_promise() {
    let mut x: Vec<f32> = (0..=87 * 256).map(|i| -(i as f32) / 256.0).collect();
    x.extend([-87.01, -1e4, f32::MIN, f32::NEG_INFINITY, f32::NAN, -0.0]);
    x.resize(x.len().next_multiple_of(LANES), 0.0);
    on_all(
        || Exponentials(x.clone()),
        |got, set| {
            for (&x, got) in x.iter().zip(got) {
                let exact = f64::from(x).exp();
                let error = (f64::from(got) - exact).abs();
                if x.is_nan() {
                    assert!(got.is_nan(), "{set}");
                } else if x < -87.0 {
                    assert_eq!(got, 0.0, "e^{x} on {set}");
                } else {
                    let per_unit = if set.starts_with("Scalar") {
                        1e-7
                    } else {
                        2e-8
                    };
                    let bound = (1.5e-7 + per_unit * f64::from(x.abs())) * exact;
                    assert!(error <= bound, "e^{x} on {set}: {got} instead of {exact}");
                }
            }
        },
    );
}
