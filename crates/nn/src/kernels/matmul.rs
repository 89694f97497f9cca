//! Matrix products on strided views, over the `gemm` crate.
//!
//! One call computes one product on the calling thread; kernels cut their work into
//! fixed pieces and run those in parallel ([`super::parallel`]), so that every product
//! has the same shape, and the same order of additions, whatever the number of threads.
//! gemm chooses its instruction set itself (AVX-512 through its feature `x86-v4`).
//!
//! **Nor does a row of a result depend on the other rows of a, or on how many there are.**
//! gemm goes another way for a single row and for the smallest results, and cuts long k
//! otherwise where there are few rows and columns; each way adds up in an order of its own. So
//! few rows are made enough for the common way, and long k is cut here
//! (`tests/rows.rs` holds it; read in gemm-common 0.19).

use std::mem::MaybeUninit;

/// A matrix in somebody's slice: element (i, j) is `data[i * row_stride + j * col_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T> View<'a, T> {
    /// A row-major matrix without gaps. Panics if `data` is too short.
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        Self::with_row_stride(data, rows, cols, cols)
    }

    /// A row-major matrix whose rows are `row_stride` numbers apart: some columns of a
    /// wider one. Panics if `data` is too short.
    pub fn with_row_stride(data: &'a [T], rows: usize, cols: usize, row_stride: usize) -> Self {
        let view = Self {
            data,
            rows,
            cols,
            row_stride,
            col_stride: 1,
        };
        assert!(
            view.end() <= data.len(),
            "matrix {rows}x{cols} ends behind its slice"
        );
        view
    }

    /// The transposed matrix: the same numbers, strides exchanged.
    pub fn t(self) -> Self {
        Self {
            data: self.data,
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
        }
    }

    /// One more than the largest index in use.
    fn end(&self) -> usize {
        if self.rows == 0 || self.cols == 0 {
            return 0;
        }
        (self.rows - 1) * self.row_stride + (self.cols - 1) * self.col_stride + 1
    }
}

/// The types of number that gemm knows and we use.
pub trait Element: Copy + Send + Sync + 'static {
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
}

impl Element for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
}

impl Element for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
}

/// `out = scale * a b`, where row i of the result starts at `out[i * out_stride]`. Every
/// element of the result is written; gaps between rows are left as they are.
///
/// Panics if the shapes do not fit or `out` is too short.
pub fn product<T: Element>(
    out: &mut [MaybeUninit<T>],
    out_stride: usize,
    scale: T,
    a: View<'_, T>,
    b: View<'_, T>,
) {
    check(out.len(), out_stride, &a, &b);
    // SAFETY: `check` has shown that the result lies within `out`, and nothing is read
    // from it (`read_out` is false).
    unsafe { run(out.as_mut_ptr().cast::<T>(), out_stride, false, scale, a, b) }
}

/// `out += scale * a b`, laid out as for [`product`].
///
/// Panics if the shapes do not fit or `out` is too short.
pub fn product_add<T: Element>(
    out: &mut [T],
    out_stride: usize,
    scale: T,
    a: View<'_, T>,
    b: View<'_, T>,
) {
    check(out.len(), out_stride, &a, &b);
    // SAFETY: `check` has shown that the result lies within `out`, whose elements are
    // plain numbers that may be read.
    unsafe { run(out.as_mut_ptr(), out_stride, true, scale, a, b) }
}

fn check<T>(out_len: usize, out_stride: usize, a: &View<'_, T>, b: &View<'_, T>) {
    let (m, k, n) = (a.rows, a.cols, b.cols);
    assert_eq!(k, b.rows, "a has {k} columns and b {} rows", b.rows);
    assert!(
        n <= out_stride || m <= 1,
        "rows of {n} numbers overlap at a stride of {out_stride}"
    );
    let end = if m == 0 || n == 0 {
        0
    } else {
        (m - 1) * out_stride + n
    };
    assert!(end <= out_len, "the result {m}x{n} ends behind its slice");
}

/// Numbers of a result up to which gemm, where both operands lie along k, adds up a dot product's lanes in parallel.
const TINY: usize = 16 * 16;
/// Columns of a result up to which the length of gemm's blocks of k depends on the number of rows.
const NARROW: usize = 64;
/// A length of k that gemm never cuts.
const DEPTH: usize = 512;

/// Whether gemm would add up the products in another order than for more rows.
fn is_few<T>(a: &View<'_, T>, b: &View<'_, T>) -> bool {
    let along_k = a.col_stride == 1 && b.row_stride == 1;
    a.rows == 1 || (along_k && a.rows * b.cols <= TINY)
}

/// `out = [out +] scale * a b`.
///
/// # Safety
/// `out` must be valid for writes (and for reads of initialised numbers if `read_out`) at
/// `i * out_stride + j` for all i < a.rows, j < b.cols, and `a.cols == b.rows`.
unsafe fn run<T: Element>(
    out: *mut T,
    out_stride: usize,
    read_out: bool,
    scale: T,
    a: View<'_, T>,
    b: View<'_, T>,
) {
    let (count, n) = (a.rows, b.cols);
    if n == 0 || !is_few(&a, &b) {
        // SAFETY: as the caller vouches.
        return unsafe { run_in_blocks(out, out_stride, read_out, scale, a, b) };
    }
    // With rows of zeros below, there are enough.
    let rows = TINY / n + 2;
    let mut x = vec![T::ZERO; rows * a.cols];
    let mut y = vec![T::ZERO; rows * n];
    for (i, x) in x.chunks_exact_mut(a.cols.max(1)).take(count).enumerate() {
        for (j, x) in x.iter_mut().enumerate() {
            *x = a.data[i * a.row_stride + j * a.col_stride];
        }
    }
    // SAFETY: `x` and `y` have all rows; `out` is what the caller vouches for.
    unsafe {
        for (i, y) in y.chunks_exact_mut(n).take(count).enumerate() {
            for (j, y) in y.iter_mut().enumerate().filter(|_| read_out) {
                *y = out.add(i * out_stride + j).read();
            }
        }
        let x = View::new(&x, rows, a.cols);
        run_in_blocks(y.as_mut_ptr(), n, read_out, scale, x, b);
        for (i, y) in y.chunks_exact(n).take(count).enumerate() {
            for (j, y) in y.iter().enumerate() {
                out.add(i * out_stride + j).write(*y);
            }
        }
    }
}

/// [`run`] by gemm, with blocks of k whose length does not depend on the number of rows.
///
/// # Safety
/// As [`run`].
unsafe fn run_in_blocks<T: Element>(
    out: *mut T,
    out_stride: usize,
    read_out: bool,
    scale: T,
    a: View<'_, T>,
    b: View<'_, T>,
) {
    let k = a.cols;
    let block = if b.cols <= NARROW && k > DEPTH {
        k.div_ceil(k.div_ceil(DEPTH)) // evenly, as gemm itself
    } else {
        k
    };
    let mut from = 0;
    loop {
        let depth = block.min(k - from);
        // SAFETY: the caller vouches for `out`; `View`'s constructor has checked that both
        // matrices lie within their slices, which stay borrowed for the call, and so does
        // what is left of each from column, or row, `from` < k on. Strides of slices fit in
        // isize.
        unsafe {
            gemm::gemm(
                a.rows,
                b.cols,
                depth,
                out,
                1,
                out_stride as isize,
                read_out || from > 0,
                a.data.as_ptr().wrapping_add(from * a.col_stride),
                a.col_stride as isize,
                a.row_stride as isize,
                b.data.as_ptr().wrapping_add(from * b.row_stride),
                b.col_stride as isize,
                b.row_stride as isize,
                T::ONE,
                scale,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
        from += depth;
        if from == k {
            return;
        }
    }
}
