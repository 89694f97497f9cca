//! The twin of [`crate::kernels::attention::windows`]: window by window, a copy of its rows
//! is taken, biased attention runs on it, and the results are put back.

use super::{Real, attention};
use crate::kernels::attention::windows::Windowed;
use crate::kernels::attention::{Partition, Shape};

/// Attention within windows of packed rows `qkv` [B, tokens, 3C], with the biases `table`
/// [rows, H]: [B, tokens, C].
pub fn forward<T: Real>(windowed: Windowed<'_>, qkv: &[T], table: &[T]) -> Vec<T> {
    let c = windowed.shape().channels();
    let mut out = vec![T::zero(); qkv.len() / 3];
    for number in 0..windowed.shape().batch {
        let window = Window::new(windowed, number, qkv, table);
        let [q, k, v] = &window.operands;
        let result = attention::biased_forward(window.shape, [q, k, v], None, Some(&window.bias));
        for (&token, row) in window.tokens.iter().zip(result.chunks(c)) {
            out[token * c..][..c].copy_from_slice(row);
        }
    }
    out
}

/// The gradients of `qkv` and of `table` from `grad`, that of [`forward`]'s result.
pub fn backward<T: Real>(
    windowed: Windowed<'_>,
    qkv: &[T],
    table: &[T],
    grad: &[T],
) -> (Vec<T>, Vec<T>) {
    let c = windowed.shape().channels();
    let (mut d_qkv, mut d_table) = (vec![T::zero(); qkv.len()], vec![T::zero(); table.len()]);
    for number in 0..windowed.shape().batch {
        let window = Window::new(windowed, number, qkv, table);
        let (shape, [q, k, v]) = (window.shape, &window.operands);
        let grad: Vec<T> = (window.tokens.iter())
            .flat_map(|&token| grad[token * c..][..c].iter().copied())
            .collect();
        let d = attention::biased_backward(shape, [q, k, v], None, Some(&window.bias), &grad);
        let rows = attention::join_qkv(c, &d.q, &d.k, &d.v);
        for (&token, row) in window.tokens.iter().zip(rows.chunks(3 * c)) {
            d_qkv[token * 3 * c..][..3 * c].copy_from_slice(row);
        }
        for (i, &d_bias) in d.bias.iter().enumerate() {
            d_table[table_index(windowed.partition, shape, i)] += d_bias;
        }
    }
    (d_qkv, d_table)
}

/// One window of one image.
struct Window<T> {
    /// One image of N tokens.
    shape: Shape,
    /// Where its rows lie in the whole batch.
    tokens: Vec<usize>,
    /// q, k and v [N, C].
    operands: [Vec<T>; 3],
    /// What is added to its scores, [H, N, N].
    bias: Vec<T>,
}

impl<T: Real> Window<T> {
    fn new(windowed: Windowed<'_>, number: usize, qkv: &[T], table: &[T]) -> Self {
        let partition = windowed.partition;
        let (image, window) = (number / partition.windows(), number % partition.windows());
        let shape = Shape {
            batch: 1,
            ..windowed.shape()
        };
        let c = shape.channels();
        let tokens: Vec<usize> = (partition.tokens(window).iter())
            .map(|&token| image * windowed.tokens() + token as usize)
            .collect();
        let rows: Vec<T> = (tokens.iter())
            .flat_map(|&token| qkv[token * 3 * c..][..3 * c].iter().copied())
            .collect();
        let bias = (0..shape.score_len()).map(|i| {
            let (i_query, j) = (i / shape.keys % shape.queries, i % shape.keys);
            let bias = table[table_index(partition, shape, i)];
            match partition.regions(window) {
                Some(regions) if regions[i_query] != regions[j] => bias + T::of(Partition::MASKED),
                _ => bias,
            }
        });
        Self {
            shape,
            bias: bias.collect(),
            operands: attention::split_qkv(c, &rows),
            tokens,
        }
    }
}

/// Where the table has the bias of score `i` of [H, N, N].
fn table_index(partition: &Partition, shape: Shape, i: usize) -> usize {
    let area = shape.queries * shape.keys;
    partition.positions()[i % area] as usize * shape.heads + i / area
}
