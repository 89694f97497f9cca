//! The steps of attention within windows: those of [`super::blocks`] on scores with a bias.

use pulp::Arch;

use super::blocks::Blocks;
use super::product::{Rows, Start};
use super::windows::Windowed;
use super::{Operand, Partition, Target, scratch};
use crate::kernels::parallel;

const MASKED: f32 = Partition::MASKED as f32;

/// What the tasks of a pass share.
pub(super) struct Biased<'a> {
    windowed: Windowed<'a>,
    pub(super) blocks: Blocks<'a>,
    /// [H, N, N], rows padded as scores are.
    bias: Vec<f32>,
}

impl<'a> Biased<'a> {
    pub(super) fn new(arch: Arch, windowed: Windowed<'a>, table: &[f32]) -> Self {
        let (partition, heads) = (windowed.partition, windowed.heads);
        assert_eq!(table.len(), partition.rows() * heads, "a bias per head");
        let blocks = Blocks::new(arch, windowed.shape(), None);
        let (area, stride) = (partition.area(), blocks.keys);
        let mut bias = vec![0.0; heads * area * stride];
        let work = bias.len();
        parallel::chunks(&mut bias, area * stride, work, |head, bias| {
            let rows = bias.chunks_exact_mut(stride);
            for (bias, positions) in rows.zip(partition.positions().chunks_exact(area)) {
                for (bias, &position) in bias.iter_mut().zip(positions) {
                    *bias = table[position as usize * heads + head];
                }
            }
        });
        Self {
            windowed,
            blocks,
            bias,
        }
    }

    /// P of a block of packed, scaled `queries`.
    pub(super) fn probabilities(
        &self,
        (window, head): (usize, usize),
        (from, count): (usize, usize),
        queries: &[f32],
        keys_t: &[f32],
        s: &mut [f32],
    ) {
        let (blocks, partition) = (self.blocks, self.windowed.partition);
        let stride = blocks.keys;
        let bias = &self.bias[(head * partition.area() + from) * stride..][..count * stride];
        let start = Start::Matrix(Rows(bias, stride));
        blocks.dot_packed(count, start, queries, keys_t, s);
        if let Some(regions) = partition.regions(window % partition.windows()) {
            blocks.arch.dispatch(|| {
                for (s, of_query) in s.chunks_exact_mut(stride).zip(&regions[from..]) {
                    for (s, of_key) in s.iter_mut().zip(regions) {
                        *s += if of_key == of_query { 0.0 } else { MASKED };
                    }
                }
            });
        }
        blocks.softmax(s);
    }

    /// Writes the gradients of one head of a window; adds dS onto `d_bias`.
    pub(super) fn backward(
        &self,
        at: (usize, usize),
        [q, k, v]: [Operand<'_>; 3],
        grad: Operand<'_>,
        targets: &[Target<'_>; 3],
        d_bias: &mut [f32],
    ) {
        let (blocks, shape) = (self.blocks, self.blocks.shape);
        let (all_t, all) = (blocks.transposed(), blocks.packed(shape.keys));
        let (rows, scores) = (blocks.packed(blocks.rows), blocks.scores(blocks.rows));
        let lens = [
            all_t, all_t, all, all, all, rows, rows, rows, scores, scores,
        ];
        // SAFETY: each head of a window is one task's, and all have as many channels.
        let [mut d_q, mut d_k, mut d_v] = targets
            .each_ref()
            .map(|target| unsafe { target.head(at.0, at.1, shape.head_dim) });
        scratch::with(lens, |buffers| {
            let [
                keys_t,
                values_t,
                key_rows,
                dk,
                dv,
                queries,
                grads,
                dq,
                s,
                ds,
            ] = buffers;
            blocks.pack_transposed(k, at, 1.0, keys_t);
            blocks.pack_transposed(v, at, 1.0, values_t);
            blocks.pack(k, at, (0, shape.keys), shape.scale(), key_rows);
            dk.fill(0.0);
            dv.fill(0.0);
            for (from, count) in blocks.iter() {
                let [queries, grads, dq] =
                    [&mut *queries, &mut *grads, &mut *dq].map(|x| &mut x[..blocks.packed(count)]);
                let [s, ds] = [&mut *s, &mut *ds].map(|x| &mut x[..blocks.scores(count)]);
                blocks.pack(q, at, (from, count), shape.scale(), queries);
                blocks.pack(grad, at, (from, count), 1.0, grads);
                self.probabilities(at, (from, count), queries, keys_t, s);
                blocks.add_weighed(count, s, grads, dv);
                blocks.dot_packed(count, Start::Zero, grads, values_t, ds);
                blocks.softmax_backward(s, ds); // dS in the place of dP
                let d_bias = &mut d_bias[from * blocks.keys..][..ds.len()];
                blocks.arch.dispatch(|| {
                    for (sum, &ds) in d_bias.iter_mut().zip(ds.iter()) {
                        *sum += ds;
                    }
                });
                blocks.add_weighed(count, ds, queries, dk);
                blocks.weigh(count, ds, key_rows, dq);
                d_q.write(from, count, dq, blocks.dim);
            }
            d_k.write(0, shape.keys, dk, blocks.dim);
            d_v.write(0, shape.keys, dv, blocks.dim);
        });
    }

    /// The gradient of the table from that of the biases, laid out as `bias`.
    pub(super) fn to_table(&self, d_bias: &[f32]) -> Vec<f32> {
        let (partition, heads) = (self.windowed.partition, self.windowed.heads);
        let (area, stride) = (partition.area(), self.blocks.keys);
        let mut d_table = vec![0.0; partition.rows() * heads];
        for (head, d_bias) in d_bias.chunks_exact(area * stride).enumerate() {
            let rows = d_bias.chunks_exact(stride);
            for (d_bias, positions) in rows.zip(partition.positions().chunks_exact(area)) {
                for (d_bias, &position) in d_bias.iter().zip(positions) {
                    d_table[position as usize * heads + head] += d_bias;
                }
            }
        }
        d_table
    }
}
