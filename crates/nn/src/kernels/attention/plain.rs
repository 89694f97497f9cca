//! Softmax attention of separate queries, keys and values; self-attention is the case that
//! all three lie in one packed tensor. Parallel over images and heads. The formulas are in
//! the module above.

use std::mem::MaybeUninit;

use pulp::Arch;

use super::Shape;
use super::product::{Rows, RowsMut, Start, product};
use super::rows::{HeadRows, Operand, Target};
use super::scratch::{self, stride};
use super::softmax::{Softmax, SoftmaxBackward};
use crate::kernels::parallel;

/// The numbers of one block of scores: half of a small first-level cache.
const BLOCK: usize = 4 << 10;

/// The queries of a block: a multiple of the product's 12 rows, at least 24, so that a
/// block's scores stay in the fastest cache and a pass over keys and values pays.
fn block_rows(stride: usize, queries: usize) -> usize {
    (BLOCK / stride / 12 * 12).max(24).min(queries)
}

/// The geometry that both passes share.
#[derive(Clone, Copy)]
struct Blocks {
    arch: Arch,
    shape: Shape,
    /// The stride of rows over keys.
    keys: usize,
    /// The stride of rows over a head's channels.
    dim: usize,
    /// Queries of a block.
    rows: usize,
}

impl Blocks {
    fn new(arch: Arch, shape: Shape) -> Self {
        let keys = stride(arch, shape.keys);
        let dim = stride(arch, shape.head_dim);
        Self { arch, shape, keys, dim, rows: block_rows(keys, shape.queries) }
    }

    /// The blocks of an image: (first query, queries).
    fn iter(self) -> impl Iterator<Item = (usize, usize)> {
        let queries = self.shape.queries;
        (0..queries).step_by(self.rows.max(1)).map(move |from| (from, self.rows.min(queries - from)))
    }

    /// The scaled scores of `count` packed queries [count, d] with the keys [d, N]; and
    /// then their softmax. A score bias would be added between the two.
    fn probabilities(self, count: usize, q: &[f32], keys_t: &[f32], p: &mut [f32]) {
        let dims = [count, self.shape.keys, self.shape.head_dim];
        let (q, keys_t) = (Rows(q, self.dim), Rows(keys_t, self.keys));
        product(self.arch, dims, Start::Zero, q.left(), keys_t, RowsMut(p, self.keys));
        self.arch.dispatch(Softmax { x: p, stride: self.keys, n: self.shape.keys });
    }
}

/// `out` = softmax(q k^T / sqrt(d)) v for every head of every image; all of `out`
/// [B, Nq, C] is written. Panics if an operand or the result does not fit the shape.
pub fn forward(
    arch: Arch,
    shape: Shape,
    [q, k, v]: [Operand<'_>; 3],
    out: &mut [MaybeUninit<f32>],
) {
    let Shape { batch, queries, keys, heads, head_dim: d } = shape;
    let out = Target::new(out, queries, shape.channels());
    q.check(batch, queries, shape.channels());
    k.check(batch, keys, shape.channels());
    v.check(batch, keys, shape.channels());
    out.check(batch, queries, shape.channels());

    let blocks = Blocks::new(arch, shape);
    let rows = blocks.rows;
    let lens =
        [d * blocks.keys, keys * blocks.dim, rows * blocks.dim, rows * blocks.keys, rows * blocks.dim];
    parallel::for_each(batch * heads, shape.work(2), |task| {
        let (image, head) = (task / heads, task % heads);
        let [q, k, v] = [q, k, v].map(|operand| operand.head(image, head, d));
        // SAFETY: each (image, head) is one task's, and all heads have `d` channels.
        let mut out = unsafe { out.head(image, head, d) };
        scratch::with(lens, |[keys_t, values, q_rows, p, o]| {
            k.pack_transposed(keys, keys_t, blocks.keys);
            v.pack(0, keys, 1.0, values, blocks.dim);
            for (from, count) in blocks.iter() {
                let p = &mut p[..count * blocks.keys];
                q.pack(from, count, shape.scale(), q_rows, blocks.dim);
                blocks.probabilities(count, q_rows, keys_t, p);
                let (p, values) = (Rows(p, blocks.keys), Rows(values, blocks.dim));
                let dims = [count, d, keys];
                product(arch, dims, Start::Zero, p.left(), values, RowsMut(o, blocks.dim));
                out.write(from, count, o, blocks.dim);
            }
        });
    });
}

/// The gradients of q, k and v from `grad`, that of [`forward`]'s result; all of the
/// targets' columns are written. Panics if an operand or a target does not fit the shape.
pub fn backward(
    arch: Arch,
    shape: Shape,
    [q, k, v]: [Operand<'_>; 3],
    grad: Operand<'_>,
    [d_q, d_k, d_v]: [Target<'_>; 3],
) {
    let Shape { batch, queries, keys, heads, head_dim: d } = shape;
    for operand in [q, grad] {
        operand.check(batch, queries, shape.channels());
    }
    for operand in [k, v] {
        operand.check(batch, keys, shape.channels());
    }
    d_q.check(batch, queries, shape.channels());
    for target in [&d_k, &d_v] {
        target.check(batch, keys, shape.channels());
    }

    let blocks = Blocks::new(arch, shape);
    let (transposed, packed) = (d * blocks.keys, keys * blocks.dim);
    let (scores, rows) = (blocks.rows * blocks.keys, blocks.rows * blocks.dim);
    let lens = [transposed, transposed, packed, packed, packed, scores, scores, rows, rows, rows];
    parallel::for_each(batch * heads, shape.work(5), |task| {
        let (image, head) = (task / heads, task % heads);
        let [q, k, v, grad] = [q, k, v, grad].map(|operand| operand.head(image, head, d));
        // SAFETY: each (image, head) is one task's, and all heads have `d` channels.
        let [mut d_q, mut d_k, mut d_v] =
            [&d_q, &d_k, &d_v].map(|target| unsafe { target.head(image, head, d) });
        scratch::with(lens, |[keys_t, values_t, key_rows, dk, dv, p, dp, q_rows, do_rows, dq]| {
            k.pack_transposed(keys, keys_t, blocks.keys);
            v.pack_transposed(keys, values_t, blocks.keys);
            k.pack(0, keys, shape.scale(), key_rows, blocks.dim);
            dk.fill(0.0);
            dv.fill(0.0);
            for (from, count) in blocks.iter() {
                let p = &mut p[..count * blocks.keys];
                let dp = &mut dp[..count * blocks.keys];
                q.pack(from, count, shape.scale(), q_rows, blocks.dim);
                grad.pack(from, count, 1.0, do_rows, blocks.dim);
                blocks.probabilities(count, q_rows, keys_t, p);

                // dP = dO v^T
                let (wide, narrow) = ([count, keys, d], [keys, d, count]);
                let (q_rows, do_rows) = (Rows(q_rows, blocks.dim), Rows(do_rows, blocks.dim));
                let values_t = Rows(values_t, blocks.keys);
                product(arch, wide, Start::Zero, do_rows.left(), values_t, RowsMut(dp, blocks.keys));
                // dV += P^T dO
                let weights = Rows(p, blocks.keys).left_t();
                product(arch, narrow, Start::Add, weights, do_rows, RowsMut(dv, blocks.dim));
                // dS, in the place of dP
                arch.dispatch(SoftmaxBackward { p, d: dp, stride: blocks.keys, n: keys });
                // dK += dS^T q / sqrt(d)
                let ds = Rows(dp, blocks.keys);
                product(arch, narrow, Start::Add, ds.left_t(), q_rows, RowsMut(dk, blocks.dim));
                // dQ = dS k / sqrt(d)
                let (dims, key_rows) = ([count, d, keys], Rows(key_rows, blocks.dim));
                product(arch, dims, Start::Zero, ds.left(), key_rows, RowsMut(dq, blocks.dim));
                d_q.write(from, count, dq, blocks.dim);
            }
            d_k.write(0, keys, dk, blocks.dim);
            d_v.write(0, keys, dv, blocks.dim);
        });
    });
}
