//! The CPU kernel: both tensors plane by plane at any strides, in parallel tasks of a fixed size.

use candle_core::{CpuStorage, Layout, Result, WithDType, bail};
use rayon::prelude::*;
use spectralkd_spectral::planes::Planes;

use super::Weights;

/// The difference of two tensors, read plane by plane.
pub(super) struct Difference<'a, T> {
    a: Planes<'a, T>,
    b: Planes<'a, T>,
}

impl<'a, T: WithDType> Difference<'a, T> {
    pub(super) fn new(
        (s1, l1): (&'a CpuStorage, &Layout),
        (s2, l2): (&'a CpuStorage, &Layout),
    ) -> Result<Self> {
        if l1.dims() != l2.dims() {
            bail!(
                "squared-error needs two tensors of one shape, got {:?} and {:?}",
                l1.dims(),
                l2.dims()
            )
        }
        Ok(Self {
            a: Planes::new(T::cpu_storage_as_slice(s1)?, l1)?,
            b: Planes::new(T::cpu_storage_as_slice(s2)?, l2)?,
        })
    }

    /// The length of the runs that are worked on: rows where their frequencies matter, else whole
    /// planes.
    fn run_length(&self, weights: Weights) -> usize {
        if weights.is_plain() {
            self.a.size()
        } else {
            self.a.cols()
        }
    }

    /// Tasks of a fixed number of planes, whose f64 sums are added in order.
    pub(super) fn energy(&self, weights: Weights) -> f64 {
        let (planes, per_task, run) = (self.a.count(), self.a.per_task(), self.run_length(weights));
        let (dc, nyquist) = (weights.dc / run as f64, weights.nyquist / run as f64);
        let tasks = (0..planes.div_ceil(per_task)).into_par_iter().map_init(
            || (Vec::new(), Vec::new()),
            |(a, b), task| {
                let mut energy = 0.0;
                for plane in task * per_task..((task + 1) * per_task).min(planes) {
                    let (a, b) = (self.a.plane(plane, a), self.b.plane(plane, b));
                    for (a, b) in a.chunks_exact(run).zip(b.chunks_exact(run)) {
                        let sums = Sums::of(a, b);
                        energy += sums.squares
                            + dc * sums.plain * sums.plain
                            + nyquist * sums.alternating * sums.alternating;
                    }
                }
                energy
            },
        );
        weights.scale * tasks.collect::<Vec<f64>>().into_iter().sum::<f64>()
    }

    /// The gradient for `a`, contiguous, times `slope`.
    pub(super) fn gradient(&self, weights: Weights, slope: f64) -> Vec<T> {
        let (size, per_task, run) = (self.a.size(), self.a.per_task(), self.run_length(weights));
        let factor = 2.0 * weights.scale * slope;
        let (dc, nyquist) = (
            factor * weights.dc / run as f64,
            factor * weights.nyquist / run as f64,
        );
        let factor = T::from_f64(factor);
        let mut out = vec![T::zero(); self.a.count() * size];
        out.par_chunks_mut(per_task * size)
            .enumerate()
            .for_each_init(
                || (Vec::new(), Vec::new()),
                |(a, b), (task, out)| {
                    for (i, out) in out.chunks_exact_mut(size).enumerate() {
                        let plane = task * per_task + i;
                        let (a, b) = (self.a.plane(plane, a), self.b.plane(plane, b));
                        let runs = a.chunks_exact(run).zip(b.chunks_exact(run));
                        for ((a, b), out) in runs.zip(out.chunks_exact_mut(run)) {
                            for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
                                *out = factor * (a - b);
                            }
                            if weights.is_plain() {
                                continue;
                            }
                            let sums = Sums::of(a, b);
                            let (dc, nyquist) = (dc * sums.plain, nyquist * sums.alternating);
                            let (even, odd) =
                                (T::from_f64(dc + nyquist), T::from_f64(dc - nyquist));
                            for pair in out.chunks_mut(2) {
                                pair[0] += even;
                                if let Some(second) = pair.get_mut(1) {
                                    *second += odd;
                                }
                            }
                        }
                    }
                },
            );
        out
    }
}

/// Sums over one run of `d = a - b`.
struct Sums {
    squares: f64,
    plain: f64,
    alternating: f64,
}

impl Sums {
    /// Eight lanes in `T` that the compiler turns into vectors, folded into f64 after every block.
    /// A lane holds elements of one parity, so that the alternating sum costs nothing.
    fn of<T: WithDType>(a: &[T], b: &[T]) -> Self {
        const LANES: usize = 8;
        const BLOCK: usize = 32 * LANES;
        let mut sums = Sums {
            squares: 0.0,
            plain: 0.0,
            alternating: 0.0,
        };
        for (a, b) in a.chunks(BLOCK).zip(b.chunks(BLOCK)) {
            let (mut squares, mut plain) = ([T::zero(); LANES], [T::zero(); LANES]);
            for (a, b) in a.chunks(LANES).zip(b.chunks(LANES)) {
                let lanes = squares.iter_mut().zip(&mut plain);
                for ((&a, &b), (square, plain)) in a.iter().zip(b).zip(lanes) {
                    let difference = a - b;
                    *square += difference * difference;
                    *plain += difference;
                }
            }
            for lane in 0..LANES {
                let plain = plain[lane].to_f64();
                sums.squares += squares[lane].to_f64();
                sums.plain += plain;
                sums.alternating += if lane % 2 == 0 { plain } else { -plain };
            }
        }
        sums
    }
}
