//! Random operands, and what kernels and twin make of them.

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

    fn twin_forward(&self) -> Vec<f64> {
        twin::forward(
            self.shape,
            &self.q,
            &self.k,
            &self.v,
            self.mixing.as_deref(),
        )
    }

    pub fn twin_backward(&self) -> twin::Gradients<f64> {
        let mixing = self.mixing.as_deref();
        twin::backward(self.shape, &self.q, &self.k, &self.v, mixing, &self.grad)
    }

    /// The sum of result times `grad`.
    pub fn objective(&self) -> f64 {
        self.twin_forward()
            .iter()
            .zip(&self.grad)
            .map(|(a, b)| a * b)
            .sum()
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
    pub fn expected(&self) -> [Vec<f64>; 5] {
        let twin::Gradients {
            q, k, v, mixing, ..
        } = self.twin_backward();
        [self.twin_forward(), q, k, v, mixing]
    }
}
