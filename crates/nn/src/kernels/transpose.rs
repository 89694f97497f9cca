//! The transposition of a matrix, as a copy.

use std::mem::MaybeUninit;

use super::parallel;

/// Writes all of `out` [cols, rows] from `x` [rows, cols], `BLOCK` columns at a time:
/// each row's numbers go on with as many lines of `out`.
pub fn transpose(x: &[f32], rows: usize, cols: usize, out: &mut [MaybeUninit<f32>]) {
    const BLOCK: usize = 8;
    assert!(x.len() == rows * cols && out.len() == rows * cols);
    let whole = cols / BLOCK * BLOCK;
    let (blocks, rest) = out.split_at_mut(whole * rows);
    parallel::chunks(blocks, BLOCK * rows, x.len(), |i, block| {
        columns::<BLOCK>(&x[i * BLOCK..], rows, cols, block);
    });
    for (i, column) in rest.chunks_exact_mut(rows).enumerate() {
        columns::<1>(&x[whole + i..], rows, cols, column);
    }
}

/// Writes all of `out` [N, rows] from the first N columns of `x`, rows `stride` apart.
fn columns<const N: usize>(x: &[f32], rows: usize, stride: usize, out: &mut [MaybeUninit<f32>]) {
    assert_eq!(out.len(), N * rows);
    for row in 0..rows {
        let mut numbers = [0.0; N];
        numbers.copy_from_slice(&x[row * stride..][..N]);
        for (column, number) in numbers.into_iter().enumerate() {
            out[column * rows + row].write(number);
        }
    }
}
