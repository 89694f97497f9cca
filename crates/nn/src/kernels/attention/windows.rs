//! Both passes of attention within windows, with biased and masked scores. The formulas are
//! in the module above.
//!
//! q, k and v lie in the order of the image, a [`Partition`] says which of their rows make
//! up a window. As these have no stride, a product's left operand is packed, too. The bias
//! is what the product of queries and keys starts from, which costs no pass over the
//! scores; its gradient is summed over the windows of a task in the task's own memory, and
//! over the tasks in their order. A task of the backward pass keeps to one head, so that
//! this sum and the head's bias stay in cache (7 x 7 windows: 11 KiB each).

use std::mem::MaybeUninit;

use pulp::Arch;

use super::biased::Biased;
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

    let biased = Biased::new(arch, windowed, table);
    let blocks = biased.blocks;
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
                    biased.probabilities(at, (from, count), queries, keys_t, s);
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

    let biased = Biased::new(arch, windowed, table);
    // A task is one head of a run of windows.
    let run = shape.batch.div_ceil(RUNS).max(RUN);
    let tasks = shape.batch.div_ceil(run).max(1) * shape.heads;
    let each = biased.blocks.scores(shape.queries);
    let mut d_bias = vec![0.0; tasks * each];
    parallel::chunks(&mut d_bias, each, shape.work(5), |task, d_bias| {
        let (first, head) = (task / shape.heads * run, task % shape.heads);
        let windows = first..(first + run).min(shape.batch);
        for window in windows {
            biased.backward((window, head), operands, grad, &targets, d_bias);
        }
    });
    let d_bias = parallel::add_parts(d_bias, shape.heads * each);
    biased.to_table(&d_bias)
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
