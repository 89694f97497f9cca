//! The implementation of attention for each type of number: the kernels for f32, the scalar
//! twin for f64.

use crate::kernels::attention::{Operand, Shape, Target, backward, forward};
use crate::kernels::simd;
use crate::kernels::storage::filled;
use crate::scalar::{Real, attention as twin};

/// Queries, keys and values as they came.
#[derive(Clone, Copy)]
pub(super) enum Input<'a, T> {
    /// [B, N, 3C].
    Packed(&'a [T]),
    /// q [B, Nq, C], k and v [B, N, C].
    Separate([&'a [T]; 3]),
}

/// The types of number that attention has an implementation for.
pub(super) trait Number: Real {
    /// The result [B, Nq, C].
    fn forward(shape: Shape, input: Input<'_, Self>, mixing: Option<&[Self]>) -> Vec<Self>;

    /// The gradient of each of the input's tensors, and that of `mixing`.
    fn backward(
        shape: Shape,
        input: Input<'_, Self>,
        mixing: Option<&[Self]>,
        grad: &[Self],
    ) -> (Vec<Vec<Self>>, Vec<Self>);
}

impl<'a> Input<'a, f32> {
    fn operands(self, shape: Shape) -> [Operand<'a>; 3] {
        let Shape { queries, keys, .. } = shape;
        match self {
            Input::Packed(qkv) => Operand::packed(qkv, keys, shape.channels()),
            Input::Separate([q, k, v]) => [(q, queries), (k, keys), (v, keys)]
                .map(|(data, tokens)| Operand::new(data, tokens, shape.channels())),
        }
    }
}

impl Number for f32 {
    fn forward(shape: Shape, input: Input<'_, f32>, mixing: Option<&[f32]>) -> Vec<f32> {
        let operands = input.operands(shape);
        // SAFETY: `forward` writes all of its result.
        unsafe {
            filled(shape.query_len(), |out| {
                forward(simd::best(), shape, operands, mixing, out)
            })
        }
    }

    fn backward(
        shape: Shape,
        input: Input<'_, f32>,
        mixing: Option<&[f32]>,
        grad: &[f32],
    ) -> (Vec<Vec<f32>>, Vec<f32>) {
        let Shape { queries, keys, .. } = shape;
        let channels = shape.channels();
        let grad = Operand::new(grad, queries, channels);
        let mut d_mixing = Vec::new();
        let mut run = |targets: [Target<'_>; 3]| {
            d_mixing = backward(
                simd::best(),
                shape,
                input.operands(shape),
                mixing,
                grad,
                targets,
            );
        };
        // SAFETY: `backward` writes all columns of the targets, which together are all of
        // each slice.
        let gradients = unsafe {
            match input {
                Input::Packed(qkv) => {
                    vec![filled(qkv.len(), |out| {
                        run(Target::packed(out, keys, channels))
                    })]
                }
                Input::Separate(_) => {
                    let (mut d_k, mut d_v) = (Vec::new(), Vec::new());
                    let d_q = filled(shape.query_len(), |q| {
                        d_k = filled(shape.key_len(), |k| {
                            d_v = filled(shape.key_len(), |v| {
                                let [q, k, v] = [(q, queries), (k, keys), (v, keys)]
                                    .map(|(data, tokens)| Target::new(data, tokens, channels));
                                run([q, k, v]);
                            });
                        });
                    });
                    vec![d_q, d_k, d_v]
                }
            }
        };
        (gradients, d_mixing)
    }
}

impl Number for f64 {
    fn forward(shape: Shape, input: Input<'_, f64>, mixing: Option<&[f64]>) -> Vec<f64> {
        match input {
            Input::Packed(qkv) => {
                let [q, k, v] = twin::split_qkv(shape.channels(), qkv);
                twin::forward(shape, &q, &k, &v, mixing)
            }
            Input::Separate([q, k, v]) => twin::forward(shape, q, k, v, mixing),
        }
    }

    fn backward(
        shape: Shape,
        input: Input<'_, f64>,
        mixing: Option<&[f64]>,
        grad: &[f64],
    ) -> (Vec<Vec<f64>>, Vec<f64>) {
        match input {
            Input::Packed(qkv) => {
                let [q, k, v] = twin::split_qkv(shape.channels(), qkv);
                let d = twin::backward(shape, &q, &k, &v, mixing, grad);
                (
                    vec![twin::join_qkv(shape.channels(), &d.q, &d.k, &d.v)],
                    d.mixing,
                )
            }
            Input::Separate([q, k, v]) => {
                let d = twin::backward(shape, q, k, v, mixing, grad);
                (vec![d.q, d.k, d.v], d.mixing)
            }
        }
    }
}
