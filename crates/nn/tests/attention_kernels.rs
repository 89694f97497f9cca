//! The kernels of attention against their scalar twin, and the twin against finite
//! differences.

use proptest::prelude::*;
use spectralkd_base::random::Stream;
use spectralkd_nn::kernels::attention::{Mixing, Operand, Shape, Target, backward, forward};
use spectralkd_nn::kernels::{simd, storage::filled};
use spectralkd_nn::scalar::attention as twin;

fn normal(name: &str, len: usize, scale: f64) -> Vec<f64> {
    let mut stream = Stream::new(1, name);
    // Rounded to f32, so that kernel and twin see the same numbers.
    (0..len)
        .map(|_| (stream.normal() * scale) as f32 as f64)
        .collect()
}

fn narrow(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
}

/// Random operands of a shape, in f64.
struct Case {
    shape: Shape,
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
    mixing: Option<Vec<f64>>,
    grad: Vec<f64>,
}

impl Case {
    /// `scale` is that of q: scores have a standard deviation of about as much.
    fn new(shape: Shape, talking: bool, scale: f64) -> Self {
        Self {
            shape,
            q: normal("q", shape.query_len(), scale),
            k: normal("k", shape.key_len(), 1.0),
            v: normal("v", shape.key_len(), 1.0),
            mixing: talking.then(|| normal("mixing", Mixing::len(shape.heads), 1.0)),
            grad: normal("grad", shape.query_len(), 1.0),
        }
    }

    fn self_attention(batch: usize, tokens: usize, heads: usize, head_dim: usize) -> Shape {
        Shape {
            batch,
            queries: tokens,
            keys: tokens,
            heads,
            head_dim,
        }
    }

    fn twin_forward(&self) -> Vec<f64> {
        twin::forward(
            self.shape,
            &self.q,
            &self.k,
            &self.v,
            self.mixing.as_deref(),
        )
    }

    fn twin_backward(&self) -> twin::Gradients<f64> {
        let mixing = self.mixing.as_deref();
        twin::backward(self.shape, &self.q, &self.k, &self.v, mixing, &self.grad)
    }

    /// The sum of result times `grad`.
    fn objective(&self) -> f64 {
        self.twin_forward()
            .iter()
            .zip(&self.grad)
            .map(|(a, b)| a * b)
            .sum()
    }

    /// The kernel's result and gradients (q, k, v, mixing), from separate tensors.
    fn separate(&self, arch: simd::Arch) -> [Vec<f32>; 5] {
        let shape = self.shape;
        let (q, k, v) = (narrow(&self.q), narrow(&self.k), narrow(&self.v));
        let (mixing, grad) = (self.mixing.as_deref().map(narrow), narrow(&self.grad));
        let tokens = [shape.queries, shape.keys, shape.keys];
        let (c, mixing) = (shape.channels(), mixing.as_deref());
        let operands = [
            Operand::new(&q, tokens[0], c),
            Operand::new(&k, tokens[1], c),
            Operand::new(&v, tokens[2], c),
        ];
        let (mut d_k, mut d_v, mut d_mixing) = (vec![], vec![], vec![]);
        // SAFETY: forward and backward write all of their results.
        unsafe {
            let out = filled(q.len(), |out| forward(arch, shape, operands, mixing, out));
            let d_q = filled(q.len(), |d_q| {
                d_k = filled(k.len(), |d_k| {
                    d_v = filled(v.len(), |d_v| {
                        let targets = [
                            Target::new(d_q, tokens[0], c),
                            Target::new(d_k, tokens[1], c),
                            Target::new(d_v, tokens[2], c),
                        ];
                        let grad = Operand::new(&grad, tokens[0], c);
                        d_mixing = backward(arch, shape, operands, mixing, grad, targets);
                    });
                });
            });
            [out, d_q, d_k, d_v, d_mixing]
        }
    }

    /// The same from packed rows, for as many queries as keys.
    fn packed(&self, arch: simd::Arch) -> [Vec<f32>; 5] {
        let (shape, c) = (self.shape, self.shape.channels());
        let qkv = narrow(&twin::join_qkv(c, &self.q, &self.k, &self.v));
        let (mixing, grad) = (self.mixing.as_deref().map(narrow), narrow(&self.grad));
        let mixing = mixing.as_deref();
        let operands = Operand::packed(&qkv, shape.keys, c);
        let mut d_mixing = vec![];
        // SAFETY: forward and backward write all of their results.
        let (out, d_qkv) = unsafe {
            let out = filled(grad.len(), |out| {
                forward(arch, shape, operands, mixing, out)
            });
            let d_qkv = filled(qkv.len(), |d_qkv| {
                let targets = Target::packed(d_qkv, shape.keys, c);
                let grad = Operand::new(&grad, shape.queries, c);
                d_mixing = backward(arch, shape, operands, mixing, grad, targets);
            });
            (out, d_qkv)
        };
        let [d_q, d_k, d_v] = twin::split_qkv(c, &d_qkv);
        [out, d_q, d_k, d_v, d_mixing]
    }

    /// The twin's result and gradients (q, k, v, mixing).
    fn expected(&self) -> [Vec<f64>; 5] {
        let twin::Gradients {
            q, k, v, mixing, ..
        } = self.twin_backward();
        [self.twin_forward(), q, k, v, mixing]
    }
}

/// Panics unless every number is right to `tolerance` times the largest in the tensor.
fn assert_close(what: &str, got: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(0.0f64, |a, b| a.max(b.abs()));
    for (i, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(got) - expected).abs();
        // Not `error > ...`: NaN must fail.
        assert!(
            error <= tolerance * largest + 1e-6,
            "{what}[{i}]: {got} instead of {expected}; the largest is {largest}"
        );
    }
}

const NAMES: [&str; 5] = ["out", "d_q", "d_k", "d_v", "d_mixing"];

fn check(case: &Case, tolerance: f64) {
    let expected = case.expected();
    for arch in simd::all() {
        let separate = case.separate(arch);
        for ((got, expected), name) in separate.iter().zip(&expected).zip(NAMES) {
            let what = format!("{name} of {:?} on {arch:?}", case.shape);
            assert_close(&what, got, expected, tolerance);
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
fn kernel_agrees_with_twin_on_odd_shapes() {
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
fn kernel_agrees_with_twin_over_many_blocks() {
    // Longer than a block of queries, and a stride of exactly 1 KiB, which is widened.
    for (tokens, heads, head_dim) in [(197, 3, 8), (256, 2, 4), (601, 1, 3)] {
        for talking in [false, true] {
            let shape = Case::self_attention(1, tokens, heads, head_dim);
            check(&Case::new(shape, talking, 1.0), 5e-5);
        }
    }
}

#[test]
fn kernel_agrees_with_twin_for_class_attention() {
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
    fn kernel_agrees_with_twin(
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
            assert_close("out", &got[0], &expected[0], 1e-2);
            assert_close("d_v", &got[3], &expected[3], 1e-2);
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
        let results = [1, 2, 3].map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            let result = pool.install(|| case.separate(simd::best()));
            result.map(|values| values.into_iter().map(f32::to_bits).collect::<Vec<_>>())
        });
        assert_eq!(results[0], results[1], "1 and 2 threads");
        assert_eq!(results[0], results[2], "1 and 3 threads");
    }
}

#[test]
fn twin_agrees_with_finite_differences() {
    for (shape, talking) in [
        (Case::self_attention(2, 5, 3, 4), false),
        (Case::self_attention(2, 4, 3, 2), true),
        (
            Shape {
                batch: 2,
                queries: 1,
                keys: 6,
                heads: 2,
                head_dim: 3,
            },
            false,
        ),
        (
            Shape {
                batch: 1,
                queries: 3,
                keys: 4,
                heads: 2,
                head_dim: 3,
            },
            true,
        ),
    ] {
        let mut case = Case::new(shape, talking, 1.0);
        let gradients = case.twin_backward();
        let fields: [fn(&mut Case) -> &mut [f64]; 4] = [
            |case| &mut case.q,
            |case| &mut case.k,
            |case| &mut case.v,
            |case| case.mixing.as_deref_mut().unwrap_or_default(),
        ];
        let gradients = [gradients.q, gradients.k, gradients.v, gradients.mixing];
        for ((field, gradient), name) in fields.iter().zip(&gradients).zip(&NAMES[1..]) {
            assert_eq!(field(&mut case).len(), gradient.len());
            for (i, &expected) in gradient.iter().enumerate() {
                let step = 1e-5;
                let mut at = |shift: f64| {
                    field(&mut case)[i] += shift;
                    let objective = case.objective();
                    field(&mut case)[i] -= shift;
                    objective
                };
                let numeric = (at(step) - at(-step)) / (2.0 * step);
                let error = (numeric - expected).abs();
                assert!(
                    error < 1e-8 * (1.0 + expected.abs()),
                    "{name}[{i}]: {expected}, numerically {numeric}"
                );
            }
        }
    }
}

#[test]
fn the_bias_that_the_softmax_cancels_has_no_gradient() {
    let case = Case::new(Case::self_attention(2, 9, 3, 8), true, 1.0);
    let twin = case.twin_backward().mixing;
    let kernel = &case.packed(simd::best())[4];
    let (twin, kernel) = (Mixing::split(&twin, 3), Mixing::split(kernel, 3));
    assert!(twin.l_bias.iter().all(|x| x.abs() < 1e-14));
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
