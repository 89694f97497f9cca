//! Random operands, and what the kernels and the composed form make of them.

use candle_core::{D, Tensor};
use spectralkd_base::random::Stream;
use spectralkd_nn::attention::composed;
use spectralkd_nn::kernels::attention::{Mixing, Operand, Shape, Target, backward, forward};
use spectralkd_nn::kernels::{simd, storage::filled};

use crate::common::reference;

fn normal(name: &str, len: usize, scale: f64) -> Vec<f64> {
    let mut stream = Stream::new(1, name);
    // Rounded to f32, so that kernel and composed form see the same numbers.
    (0..len)
        .map(|_| (stream.normal() * scale) as f32 as f64)
        .collect()
}

fn narrow(x: &[f64]) -> Vec<f32> {
    x.iter().map(|&x| x as f32).collect()
}

/// The names of results and gradients, in the order in which a [`Case`] gives them.
pub const NAMES: [&str; 5] = ["out", "d_q", "d_k", "d_v", "d_mixing"];

/// Random operands of a shape, in f64.
pub struct Case {
    pub shape: Shape,
    pub q: Vec<f64>,
    pub k: Vec<f64>,
    pub v: Vec<f64>,
    pub mixing: Option<Vec<f64>>,
    grad: Vec<f64>,
}

impl Case {
    /// `scale` is that of q: scores have a standard deviation of about as much.
    pub fn new(shape: Shape, talking: bool, scale: f64) -> Self {
        Self {
            shape,
            q: normal("q", shape.query_len(), scale),
            k: normal("k", shape.key_len(), 1.0),
            v: normal("v", shape.key_len(), 1.0),
            mixing: talking.then(|| normal("mixing", Mixing::len(shape.heads), 1.0)),
            grad: normal("grad", shape.query_len(), 1.0),
        }
    }

    pub fn self_attention(batch: usize, tokens: usize, heads: usize, head_dim: usize) -> Shape {
        Shape {
            batch,
            queries: tokens,
            keys: tokens,
            heads,
            head_dim,
        }
    }

    /// The composed form's result, and its gradients: q, k, v and, where heads talk, mixing.
    pub fn composed(&self) -> (Vec<f64>, Vec<Vec<f64>>) {
        let shape = self.shape;
        let dims = |tokens| [shape.batch, tokens, shape.channels()];
        let (queries, keys) = (dims(shape.queries), dims(shape.keys));
        let mut inputs = vec![
            (&self.q[..], &queries[..]),
            (&self.k, &keys),
            (&self.v, &keys),
        ];
        let len = [Mixing::len(shape.heads)];
        inputs.extend(self.mixing.iter().map(|mixing| (&mixing[..], &len[..])));
        reference(&inputs, &self.grad, |x| match x {
            [q, k, v, mixing] => talking(q, [k, v], mixing, shape.heads),
            [q, k, v] if shape.queries == shape.keys => {
                composed::softmax_attention(&pack([q, k, v]), shape.heads).unwrap()
            }
            x => composed::class_attention(&x[0], &x[1], &x[2], shape.heads).unwrap(),
        })
    }

    /// The sum of result times `grad`.
    pub fn objective(&self) -> f64 {
        let (result, _) = self.composed();
        result.iter().zip(&self.grad).map(|(a, b)| a * b).sum()
    }

    /// The kernel's result and gradients (q, k, v, mixing), from separate tensors.
    pub fn separate(&self, arch: simd::Arch) -> [Vec<f32>; 5] {
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
    pub fn packed(&self, arch: simd::Arch) -> [Vec<f32>; 5] {
        let (shape, c) = (self.shape, self.shape.channels());
        let [q, k, v] = [&self.q, &self.k, &self.v].map(|x| x.chunks(c));
        let rows = q.zip(k).zip(v).flat_map(|((q, k), v)| [q, k, v]);
        let qkv = narrow(&rows.flatten().copied().collect::<Vec<f64>>());
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
        let [d_q, d_k, d_v] = [0, 1, 2].map(|part| {
            let rows = d_qkv.chunks(3 * c);
            rows.flat_map(|row| row[part * c..][..c].to_vec()).collect()
        });
        [out, d_q, d_k, d_v, d_mixing]
    }

    /// The composed form's result and gradients (q, k, v, mixing, of which there may be none).
    pub fn expected(&self) -> [Vec<f64>; 5] {
        let (result, gradients) = self.composed();
        let mut gradients = gradients.into_iter();
        let mut next = || gradients.next().unwrap_or_default();
        [result, next(), next(), next(), next()]
    }
}

/// Rows [q | k | v] of three tensors [B, N, C].
fn pack(parts: [&Tensor; 3]) -> Tensor {
    Tensor::cat(&parts, D::Minus1).unwrap()
}

/// The composed form of talking heads, which takes as many queries as keys, for any number of
/// queries: N at a time, the last ones with zeros behind them.
fn talking(q: &Tensor, [k, v]: [&Tensor; 2], mixing: &Tensor, heads: usize) -> Tensor {
    let (queries, keys) = (q.dim(1).unwrap(), k.dim(1).unwrap());
    let some = |from: usize| {
        let count = keys.min(queries - from);
        let q = q.narrow(1, from, count).unwrap();
        let q = q.pad_with_zeros(1, 0, keys - count).unwrap();
        let y = composed::talking_attention(&pack([&q, k, v]), mixing, heads);
        y.unwrap().narrow(1, 0, count).unwrap()
    };
    let results: Vec<Tensor> = (0..queries).step_by(keys).map(some).collect();
    Tensor::cat(&results, 1).unwrap()
}
