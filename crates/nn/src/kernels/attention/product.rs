//! Products of small matrices that lie in cache: `out = [start +] a b`.
//!
//! No packing. The rows of `b` and `out` are whole vectors (padded by the caller), `a` is
//! read one number at a time and broadcast, so that it may have any strides: a transposed
//! `a` costs nothing. A tile of at most 6 x 2 vectors of the result stays in registers while
//! k runs: 12 multiply-adds for 8 loads, which is what 16 registers allow. The rows are cut
//! into tiles of equal height, as near as can be: 50 rows are 5 tiles of 6 and 4 of 5, since
//! a tile of 1 or 2 rows would take nearly as long as one of 6.

use pulp::{Arch, Simd, WithSimd};

/// Rows in somebody's slice: element (i, j) is `0[i * 1 + j]`.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a>(pub &'a [f32], pub usize);

/// [`Rows`] for writing.
pub(super) struct RowsMut<'a>(pub &'a mut [f32], pub usize);

/// A left operand: element (i, t) is `data[i * row + t * col]`.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    data: &'a [f32],
    row: usize,
    col: usize,
}

impl<'a> Left<'a> {
    /// Rows that are `stride` numbers apart.
    pub(super) fn strided(data: &'a [f32], stride: usize) -> Self {
        Self {
            data,
            row: stride,
            col: 1,
        }
    }
}

impl<'a> Rows<'a> {
    /// These rows as left operand.
    pub(super) fn left(self) -> Left<'a> {
        Left {
            data: self.0,
            row: self.1,
            col: 1,
        }
    }

    /// These rows as the columns of the left operand.
    pub(super) fn left_t(self) -> Left<'a> {
        Left {
            data: self.0,
            row: 1,
            col: self.1,
        }
    }
}

/// What the result starts from.
#[derive(Clone, Copy)]
pub(super) enum Start<'a> {
    /// 0.
    Zero,
    /// What is in `out`.
    Add,
    /// Number i of a vector, all along row i.
    Rows(&'a [f32]),
    /// A matrix of the result's size, its rows whole vectors.
    Matrix(Rows<'a>),
}

/// `out = start + a b` with m x k numbers in `a` and k x n in `b`. The columns of `b` and
/// `out` up to the next whole vector are read and written too. Panics if they do not lie
/// within the slices.
pub(super) fn product(
    arch: Arch,
    [m, n, k]: [usize; 3],
    start: Start<'_>,
    a: Left<'_>,
    b: Rows<'_>,
    out: RowsMut<'_>,
) {
    arch.dispatch(Product {
        m,
        n,
        k,
        start,
        a,
        b,
        out,
    });
}

/// The operation of [`product`], for one instruction set.
pub(super) struct Product<'a> {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub start: Start<'a>,
    pub a: Left<'a>,
    pub b: Rows<'a>,
    pub out: RowsMut<'a>,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let vectors = self.n.div_ceil(S::F32_LANES);
        if self.m == 0 || vectors == 0 {
            return;
        }
        self.check(vectors * S::F32_LANES);
        let mut v = 0;
        while v + 2 <= vectors {
            self.columns::<S, 2>(simd, v * S::F32_LANES, 6);
            v += 2;
        }
        if v < vectors {
            self.columns::<S, 1>(simd, v * S::F32_LANES, 6);
        }
    }
}

impl Product<'_> {
    /// Panics unless everything that the tiles touch lies within the slices.
    #[inline(always)]
    fn check(&self, width: usize) {
        let last = |rows: usize, stride: usize| rows.saturating_sub(1) * stride + width;
        assert!(
            last(self.m, self.out.1) <= self.out.0.len(),
            "out is too short"
        );
        if self.k > 0 {
            assert!(last(self.k, self.b.1) <= self.b.0.len(), "b is too short");
            let a_last = (self.m - 1) * self.a.row + (self.k - 1) * self.a.col;
            assert!(a_last < self.a.data.len(), "a is too short");
        }
        if let Start::Rows(rows) = self.start {
            assert!(rows.len() >= self.m, "too few starting values");
        }
        if let Start::Matrix(matrix) = self.start {
            let end = last(self.m, matrix.1);
            assert!(end <= matrix.0.len(), "the start is too short");
        }
    }

    /// All rows of `V` vectors of columns from column `j` on, in tiles of `most` rows or fewer.
    #[inline(always)]
    fn columns<S: Simd, const V: usize>(&mut self, simd: S, j: usize, most: usize) {
        let tiles = self.m.div_ceil(most);
        let (height, taller) = (self.m / tiles, self.m % tiles);
        let mut i = 0;
        for tile in 0..tiles {
            let rows = height + usize::from(tile < taller);
            match rows {
                1 => self.tile::<S, 1, V>(simd, i, j),
                2 => self.tile::<S, 2, V>(simd, i, j),
                3 => self.tile::<S, 3, V>(simd, i, j),
                4 => self.tile::<S, 4, V>(simd, i, j),
                5 => self.tile::<S, 5, V>(simd, i, j),
                _ => self.tile::<S, 6, V>(simd, i, j),
            }
            i += rows;
        }
    }

    /// The `R` x `V` vectors of the result from row `i` and column `j` on.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, i: usize, j: usize) {
        let lanes = S::F32_LANES;
        assert!(i + R <= self.m && j + V * lanes <= self.n.next_multiple_of(lanes));
        // SAFETY: `check` has shown that element (m - 1, k - 1) of `a` and rows of whole
        // vectors of `b`, `out` and a starting matrix lie within their slices, the line above that this tile's
        // rows and columns are among them. Vectors are read and written unaligned, and any
        // bits are a valid f32.
        unsafe {
            let a = self.a.data.as_ptr().add(i * self.a.row);
            let b = self.b.0.as_ptr().add(j);
            let out = self.out.0.as_mut_ptr().add(i * self.out.1 + j);
            let out_stride = self.out.1;
            let at = |r: usize, v: usize| out.add(r * out_stride + v * lanes);

            let mut sums = [[simd.splat_f32s(0.0); V]; R];
            for (r, sums) in sums.iter_mut().enumerate() {
                for (v, sum) in sums.iter_mut().enumerate() {
                    match self.start {
                        Start::Zero => {}
                        Start::Add => *sum = at(r, v).cast::<S::f32s>().read_unaligned(),
                        Start::Rows(rows) => *sum = simd.splat_f32s(rows[i + r]),
                        Start::Matrix(Rows(data, stride)) => {
                            let at = data.as_ptr().add((i + r) * stride + j + v * lanes);
                            *sum = at.cast::<S::f32s>().read_unaligned();
                        }
                    }
                }
            }
            for t in 0..self.k {
                let row = b.add(t * self.b.1);
                let row: [S::f32s; V] =
                    std::array::from_fn(|v| row.add(v * lanes).cast::<S::f32s>().read_unaligned());
                for (r, sums) in sums.iter_mut().enumerate() {
                    let x = simd.splat_f32s(*a.add(r * self.a.row + t * self.a.col));
                    for (sum, row) in sums.iter_mut().zip(row) {
                        *sum = simd.mul_add_e_f32s(x, row, *sum);
                    }
                }
            }
            for (r, sums) in sums.into_iter().enumerate() {
                for (v, sum) in sums.into_iter().enumerate() {
                    at(r, v).cast::<S::f32s>().write_unaligned(sum);
                }
            }
        }
    }
}
