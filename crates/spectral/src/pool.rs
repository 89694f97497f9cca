//! Adaptive average pooling over channels, with PyTorch's bins.
//!
//! Pooling is a banded matrix along the channel axis. The op applies it, its gradient applies the
//! transpose; on devices other than the CPU the same matrix, made dense, goes through candle's
//! matrix product.

use std::ops::Range;
use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result as CandleResult, Shape, Tensor};
use rayon::prelude::*;

use crate::planes::Planes;
use crate::real::{Real, check_axes, to_working_precision};
use crate::{Error, Result};

/// The inputs that output `index` of `outputs` averages over, of `inputs` in all: `floor(index *
/// inputs / outputs) .. ceil((index + 1) * inputs / outputs)`, as in PyTorch's adaptive pooling.
///
/// Where `outputs` does not divide `inputs`, neighbouring bins share inputs. `outputs` must be at
/// least 1, and `index` less than it.
pub fn adaptive_bin(index: usize, inputs: usize, outputs: usize) -> Range<usize> {
    (index * inputs) / outputs..((index + 1) * inputs).div_ceil(outputs)
}

/// Averages the channels of `[..., C, H, W]` into `channels` bins, `[..., channels, H, W]`, as
/// PyTorch's `adaptive_avg_pool3d(x, (channels, None, None))` does; see [`adaptive_bin`].
///
/// With `channels == C` the tensor itself comes back, not a copy. More channels than `C` are
/// allowed and repeat some. The element type is kept (f16 and bf16 are computed in f32); any
/// strides. Differentiable.
///
/// # Errors
/// Fewer than three axes, an empty `C`, `H` or `W`, no output channels, or an element type that is
/// not floating point.
pub fn adaptive_avg_pool_channels(x: &Tensor, channels: usize) -> Result<Tensor> {
    const OP: &str = "adaptive_avg_pool_channels";
    check_axes(OP, "[..., C, H, W]", x, &["C", "H", "W"])?;
    let inputs = x.dims()[x.rank() - 3];
    if channels == 0 {
        return Err(Error::NoOutputChannels {
            shape: x.dims().to_vec(),
        });
    }
    let working = to_working_precision(OP, x)?;
    if channels == inputs {
        return Ok(x.clone());
    }
    let pooled = match working.device() {
        Device::Cpu => working.apply_op1(Pool {
            matrix: Arc::new(Banded::pooling(inputs, channels)),
            transposed: Arc::new(Banded::pooling(inputs, channels).transposed()),
        })?,
        _ => pool_by_matrix(&working, channels)?,
    };
    Ok(pooled.to_dtype(x.dtype())?)
}

/// The composed path: `[channels, C]` times `[lead, C, H W]`.
fn pool_by_matrix(x: &Tensor, channels: usize) -> Result<Tensor> {
    let mut dims = x.dims().to_vec();
    let at = dims.len() - 3;
    let (lead, inputs) = (dims[..at].iter().product::<usize>(), dims[at]);
    let matrix = Banded::pooling(inputs, channels).to_dense();
    let matrix = Tensor::from_vec(matrix, (channels, inputs), &Device::Cpu)?
        .to_dtype(x.dtype())?
        .to_device(x.device())?;
    let columns = x.reshape((lead, inputs, dims[at + 1] * dims[at + 2]))?;
    dims[at] = channels;
    Ok(matrix.broadcast_matmul(&columns)?.reshape(dims)?)
}

/// A matrix whose rows each hold one run of non-zero weights.
#[derive(Debug, PartialEq)]
struct Banded {
    columns: usize,
    rows: Vec<(usize, Vec<f64>)>,
}

impl Banded {
    fn pooling(inputs: usize, outputs: usize) -> Self {
        let rows = (0..outputs).map(|index| {
            let bin = adaptive_bin(index, inputs, outputs);
            (bin.start, vec![1.0 / bin.len() as f64; bin.len()])
        });
        Self {
            columns: inputs,
            rows: rows.collect(),
        }
    }

    /// The bins that hold an input follow each other, so the transpose is banded as well.
    fn transposed(&self) -> Self {
        let mut rows = vec![(0, Vec::new()); self.columns];
        for (index, (start, weights)) in self.rows.iter().enumerate() {
            for (offset, &weight) in weights.iter().enumerate() {
                let (first, column) = &mut rows[start + offset];
                if column.is_empty() {
                    *first = index;
                }
                column.push(weight);
            }
        }
        Self {
            columns: self.rows.len(),
            rows,
        }
    }

    fn to_dense(&self) -> Vec<f64> {
        let mut dense = vec![0.0; self.rows.len() * self.columns];
        for (index, (start, weights)) in self.rows.iter().enumerate() {
            let at = index * self.columns + start;
            dense[at..at + weights.len()].copy_from_slice(weights);
        }
        dense
    }

    /// Planes `[lead, columns, H, W]` to `[lead, rows, H, W]`; sums run in channel order.
    fn apply<T: Real>(&self, x: &Planes<T>) -> Vec<T> {
        let (size, rows) = (x.size(), self.rows.len());
        let lead = x.count() / self.columns;
        let mut out = vec![T::zero(); lead * rows * size];
        let per_task = x.per_task();
        out.par_chunks_mut(per_task * size)
            .enumerate()
            .for_each(|(task, planes)| {
                for (i, plane) in planes.chunks_exact_mut(size).enumerate() {
                    let index = task * per_task + i;
                    let (start, weights) = &self.rows[index % rows];
                    let first = index / rows * self.columns + start;
                    for (offset, &weight) in weights.iter().enumerate() {
                        let weight = <T as candle_core::WithDType>::from_f64(weight);
                        x.for_each(first + offset, |h, w, value| {
                            plane[h * x.cols() + w] += weight * value;
                        });
                    }
                }
            });
        out
    }
}

struct Pool {
    matrix: Arc<Banded>,
    transposed: Arc<Banded>,
}

impl CustomOp1 for Pool {
    fn name(&self) -> &'static str {
        "adaptive-avg-pool-channels"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        fn run<T: Real>(
            matrix: &Banded,
            storage: &CpuStorage,
            layout: &Layout,
        ) -> CandleResult<CpuStorage> {
            let planes = Planes::new(T::cpu_storage_as_slice(storage)?, layout)?;
            Ok(T::to_cpu_storage_owned(matrix.apply(&planes)))
        }
        let storage = match storage {
            CpuStorage::F64(_) => run::<f64>(&self.matrix, storage, layout)?,
            _ => run::<f32>(&self.matrix, storage, layout)?,
        };
        let mut dims = layout.dims().to_vec();
        let at = dims.len() - 3;
        dims[at] = self.matrix.rows.len();
        Ok((storage, dims.into()))
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, grad: &Tensor) -> CandleResult<Option<Tensor>> {
        Ok(Some(grad.apply_op1(Pool {
            matrix: Arc::clone(&self.transposed),
            transposed: Arc::clone(&self.matrix),
        })?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_composed_path_agrees_with_the_kernel() -> Result<()> {
        let x = Tensor::arange(0f64, 2.0 * 10.0 * 6.0, &Device::Cpu)?
            .sin()?
            .reshape((2, 10, 2, 3))?;
        for channels in [1, 3, 4, 5, 7, 9, 13] {
            let fused = adaptive_avg_pool_channels(&x, channels)?;
            let composed = pool_by_matrix(&x, channels)?;
            assert_eq!(fused.dims(), composed.dims());
            let worst = (fused - composed)?.abs()?.max_all()?.to_scalar::<f64>()?;
            assert!(worst < 1e-14, "{channels} channels: {worst}");
        }
        Ok(())
    }

    #[test]
    fn transposing_twice_gives_the_matrix_back() {
        for (inputs, outputs) in [(10, 4), (4, 10), (7, 3), (6, 6), (5, 1), (64, 48)] {
            let matrix = Banded::pooling(inputs, outputs);
            assert_eq!(
                matrix.transposed().transposed(),
                matrix,
                "{inputs} to {outputs}"
            );
        }
    }
}
