//! Both passes of attention within windows, with biased and masked scores. The formulas are
//! in the module above.
//!
//! q, k and v lie in the order of the image, a [`Partition`] says which of their rows make
//! up a window. As these have no stride, a product's left operand is packed, too. The bias
//! is what the product of queries and keys starts from, which costs no pass over the
//! scores; its gradient is summed over the windows of a task in the task's own memory, and
//! over the tasks in their order.

use std::mem::MaybeUninit;

use pulp::Arch;

use super::blocks::Blocks;
use super::product::{Rows, Start};
use super::{Operand, Partition, Shape, Target, scratch};
use crate::kernels::parallel;

/// Windows of one task of the backward pass, at least, and the number of such runs, at
/// most. A run has a gradient of the bias to itself for every head.
const RUN: usize = 4;
const RUNS: usize = 32;

/// One attention within windows.
#[derive(Clone, Copy)]
pub struct Windowed<'a> {
    /// The windows of an image.
    pub partition: &'a Partition,
    /// Images B.
    pub images: usize,
    /// Heads H.
    pub heads: usize,
    /// Channels d of a head.
    pub head_dim: usize,
}

impl Windowed<'_> {
    /// The sizes of it, with each window as an image.
    pub fn shape(&self) -> Shape {
        let area = self.partition.area();
        Shape {
            batch: self.images * self.partition.windows(),
            queries: area,
            keys: area,
            heads: self.heads,
            head_dim: self.head_dim,
        }
    }

    /// The tokens of an image.
    pub fn tokens(&self) -> usize {
        self.partition.windows() * self.partition.area()
    }
}

/// Attention of packed rows `qkv` [B, tokens, 3C] within windows, with the biases `table`
/// [rows, H]; all of `out` [B, tokens, C] is written. Panics if a slice does not fit.
pub fn forward(
    arch: Arch,
    windowed: Windowed<'_>,
    qkv: &[f32],
    table: &[f32],
    out: &mut [MaybeUninit<f32>],
) {
    let (shape, tokens) = (windowed.shape(), windowed.tokens());
    let (c, partition) = (shape.channels(), windowed.partition);
    let [q, k, v] = operands(windowed, qkv);
    let out = Target::new(out, tokens, c).in_windows(partition);
    out.check(shape.batch, shape.queries, c);

    let steps = Steps::new(arch, windowed, table);
    let blocks = steps.blocks;
    let (rows, scores) = (blocks.packed(blocks.rows), blocks.scores(blocks.rows));
    let lens = [
        blocks.transposed(),
        blocks.packed(shape.keys),
        scores,
        rows,
        rows,
    ];
    parallel::for_each(shape.batch, shape.work(2), |window| {
        scratch::with(lens, |[keys_t, values, s, queries, o]| {
            for head in 0..shape.heads {
                let at = (window, head);
                blocks.pack_transposed(k, at, 1.0, keys_t);
                blocks.pack(v, at, (0, shape.keys), 1.0, values);
                // SAFETY: each window is one task's, and all heads have as many channels.
                let mut out = unsafe { out.head(window, head, shape.head_dim) };
                for (from, count) in blocks.iter() {
                    let s = &mut s[..blocks.scores(count)];
                    let [queries, o] =
                        [&mut *queries, &mut *o].map(|x| &mut x[..blocks.packed(count)]);
                    blocks.pack(q, at, (from, count), shape.scale(), queries);
                    steps.probabilities(at, (from, count), queries, keys_t, s);
                    blocks.weigh(count, s, values, o);
                    out.write(from, count, o, blocks.dim);
                }
            }
        });
    });
}

/// The gradients of `qkv`, all of `d_qkv` [B, tokens, 3C], and as the result that of `table`
/// [rows, H], from `grad` [B, tokens, C], that of [`forward`]'s result. Panics if a slice
/// does not fit.
pub fn backward(
    arch: Arch,
    windowed: Windowed<'_>,
    qkv: &[f32],
    table: &[f32],
    grad: &[f32],
    d_qkv: &mut [MaybeUninit<f32>],
) -> Vec<f32> {
    let (shape, tokens) = (windowed.shape(), windowed.tokens());
    let (c, partition) = (shape.channels(), windowed.partition);
    let operands = operands(windowed, qkv);
    let grad = Operand::new(grad, tokens, c).in_windows(partition);
    grad.check(shape.batch, shape.queries, c);
    let targets = Target::packed(d_qkv, tokens, c).map(|target| {
        let target = target.in_windows(partition);
        target.check(shape.batch, shape.queries, c);
        target
    });

    let steps = Steps::new(arch, windowed, table);
    // A task is one head of a run of windows.
    let run = shape.batch.div_ceil(RUNS).max(RUN);
    let tasks = shape.batch.div_ceil(run).max(1) * shape.heads;
    let each = steps.blocks.scores(shape.queries);
    let mut d_bias = vec![0.0; tasks * each];
    parallel::chunks(&mut d_bias, each, shape.work(5), |task, d_bias| {
        let (first, head) = (task / shape.heads * run, task % shape.heads);
        let windows = first..(first + run).min(shape.batch);
        for window in windows {
            steps.backward((window, head), operands, grad, &targets, d_bias);
        }
    });
    let d_bias = parallel::add_parts(d_bias, shape.heads * each);
    steps.to_table(&d_bias)
}

/// q, k and v of packed rows.
fn operands<'a>(windowed: Windowed<'a>, qkv: &'a [f32]) -> [Operand<'a>; 3] {
    let shape = windowed.shape();
    Operand::packed(qkv, windowed.tokens(), shape.channels()).map(|operand| {
        let operand = operand.in_windows(windowed.partition);
        operand.check(shape.batch, shape.queries, shape.channels());
        operand
    })
}

/// What the tasks of a pass share.
struct Steps<'a> {
    windowed: Windowed<'a>,
    blocks: Blocks<'a>,
    /// [H, N, N], rows padded as scores are.
    bias: Vec<f32>,
}

impl<'a> Steps<'a> {
    fn new(arch: Arch, windowed: Windowed<'a>, table: &[f32]) -> Self {
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
    fn probabilities(
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
    fn backward(
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
    fn to_table(&self, d_bias: &[f32]) -> Vec<f32> {
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

const MASKED: f32 = Partition::MASKED as f32;
