//! The steps of both passes, each on one block of queries and one group of heads.
//!
//! A group is what has to be in cache together: one head, or all heads of an image where
//! they talk. Buffers hold the group's heads one after the other, rows padded to whole
//! vectors: packed tokens [heads, tokens, d], transposed ones [heads, d, tokens], scores
//! [heads, queries of the block, N].

use pulp::Arch;

use super::dots::Dots;
use super::product::{Rows, RowsMut, Start, product};
use super::rows::Operand;
use super::scratch::stride;
use super::softmax::{Softmax, SoftmaxBackward};
use super::{Mixing, Shape};

/// The numbers of one block of scores: 64 KiB, so that the few blocks of a task fit in a
/// second-level cache.
const BLOCK: usize = 16 << 10;

/// The geometry of the blocks, and the steps.
#[derive(Clone, Copy)]
pub(super) struct Blocks<'a> {
    pub arch: Arch,
    pub shape: Shape,
    pub mixing: Option<Mixing<&'a [f32]>>,
    /// Heads of a group.
    pub group: usize,
    /// The stride of rows over keys.
    pub keys: usize,
    /// The stride of rows over a head's channels.
    pub dim: usize,
    /// Queries of a block, of which the last may have fewer.
    pub rows: usize,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(arch: Arch, shape: Shape, mixing: Option<&'a [f32]>) -> Self {
        let group = if mixing.is_some() { shape.heads } else { 1 };
        let mixing = mixing.map(|mixing| Mixing::split(mixing, shape.heads));
        let (keys, dim) = (stride(arch, shape.keys), stride(arch, shape.head_dim));
        let most = (BLOCK / (keys * group)).max(24);
        // Blocks of equal size, as near as can be.
        let rows = shape.queries.div_ceil(shape.queries.div_ceil(most).max(1));
        Self {
            arch,
            shape,
            mixing,
            group,
            keys,
            dim,
            rows,
        }
    }

    /// The blocks of an image: (first query, queries).
    pub(super) fn iter(self) -> impl Iterator<Item = (usize, usize)> {
        let (queries, rows) = (self.shape.queries, self.rows);
        (0..queries)
            .step_by(rows.max(1))
            .map(move |from| (from, rows.min(queries - from)))
    }

    /// The groups of all images.
    pub(super) fn tasks(self) -> usize {
        self.shape.batch * (self.shape.heads / self.group)
    }

    /// The image of a task, and its first head.
    pub(super) fn task(self, task: usize) -> (usize, usize) {
        let groups = self.shape.heads / self.group;
        (task / groups, task % groups * self.group)
    }

    /// The numbers of `tokens` packed rows, or of a packed block's rows.
    pub(super) fn packed(self, tokens: usize) -> usize {
        self.group * tokens * self.dim
    }

    /// The numbers of all keys, or values, transposed.
    pub(super) fn transposed(self) -> usize {
        self.group * self.shape.head_dim * self.keys
    }

    /// The numbers of a block's scores.
    pub(super) fn scores(self, queries: usize) -> usize {
        self.group * queries * self.keys
    }

    /// Packs rows `from .. from + count` of every head, times `scale`.
    pub(super) fn pack(
        self,
        x: Operand<'_>,
        (image, first): (usize, usize),
        (from, count): (usize, usize),
        scale: f32,
        out: &mut [f32],
    ) {
        for (h, out) in out
            .chunks_exact_mut(count * self.dim)
            .take(self.group)
            .enumerate()
        {
            x.head(image, first + h, self.shape.head_dim)
                .pack(from, count, scale, out, self.dim);
        }
    }

    /// Packs all keys, or values, of every head transposed, times `scale`.
    pub(super) fn pack_transposed(
        self,
        x: Operand<'_>,
        (image, first): (usize, usize),
        scale: f32,
        out: &mut [f32],
    ) {
        let d = self.shape.head_dim;
        for (h, out) in out
            .chunks_exact_mut(d * self.keys)
            .take(self.group)
            .enumerate()
        {
            x.head(image, first + h, d)
                .pack_transposed(self.shape.keys, scale, out, self.keys);
        }
    }

    /// `out_h = x_h b_h`: rows `from .. from + count` of x [Nq, d] times transposed packed ones
    /// [d, N], of every head. The result's padding is zero.
    pub(super) fn dot_keys(
        self,
        x: Operand<'_>,
        (image, first): (usize, usize),
        (from, count): (usize, usize),
        b: &[f32],
        out: &mut [f32],
    ) {
        let d = self.shape.head_dim;
        let heads = b
            .chunks_exact(d * self.keys)
            .zip(out.chunks_exact_mut(count * self.keys));
        for (h, (b, out)) in heads.enumerate() {
            let x = x.head(image, first + h, d).left(from);
            let (b, out) = (Rows(b, self.keys), RowsMut(out, self.keys));
            product(self.arch, [count, self.keys, d], Start::Zero, x, b, out);
        }
    }

    /// `out_h = start + x_h b_h`: packed rows x [count, d] times transposed packed ones
    /// [d, N], of a group of one head. The result's padding is that of `start`.
    pub(super) fn dot_packed(
        self,
        count: usize,
        start: Start<'_>,
        x: &[f32],
        b: &[f32],
        out: &mut [f32],
    ) {
        let (a, b) = (Rows(x, self.dim).left(), Rows(b, self.keys));
        let dims = [count, self.keys, self.shape.head_dim];
        product(self.arch, dims, start, a, b, RowsMut(out, self.keys));
    }

    /// `out_h = scores_h rows_h`: [count, N] times packed rows [N, d], of every head.
    pub(super) fn weigh(self, count: usize, scores: &[f32], rows: &[f32], out: &mut [f32]) {
        let Shape {
            keys, head_dim: d, ..
        } = self.shape;
        let heads = scores
            .chunks_exact(count * self.keys)
            .zip(rows.chunks_exact(keys * self.dim));
        for ((a, b), out) in heads.zip(out.chunks_exact_mut(count * self.dim)) {
            let (a, b, out) = (
                Rows(a, self.keys),
                Rows(b, self.dim),
                RowsMut(out, self.dim),
            );
            product(self.arch, [count, d, keys], Start::Zero, a.left(), b, out);
        }
    }

    /// `out_h += scores_h^T rows_h`: [N, count] times packed rows [count, d], of every head.
    pub(super) fn add_weighed(self, count: usize, scores: &[f32], rows: &[f32], out: &mut [f32]) {
        let Shape {
            keys, head_dim: d, ..
        } = self.shape;
        let heads = scores
            .chunks_exact(count * self.keys)
            .zip(rows.chunks_exact(count * self.dim));
        for ((a, b), out) in heads.zip(out.chunks_exact_mut(keys * self.dim)) {
            let (a, b, out) = (
                Rows(a, self.keys),
                Rows(b, self.dim),
                RowsMut(out, self.dim),
            );
            product(self.arch, [keys, d, count], Start::Add, a.left_t(), b, out);
        }
    }

    /// `out_g = sum_h matrix[g, h] x_h + bias_g` over the group's scores.
    pub(super) fn mix(self, matrix: &[f32], bias: &[f32], x: &[f32], out: &mut [f32]) {
        let (heads, area) = (self.group, x.len() / self.group);
        let (matrix, x, out) = (Rows(matrix, heads), Rows(x, area), RowsMut(out, area));
        product(
            self.arch,
            [heads, area, heads],
            Start::Rows(bias),
            matrix.left(),
            x,
            out,
        );
    }

    /// `out_h = sum_g matrix[g, h] x_g`.
    pub(super) fn mix_transposed(self, matrix: &[f32], x: &[f32], out: &mut [f32]) {
        let (heads, area) = (self.group, x.len() / self.group);
        let (matrix, x, out) = (Rows(matrix, heads), Rows(x, area), RowsMut(out, area));
        product(
            self.arch,
            [heads, area, heads],
            Start::Zero,
            matrix.left_t(),
            x,
            out,
        );
    }

    /// `products[g, h] += sum(x_g y_h)`, and `sums[g] += sum(x_g)` unless `sums` is empty.
    pub(super) fn dots(self, x: &[f32], y: &[f32], products: &mut [f32], sums: &mut [f32]) {
        self.arch.dispatch(Dots {
            x,
            y,
            area: x.len() / self.group,
            products,
            sums,
        });
    }

    /// The softmax of all rows of scores, in their place.
    pub(super) fn softmax(self, scores: &mut [f32]) {
        self.arch.dispatch(Softmax {
            x: scores,
            stride: self.keys,
            n: self.shape.keys,
        });
    }

    /// From the gradient of the softmax's result `p` to that of its argument, in its place.
    pub(super) fn softmax_backward(self, p: &[f32], d: &mut [f32]) {
        self.arch.dispatch(SoftmaxBackward {
            p,
            d,
            stride: self.keys,
            n: self.shape.keys,
        });
    }
}
