//! The CPU kernels between real planes and their half spectra: planes in parallel, each by itself.
//!
//! A plane is transformed row by row (real to complex), kept transposed so that its columns lie
//! contiguous, then column by column. No sum crosses planes, so the number of threads cannot change
//! a bit of the result.

use std::sync::Arc;

use candle_core::{Error, Result};
use rayon::prelude::*;
use realfft::{ComplexToReal, RealToComplex};
use rustfft::Fft;
use rustfft::num_complex::Complex;

use crate::planes::Planes;
use crate::real::Real;

/// How often a column between the zero and the Nyquist frequency counts. A half spectrum keeps one
/// of two such columns, so this is what tells a transform from the transpose of its inverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inner {
    /// Once: the forward transform, and its transpose.
    Once,
    /// Twice, for the mirrored column too: the inverse transform, and its transpose.
    Twice,
}

/// Both directions between `[H, W]` planes and their half spectra `[H, W/2 + 1]`, each the
/// transpose of the other for the same `inner`.
pub(crate) struct RealPlane<T: Real> {
    height: usize,
    width: usize,
    bins: usize,
    scale: T,
    inner: Inner,
    rows: Arc<dyn RealToComplex<T>>,
    rows_back: Arc<dyn ComplexToReal<T>>,
    columns: Arc<dyn Fft<T>>,
    columns_back: Arc<dyn Fft<T>>,
}

/// What one task needs to work on its planes.
struct Workspace<T> {
    signal: Vec<T>,
    row: Vec<Complex<T>>,
    /// The spectrum transposed, `[W/2 + 1, H]`.
    columns: Vec<Complex<T>>,
    scratch: Vec<Complex<T>>,
}

impl<T: Real> RealPlane<T> {
    /// Plans for planes of `height` x `width` samples, both at least 1; `scale` is the factor on the
    /// plain sum.
    pub(crate) fn new(height: usize, width: usize, scale: f64, inner: Inner) -> Self {
        Self {
            height,
            width,
            bins: width / 2 + 1,
            scale: <T as candle_core::WithDType>::from_f64(scale),
            inner,
            rows: T::plan_r2c(width),
            rows_back: T::plan_c2r(width),
            columns: T::plan_forward(height),
            columns_back: T::plan_inverse(height),
        }
    }

    fn workspace(&self) -> Workspace<T> {
        let zero = Complex::new(T::zero(), T::zero());
        let scratch = (self.rows.get_scratch_len())
            .max(self.rows_back.get_scratch_len())
            .max(self.columns.get_inplace_scratch_len())
            .max(self.columns_back.get_inplace_scratch_len());
        Workspace {
            signal: vec![T::zero(); self.height * self.width],
            row: vec![zero; self.bins],
            columns: vec![zero; self.bins * self.height],
            scratch: vec![zero; scratch],
        }
    }

    /// `P` planes `[H, W]` to all real parts, then all imaginary parts: `[2, P, H, W/2 + 1]`.
    pub(crate) fn analyse(&self, signal: &Planes<T>) -> Result<Vec<T>> {
        let (planes, size) = (signal.count(), self.height * self.bins);
        let mut out = vec![T::zero(); 2 * planes * size];
        let (re, im) = out.split_at_mut(planes * size);
        let per_task = signal.per_task();
        re.par_chunks_mut(per_task * size)
            .zip(im.par_chunks_mut(per_task * size))
            .enumerate()
            .try_for_each_init(
                || self.workspace(),
                |space, (task, (re, im))| {
                    let parts = re.chunks_exact_mut(size).zip(im.chunks_exact_mut(size));
                    for (i, (re, im)) in parts.enumerate() {
                        let buffer = &mut space.signal;
                        signal.for_each(task * per_task + i, |h, w, value| {
                            buffer[h * self.width + w] = value;
                        });
                        self.analyse_plane(space, re, im)?;
                    }
                    Ok::<(), Error>(())
                },
            )?;
        Ok(out)
    }

    fn analyse_plane(&self, space: &mut Workspace<T>, re: &mut [T], im: &mut [T]) -> Result<()> {
        for (h, row) in space.signal.chunks_exact_mut(self.width).enumerate() {
            self.rows
                .process_with_scratch(row, &mut space.row, &mut space.scratch)
                .map_err(Error::msg)?;
            for (k, &value) in space.row.iter().enumerate() {
                space.columns[k * self.height + h] = value;
            }
        }
        self.columns
            .process_with_scratch(&mut space.columns, &mut space.scratch);
        for (k, column) in space.columns.chunks_exact(self.height).enumerate() {
            let scale = match self.inner {
                Inner::Twice if !self.is_edge(k) => self.scale + self.scale,
                _ => self.scale,
            };
            for (h, value) in column.iter().enumerate() {
                re[h * self.bins + k] = value.re * scale;
                im[h * self.bins + k] = value.im * scale;
            }
        }
        Ok(())
    }

    /// `2 P` planes `[H, W/2 + 1]`, all real parts first, to `P` planes `[H, W]`.
    pub(crate) fn synthesise(&self, spectrum: &Planes<T>) -> Result<Vec<T>> {
        let (planes, size) = (spectrum.count() / 2, self.height * self.width);
        let mut out = vec![T::zero(); planes * size];
        let per_task = spectrum.per_task();
        out.par_chunks_mut(per_task * size)
            .enumerate()
            .try_for_each_init(
                || self.workspace(),
                |space, (task, out)| {
                    for (i, plane) in out.chunks_exact_mut(size).enumerate() {
                        let (index, columns) = (task * per_task + i, &mut space.columns);
                        spectrum
                            .for_each(index, |h, k, value| columns[k * self.height + h].re = value);
                        spectrum.for_each(planes + index, |h, k, value| {
                            columns[k * self.height + h].im = value;
                        });
                        self.synthesise_plane(space, plane)?;
                    }
                    Ok::<(), Error>(())
                },
            )?;
        Ok(out)
    }

    /// `x[h, w] = s * Re(sum over h', k of a[k] * G[h', k] * exp(+2 pi i (h h' / H + w k / W)))` over
    /// the kept columns alone, `a[k]` being 1, or 2 for the inner columns that count twice. The
    /// complex-to-real transform adds the conjugate of every inner column, which doubles their real
    /// part: those that count once are halved first.
    fn synthesise_plane(&self, space: &mut Workspace<T>, out: &mut [T]) -> Result<()> {
        let inner = <T as candle_core::WithDType>::from_f64(match self.inner {
            Inner::Once => 0.5,
            Inner::Twice => 1.0,
        });
        self.columns_back
            .process_with_scratch(&mut space.columns, &mut space.scratch);
        for (h, row) in out.chunks_exact_mut(self.width).enumerate() {
            for (k, value) in space.row.iter_mut().enumerate() {
                let column = space.columns[k * self.height + h];
                *value = if self.is_edge(k) {
                    Complex::new(column.re, T::zero())
                } else {
                    Complex::new(column.re * inner, column.im * inner)
                };
            }
            self.rows_back
                .process_with_scratch(&mut space.row, row, &mut space.scratch)
                .map_err(Error::msg)?;
            for value in row {
                *value *= self.scale;
            }
        }
        Ok(())
    }

    /// The zero and the Nyquist frequency: columns without a mirror image.
    fn is_edge(&self, k: usize) -> bool {
        k == 0 || 2 * k == self.width
    }
}
