//! Talking-heads attention: all heads of a block of queries are in cache together, so that
//! they can be mixed. Parallel over images. The formulas, with the mixing matrices L and W
//! [H, H] and the bias w [H] (g and h are heads; S, P, dA, ... are [Nq, N] each):
//!
//! ```text
//! T_g = sum_h L_gh S_h            dA_g = dO_g v_g^T,    dV_g = A_g^T dO_g
//! P_g = softmax(T_g)              dW_gh = sum(dA_g P_h), dw_g = sum(dA_g), dP = W^T dA
//! A_g = sum_h W_gh P_h + w_g      dT = P (dP - rowsum(P dP))
//! O_g = A_g v_g                   dL_gh = sum(dT_g S_h), dS = L^T dT, then as without mixing
//! ```
//!
//! `proj_l.bias` adds the same number to all scores of a row, which the softmax cancels: it
//! is not read, and its gradient is exactly zero (PyTorch's is rounding noise about zero).
//!
//! To mix is a product of an H x H matrix with [H, block of scores].

use std::mem::MaybeUninit;

use pulp::Arch;

use super::dots::Dots;
use super::product::{Rows, RowsMut, Start, product};
use super::rows::{Operand, Target};
use super::scratch::{self, stride};
use super::softmax::{Softmax, SoftmaxBackward};
use super::{Mixing, Shape};
use crate::kernels::parallel;

/// The numbers of one block of scores of all heads: four such fit in a second-level cache.
const BLOCK: usize = 16 << 10;

/// The geometry that both passes share.
#[derive(Clone, Copy)]
struct Blocks<'a> {
    arch: Arch,
    shape: Shape,
    mixing: Mixing<&'a [f32]>,
    /// The stride of rows over keys.
    keys: usize,
    /// The stride of rows over a head's channels.
    dim: usize,
    /// Queries of a block: a multiple of the product's 12 rows, or all.
    rows: usize,
}

impl<'a> Blocks<'a> {
    fn new(arch: Arch, shape: Shape, mixing: &'a [f32]) -> Self {
        let mixing = Mixing::split(mixing, shape.heads);
        let keys = stride(arch, shape.keys);
        let dim = stride(arch, shape.head_dim);
        let rows = (BLOCK / (keys * shape.heads) / 12 * 12).max(12).min(shape.queries);
        Self { arch, shape, mixing, keys, dim, rows }
    }

    /// The blocks of an image: (first query, queries).
    fn iter(self) -> impl Iterator<Item = (usize, usize)> {
        let queries = self.shape.queries;
        (0..queries).step_by(self.rows.max(1)).map(move |from| (from, self.rows.min(queries - from)))
    }

    /// `out[h] = rows[h] columns[h]`, [count, d] times [d, N], for every head. The padding
    /// of the columns is zero, and so is that of the result.
    fn scores(self, count: usize, rows: &[f32], columns: &[f32], out: &mut [f32]) {
        let dims = [count, self.keys, self.shape.head_dim];
        let rows = rows.chunks_exact(self.rows * self.dim);
        let columns = columns.chunks_exact(self.shape.head_dim * self.keys);
        let out = out.chunks_exact_mut(count * self.keys);
        for ((rows, columns), out) in rows.zip(columns).zip(out) {
            let (rows, columns) = (Rows(rows, self.dim), Rows(columns, self.keys));
            product(self.arch, dims, Start::Zero, rows.left(), columns, RowsMut(out, self.keys));
        }
    }

    /// `out_g = sum_h matrix[g, h] x_h + bias_g`, or with the matrix transposed.
    fn mix(self, matrix: &[f32], transposed: bool, bias: Start<'_>, x: &[f32], out: &mut [f32]) {
        let heads = self.shape.heads;
        let matrix = Rows(matrix, heads);
        let matrix = if transposed { matrix.left_t() } else { matrix.left() };
        let area = x.len() / heads;
        product(self.arch, [heads, area, heads], bias, matrix, Rows(x, area), RowsMut(out, area));
    }

    /// From the scores S to the probabilities P of all heads.
    fn probabilities(self, s: &[f32], p: &mut [f32]) {
        self.mix(self.mixing.l, false, Start::Zero, s, p);
        self.arch.dispatch(Softmax { x: p, stride: self.keys, n: self.shape.keys });
    }
}

/// Talking-heads attention of every image; all of `out` [B, Nq, C] is written. `mixing` is
/// laid out as [`Mixing`] says. Panics if an operand does not fit the shape.
pub fn forward(
    arch: Arch,
    shape: Shape,
    [q, k, v]: [Operand<'_>; 3],
    mixing: &[f32],
    out: &mut [MaybeUninit<f32>],
) {
    let Shape { batch, queries, keys, heads, head_dim: d } = shape;
    let out = Target::new(out, queries, shape.channels());
    q.check(batch, queries, shape.channels());
    k.check(batch, keys, shape.channels());
    v.check(batch, keys, shape.channels());
    out.check(batch, queries, shape.channels());

    let blocks = Blocks::new(arch, shape, mixing);
    let (transposed, packed) = (d * blocks.keys, keys * blocks.dim);
    let (scores, rows) = (heads * blocks.rows * blocks.keys, blocks.rows * blocks.dim);
    let lens = [heads * transposed, heads * packed, heads * rows, scores, scores, rows];
    parallel::for_each(batch, shape.work(2), |image| {
        scratch::with(lens, |[keys_t, values, q_rows, s, p, o]| {
            for h in 0..heads {
                let keys_t = &mut keys_t[h * transposed..][..transposed];
                let values = &mut values[h * packed..][..packed];
                k.head(image, h, d).pack_transposed(keys, keys_t, blocks.keys);
                v.head(image, h, d).pack(0, keys, 1.0, values, blocks.dim);
            }
            for (from, count) in blocks.iter() {
                let area = count * blocks.keys;
                let (s, p) = (&mut s[..heads * area], &mut p[..heads * area]);
                for (h, q_rows) in q_rows.chunks_exact_mut(rows).enumerate() {
                    q.head(image, h, d).pack(from, count, shape.scale(), q_rows, blocks.dim);
                }
                blocks.scores(count, q_rows, keys_t, s);
                blocks.probabilities(s, p);
                let weights = s; // S is not needed any more
                let bias = Start::Rows(blocks.mixing.w_bias);
                blocks.mix(blocks.mixing.w, false, bias, p, weights);
                for h in 0..heads {
                    let weights = Rows(&weights[h * area..][..area], blocks.keys);
                    let values = Rows(&values[h * packed..][..packed], blocks.dim);
                    let dims = [count, d, keys];
                    product(arch, dims, Start::Zero, weights.left(), values, RowsMut(o, blocks.dim));
                    // SAFETY: each image is one task's.
                    unsafe { out.head(image, h, d) }.write(from, count, o, blocks.dim);
                }
            }
        });
    });
}

/// The gradients of q, k and v, and as a result that of `mixing`, from `grad`, that of
/// [`forward`]'s result; all of the targets' columns are written. Panics if an operand or a
/// target does not fit the shape.
pub fn backward(
    arch: Arch,
    shape: Shape,
    [q, k, v]: [Operand<'_>; 3],
    mixing: &[f32],
    grad: Operand<'_>,
    [d_q, d_k, d_v]: [Target<'_>; 3],
) -> Vec<f32> {
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

    let blocks = Blocks::new(arch, shape, mixing);
    let (transposed, packed) = (d * blocks.keys, keys * blocks.dim);
    let (scores, rows) = (heads * blocks.rows * blocks.keys, blocks.rows * blocks.dim);
    let (all_t, all) = (heads * transposed, heads * packed);
    let (q_len, s_len) = (heads * rows, scores);
    let lens = [all_t, all_t, all, all, all, q_len, q_len, s_len, s_len, s_len, s_len, rows];
    parallel::sum_parts(batch, mixing.len(), shape.work(5), |image, d_mixing| {
        let d_mixing = Mixing::split_mut(d_mixing, heads);
        let buffers = scratch::with(lens, |buffers| {
            let [keys_t, values_t, key_rows, dk, dv, q_rows, do_rows, s, p, a, dp, dq] = buffers;
            for h in 0..heads {
                let (k, v) = (k.head(image, h, d), v.head(image, h, d));
                let part = h * transposed..(h + 1) * transposed;
                k.pack_transposed(keys, &mut keys_t[part.clone()], blocks.keys);
                v.pack_transposed(keys, &mut values_t[part], blocks.keys);
                let key_rows = &mut key_rows[h * packed..][..packed];
                k.pack(0, keys, shape.scale(), key_rows, blocks.dim);
            }
            dk.fill(0.0);
            dv.fill(0.0);
            for (from, count) in blocks.iter() {
                let area = count * blocks.keys;
                let [s, p, a, dp] = [&mut *s, p, a, dp].map(|x| &mut x[..heads * area]);
                for h in 0..heads {
                    let (q, grad) = (q.head(image, h, d), grad.head(image, h, d));
                    let part = h * rows..(h + 1) * rows;
                    q.pack(from, count, shape.scale(), &mut q_rows[part.clone()], blocks.dim);
                    grad.pack(from, count, 1.0, &mut do_rows[part], blocks.dim);
                }
                blocks.scores(count, q_rows, keys_t, s);
                blocks.probabilities(s, p);
                let bias = Start::Rows(blocks.mixing.w_bias);
                blocks.mix(blocks.mixing.w, false, bias, p, a);
            }
        });
    })
}
