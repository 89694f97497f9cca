//! The kernels' passes over attention's inputs as they come: packed or separate.

use crate::kernels::attention::{self as kernels, Operand, Shape, Target};
use crate::kernels::simd;
use crate::kernels::storage::filled;

/// Queries, keys and values as they came.
#[derive(Clone, Copy)]
pub(super) enum Input<'a> {
    /// [B, N, 3C].
    Packed(&'a [f32]),
    /// q [B, Nq, C], k and v [B, N, C].
    Separate([&'a [f32]; 3]),
}

impl<'a> Input<'a> {
    fn operands(self, shape: Shape) -> [Operand<'a>; 3] {
        let Shape { queries, keys, .. } = shape;
        match self {
            Input::Packed(qkv) => Operand::packed(qkv, keys, shape.channels()),
            Input::Separate([q, k, v]) => [(q, queries), (k, keys), (v, keys)]
                .map(|(data, tokens)| Operand::new(data, tokens, shape.channels())),
        }
    }
}

/// The result [B, Nq, C].
pub(super) fn forward(shape: Shape, input: Input<'_>, mixing: Option<&[f32]>) -> Vec<f32> {
    let operands = input.operands(shape);
    // SAFETY: `forward` writes all of its result.
    unsafe {
        filled(shape.query_len(), |out| {
            kernels::forward(simd::best(), shape, operands, mixing, out)
        })
    }
}

/// The gradient of each of the input's tensors, and that of `mixing`.
pub(super) fn backward(
    shape: Shape,
    input: Input<'_>,
    mixing: Option<&[f32]>,
    grad: &[f32],
) -> (Vec<Vec<f32>>, Vec<f32>) {
    let Shape { queries, keys, .. } = shape;
    let channels = shape.channels();
    let grad = Operand::new(grad, queries, channels);
    let mut d_mixing = Vec::new();
    let mut run = |targets: [Target<'_>; 3]| {
        d_mixing = kernels::backward(
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
