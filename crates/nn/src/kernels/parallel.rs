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

/// The amount of work (numbers touched, at about 0.2 ns each) under which a second thread
/// does not pay.
pub const SERIAL_BELOW: usize = 1 << 16;

fn serial(tasks: usize, work: usize) -> bool {
    tasks < 2 || work < SERIAL_BELOW || rayon::current_num_threads() < 2
}

/// Numbers in a piece of an element-wise kernel: 64 KiB of f32, so that a piece and its
/// result stay in an L2 cache.
pub const CHUNK: usize = 1 << 14;

/// The rows that a product needs to be about as fast as one of many rows.
pub const FEW_ROWS: usize = 96;

/// Rows of `row` numbers in a piece of about [`CHUNK`] numbers, at least 1.
pub fn rows_per_chunk(row: usize) -> usize {
    (CHUNK / row.max(1)).max(1)
}

/// Rows in each piece if `rows` are cut into even pieces of about `around`: eight, or a
/// multiple of eight, where there are that many, which suits 1, 2, 4 and 8 threads. Few rows
/// are cut into smaller pieces, of at least [`FEW_ROWS`], for as many threads.
pub fn even_rows(rows: usize, around: usize) -> usize {
    let pieces = rows.div_ceil(around.max(1));
    let pieces = pieces.max((rows / FEW_ROWS).clamp(1, 8));
    let pieces = if pieces > 4 {
        pieces.next_multiple_of(8)
    } else {
        pieces
    };
    rows.div_ceil(pieces).max(1)
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

/// The pieces of `chunk` numbers of `out` (the last may be shorter), and empty ones without
/// end after them.
pub fn pieces<T>(out: &mut [T], chunk: usize) -> impl Iterator<Item = &mut [T]> {
    let empty = std::iter::repeat_with(Default::default);
    out.chunks_mut(chunk.max(1)).chain(empty)
}

/// Runs `f(i, item)` for every item.
pub fn each<T: Send>(
    items: impl Iterator<Item = T>,
    work: usize,
    f: impl Fn(usize, T) + Sync + Send,
) {
    let items: Vec<_> = items.enumerate().collect();
    if serial(items.len(), work) {
        items.into_iter().for_each(|(i, item)| f(i, item));
    } else {
        items.into_par_iter().for_each(|(i, item)| f(i, item));
    }
}

/// Runs `f(i, a_piece, b_piece)` for every i in `0..parts` with the pieces of `a` and `b`
/// of these lengths; a slice that has run out (or is not wanted: length 0) gives empty ones.
pub fn parts<T: Send, U: Send>(
    parts: usize,
    (a, a_chunk): (&mut [T], usize),
    (b, b_chunk): (&mut [U], usize),
    work: usize,
    f: impl Fn(usize, &mut [T], &mut [U]) + Sync + Send,
) {
    let items = pieces(a, a_chunk).zip(pieces(b, b_chunk)).take(parts);
    each(items, work, |i, (a, b)| f(i, a, b));
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
