//! Reading the last two axes of a CPU tensor of any strides, one plane at a time.
//!
//! A custom op sees its input as a flat storage and a layout. Transposed features (tokens `[B, N,
//! C]` seen as `[B, C, H, W]`) are the usual input here, and candle's copy to contiguous memory is
//! a single-threaded walk over all elements; an op that gathers the plane it is about to work on
//! pays next to nothing instead.

use candle_core::Layout;

/// The `[H, W]` planes of a CPU tensor `[..., H, W]`, numbered in row-major order of the leading
/// axes.
#[derive(Debug)]
pub struct Planes<'a, T> {
    data: &'a [T],
    offsets: Vec<usize>,
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T: Copy> Planes<'a, T> {
    /// The planes of a tensor with this storage and layout.
    ///
    /// # Errors
    /// If the layout has fewer than two axes.
    pub fn new(data: &'a [T], layout: &Layout) -> candle_core::Result<Self> {
        let (dims, strides) = (layout.dims(), layout.stride());
        if dims.len() < 2 {
            candle_core::bail!("planes need a tensor [..., H, W], got shape {dims:?}")
        }
        let lead = dims.len() - 2;
        let mut offsets = vec![layout.start_offset()];
        for (&size, &stride) in dims[..lead].iter().zip(&strides[..lead]) {
            offsets = offsets
                .iter()
                .flat_map(|&start| (0..size).map(move |i| start + i * stride))
                .collect();
        }
        Ok(Self {
            data,
            offsets,
            rows: dims[lead],
            cols: dims[lead + 1],
            row_stride: strides[lead],
            col_stride: strides[lead + 1],
        })
    }

    /// The number of planes.
    pub fn count(&self) -> usize {
        self.offsets.len()
    }

    /// The rows `H` of a plane.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns `W` of a plane.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The elements `H * W` of a plane.
    pub fn size(&self) -> usize {
        self.rows * self.cols
    }

    /// Calls `each(row, column, value)` for the `H * W` values of one plane in row-major order.
    #[inline]
    pub fn for_each(&self, plane: usize, mut each: impl FnMut(usize, usize, T)) {
        for row in 0..self.rows {
            let start = self.offsets[plane] + row * self.row_stride;
            if self.col_stride == 1 {
                let values = &self.data[start..start + self.cols];
                for (col, &value) in values.iter().enumerate() {
                    each(row, col, value);
                }
            } else {
                for col in 0..self.cols {
                    each(row, col, self.data[start + col * self.col_stride]);
                }
            }
        }
    }

    /// One plane in row-major order: borrowed where it lies contiguous in memory, else gathered
    /// into `scratch`.
    pub fn plane<'s>(&'s self, plane: usize, scratch: &'s mut Vec<T>) -> &'s [T] {
        let contiguous = (self.col_stride == 1 || self.cols <= 1)
            && (self.row_stride == self.cols || self.rows <= 1);
        if contiguous {
            let start = self.offsets[plane];
            return &self.data[start..start + self.size()];
        }
        scratch.clear();
        scratch.reserve(self.size());
        self.for_each(plane, |_, _, value| scratch.push(value));
        scratch
    }

    /// How many planes one parallel task should take: about 16,384 elements, and never a function
    /// of the number of threads, so that reductions over tasks have one order on every machine.
    pub fn per_task(&self) -> usize {
        (16_384 / self.size().max(1)).max(1)
    }
}
