//! The CPU kernel of the complex transform: planes in parallel, each by itself.

use std::sync::Arc;

use rayon::prelude::*;
use rustfft::Fft;
use rustfft::num_complex::Complex;

use crate::planes::Planes;
use crate::real::Real;

/// The sign of the exponent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// `exp(-2 pi i ...)`.
    Forward,
    /// `exp(+2 pi i ...)`.
    Inverse,
}

impl Direction {
    /// The conjugate of a Fourier matrix runs the other way. As the matrix is symmetric, this is
    /// its adjoint, and the transpose of the real map on (re, im) too.
    pub(crate) fn reversed(self) -> Self {
        match self {
            Self::Forward => Self::Inverse,
            Self::Inverse => Self::Forward,
        }
    }
}

/// The transform of complex `[H, W]` planes.
pub(crate) struct ComplexPlane<T: Real> {
    height: usize,
    width: usize,
    scale: T,
    rows: Arc<dyn Fft<T>>,
    columns: Arc<dyn Fft<T>>,
}

/// What one task needs to work on its planes.
struct Workspace<T> {
    plane: Vec<Complex<T>>,
    /// The plane transposed, `[W, H]`.
    columns: Vec<Complex<T>>,
    scratch: Vec<Complex<T>>,
}

impl<T: Real> ComplexPlane<T> {
    /// Plans for planes of `height` x `width` samples, both at least 1; `scale` is the factor on the
    /// plain sum.
    pub(crate) fn new(height: usize, width: usize, scale: f64, direction: Direction) -> Self {
        let plan = match direction {
            Direction::Forward => T::plan_forward,
            Direction::Inverse => T::plan_inverse,
        };
        Self {
            height,
            width,
            scale: <T as candle_core::WithDType>::from_f64(scale),
            rows: plan(width),
            columns: plan(height),
        }
    }

    fn workspace(&self) -> Workspace<T> {
        let zero = Complex::new(T::zero(), T::zero());
        let scratch =
            (self.rows.get_inplace_scratch_len()).max(self.columns.get_inplace_scratch_len());
        Workspace {
            plane: vec![zero; self.height * self.width],
            columns: vec![zero; self.height * self.width],
            scratch: vec![zero; scratch],
        }
    }

    /// `2 P` planes `[H, W]`, all real parts first, to as many.
    pub(crate) fn transform(&self, input: &Planes<T>) -> Vec<T> {
        let (planes, size) = (input.count() / 2, self.height * self.width);
        let mut out = vec![T::zero(); 2 * planes * size];
        let (re, im) = out.split_at_mut(planes * size);
        let per_task = input.per_task();
        re.par_chunks_mut(per_task * size)
            .zip(im.par_chunks_mut(per_task * size))
            .enumerate()
            .for_each_init(
                || self.workspace(),
                |space, (task, (re, im))| {
                    let parts = re.chunks_exact_mut(size).zip(im.chunks_exact_mut(size));
                    for (i, (re, im)) in parts.enumerate() {
                        let (index, plane) = (task * per_task + i, &mut space.plane);
                        input.for_each(index, |h, w, x| plane[h * self.width + w].re = x);
                        input.for_each(planes + index, |h, w, x| {
                            plane[h * self.width + w].im = x;
                        });
                        self.plane(space);
                        for ((re, im), x) in re.iter_mut().zip(im).zip(&space.plane) {
                            (*re, *im) = (x.re * self.scale, x.im * self.scale);
                        }
                    }
                },
            );
        out
    }

    fn plane(&self, space: &mut Workspace<T>) {
        let (plane, columns) = (&mut space.plane, &mut space.columns);
        self.rows.process_with_scratch(plane, &mut space.scratch);
        if self.height == 1 {
            return;
        }
        for (h, row) in plane.chunks_exact(self.width).enumerate() {
            for (w, &value) in row.iter().enumerate() {
                columns[w * self.height + h] = value;
            }
        }
        self.columns
            .process_with_scratch(columns, &mut space.scratch);
        for (w, column) in columns.chunks_exact(self.height).enumerate() {
            for (h, &value) in column.iter().enumerate() {
                plane[h * self.width + w] = value;
            }
        }
    }
}
