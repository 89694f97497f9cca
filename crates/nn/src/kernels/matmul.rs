//! Matrix products on strided views, over the `gemm` crate.
//!
//! One call computes one product on the calling thread; kernels cut their work into
//! fixed pieces and run those in parallel ([`super::parallel`]), so that every product
//! has the same shape, and the same order of additions, whatever the number of threads.
//! gemm chooses its instruction set itself (AVX-512 through its feature `x86-v4`).

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
    /// 1.
    const ONE: Self;
}

impl Element for f32 {
    const ONE: Self = 1.0;
}

impl Element for f64 {
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
    // SAFETY: the caller vouches for `out`; `View`'s constructor has checked that both
    // matrices lie within their slices, which stay borrowed for the call. Strides of
    // slices fit in isize.
    unsafe {
        gemm::gemm(
            a.rows,
            b.cols,
            a.cols,
            out,
            1,
            out_stride as isize,
            read_out,
            a.data.as_ptr(),
            a.col_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
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
}
