//! Banded matrices along one axis, as a custom op whose gradient is the transposed matrix.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, Device, Layout, Result as CandleResult, Shape, Tensor};
use rayon::prelude::*;

use crate::Result;
use crate::constants::{Key, matrix};
use crate::planes::Planes;
use crate::pool::adaptive_bin;
use crate::real::Real;

/// The matrix of adaptive average pooling applied along axis `C` of `[..., C, H, W]`, differentiable
/// on any device: banded on the CPU, dense through candle's matrix product elsewhere.
pub(crate) fn pool(x: &Tensor, outputs: usize) -> Result<Tensor> {
    let inputs = x.dims()[x.rank() - 3];
    match x.device() {
        Device::Cpu => Ok(x.apply_op1(Apply {
            matrix: Arc::new(Banded::pooling(inputs, outputs)),
            transposed: Arc::new(Banded::pooling(inputs, outputs).transposed()),
        })?),
        _ => pool_by_matrix(x, outputs),
    }
}

/// The composed path: `[outputs, C]` times `[lead, C, H W]`.
fn pool_by_matrix(x: &Tensor, outputs: usize) -> Result<Tensor> {
    let mut dims = x.dims().to_vec();
    let at = dims.len() - 3;
    let (lead, inputs) = (dims[..at].iter().product::<usize>(), dims[at]);
    let key = Key {
        name: "pooling",
        sizes: [inputs, outputs],
        scale: 1.0,
        variant: 0,
    };
    let matrix = matrix(key, (outputs, inputs), x, || {
        Banded::pooling(inputs, outputs).to_dense()
    })?;
    let columns = x.reshape((lead, inputs, dims[at + 1] * dims[at + 2]))?;
    dims[at] = outputs;
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

struct Apply {
    matrix: Arc<Banded>,
    transposed: Arc<Banded>,
}

impl CustomOp1 for Apply {
    fn name(&self) -> &'static str {
        "adaptive-avg-pool"
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
        Ok(Some(grad.apply_op1(Apply {
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
            let fused = pool(&x, channels)?;
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
