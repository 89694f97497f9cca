//! Splitting work over rayon's current pool so that the result never depends on it.
//!
//! Work is cut by its shape alone, never by the number of threads; each piece is computed
//! by one thread from beginning to end; sums over pieces are added in the pieces' order.
//! So results are bit-identical whatever the pool. `work` is a rough count of numbers
//! touched (for a matrix product: multiply-adds / 8): under [`SERIAL_BELOW`] everything
//! runs on the calling thread, since waking another takes longer.
//!
//! A caller outside of the pool hands each call over to a sleeping worker, which takes
//! longer than a small kernel. Run a training loop inside `ThreadPool::install`.

use rayon::prelude::*;

/// The amount of work (numbers touched) under which a second thread does not pay.
pub const SERIAL_BELOW: usize = 1 << 14;

fn serial(tasks: usize, work: usize) -> bool {
    tasks < 2 || work < SERIAL_BELOW || rayon::current_num_threads() < 2
}

/// Rows of `row` numbers in a piece of about 16 Ki numbers (64 KiB of f32: half of an
/// L2 cache even with its result), at least 1.
pub fn rows_per_chunk(row: usize) -> usize {
    ((1 << 14) / row.max(1)).max(1)
}

/// Runs `f(task)` for every task in `0..tasks`.
pub fn for_each(tasks: usize, work: usize, f: impl Fn(usize) + Sync + Send) {
    if serial(tasks, work) {
        (0..tasks).for_each(f);
    } else {
        (0..tasks).into_par_iter().for_each(f);
    }
}

/// Runs `f(i, piece)` for the pieces of `chunk` numbers of `out` (the last may be shorter).
pub fn chunks<T: Send>(
    out: &mut [T],
    chunk: usize,
    work: usize,
    f: impl Fn(usize, &mut [T]) + Sync + Send,
) {
    let chunk = chunk.max(1);
    if serial(out.len().div_ceil(chunk), work) {
        out.chunks_mut(chunk)
            .enumerate()
            .for_each(|(i, out)| f(i, out));
    } else {
        out.par_chunks_mut(chunk)
            .enumerate()
            .for_each(|(i, out)| f(i, out));
    }
}

/// [`chunks`] of two slices side by side. Both must have the same number of pieces.
pub fn chunks2<T: Send, U: Send>(
    (a, a_chunk): (&mut [T], usize),
    (b, b_chunk): (&mut [U], usize),
    work: usize,
    f: impl Fn(usize, &mut [T], &mut [U]) + Sync + Send,
) {
    let (a_chunk, b_chunk) = (a_chunk.max(1), b_chunk.max(1));
    let pieces = a.len().div_ceil(a_chunk);
    assert_eq!(
        pieces,
        b.len().div_ceil(b_chunk),
        "the slices must have as many pieces"
    );
    if serial(pieces, work) {
        let pairs = a.chunks_mut(a_chunk).zip(b.chunks_mut(b_chunk));
        pairs.enumerate().for_each(|(i, (a, b))| f(i, a, b));
    } else {
        let pairs = a.par_chunks_mut(a_chunk).zip(b.par_chunks_mut(b_chunk));
        pairs.enumerate().for_each(|(i, (a, b))| f(i, a, b));
    }
}

/// The rows of each of at most `most` equal parts of `rows` rows, each at least `least`
/// rows long where there are that many: the pieces of a sum over rows.
pub fn rows_per_part(rows: usize, least: usize, most: usize) -> usize {
    rows.div_ceil(most.max(1)).max(least).max(1)
}

/// The sum over `parts` of vectors of `len` numbers: `f(part, total)` adds its part onto
/// `total`, which starts at zero, and the parts are then added in their order.
pub fn sum_parts(
    parts: usize,
    len: usize,
    work: usize,
    f: impl Fn(usize, &mut [f32]) + Sync + Send,
) -> Vec<f32> {
    let mut partial = vec![0.0f32; parts.max(1) * len];
    chunks(&mut partial, len, work, |part, total| {
        if part < parts {
            f(part, total);
        }
    });
    add_parts(partial, len)
}

/// Adds the parts of `len` numbers of `partial` in their order. `len` divides its length.
pub fn add_parts(mut partial: Vec<f32>, len: usize) -> Vec<f32> {
    if len == 0 || partial.len() == len {
        return partial;
    }
    let work = partial.len();
    let (total, rest) = partial.split_at_mut(len);
    let rest = &*rest;
    chunks(total, 1 << 12, work, |i, total| {
        for part in rest.chunks(len) {
            let part = &part[i << 12..][..total.len()];
            for (total, &x) in total.iter_mut().zip(part) {
                *total += x;
            }
        }
    });
    partial.truncate(len);
    partial
}
